"""Which records did the vendor make with ours, by a rule that it documents?

Such a companion (Salesforce's task of an e-mail) is no surprise and nobody else's: the canary expects it, the
load counts it, and the journal names it as a side of the record with which it came, so that a rollback takes
it away if the vendor doesn't. What the plan itself puts into the field that names it is no companion.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from migrate.connector import Companion, Held, MakesCompanions
from migrate.engine import text
from migrate.journal import Entry
from migrate.load.context import Loading
from migrate.plan.models import ObjectPlan
from migrate.plan.needs import written_fields


def rules(loading: Loading) -> list[Companion]:
    """The vendor's rules; none where it has none."""
    return list(loading.target.companions()) if isinstance(loading.target, MakesCompanions) else []


def expected(loading: Loading, records: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Those of these records, (object, id), that the vendor made with one that we created: by which rule."""
    found: dict[tuple[str, str], str] = {}
    for rule in rules(loading):
        ids = sorted({id for object, id in records if object == rule.made})
        if not ids or not isinstance(loading.target, MakesCompanions):
            continue
        owners = loading.target.made_with(rule, ids)
        listed = ", ".join(map(text, owners.values())) or "''"
        rows = loading.workspace.engine.rows(
            f"""SELECT DISTINCT target_id FROM {loading.journal.source()} WHERE kind = 'record'
            AND op = 'create' AND outcome = 'done' AND object = {text(rule.object)}
            AND target_id IN ({listed})"""
        )
        ours = {row["target_id"] for row in rows}
        found |= {(rule.made, id): rule.name for id, owner in owners.items() if owner in ours}
    return found


def of_record(loading: Loading, record: Held, object: str) -> Iterator[tuple[Companion, str]]:
    """The companions that the vendor made with one that we created, by the record as it stands."""
    for rule in rules(loading):
        id = record.values.get(rule.field) if rule.object == object else None
        if id and expected(loading, [(rule.made, id)]) and id not in _written(loading, rule.made, [id]):
            yield rule, id


def note(loading: Loading, rule: Companion, made: Mapping[str, str]) -> None:
    """Journal companions, each once.

    Args:
        made: by id of the companion, that of the record with which it came.
    """
    known = _written(loading, rule.made, list(made))
    loading.journal.append(
        Entry(
            loading.attempt, "", loading.system, rule.made, "side", "", "create", "done", id, left=owner,
            reason=f"made by the vendor's rule {rule.name} with a record of {rule.object}",
        )
        for id, owner in made.items()
        if id not in known
    )  # fmt: skip
    with loading.ledger.write(loading.lease) as tx:
        loading.journal.register(tx)


def write_down(loading: Loading, plans: Iterable[ObjectPlan]) -> dict[str, int]:
    """Journal the companions of what was created since the last look; how many the attempt has, by object.

    Needs the table `crosswalk`. Killed in the midst, the next load goes on behind the last one that was
    journalled: records are looked at in the order in which they were made.
    """
    wrote = {each.target: set(written_fields(each)) for each in plans}
    known = [rule for rule in rules(loading) if rule.object in wrote and rule.field not in wrote[rule.object]]
    for rule in known:
        for ids in _unseen(loading, rule):
            records = loading.target.read_back(rule.object, [rule.field], ids=ids)
            note(
                loading, rule, {str(r.values[rule.field]): r.id for r in records if r.values.get(rule.field)}
            )
    if not known:
        return {}
    rows = loading.workspace.engine.rows(
        f"""SELECT object, count(DISTINCT target_id) AS n FROM {loading.journal.source()}
        WHERE kind = 'side' AND op = 'create' AND "left" IS NOT NULL AND attempt = {loading.attempt}
        GROUP BY object"""
    )
    return {row["object"]: int(row["n"]) for row in rows}


def _written(loading: Loading, object: str, ids: Sequence[str]) -> set[str]:
    """Those of these records that the plan made itself, or whose companion is journalled."""
    if not ids:
        return set()
    rows = loading.workspace.engine.rows(
        f"""SELECT DISTINCT target_id FROM {loading.journal.source()}
        WHERE object = {text(object)} AND outcome = 'done' AND target_id IN ({", ".join(map(text, ids))})
        AND (kind = 'record' OR (kind = 'side' AND op = 'create' AND "left" IS NOT NULL))"""
    )
    return {row["target_id"] for row in rows}


def _unseen(loading: Loading, rule: Companion) -> Iterator[list[str]]:
    """Ids of what we created of the rule's object behind the last one whose companion is journalled."""
    owners = f"""SELECT "left" FROM {loading.journal.source()} WHERE kind = 'side' AND op = 'create'
        AND object = {text(rule.made)} AND "left" IS NOT NULL"""
    reader = loading.workspace.engine.stream(
        f"""SELECT target_id FROM crosswalk
        WHERE object = {text(rule.object)} AND origin = 'create' AND first_seq > coalesce(
          (SELECT max(first_seq) FROM crosswalk WHERE target_id IN ({owners})), 0) ORDER BY first_seq""",
        rows=loading.target.limits.link_reads,
    )
    for batch in reader:
        if batch.num_rows:
            yield batch.column(0).to_pylist()
