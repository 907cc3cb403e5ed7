"""What do the longer pages show? Maps with their counts, decisions, the trail, a record's way.

Whoever is only a viewer sees persons as the report masks them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from migrate.console.reading import report
from migrate.errors import PlanError, UsageError
from migrate.ledger.tables import events
from migrate.ledger.validations import Waiver, expired, open_waivers
from migrate.workspace import Workspace

if TYPE_CHECKING:
    from migrate_rollback import HoldGroup
    from migrate_validators import Trace

    from migrate.cutover.conflicts import Conflicts
    from migrate.plan.maps import OwnerRow, PicklistRow

SHOWN = 300  # rows of a map on the page; the file has them all
PAGE = 50  # events on a page


@dataclass(frozen=True)
class MapFile:
    """A map beside the plan. `used`: where the plan names it; `rows`: at most SHOWN, undecided ones first.

    `undecided`: rows without a home; `held`: records that hold a value of these, as far as counts are known.
    """

    file: str
    kind: str  # picklist | owners | overrides
    used: tuple[str, ...]
    total: int
    undecided: int
    held: int
    rows: tuple[PicklistRow | OwnerRow, ...]
    wrong: str = ""


def maps(workspace: Workspace) -> list[MapFile]:
    """Every map that the plan names, as it is on disk now."""
    plan = workspace.plan
    used: dict[str, list[str]] = {}
    kinds: dict[str, str] = {}
    for keys, file in plan.files():
        used.setdefault(file, []).append(_where(workspace, keys))
        kinds[file] = {"picklist": "picklist", "owner": "owners"}.get(str(keys[-1]), "overrides")
    return [_map(workspace, file, kinds[file], tuple(dict.fromkeys(used[file]))) for file in sorted(used)]


def _where(workspace: Workspace, keys: Sequence[str | int]) -> str:
    if keys[0] == "objects":
        entry = workspace.plan.model.objects[int(keys[1])]
        return f"{entry.target}.{keys[3]}" if keys[2] == "fields" else f"links of {entry.target}"
    return str(keys[0])


def _map(workspace: Workspace, file: str, kind: str, used: tuple[str, ...]) -> MapFile:
    plan = workspace.plan
    try:
        if kind == "picklist":
            rows = plan.picklist(file).rows
            open_ = [row for row in rows if not row.target]
            ordered = sorted(rows, key=lambda row: (bool(row.target), -(row.count or 0)))
            held = sum(row.count or 0 for row in open_)
            return MapFile(file, kind, used, len(rows), len(open_), held, tuple(ordered[:SHOWN]))
        if kind == "owners":
            owners = plan.owners(file).rows
            nobody = sum(not row.target_email for row in owners)
            sorted_ = sorted(owners, key=lambda row: (bool(row.target_email), row.source_name))
            return MapFile(file, kind, used, len(owners), nobody, 0, tuple(sorted_[:SHOWN]))
        return MapFile(file, kind, used, len(plan.overrides), 0, 0, ())
    except PlanError as error:
        return MapFile(file, kind, used, 0, 0, 0, (), str(error))


@dataclass(frozen=True)
class Decisions:
    """What waits for a person, and what persons have decided.

    `groups`: differences of the last report, as report.json has them; `waivers`: that nobody took back, each
    with whether it has run out; `letters`: dead letters by object.
    """

    groups: tuple[Mapping[str, Any], ...]
    waivers: tuple[tuple[Waiver, bool], ...]
    holds: tuple[HoldGroup, ...]
    letters: tuple[tuple[str, int], ...]


def decisions(workspace: Workspace) -> Decisions:
    """Gather them; asks no system."""
    from migrate_rollback import holds

    document = report(workspace) or {}
    listed = (document.get("differences") or {}).get("groups", ())
    now = workspace.ledger.clock.now()
    from migrate.clock import stamp

    waivers = [(each, expired(each, stamp(now))) for each in open_waivers(workspace.ledger)]
    try:
        held = holds(workspace)
    except UsageError:  # nothing was rolled back
        held = ()
    return Decisions(tuple(listed), tuple(waivers), held, _letters(workspace))


def _letters(workspace: Workspace) -> tuple[tuple[str, int], ...]:
    from migrate.journal import REFUSED

    refused = REFUSED.format(journal=workspace.journal.source())
    attempt = workspace.ledger.attempt()
    rows = workspace.engine.rows(
        f"SELECT object, count(*) AS n FROM ({refused}) WHERE attempt = {attempt} GROUP BY ALL ORDER BY ALL"
    )
    return tuple((str(row["object"]), int(row["n"])) for row in rows)


MOST = 200  # conflicts on the page; `migrate cutover conflicts --out` writes them all


def conflicted(workspace: Workspace, *, masked: bool) -> Conflicts:
    """What was changed on the wrong side, with both values; asks no system.

    Args:
        masked: values of persons, and who changed them, are taken out.
    """
    from migrate.cutover.conflicts import conflicts

    found = conflicts(workspace, limit=MOST)
    if not masked:
        return found
    from migrate.console.masking import Mask

    mask = Mask.of(workspace)
    return replace(found, rows=tuple(mask.conflict(each) for each in found.rows))


@dataclass(frozen=True)
class TrailEvent:
    """An event as it stands in the trail. `facts`: in order of their names."""

    number: int
    at: str
    who: str
    what: str
    facts: tuple[tuple[str, str], ...]
    digest: str


@dataclass(frozen=True)
class TrailPage:
    """A page of the trail, newest first. `flaws`: what is wrong with the whole of it; none is good."""

    events: tuple[TrailEvent, ...]
    total: int
    page: int
    pages: int
    head: str
    flaws: tuple[str, ...]


def trail(workspace: Workspace, page: int) -> TrailPage:
    """One page, and whether the whole trail is what it was."""
    ledger = workspace.ledger
    total = int(ledger.value(sa.select(sa.func.count()).select_from(events)) or 0)
    pages = max(1, -(-total // PAGE))
    page = min(max(1, page), pages)
    query = sa.select(events).order_by(events.c.number.desc()).limit(PAGE).offset((page - 1) * PAGE)
    found = [
        TrailEvent(
            row.number, row.at, row.who, row.what,
            tuple((name, _short(value)) for name, value in sorted(json.loads(row.facts).items())),
            row.digest,
        )
        for row in ledger.read(query)
    ]  # fmt: skip
    newest = ledger.value(sa.select(events.c.digest).order_by(events.c.number.desc()).limit(1))
    return TrailPage(tuple(found), total, page, pages, str(newest or ""), tuple(verified(workspace)))


def verified(workspace: Workspace) -> list[str]:
    """What is wrong with the trail; none is good."""
    from migrate.cutover.trail import verify

    return verify(workspace)


def _short(value: Any) -> str:
    words = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return words if len(words) <= 200 else f"{words[:200]}…"


def way(workspace: Workspace, needle: str, *, masked: bool) -> Trace:
    """A record's way, by what a person has in hand.

    Args:
        masked: persons' names, addresses, numbers and long texts are taken out.

    Raises:
        UsageError: nothing has been extracted.
    """
    from migrate_validators import trace

    found = trace(workspace, needle)
    if not masked:
        return found
    from migrate.console.masking import Mask

    mask = Mask.of(workspace)
    return replace(found, ways=[mask.way(each) for each in found.ways])
