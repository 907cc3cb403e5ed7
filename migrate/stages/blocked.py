"""What couldn't be loaded yet, and for want of what? Records, links and fields that wait, with the cause.

A record waits for its parent, a link for its two ends, a field that is filled later for the record that it
leads to. Why that isn't there is told from its own end: it was rejected, skipped, refused by the target, it
waits itself, or the source never gave it. The artifacts `blocked/…` and `unfilled/…` hold the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from migrate.engine import identifier, parquet, text
from migrate.journal import REFUSED
from migrate.ledger import batches as book
from migrate.load import Loading
from migrate.load.cutting import Cutter
from migrate.load.later import LaterCutter
from migrate.load.references import Lead
from migrate.plan.keys import entry_sql, key_sql
from migrate.plan.models import ObjectPlan
from migrate.stages.crosswalk import OTHERS, current_ids, latest, rows_of
from migrate.store import Manifest

NOT_SENT = "not sent yet"
NO_OPT_OUT = "its opt-out isn't in the target"


def blocked_records(loading: Loading, plan: ObjectPlan) -> int:
    """Publish an entry's records that are still to be done, with why; returns how many of them are in the
    load's scope."""
    cutter = Cutter(loading, plan)
    leads = [lead for lead in cutter.staged.leads if not lead.later]
    engine = loading.workspace.engine
    engine.run("CREATE OR REPLACE TABLE waiting_rows (_key VARCHAR, field VARCHAR, parent VARCHAR)")
    for manifest in cutter.manifests():
        for part, rows in cutter.waiting(manifest):
            path = str(loading.workspace.store.path(manifest, part))
            among = f"file_row_number IN ({', '.join(map(str, rows))})"
            _wants(loading, path, [lead for lead in leads if lead.name in manifest.schema], among)
            engine.run(
                f"""INSERT INTO waiting_rows SELECT _key, '', NULL
                FROM read_parquet({text(path)}, file_row_number=true) WHERE {among}"""
            )
    for name, query in cutter.parents():
        engine.run(
            f"""INSERT INTO waiting_rows SELECT key, {text(name)}, parent FROM ({query})
            WHERE key IN (SELECT _key FROM waiting_rows)"""
        )
    _absent(loading)
    waits = (
        f"split_part(_key, '~', 1) IN (SELECT key FROM {loading.withheld})" if loading.withheld else "false"
    )
    return _publish(
        loading, "blocked", plan.name,
        f"""SELECT _key, coalesce(string_agg(DISTINCT w.field || ': its record ' || a.why, '; '
            ORDER BY w.field || ': its record ' || a.why),
            CASE WHEN {waits} THEN {text(NO_OPT_OUT)} WHEN {_within(loading, "_key")} THEN {text(NOT_SENT)}
            ELSE {text(OTHERS)} END) AS cause,
          coalesce(min(w.parent), '') AS parent
        FROM waiting_rows AS w LEFT JOIN absent AS a ON a.key = w.parent GROUP BY _key ORDER BY _key""",
        mine="_key",
    )  # fmt: skip


def _within(loading: Loading, key: str) -> str:
    """A condition: a key is in the load's scope, where it has one."""
    return f"{key} IN (SELECT key FROM sample)" if loading.scoped else "true"


def unfilled(loading: Loading, plan: ObjectPlan) -> int:
    """Publish fields of loaded records that wait for the record that they lead to, with why; how many."""
    cutter = LaterCutter(loading, plan)
    engine = loading.workspace.engine
    engine.run("CREATE OR REPLACE TABLE waiting_rows (_key VARCHAR, field VARCHAR, parent VARCHAR)")
    seen = ""
    for manifest in reversed(cutter.manifests()):
        for part in manifest.parts:
            path = str(loading.workspace.store.path(manifest, part))
            over = cutter.staged.over(manifest, part)
            gone = f"AND _key NOT IN ({', '.join(map(text, over))})" if over else ""
            _wants(
                loading, path, [lead for lead in cutter.leads if lead.name in manifest.schema],
                f"NOT _deleted AND _key IN (SELECT key FROM crosswalk) {gone}{seen}",
            )  # fmt: skip
        if files := loading.workspace.store.files(manifest):
            seen += f" AND _key NOT IN (SELECT _key FROM {parquet(files)})"
    _absent(loading)
    return _publish(
        loading, "unfilled", plan.name,
        """SELECT w._key, w.field, w.parent, w.field || ': its record ' || a.why AS cause
        FROM waiting_rows AS w JOIN absent AS a ON a.key = w.parent ORDER BY ALL""",
        mine="_key",
    )  # fmt: skip


def _wants(loading: Loading, path: str, leads: Sequence[Lead], where: str) -> None:
    """Add to `waiting_rows` whom the rows of a part wait for."""
    for lead in leads:
        column = identifier(lead.name)
        parent = f"unnest({column})" if lead.many else column
        loading.workspace.engine.run(
            f"""INSERT INTO waiting_rows SELECT _key, {text(lead.name)}, parent FROM (
              SELECT _key, {parent} AS parent FROM read_parquet({text(path)}, file_row_number=true)
              WHERE {where})
            WHERE parent IS NOT NULL AND parent NOT IN (SELECT key FROM crosswalk)"""
        )


def _absent(loading: Loading) -> None:
    """Make the engine's table `absent` (key, why) of the records that rows in `waiting_rows` wait for."""
    workspace, engine = loading.workspace, loading.workspace.engine
    engine.run(
        """CREATE OR REPLACE TABLE absent AS SELECT DISTINCT parent AS key, 'was never extracted' AS why
        FROM waiting_rows WHERE parent IS NOT NULL"""
    )
    wanted = {row["entry"] for row in engine.rows(f"SELECT DISTINCT {entry_sql('key')} AS entry FROM absent")}
    for each in workspace.plan.model.objects:
        if each.name in wanted:
            for why, query in _ends(loading, each):
                engine.run(f"UPDATE absent SET why = {why} FROM ({query}) AS q WHERE q.key = absent.key")


def _ends(loading: Loading, each: ObjectPlan) -> Iterator[tuple[str, str]]:
    """(why, query of keys) of records of an entry that aren't in the target; the last that holds is told."""
    catalog, store = loading.workspace.catalog("source"), loading.workspace.store
    schema = catalog.objects.get(each.source)
    there = current_ids(store, each.source, schema.stamp if schema else None)
    yield (
        "'isn''t in the target yet'",
        f"SELECT {key_sql(catalog.family, each.name, '_id')} AS key FROM {there}",
    )
    waits, skipped = store.manifest(f"blocked/{each.name}/current"), latest(store, "skipped", each.name)
    for why, manifests in (
        ("'waits for another one itself'", [waits] if waits else []),
        ("'was skipped'", skipped),
    ):
        yield why, f"SELECT _key AS key FROM {rows_of(store, manifests, {'_key': 'VARCHAR'})}"
    told = "'was rejected (' || reason || coalesce(': ' || nullif(field, ''), '') || ')'"
    rejects = rows_of(
        store, latest(store, "rejects", each.name), dict.fromkeys(("_key", "reason", "field"), "VARCHAR")
    )
    yield "told", f"SELECT _key AS key, min({told}) AS told FROM {rejects} GROUP BY _key"
    refused = REFUSED.format(journal=loading.journal.source())
    yield (
        "'was refused by the target'",
        f"SELECT key FROM ({refused}) WHERE kind = 'record' AND attempt = {loading.attempt}",
    )


def blocked_links(loading: Loading, name: str) -> int:
    """Publish links whose ends aren't both in the target, each with the end that is missing; how many."""
    selects = [
        f"""SELECT b."left", b."right", b.label,
          CASE WHEN l.key IS NULL THEN b."left" ELSE b."right" END || ' is not in the target' AS cause
        FROM read_parquet({text(path)}, file_row_number=true) AS b
        LEFT JOIN crosswalk AS l ON l.key = b."left" LEFT JOIN crosswalk AS r ON r.key = b."right"
        WHERE file_row_number IN ({", ".join(map(str, rows))})"""
        for path, rows in _pending(loading, loading.workspace.store.manifests("links", name))
    ]
    none = """SELECT ''::VARCHAR AS "left", ''::VARCHAR AS "right", ''::VARCHAR AS label, ''::VARCHAR AS cause
        WHERE false"""
    return _publish(loading, "blocked", name, " UNION ALL ".join(selects) or none, mine='"left"')


def _pending(loading: Loading, manifests: Sequence[Manifest]) -> Iterator[tuple[str, list[int]]]:
    """(path, rows) of parts that have rows without a batch."""
    for manifest in manifests:
        for part in manifest.parts:
            done = book.rows_done(loading.ledger, loading.attempt, manifest.folder, part.name)
            if rows := [row for row in range(part.rows) if row not in done]:
                yield str(loading.workspace.store.path(manifest, part)), rows


def _publish(loading: Loading, stage: str, name: str, query: str, *, mine: str) -> int:
    """Publish rows; how many of them are in the load's scope, by their column `mine`."""
    store = loading.workspace.store
    folder = f"{stage}/{name}/current"
    store.discard(folder)
    reader = loading.workspace.engine.stream(query)
    with store.writer(folder, reader.schema) as writer:
        for batch in reader:
            writer.write(batch)
    rows = sum(part.rows for part in writer.parts)
    made = store.publish(Manifest(folder, stage, name, 0, rows, tuple(writer.parts)))
    if not loading.scoped or not rows:
        return rows
    found = loading.workspace.engine.rows(
        f"SELECT count(*) AS n FROM {parquet(store.files(made))} WHERE {_within(loading, mine)}"
    )
    return int(found[0]["n"])
