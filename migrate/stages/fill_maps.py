"""How many records hold each value that a picklist map names, and which are three of them?

Counted by the engine over the extract, as for `check`. `init` knows the values only by the catalog; here the
maps get what the records say. What people wrote stays: rows, homes, notes, and how their spreadsheet saves.
A value is added only where the plan leaves it without a home: a default is one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from migrate.catalog import Option
from migrate.errors import UsageError
from migrate.plan.guess_maps import picklist_rows
from migrate.plan.maps import read_picklist, refreshed_picklist
from migrate.plan.needs import expected
from migrate.stages.count import MOST_EXAMPLES, Sampled, sample_values
from migrate.stages.mapped import Read, reads
from migrate.stages.pipeline import extracted, source_objects
from migrate.workspace import Workspace

COVERED = ("default", "all")  # rules by which a value that no map names has its home all the same


@dataclass(frozen=True)
class FilledMap:
    """One map. `values`: its rows; `added`: those it lacked; `open`: values that nobody has decided on."""

    file: str
    outcome: str  # written, would be written, unchanged
    values: int
    added: int
    open: int


def fill_maps(workspace: Workspace, *, dry_run: bool = False) -> list[FilledMap]:
    """Fill every picklist map whose objects have been extracted.

    Raises:
        PlanError: the plan, or a map, can't be read.
        UsageError: nothing has been extracted.
        Overtaken: somebody has changed a map on S3 meanwhile.
    """
    plan = workspace.plan
    files = extracted(workspace, source_objects(plan)).files
    if not any(files.values()):
        raise UsageError("Nothing has been extracted: there is nothing to count.", "Run `migrate extract`.")
    sampled = sample_values(plan, workspace.catalog("source"), files, workspace.engine)
    by_file: dict[str, list[Read]] = {}
    for read in reads(plan):
        if (read.through.name, read.through.text) in sampled:
            by_file.setdefault(read.file, []).append(read)
    return [
        _fill(
            workspace,
            file,
            _together(sampled, found),
            _together(sampled, [read for read in found if read.rule not in COVERED]),
            _options(workspace, found),
            dry_run=dry_run,
        )
        for file, found in by_file.items()
    ]


def _together(
    sampled: Mapping[tuple[str, str], Mapping[str, Sampled]], found: Sequence[Read]
) -> dict[str, Sampled]:
    """What several expressions that share a map hold, most first."""
    counts: Counter[str] = Counter()
    ids: dict[str, list[str]] = {}
    for key in dict.fromkeys((read.through.name, read.through.text) for read in found):
        for value, each in sampled[key].items():
            counts[value] += each.count
            ids.setdefault(value, []).extend(each.ids)
    return {
        value: Sampled(number, tuple(dict.fromkeys(ids[value]))[:MOST_EXAMPLES])
        for value, number in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    }


def _options(workspace: Workspace, found: Sequence[Read]) -> Sequence[Option]:
    """Of the first target field that the map fills; none for labels and subscriptions."""
    objects = expected(workspace.plan, workspace.catalog("target")).objects
    for read in found:
        if read.fills and read.fills[0] in objects and read.fills[1] in objects[read.fills[0]].fields:
            return objects[read.fills[0]].fields[read.fills[1]].options
    return ()


def _fill(
    workspace: Workspace,
    file: str,
    sampled: Mapping[str, Sampled],
    undecided: Mapping[str, Sampled],
    options: Sequence[Option],
    *,
    dry_run: bool,
) -> FilledMap:
    """Fill one map.

    Args:
        sampled: what every expression that reads it holds.
        undecided: what those hold that have no rule for a value which the map doesn't name.
    """
    path = workspace.plan.beside(file)
    there = read_picklist(path)
    known = {row.source for row in there.rows}
    new = {value: each.count for value, each in undecided.items() if value not in known}
    added = picklist_rows(new, options, examples={value: each.ids for value, each in sampled.items()})
    seen = {value: (each.count, each.ids) for value, each in sampled.items()}
    content = refreshed_picklist(path, seen, added).encode()
    outcome = "unchanged"
    if content != path.read_bytes():
        outcome = "would be written" if dry_run else "written"
        if not dry_run:
            workspace.place.keep(path, content)
    homes = set(there.home) | {str(row[0]) for row in added if row[2]}
    left = sum(value not in homes for value in undecided)
    return FilledMap(file, outcome, len(there.rows) + len(added), len(added), left)
