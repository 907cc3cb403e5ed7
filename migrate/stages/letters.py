"""What did the target refuse, and how does it come back mended? Dead letters.

A dead letter is a journal entry that nothing later has mended. A replay transforms again (so that
overrides and mended maps take effect) and sends the newest staged version of each key, never the
one that was refused if a delta has brought a newer one.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from migrate.errors import PlanError, PlanMistake, Position, UsageError
from migrate.journal import REFUSED
from migrate.load import LinkProtocol, Loading
from migrate.load.canary import Canaries
from migrate.load.consent import open_table
from migrate.load.context import Progress, Tally, no_progress
from migrate.load.cutting import Cutter
from migrate.load.homes import away
from migrate.load.link_work import LinkCutter
from migrate.load.switches import quiet
from migrate.load.work import RecordWork, crosswalk_table
from migrate.plan.keys import entry_of, entry_sql
from migrate.plan.maps import OVERRIDE_COLUMNS, read_overrides
from migrate.plan.models import ObjectPlan
from migrate.stages import checkpoint
from migrate.stages.admitting import must_be_open, no_repair_in_doubt, waves_of
from migrate.stages.load import Loaded, load, protocol_for
from migrate.stages.old_links import addresses_for
from migrate.stages.pipeline import alone, transform
from migrate.storage import write_aside
from migrate.workspace import Workspace

_FORMULA = ("=", "+", "-", "@", "\t", "'")  # how a text begins that a spreadsheet would change


@dataclass(frozen=True)
class Group:
    """Dead letters of one object with one reason. `keys`: the first of them, as many as were asked for."""

    object: str
    kind: str
    outcome: str
    reason: str
    count: int
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Letter:
    """One dead letter. `values`: the newest staged row of the key."""

    key: str
    object: str
    outcome: str
    reason: str
    values: dict[str, str | None]


def _refused(workspace: Workspace) -> str:
    return REFUSED.format(journal=workspace.journal.source())


def grouped(workspace: Workspace, limit: int) -> list[Group]:
    """Dead letters by object and the reason's first words, most first.

    Args:
        limit: most keys of a group.
    """
    rows = workspace.engine.rows(
        f"""SELECT object, kind, outcome, left(reason, 160) AS reason, count(*) AS n,
          min(key, {limit}) AS keys
        FROM ({_refused(workspace)}) WHERE attempt = {workspace.ledger.attempt()}
        GROUP BY ALL ORDER BY n DESC, object, reason"""
    )
    return [
        Group(r["object"], r["kind"], r["outcome"], r["reason"], int(r["n"]), tuple(r["keys"])) for r in rows
    ]


def letter(workspace: Workspace, key: str) -> Letter:
    """One dead letter.

    Raises:
        UsageError: there is none with this key.
    """
    quoted = key.replace("'", "''")
    rows = workspace.engine.rows(f"SELECT * FROM ({_refused(workspace)}) WHERE key = '{quoted}'")
    if not rows:
        raise UsageError(f"No dead letter has the key `{key}`.", "Run `migrate dead-letters list`.")
    row = rows[0]
    return Letter(key, row["object"], row["outcome"], row["reason"], _newest(workspace, key))


def _newest(workspace: Workspace, key: str) -> dict[str, str | None]:
    """The newest staged row of a record's key, as text; empty for a link."""
    store, entry = workspace.store, entry_of(key)
    files = (
        [name for manifest in reversed(store.manifests("ready", entry)) for name in store.files(manifest)]
        if entry and ">" not in key
        else []
    )
    quoted = key.replace("'", "''")
    for path in files:
        rows = workspace.engine.rows(f"SELECT * FROM read_parquet({path!r}) WHERE _key = '{quoted}'")
        if rows:
            return {
                name: None if value is None else str(value)
                for name, value in rows[0].items()
                if not name.startswith("_")
            }
    return {}


def export(workspace: Workspace, file: Path) -> int:
    """Write a CSV to fill in: one row for each field of each refused record that an override may change.

    Returns:
        The rows.
    """
    mapped = _mapped(workspace)
    rows = workspace.engine.rows(
        f"""SELECT key FROM ({_refused(workspace)})
        WHERE kind = 'record' AND attempt = {workspace.ledger.attempt()} ORDER BY key"""
    )
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*OVERRIDE_COLUMNS, "reason"])
    count = 0
    for row in rows:
        found = letter(workspace, row["key"])
        for name, value in found.values.items():
            if name not in mapped.get(entry_of(found.key), ()):
                continue
            writer.writerow([found.key, name, _safe(value or ""), "", "", "", _safe(found.reason)])
            count += 1
    write_aside(file, out.getvalue().encode("utf-8-sig"))
    return count


def _mapped(workspace: Workspace) -> dict[str, list[str]]:
    """The target fields that an override may change, by entry."""
    return {each.name: list(each.fields) for each in workspace.plan.model.objects}


def _safe(value: str) -> str:
    """Text that a spreadsheet won't run as a formula."""
    return f"'{value}" if value[:1] in _FORMULA else value


def _plain(value: str) -> str:
    """What `_safe` was given; an apostrophe that belongs to a name (`'t Hart`) stays."""
    return value[1:] if value[:1] == "'" and value[1:2] in _FORMULA else value


def take_in(workspace: Workspace, file: Path) -> tuple[int, str]:
    """Add filled-in rows to the plan's overrides; returns how many, and where they are.

    Raises:
        PlanError: a row is wrong; names the line. Nothing is taken.
        UsageError: the plan names no overrides file.
    """
    name = workspace.plan.model.overrides
    if name is None:
        raise UsageError("The plan has no `overrides`.", "Add `overrides: overrides.csv` to plan.yaml.")
    given, mapped = _rows_of(file), _mapped(workspace)
    fresh: list[list[str]] = []
    mistakes: list[PlanMistake] = []
    for number, row in enumerate(given, start=2):
        if not (row.get("new") or "").strip():
            continue
        if not (row.get("who") or "").strip() or not (row.get("why") or "").strip():
            mistakes.append(
                PlanMistake(
                    Position(str(file), number, 1), "`who` and `why` are empty", "Say who decided, and why."
                )
            )
        object, field = entry_of(row.get("key") or ""), row.get("field") or ""
        if field not in mapped.get(object, ()):
            mistakes.append(
                PlanMistake(
                    Position(str(file), number, 1),
                    f"`{field}` isn't mapped for `{object}`" if object else "`key` is no migration key",
                    "Only fields of the plan's `fields` can be overridden; empty `new` in this row.",
                )
            )
        fresh.append([_plain(row.get(column) or "") for column in OVERRIDE_COLUMNS])
    if mistakes:
        raise PlanError(mistakes)
    path = workspace.root / name
    lines = [list(OVERRIDE_COLUMNS)]
    if path.exists():
        lines += [[o.key, o.field, o.old or "", o.new or "", o.who, o.why] for o in read_overrides(path)]
    known = {tuple(line[:2]) for line in fresh}
    lines = [line for line in lines if tuple(line[:2]) not in known] + fresh
    out = io.StringIO()
    csv.writer(out).writerows(lines)
    workspace.place.keep(path, out.getvalue().encode())
    return len(fresh), workspace.place.shown(path)


def _rows_of(file: Path) -> list[dict[str, str | None]]:
    """Rows of a filled-in file; a spreadsheet may have put semicolons for commas.

    Raises:
        PlanError: it isn't UTF-8, or a column is missing.
    """
    try:
        content = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        mistake = PlanMistake(
            Position(str(file)), f"The file isn't UTF-8 (byte {error.start:,}).", "Save it as `CSV UTF-8`."
        )
        raise PlanError([mistake]) from error
    head = content.split("\n", 1)[0]
    reader = csv.DictReader(
        io.StringIO(content, newline=""), delimiter=";" if ";" in head and "," not in head else ","
    )
    if missing := [column for column in OVERRIDE_COLUMNS if column not in (reader.fieldnames or ())]:
        mistake = PlanMistake(
            Position(str(file), 1, 1),
            f"The column `{missing[0]}` is missing.",
            f"The first line must name {', '.join(OVERRIDE_COLUMNS)}.",
        )
        raise PlanError([mistake])
    return list(reader)


def replay(workspace: Workspace, *, progress: Progress = no_progress) -> Loaded:
    """Transform again, load what is new, then send what is still refused, in its newest version.

    Returns:
        What all of that did, and what the end of it left.
    """
    transform(workspace, progress)
    first = load(workspace, progress=progress)
    again = _resend(workspace, progress)
    last = load(workspace, progress=progress)
    for name, tally in last.objects.items():
        tally.update(first.objects.get(name, {}))
        tally.update(again.get(name, {}))
    for name, tally in last.links.items():
        tally.update(first.links.get(name, {}))
        tally.update(again.get(name, {}))
    return last


def _alone(loading: Loading, found: dict[str, Tally], plan: ObjectPlan, work: RecordWork) -> Tally:
    """Carry a canary."""
    tally = protocol_for(loading, plan).run(work)
    found.setdefault(plan.name, Counter()).update(tally)
    return tally


def _resend(workspace: Workspace, progress: Progress) -> dict[str, Tally]:
    found: dict[str, Tally] = {}
    attempt = workspace.ledger.attempt()
    with (
        alone(workspace, "ready", with_others=True),
        closing(workspace.target()) as target,
        Loading(workspace, target, workspace.guarded(), attempt, "replay", progress) as loading,
        ExitStack() as stack,
    ):
        must_be_open(workspace, attempt)
        no_repair_in_doubt(workspace)
        stack.enter_context(quiet(loading))
        if point := checkpoint.of_attempt(workspace.ledger, attempt):
            loading.baseline = checkpoint.files(workspace, point)
        open_table(loading)
        crosswalk_table(loading)
        plan = waves_of(workspace)
        loading.later, loading.addresses = plan.waiting, addresses_for(loading)
        loading.away = away(workspace)
        canaries = Canaries(loading, plan.order, partial(_alone, loading, found))
        for each in plan.order:
            keys = _keys(workspace, each.name, attempt)
            if keys:
                works = Cutter(loading, each).replay(list(keys), [key for key, gone in keys.items() if gone])
                tally = found.setdefault(each.name, Counter())
                tally.update(loading.run(canaries.guard(each, works), protocol_for(loading, each).run))
        crosswalk_table(loading)
        for each in workspace.plan.model.objects:
            for index in range(len(each.links)):
                name = f"{each.name}.{index}"
                links = LinkCutter(loading, name).replay(_link_keys(workspace, attempt))
                found[name] = loading.run(links, LinkProtocol(loading).run)
    return found


def _keys(workspace: Workspace, entry: str, attempt: int) -> dict[str, bool]:
    """Keys of refused records and of those in conflict (both are safe to try again: every rule of the
    protocol is asked again); True where the record that was to be adopted isn't there any more."""
    rows = workspace.engine.rows(
        f"""SELECT key, op = 'adopt' AND starts_with(reason, 'gone:') AS gone
        FROM ({_refused(workspace)}) WHERE kind = 'record' AND attempt = {attempt}
        AND outcome IN ('refused', 'conflict') AND {entry_sql("key")} = '{entry}' ORDER BY key"""
    )
    return {row["key"]: bool(row["gone"]) for row in rows}


def _link_keys(workspace: Workspace, attempt: int) -> Sequence[str]:
    rows = workspace.engine.rows(
        f"""SELECT key FROM ({_refused(workspace)}) WHERE kind = 'link' AND attempt = {attempt}
        AND outcome = 'refused' ORDER BY key"""
    )
    return [row["key"] for row in rows]
