"""Did validation find what was planted, in its class and at its record, and nothing else?

Reads what a person would: the Parquet files of the last report. The names of the classes are written down
here a second time, as the published matrix has them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.proofs.seeded import KINDS, Planted

CLASSES: Mapping[str, tuple[str, ...]] = {
    "record missing": ("missing",),
    "record extra": ("extra",),
    "record twin": ("twin",),
    "value changed": ("changed",),
    "value emptied": ("emptied",),
    "value truncated": ("truncated",),
    "case changed": ("case changed",),
    "white space added": ("white space",),
    "time shifted by hours": ("time shifted by hours",),
    "date by a day": ("date shifted",),
    "money by a cent": ("amount changed",),
    "currency swapped": ("currency swapped",),
    "picklist value swapped": ("option swapped",),
    "encoding damaged": ("encoding damaged",),
    "owner swapped": ("owner swapped",),
    "parent swapped": ("parent swapped",),
    "link lost": ("link lost",),
    "label lost": ("label lost",),
    "file damaged or lost": ("file damaged", "file lost"),
    "opt-out lost": ("opt-out lost",),
}
# What each check is there for; its recall is measured over these. A check beside may see more.
MEANT: Mapping[str, frozenset[str]] = {
    "counts": frozenset({"record missing", "record extra"}),
    "rows": frozenset({
        "record missing", "record extra", "value changed", "value emptied", "value truncated", "case changed",
        "white space added", "time shifted by hours", "date by a day", "money by a cent", "currency swapped",
        "picklist value swapped", "encoding damaged", "owner swapped",
    }),
    "sums": frozenset({"money by a cent"}),
    "money": frozenset({"currency swapped"}),
    "links": frozenset({"parent swapped", "link lost", "label lost"}),
    "files": frozenset({"file damaged or lost"}),
    "strays": frozenset({"record twin", "record extra"}),
    "untouched": frozenset(),  # all that is done to unmapped properties, whatever it is
    "consent": frozenset({"opt-out lost"}),
}  # fmt: skip


GROUPED = ("count differs", "sum differs")  # of whole groups: they name no record that could be at fault


@dataclass
class Judged:
    """`matrix`: kind -> check -> how many planted ones it lists in their class. `told`: what was not so."""

    planted: int = 0
    found: int = 0
    unmapped: int = 0
    linked: int = 0  # mapped links and files
    matrix: dict[str, dict[str, int]] = field(default_factory=dict)
    recall: dict[str, tuple[int, int]] = field(default_factory=dict)  # by check: found, meant
    precision: dict[str, tuple[int, int]] = field(default_factory=dict)  # by check: right, listed as failing
    by_kind: dict[str, int] = field(default_factory=dict)
    grouped: int = 0  # rows about groups
    told: list[str] = field(default_factory=list)
    false: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Every one found, in its class, at its record; nothing else said to be wrong."""
        return self.found == self.planted > 0 and not self.told and not self.false

    def table(self) -> list[str]:
        """The matrix as lines of Markdown, with precision and recall of each check below."""
        checks = sorted({check for row in self.matrix.values() for check in row if check} | {*self.precision})
        lines = [f"| planted | n | found | {' | '.join(checks)} |", f"|---|---:|---:|{'---:|' * len(checks)}"]
        for kind in KINDS:
            row = self.matrix.get(kind, {})
            n = self.by_kind.get(kind, 0)
            cells = " | ".join(str(row[check]) if row.get(check) else "" for check in checks)
            lines.append(f"| {kind} | {n} | {row.get('', 0)} | {cells} |")
        for name, part in (("recall", self.recall), ("precision", self.precision)):
            cells = " | ".join(_share(part.get(check)) for check in checks)
            lines.append(f"| **{name}** | | | {cells} |")
        return [line.replace("|  |", "| |") for line in lines]


def _share(pair: tuple[int, int] | None) -> str:
    return f"{pair[0]}/{pair[1]}" if pair and pair[1] else ""


def rows_of(report: Path, name: str = "rows/differences.parquet") -> list[dict[str, Any]]:
    """The rows of one of a report's files; empty where it has none."""
    path = report / name
    return pq.read_table(path).to_pylist() if path.exists() else []


def judge(report: Path, planted: Sequence[Planted]) -> Judged:
    """Hold the planted ones against the report's rows."""
    all_rows = rows_of(report)
    by_record: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in all_rows:
        for name in {row["key"], row["id"]} - {None, ""}:
            by_record[str(name)].append(row)
    done = Judged(planted=len(planted))
    for one in planted:
        done.by_kind[one.kind] = done.by_kind.get(one.kind, 0) + 1
        done.unmapped += one.unmapped
        done.linked += one.kind in ("parent swapped", "link lost", "label lost", "file damaged or lost")
        near = {id(row): row for name in (one.id, one.key) if name for row in by_record.get(name, ())}
        good = [row for row in near.values() if _fits(one, row)]
        if good:
            done.found += 1
            cells = done.matrix.setdefault(one.kind, {})
            cells[""] = cells.get("", 0) + 1
            for check in {check for row in good for check in row["checks"]}:
                cells[check] = cells.get(check, 0) + 1
        else:
            seen = [f"{row['class']} {row['field']} {row['found']!r}" for row in near.values()]
            done.told.append(
                f"{one.kind}: {one.object} {one.id} {one.field} {one.detail}; listed: {seen}"[:400]
            )
        for check, kinds in MEANT.items():
            if (check == "untouched") if one.unmapped else (one.kind in kinds):
                right, meant = done.recall.get(check, (0, 0))
                hit = any(check in row["checks"] for row in good)
                done.recall[check] = (right + hit, meant + 1)
    _false(done, all_rows, planted)
    return done


def _fits(one: Planted, row: Mapping[str, Any]) -> bool:
    """A row says this: its class, its record, and the field or the far end."""
    wanted = CLASSES[one.kind]
    if one.kind == "file damaged or lost":
        wanted = (f"file {one.detail}",)
    if row["class"] not in wanted or row["grade"] != "fail":
        return False
    if one.key and row["key"] not in (None, one.key):
        return False
    said = str(row["field"] or "")
    if one.kind in ("parent swapped", "link lost", "label lost"):
        return one.field in said
    if one.kind == "opt-out lost":
        return one.field.lower() in said.lower()
    return not one.field or said == one.field


def _false(done: Judged, rows: Sequence[Mapping[str, Any]], planted: Sequence[Planted]) -> None:
    """Rows that say something is wrong where nothing was planted, neither at a record nor at its far end."""
    names = {name for one in planted for name in (one.id, one.key, one.detail.partition(" ")[2]) if name}
    names |= {part for one in planted for part in one.detail.split() if part.isdigit() and len(part) > 5}
    for row in rows:
        if row["grade"] != "fail":
            continue
        if row["class"] in GROUPED:
            done.grouped += 1
            continue
        at = {row["key"], row["id"]}
        far = " ".join(str(row[name] or "") for name in ("field", "expected", "found"))
        words = set(far.replace("[", " ").replace("]", " ").replace(",", " ").split())
        right = bool(at & names) or bool(words & names)
        for check in row["checks"]:
            good, listed = done.precision.get(check, (0, 0))
            done.precision[check] = (good + right, listed + 1)
        if not right:
            done.false.append(f"{row['checks']} {row['class']} {row['key']} {row['field']}: "
                              f"{row['expected']!r} {row['found']!r}"[:300])  # fmt: skip
