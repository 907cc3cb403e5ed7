"""What do the CSV files beside a plan say: picklist maps, the owner map, overrides?

They are edited in spreadsheets, so a byte-order mark and semicolons are taken as they come; all else
is read strictly, and a mistake names file and line. Nothing is guessed.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from migrate.errors import PlanError, PlanMistake, Position
from migrate.plan.expressions import suggest

PICKLIST_COLUMNS = ("source", "count", "target", "note")
EXAMPLES = "examples"  # a further column of a picklist map, which it may lack
OWNER_COLUMNS = ("source_id", "source_email", "source_name", "active", "target_email", "note")
OVERRIDE_COLUMNS = ("key", "field", "old", "new", "who", "why")

NOTHING = "(nothing)"  # a picklist target that means: leave the field empty, on purpose

_KEY = re.compile(r"^[A-Za-z0-9_~-]+(\.[A-Za-z0-9_~-]+){2,}$")


@dataclass(frozen=True)
class PicklistRow:
    """One source value. `target`: an option's value or label; "" where nobody has decided yet.

    `examples`: ids of source records that hold the value, for people.
    """

    source: str
    count: int | None
    target: str
    note: str
    at: Position
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class PicklistMap:
    """A picklist map as written. Columns: source, count, target, note; and perhaps examples."""

    file: str
    rows: tuple[PicklistRow, ...]

    @cached_property
    def home(self) -> Mapping[str, str | None]:
        """Target (as written) by source value.

        None: left empty on purpose (`(nothing)`). A row without a target has no home and isn't here.
        """
        return {row.source: None if row.target == NOTHING else row.target for row in self.rows if row.target}


@dataclass(frozen=True)
class OwnerRow:
    """One owner of the source. `target_email`: "" where nobody takes over."""

    source_id: str
    source_email: str
    source_name: str
    active: bool
    target_email: str
    note: str
    at: Position


@dataclass(frozen=True)
class OwnerMap:
    """The owner map as written."""

    file: str
    rows: tuple[OwnerRow, ...]

    @cached_property
    def home(self) -> Mapping[str, str]:
        """The target owner's e-mail (lower case) by source id; owners without one aren't here."""
        return {row.source_id: row.target_email.lower() for row in self.rows if row.target_email}

    @cached_property
    def inactive(self) -> frozenset[str]:
        """Source ids of the owners who have left."""
        return frozenset(row.source_id for row in self.rows if not row.active)

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Names by source id."""
        return {row.source_id: row.source_name for row in self.rows}


@dataclass(frozen=True)
class Override:
    """A correction by the business: this field of this record gets `new`. Texts as in the CSV; "" is null."""

    key: str
    field: str
    old: str
    new: str
    who: str
    why: str
    at: Position


def read_picklist(path: Path) -> PicklistMap:
    """Read a picklist map.

    Raises:
        PlanError: every row that can't be taken as it is, with its line.
    """
    mistakes: list[PlanMistake] = []
    rows: list[PicklistRow] = []
    first: dict[str, int] = {}
    for at, cells in _read(path, PICKLIST_COLUMNS, mistakes, further=(EXAMPLES,)):
        source, count, target, note, examples = cells
        if source == "":
            mistakes.append(
                PlanMistake(at, "The row has no source value.", "Remove the row; null stays null.")
            )
            continue
        if source in first:
            mistakes.append(
                PlanMistake(
                    at, f"`{source}` stands twice; it is already on line {first[source]}.", "Remove one."
                )
            )
            continue
        first[source] = at.line
        digits = count.strip().replace(",", "")
        if digits and not digits.isdecimal():
            mistakes.append(PlanMistake(at, f"The count `{count}` isn't a whole number.", "Leave it empty."))
            continue
        number = int(digits) if digits else None
        rows.append(PicklistRow(source, number, target.strip(), note, at, tuple(examples.split())))
    if mistakes:
        raise PlanError(mistakes)
    return PicklistMap(str(path), tuple(rows))


def read_owners(path: Path) -> OwnerMap:
    """Read the owner map.

    Raises:
        PlanError: every row that can't be taken as it is, with its line.
    """
    mistakes: list[PlanMistake] = []
    rows: list[OwnerRow] = []
    first: dict[str, int] = {}
    for at, cells in _read(path, OWNER_COLUMNS, mistakes):
        source_id, source_email, name, active, target_email, note = (cell.strip() for cell in cells)
        if not source_id:
            mistakes.append(
                PlanMistake(at, "The row has no source_id.", "Remove the row or give the owner's id.")
            )
        elif source_id in first:
            line = first[source_id]
            mistakes.append(
                PlanMistake(
                    at, f"Owner `{source_id}` stands twice; it is already on line {line}.", "Remove one."
                )
            )
        elif active.lower() not in ("true", "false"):
            mistakes.append(PlanMistake(at, f"`active` is `{active}`.", "Write `true` or `false`."))
        elif target_email and "@" not in target_email:
            mistakes.append(
                PlanMistake(
                    at, f"`{target_email}` isn't an e-mail address.", "Owners are mapped by e-mail address."
                )
            )
        else:
            rows.append(
                OwnerRow(source_id, source_email, name, active.lower() == "true", target_email, note, at)
            )
        first.setdefault(source_id, at.line)
    if mistakes:
        raise PlanError(mistakes)
    return OwnerMap(str(path), tuple(rows))


def read_overrides(path: Path) -> tuple[Override, ...]:
    """Read the overrides.

    Raises:
        PlanError: every row that can't be taken as it is, with its line.
    """
    mistakes: list[PlanMistake] = []
    rows: list[Override] = []
    first: dict[tuple[str, str], int] = {}
    for at, cells in _read(path, OVERRIDE_COLUMNS, mistakes):
        key, field, old, new, who, why = cells
        key, field = key.strip(), field.strip()
        if not _KEY.match(key):
            mistakes.append(
                PlanMistake(at, f"`{key}` isn't a migration key.", "It has the form `family.Object.id`.")
            )
        elif (key, field) in first:
            line = first[key, field]
            mistakes.append(
                PlanMistake(
                    at, f"`{field}` of `{key}` stands twice; it is already on line {line}.", "Remove one."
                )
            )
        elif not field or not who.strip() or not why.strip():
            missing = next(n for n, v in (("field", field), ("who", who), ("why", why)) if not v.strip())
            mistakes.append(
                PlanMistake(
                    at,
                    f"The override has no `{missing}`.",
                    "Every override has a field, a name and a reason.",
                )
            )
        else:
            rows.append(Override(key, field, old, new, who.strip(), why.strip(), at))
        first.setdefault((key, field), at.line)
    if mistakes:
        raise PlanError(mistakes)
    return tuple(rows)


def write_csv(columns: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    """A CSV text as these readers take it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue()


def refreshed_picklist(
    path: Path, seen: Mapping[str, tuple[int, Sequence[str]]], added: Sequence[Sequence[object]]
) -> str:
    """A picklist map with new counts and examples; everything else is as people and spreadsheets left it.

    Order of rows and columns, homes, notes, separator, byte-order mark and line ends stay.

    Args:
        path: a map that `read_picklist` takes.
        seen: records that hold each value, and ids of some of them; a value that isn't there has none.
        added: rows to append, in the order of `PICKLIST_COLUMNS` and `EXAMPLES`.
    """
    content = path.read_bytes().decode()
    mark, content = ("\ufeff", content[1:]) if content.startswith("\ufeff") else ("", content)
    head = content.split("\n", 1)[0]
    separator = ";" if ";" in head else ","
    rows = list(csv.reader(io.StringIO(content, newline=""), strict=True, delimiter=separator))
    header = [*rows[0]]
    names = [name.strip().lower() for name in header]
    if EXAMPLES not in names:
        header, names = [*header, EXAMPLES], [*names, EXAMPLES]
    places = [names.index(name) for name in (*PICKLIST_COLUMNS, EXAMPLES)]
    source, count, _, _, examples = places
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\r\n" if head.endswith("\r") else "\n")
    writer.writerow(header)
    for row in rows[1:]:
        if any(cell.strip() for cell in row):
            cells = [*row, *[""] * (len(header) - len(row))]
            number, ids = seen.get(cells[source], (0, ()))
            cells[count], cells[examples] = str(number), " ".join(ids)
            writer.writerow(cells)
        else:
            writer.writerow(row)
    for each in added:
        writer.writerow([each[places.index(index)] for index in range(len(header))])
    return mark + out.getvalue()


def _read(
    path: Path, columns: tuple[str, ...], mistakes: list[PlanMistake], further: tuple[str, ...] = ()
) -> Iterator[tuple[Position, list[str]]]:
    """Rows with the position of their first line, in the order of `columns`.

    Args:
        further: columns that may be absent, and then are empty.
    """
    file = str(path)
    try:
        content = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        mistakes.append(
            PlanMistake(
                Position(file), f"The file isn't UTF-8 (byte {error.start:,}).", "Save it as `CSV UTF-8`."
            )
        )
        return
    except OSError as error:
        why = (
            "There is no such file"
            if isinstance(error, FileNotFoundError)
            else f"It can't be read ({error.strerror})"
        )
        mistakes.append(
            PlanMistake(Position(file), f"{why}.", f"It is a CSV file with the columns {','.join(columns)}.")
        )
        return
    head = content.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(content, newline=""), strict=True, delimiter=";" if ";" in head else ",")
    line = 1
    order: list[int] = []
    try:
        for cells in reader:
            at, line = Position(file, line, 1), reader.line_num + 1
            if not order:
                found = [cell.strip().lower() for cell in cells]
                there = (*columns, *(name for name in further if name in found))
                order = _header(at, found, there, mistakes)
                if not order:
                    return
            elif any(cell.strip() for cell in cells):
                if len(cells) != len(order):
                    mistakes.append(
                        PlanMistake(
                            at,
                            f"The row has {len(cells)} cells; {len(order)} are expected.",
                            "A value with a comma in it goes in double quotes.",
                        )
                    )
                else:
                    yield (
                        at,
                        [cells[index] for index in order] + [""] * (len(columns) + len(further) - len(order)),
                    )
    except csv.Error as error:
        mistakes.append(
            PlanMistake(Position(file, line, 1), f"This isn't CSV: {error}.", "Check the quotes.")
        )
        return
    if not order:
        mistakes.append(
            PlanMistake(Position(file), "The file is empty.", f"Its first line is {','.join(columns)}.")
        )


def _header(
    at: Position, found: list[str], columns: tuple[str, ...], mistakes: list[PlanMistake]
) -> list[int]:
    if sorted(found) == sorted(columns):
        return [found.index(name) for name in columns]
    strange = next((name for name in found if name not in columns), None)
    missing = next((name for name in columns if name not in found), None)
    if strange is not None and missing is None:
        what, remedy = (
            f"`{strange}` isn't a column of this file.",
            suggest(strange, columns, "Its columns are"),
        )
    else:
        what = f"The column `{missing}` is missing." if missing else "A column stands twice."
        remedy = f"The first line must be {','.join(columns)}."
    mistakes.append(PlanMistake(at, what, remedy))
    return []
