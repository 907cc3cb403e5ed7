"""Does the journal reach as far as the target does? Asked once after a backup was restored.

A restored journal may lie behind the target: what was loaded after the backup bears keys of ours that it
doesn't know. Nothing is written before somebody has seen to it, else a load would do again what is done.
"""

from __future__ import annotations

import json

import sqlalchemy as sa

from migrate.engine import parquet, text
from migrate.errors import Behind
from migrate.ledger.leases import this_process
from migrate.ledger.tables import checkpoints, events
from migrate.load import strays
from migrate.load.context import Loading
from migrate.load.work import crosswalk_table

RESTORED, PROVED, AGAIN = "restore", "restore proved", "rebuild from target"
_SHOWN = 3


def must_be(loading: Loading) -> None:
    """Sweep every object of the plan, if a restore hasn't been looked after yet; reads, and writes nothing.

    Raises:
        Behind: the target holds records with keys of ours that the journal doesn't know.
    """
    ledger = loading.ledger
    query = sa.select(events).where(events.c.what.in_([RESTORED, PROVED, AGAIN]))
    told = ledger.read(query.order_by(events.c.number.desc()).limit(1))
    if not told or told[0].what != RESTORED:
        return
    crosswalk_table(loading)
    family = loading.workspace.catalog("source").family
    unknown: dict[str, int] = {}
    some: list[str] = []
    keys = {each.target: each.key.field for each in loading.workspace.plan.model.objects}
    for object, key in keys.items():
        schema = loading.catalog.objects.get(object)
        if schema is None or key not in schema.fields:
            continue  # not prepared yet, or it bears no key
        manifest = strays.take(loading.target, object, key, loading.workspace.store)
        files = loading.workspace.store.files(manifest)
        if not files:
            continue
        rows = loading.workspace.engine.rows(
            f"""SELECT _key, _id FROM {parquet(files)} WHERE starts_with(_key, {text(family + ".")})
            AND NOT EXISTS (SELECT 1 FROM crosswalk WHERE crosswalk.key = _key AND target_id = _id)
            {_not_before(loading, object)} ORDER BY ALL"""
        )
        if rows:
            unknown[object] = len(rows)
            some += [f"`{row['_key']}` ({object} {row['_id']})" for row in rows[:_SHOWN]]
    if unknown:
        facts = json.loads(told[0].facts)
        raise Behind(loading.journal.storage.address(), str(facts["at"]), unknown, some)
    with ledger.write(loading.lease) as tx:
        tx.event(this_process().holder, PROVED, backup=json.loads(told[0].facts).get("backup"))


def _not_before(loading: Loading, object: str) -> str:
    """Records that bore their key before the load began are no news: an earlier migration left them there."""
    store = loading.workspace.store
    query = sa.select(checkpoints.c.baseline).where(checkpoints.c.attempt == loading.attempt)
    folders = loading.ledger.value(query.order_by(checkpoints.c.at).limit(1))
    folder = json.loads(folders).get(object) if folders else None
    manifest = store.manifest(folder) if folder else None
    if manifest is None or not manifest.parts:
        return ""
    files = parquet(store.files(manifest))
    return f"AND (_id, _key) NOT IN (SELECT (_id, _key) FROM {files} WHERE _key IS NOT NULL)"
