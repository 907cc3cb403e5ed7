"""Which rows are behind that figure, and how do both sides look, side by side?

By a check, a difference, a group of them, or a record. It reads the last report and asks no system.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from migrate.engine import parquet, text
from migrate.errors import Damaged, UsageError
from migrate_validators.keeping import shown
from migrate_validators.report import Report, last_written
from migrate_validators.triage import DIFFERENCES

if TYPE_CHECKING:
    from migrate.workspace import Workspace

_SIDES = ("expected", "found")
WIDTH = 44  # signs of a column of two that stand side by side


@dataclass(frozen=True)
class Shown:
    """Rows behind something. `total`: rows in all; `path`: the Parquet file with them; `beside`: as pairs."""

    check: str
    total: int
    path: str | None
    rows: tuple[dict[str, Any], ...]
    summary: str = ""
    beside: bool = False

    def document(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {"check": self.check, "summary": self.summary, "total": self.total, "path": self.path,
                "rows": list(self.rows)}  # fmt: skip

    def text(self) -> str:
        """For people."""
        lines = [f"{self.check}: {self.summary}" if self.summary else self.check]
        if self.rows:
            lines.append(_beside(self.rows) if self.beside else _aligned(self.rows))
        if self.total > len(self.rows):
            lines.append(f"{len(self.rows):,} of {self.total:,} rows; `--limit` shows more.")
        return "\n".join([*lines, *([f"All rows: {self.path}"] if self.path else [])])


def differences(
    workspace: Workspace, what: str | None = None, key: str | None = None, limit: int = 20
) -> Shown:
    """The rows behind something of the last report that was written; without a name, the checks with rows.

    Args:
        what: id of a check (`rows.Account`), a difference (`D-…`) or a group (`G-…`), or an entry.
        key: of a record (its migration key, or its id in either system): only its differences, side by side.

    Raises:
        UsageError: there is no report, or nothing of that name in it.
        Damaged: the report or its rows aren't what was written.
    """
    report = last_written(workspace)
    if what is None:
        found = tuple(
            {"check": each["id"], "verdict": each["verdict"], "rows": each["row_count"],
             "summary": each["summary"]}
            for each in report.results
            if each["row_count"]
        )  # fmt: skip
        return Shown("checks with rows", len(found), None, found[:limit], f"{report.verdict.value}")
    known = {each["id"]: each for each in report.results}
    if what in known and key is None:
        return _of_check(workspace, report, known[what], limit)
    entries = {each["object"] for each in report.results if each["object"]}
    if what in entries:
        return _listed(workspace, report, what, _record(what, key), limit)
    if what[:2].upper() in ("D-", "G-"):
        name = "difference" if what[:2].upper() == "D-" else '"group"'
        return _listed(workspace, report, what.upper(), f"{name} = {text(what.upper())}", limit)
    raise UsageError(
        f"The last report knows no check, difference, group or entry `{what}`.",
        f"Its checks are {', '.join(known)}; its entries {', '.join(sorted(entries))}.",
    )


def _of_check(workspace: Workspace, report: Report, result: dict[str, Any], limit: int) -> Shown:
    if not result["rows"]:
        return Shown(result["id"], 0, None, (), result["summary"])
    rows = _read(workspace, report, result["rows"], "true", limit)
    place = report.storage.address(result["rows"])
    return Shown(result["id"], int(result["row_count"]), place, rows, result["summary"])


def _record(entry: str, key: str | None) -> str:
    """A condition: a difference of an entry, and of one record where one is named."""
    of = f"object = {text(entry)}"
    if key is None:
        return of
    return f"{of} AND (key = {text(key)} OR ends_with(key, {text('.' + key)}) OR id = {text(key)})"


def _listed(workspace: Workspace, report: Report, name: str, where: str, limit: int) -> Shown:
    if not report.document()["differences"]["total"]:
        return Shown(name, 0, None, (), "no difference")
    rows = _read(workspace, report, DIFFERENCES, where, limit)
    path = str(report.storage.local(DIFFERENCES))
    count = int(workspace.engine.rows(f"SELECT count(*) AS n FROM {parquet([path])} WHERE {where}")[0]["n"])
    said = f"{count:,} difference{'' if count == 1 else 's'}" if count else "no difference"
    return Shown(name, count, report.storage.address(DIFFERENCES), rows, said, beside=True)


def _read(
    workspace: Workspace, report: Report, name: str, where: str, limit: int
) -> tuple[dict[str, Any], ...]:
    if report.storage.find(name) is None:
        raise Damaged(report.storage.address(name), "is missing", "Run `migrate validate` again.")
    path = str(report.storage.local(name))
    return tuple(
        {column: shown(value) for column, value in row.items()}
        for row in workspace.engine.rows(
            f"SELECT * FROM {parquet([path])} WHERE {where} LIMIT {max(int(limit), 0)}"
        )
    )


def _beside(rows: Sequence[dict[str, Any]]) -> str:
    """Differences one after the other, each with both sides in two columns."""
    lines = []
    for row in rows:
        record = row["key"] or row["id"] or ""
        head = f"{row['difference']}  {row['object']} {record}  {row['field'] or '(the record)'}"
        lines += ["", f"{head}  {row['class']}, {row['state']}"]
        left, right = (_wrapped(row[side]) for side in _SIDES)
        lines.append(f"    {'expected':<{WIDTH}}  in the target")
        for index in range(max(len(left), len(right))):
            old = left[index] if index < len(left) else ""
            new = right[index] if index < len(right) else ""
            lines.append(f"    {old:<{WIDTH}}  {new}".rstrip())
    return "\n".join(lines[1:])


def _wrapped(value: Any, most: int = 12) -> list[str]:
    """A value in lines of a column's width; of a long one its beginning."""
    if value is None:
        return ["(empty)"]
    said = str(value).replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")
    pieces = [line[at : at + WIDTH] for line in said.split("\n") for at in range(0, max(len(line), 1), WIDTH)]
    return pieces if len(pieces) <= most else [*pieces[: most - 1], f"… {len(said):,} signs"]


def _aligned(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as columns of text."""
    names = list(rows[0])
    cells = [names, *([_cell(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(names))]
    return "\n".join(
        "  ".join(f"{c:<{w}}" for c, w in zip(line, widths, strict=True)).rstrip() for line in cells
    )


def _cell(value: Any) -> str:
    told = "" if value is None else str(value).replace("\n", " ")
    return told if len(told) <= 60 else told[:59] + "…"
