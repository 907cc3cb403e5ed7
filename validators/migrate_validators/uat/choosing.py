"""Which of their records does a tester look at? Open deals first, then top accounts, then the nasty ones.

Whose a record is says its owner as it was staged for the target. The choice is the same each time: by amount,
by what hangs on a record, by what is odd about it, and where that ties by a hash of its key. Each choice says
why it was made.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from migrate.engine import identifier, parquet, text
from migrate.stages.crosswalk import latest_extracted, latest_ready
from migrate.types import Kind
from migrate_validators.evidence import Evidence, sql_type
from migrate_validators.link_ends import staged_links

if TYPE_CHECKING:
    from migrate.plan.models import ObjectPlan

OPEN, TOP = "open deal", "top account"
SHARES = ((OPEN, 3), (TOP, 2))  # of ten records; the rest is for the nasty ones, each kind in turn
LONG = 500  # signs from which a text is called long
# A letter that isn't Latin, or a sign outside the plane that old systems know (emoji).
_SCRIPTS = ("Greek", "Cyrillic", "Han", "Hiragana", "Katakana", "Hangul", "Arabic", "Hebrew", "Thai")
NON_LATIN = "[" + "".join(rf"\p{{{name}}}" for name in _SCRIPTS) + r"\x{10000}-\x{10FFFF}]"
_TEXTS = (Kind.STRING, Kind.TEXT)


@dataclass(frozen=True)
class Choice:
    """A record of a tester's. `owner`: id of the target's owner; `why`: the reason, in words."""

    owner: str
    entry: str
    key: str
    target_id: str
    source_id: str
    why: str


def owner_field(evidence: Evidence, each: ObjectPlan) -> str | None:
    """The target field that says whose an entry's record is; None where the plan fills none."""
    fields = evidence.target_schema(each.target).fields
    return next((name for name in each.fields if name in fields and fields[name].owner), None)


def choose(evidence: Evidence, per_user: int, owners: set[str] | None = None) -> list[Choice]:
    """Each tester's records, `per_user` at most, in the order in which they are to be looked at.

    Args:
        owners: ids of owners; None: whoever owns a record.
    """
    candidates = _candidates(evidence, per_user, owners)
    found: list[Choice] = []
    for owner in sorted(candidates):
        found += _of_one(candidates[owner], per_user)
    return found


def _of_one(kinds: dict[str, list[Choice]], most: int) -> list[Choice]:
    taken: dict[str, Choice] = {}

    def take(choices: list[Choice], until: int) -> None:
        for one in choices:
            if len(taken) >= until:
                return
            taken.setdefault(one.key, one)

    for kind, share in SHARES:
        take(kinds.get(kind, []), min(most, len(taken) + max(1, most * share // 10)))
    nasty = [list(kinds[kind]) for kind in kinds if kind not in (OPEN, TOP, "")]
    while len(taken) < most and any(nasty):
        for queue in nasty:
            while queue and queue[0].key in taken:
                queue.pop(0)
            if queue and len(taken) < most:
                one = queue.pop(0)
                taken[one.key] = one
    for kind in (OPEN, TOP, ""):
        take(kinds.get(kind, []), most)
    return list(taken.values())


def _candidates(evidence: Evidence, most: int, owners: set[str] | None) -> dict[str, dict[str, list[Choice]]]:
    """By owner and kind the first `most` records of that kind."""
    ours = evidence.table("uat owned", " UNION ALL ".join(_owned(evidence)) or _NOBODY)
    if owners is not None:
        listed = ", ".join(map(text, sorted(owners))) or "''"
        evidence.engine.run(f"DELETE FROM {ours} WHERE owner NOT IN ({listed})")
    kinds = " UNION ALL ".join(f"({each})" for each in _kinds(evidence, ours))
    rows = evidence.engine.stream(
        f"""SELECT o.owner, o.entry, o.key, o.target_id, o.source_id, k.kind, k.why, k.nth
        FROM {ours} AS o JOIN ({kinds}) AS k ON k.key = o.key
        QUALIFY row_number() OVER (PARTITION BY o.owner, k.kind ORDER BY k.weight DESC, md5(o.key), o.key)
            <= {int(most)}
        ORDER BY o.owner, k.nth, k.weight DESC, md5(o.key), o.key"""
    )
    found: dict[str, dict[str, list[Choice]]] = defaultdict(lambda: defaultdict(list))
    for batch in rows:
        for row in batch.to_pylist():
            one = Choice(
                row["owner"], row["entry"], row["key"], row["target_id"], row["source_id"], row["why"]
            )
            found[one.owner][row["kind"]].append(one)
    return found


_NOBODY = """SELECT ''::VARCHAR AS owner, '' AS entry, '' AS key, '' AS target_id, '' AS source_id
    WHERE false"""


def _owned(evidence: Evidence) -> Iterator[str]:
    """Queries of the loaded records that have an owner."""
    for each in evidence.moving:
        name = owner_field(evidence, each)
        if name is None:
            continue
        staged = latest_ready(evidence.store, each.name, {name: "VARCHAR"})
        yield f"""SELECT r.{identifier(name)} AS owner, {text(each.name)} AS entry, c.key, c.target_id,
                e.source_id
            FROM {staged} AS r JOIN {evidence.crosswalk} AS c ON c.key = r._key
            JOIN {evidence.ends} AS e ON e.key = c.key AND e.entry = {text(each.name)}
            WHERE r.{identifier(name)} IS NOT NULL"""


def _kinds(evidence: Evidence, ours: str) -> Iterator[str]:
    """Queries (key, kind, weight, why, nth): what speaks for showing a record, the heavier the sooner."""
    if (deals := _open_deals(evidence)) is not None:
        yield deals
    hangs = " UNION ALL ".join(_hanging(evidence)) or "SELECT NULL::VARCHAR AS key WHERE false"
    yield f"""SELECT key, {text(TOP)} AS kind, CAST(count(*) AS DOUBLE) AS weight,
        {text(TOP)} || ', records that lead to it: ' || count(*) AS why, 1 AS nth
        FROM ({hangs}) WHERE key IS NOT NULL GROUP BY key"""
    yield f"""SELECT survivor AS key, 'merged', CAST(count(*) AS DOUBLE),
        'records merged into it: ' || count(*), 2
        FROM {evidence.ends} WHERE outcome = 'merged' AND survivor IS NOT NULL GROUP BY survivor"""
    blocked = " UNION ALL ".join(_short_of(evidence)) or "SELECT NULL::VARCHAR AS key WHERE false"
    yield f"""SELECT key, 'neighbour', CAST(count(*) AS DOUBLE),
        'records to which it should lead and that were not moved: ' || count(*), 3
        FROM ({blocked}) WHERE key IS NOT NULL GROUP BY key"""
    files = " UNION ALL ".join(_with_files(evidence)) or "SELECT NULL::VARCHAR AS key WHERE false"
    yield f"""SELECT key, 'files', CAST(count(*) AS DOUBLE), 'files: ' || count(*), 4
        FROM ({files}) WHERE key IS NOT NULL GROUP BY key"""
    for each in evidence.moving:
        if (names := _texts_of(evidence, each)) and owner_field(evidence, each):
            columns = dict.fromkeys(names, "VARCHAR")
            staged = latest_ready(evidence.store, each.name, columns)
            longest = f"greatest({', '.join(f'coalesce(length({identifier(n)}), 0)' for n in names)}, 0)"
            joined = f"concat_ws(' ', {', '.join(map(identifier, names))})"
            yield f"""SELECT _key, 'long', CAST({longest} AS DOUBLE),
                'a text of ' || {longest} || ' signs', 5 FROM {staged} WHERE {longest} >= {LONG}"""
            strange = f"len(regexp_extract_all({joined}, {text(NON_LATIN)}))"
            yield f"""SELECT _key, 'letters', CAST({strange} AS DOUBLE), 'letters that are not Latin', 6
                FROM {staged} WHERE regexp_matches({joined}, {text(NON_LATIN)})"""
    yield f"SELECT key, '', 0.0, 'chosen by chance', 9 FROM {ours}"


def _open_deals(evidence: Evidence) -> str | None:
    money = evidence.money
    if money is None or not money.source.has("open", "amount"):
        return None
    each, side = money.entry, money.source
    fields = evidence.source.objects[each.source].fields
    types = {name: sql_type(fields[name]) for name in side.reads}
    return f"""SELECT e.key, {text(OPEN)} AS kind, s.amount AS weight,
        {text(OPEN)} || coalesce(', ' || CAST(CAST(s.amount AS DECIMAL(28, 2)) AS VARCHAR), '') AS why,
        0 AS nth
        FROM (SELECT _id, CAST({side.sql["amount"]} AS DOUBLE) AS amount
            FROM {latest_extracted(evidence.store, each.source, types)} WHERE {side.sql["open"]}) AS s
        JOIN {evidence.ends} AS e ON e.source_id = s._id AND e.entry = {text(each.name)}"""


def _hanging(evidence: Evidence) -> Iterator[str]:
    """Queries of the keys to which something leads, once for each that does."""
    for each in evidence.moving:
        yield from _leads(evidence, each)


def _leads(evidence: Evidence, each: ObjectPlan) -> Iterator[str]:
    """Queries of the keys to which an entry's records lead, by links and by fields."""
    for index in range(len(each.links)):
        yield f'SELECT "right" AS key FROM {staged_links(evidence, f"{each.name}.{index}")}'
    for name, field in each.fields.items():
        if field.entries and field.gather is None and _staged(evidence, each, name):
            staged = latest_ready(evidence.store, each.name, {name: "VARCHAR"})
            yield f"SELECT {identifier(name)} AS key FROM {staged}"


def _with_files(evidence: Evidence) -> Iterator[str]:
    for each in evidence.moving:
        fields = evidence.target_schema(each.target).fields
        if not any(name in fields and fields[name].kind is Kind.BINARY for name in each.fields):
            continue
        yield from _leads(evidence, each)


def _short_of(evidence: Evidence) -> Iterator[str]:
    """Queries of the keys that lack a record to which they should lead, once for each."""
    store = evidence.store
    for each in evidence.moving:
        for index in range(len(each.links)):
            manifest = store.manifest(f"blocked/{each.name}.{index}/current")
            if manifest is not None and manifest.parts:
                yield f'SELECT "left" AS key FROM {parquet(store.files(manifest))}'
        manifest = store.manifest(f"unfilled/{each.name}/current")
        if manifest is not None and manifest.parts:
            yield f"SELECT _key AS key FROM {parquet(store.files(manifest))}"


def _texts_of(evidence: Evidence, each: ObjectPlan) -> list[str]:
    fields = evidence.target_schema(each.target).fields
    kept = (each.key.field, each.key.old_id, each.key.old_url)
    return [
        name
        for name, field in each.fields.items()
        if name in fields
        and fields[name].kind in _TEXTS
        and not field.entries
        and name not in kept
        and _staged(evidence, each, name)
    ]


def _staged(evidence: Evidence, each: ObjectPlan, name: str) -> bool:
    for manifest in reversed(evidence.store.manifests("ready", each.name)):
        if files := evidence.store.files(manifest):
            return name in pq.read_schema(files[0]).names
    return False
