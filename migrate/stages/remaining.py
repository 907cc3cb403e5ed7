"""Which records are still to be sent, and what would a load do with each?

Every record counts once, by its newest staged version: an older one that waits beside it changes nothing of
where the record ends. A row is done when its batch is settled; one in doubt is still to be done. Artifacts,
ledger and journal are read; no system is asked, no lease is taken, nothing is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice

from migrate.engine import identifier, parquet, text
from migrate.ledger import batches as book
from migrate.load.references import leads_of
from migrate.plan.keys import entry_sql, itself_sql
from migrate.plan.models import ObjectPlan
from migrate.store import Manifest
from migrate.workspace import Workspace

LOT = 5_000  # ranges of rows that are handed over at once


@dataclass(frozen=True)
class Remaining:
    """Records of one entry. `ready`: to be in the target; `left`: to be sent yet, deletions too."""

    ready: int
    done: int
    left: int


def remaining(workspace: Workspace, entry: str, attempt: int) -> Remaining:
    """Count an entry's records. Needs the table `crosswalk`."""
    manifests = workspace.store.manifests("ready", entry)
    if len(manifests) == 1:  # each key has one row, and none is a tombstone: no need to read any
        done = sum(last - first + 1 for _, first, last in _settled(workspace, manifests, attempt))
        return Remaining(manifests[0].rows, done, manifests[0].rows - done)
    _newest(workspace, entry, attempt)
    found = workspace.engine.rows(
        """SELECT count(*) FILTER (live) AS ready, count(*) FILTER (live AND settled) AS done,
        count(*) FILTER (NOT settled AND (live OR _deleted AND crosswalk.key IS NOT NULL)) AS "left"
        FROM newest LEFT JOIN crosswalk ON crosswalk.key = _key"""
    )[0]
    return Remaining(int(found["ready"]), int(found["done"]), int(found["left"]))


def foreseen(
    workspace: Workspace, plan: ObjectPlan, attempt: int, *, sample: bool = False, later: Collection[str] = ()
) -> Counter[str]:
    """How many records of an object a load would create, adopt, update, delete, or find blocked.

    Needs the table `crosswalk`, and adds to it what would be created, so that a child of it isn't blocked:
    ask for parents first.

    Args:
        sample: only the keys in the engine's table `sample`.
        later: reference fields that a record may load without. Records that do so are counted again, as
            `fill in later`.
    """
    _newest(workspace, plan.name, attempt)
    _waiting(workspace, plan, later)
    within = "AND _key IN (SELECT key FROM sample)" if sample else ""
    # The order of the questions is the load's own: see `Cutter.pending`.
    workspace.engine.run(
        f"""CREATE OR REPLACE TABLE foreseen AS SELECT _key, CASE
          WHEN crosswalk.key IS NULL AND NOT live THEN NULL
          WHEN _key IN (SELECT key FROM waiting) THEN 'blocked'
          WHEN _deleted THEN 'delete'
          WHEN crosswalk.key IS NULL THEN CASE WHEN _target_id IS NULL THEN 'create' ELSE 'adopt' END
          WHEN crosswalk.version <> '' AND (_version IS NULL OR _version < crosswalk.version::TIMESTAMPTZ)
            THEN NULL
          ELSE 'update' END AS op
        FROM newest LEFT JOIN crosswalk ON crosswalk.key = _key WHERE NOT settled {within}"""
    )
    rows = workspace.engine.rows(
        """SELECT op, count(*) AS n FROM foreseen WHERE op IS NOT NULL GROUP BY op
        UNION ALL SELECT 'fill in later', count(*) FROM foreseen
        WHERE op IN ('create', 'adopt', 'update') AND _key IN (SELECT key FROM without)
        HAVING count(*) > 0 ORDER BY op"""
    )
    workspace.engine.run(
        "INSERT INTO crosswalk (key) SELECT _key FROM foreseen WHERE op IN ('create', 'adopt')"
    )
    return Counter({row["op"]: int(row["n"]) for row in rows})


def _newest(workspace: Workspace, entry: str, attempt: int) -> None:
    """Make the engine's table `newest`: the newest row of each key. `settled`: its batch is; `live`: it is to
    be in the target, so neither deleted nor rejected, merged or skipped since."""
    store, engine = workspace.store, workspace.engine
    manifests = store.manifests("ready", entry)
    engine.run("CREATE OR REPLACE TABLE settled_rows (part VARCHAR, first BIGINT, last BIGINT)")
    settled = iter(_settled(workspace, manifests, attempt))
    while lot := list(islice(settled, LOT)):
        engine.put("settled_rows", lot)
    selects = [
        f"""SELECT _key, _version, _target_id, coalesce(_deleted, false) AS _deleted,
        {each.generation} AS gen, {text(f"{each.folder}/{part.name}")} AS part, file_row_number AS number
        FROM read_parquet({text(str(store.path(each, part)))}, file_row_number=true)"""
        for each in manifests
        for part in each.parts
    ] or [
        """SELECT '' AS _key, NULL::TIMESTAMPTZ AS _version, '' AS _target_id, false AS _deleted, 0 AS gen,
        '' AS part, 0 AS number WHERE false"""
    ]
    only = "QUALIFY row_number() OVER (PARTITION BY _key ORDER BY gen DESC) = 1" if len(manifests) > 1 else ""
    engine.run(
        f"""CREATE OR REPLACE TABLE newest AS
        SELECT rows.*, settled_rows.part IS NOT NULL AS settled,
          NOT _deleted AND {_live(workspace, entry)} AS live
        FROM (SELECT * FROM ({" UNION ALL ".join(selects)}) {only}) AS rows
        LEFT JOIN settled_rows ON settled_rows.part = rows.part AND number BETWEEN first AND last"""
    )


def _live(workspace: Workspace, entry: str) -> str:
    """A condition: the newest generation's whole state has the key, as it has its own rows' keys."""
    whole = workspace.store.manifests("full", entry)
    if not whole:
        return "true"
    files = workspace.store.files(whole[-1])
    there = f"_key IN (SELECT _key FROM {parquet(files)})" if files else "false"
    return f"(gen >= {whole[-1].generation} OR {there})"


def _settled(workspace: Workspace, manifests: list[Manifest], attempt: int) -> Iterator[tuple[str, int, int]]:
    """(folder/part, first row, last row) of what is done, without overlaps."""
    for manifest in manifests:
        for part in manifest.parts:
            done = book.rows_done(workspace.ledger, attempt, manifest.folder, part.name, settled=True)
            for span in filter(None, book.rows_to_text(sorted(done)).split(",")):
                first, _, last = span.partition("-")
                yield f"{manifest.folder}/{part.name}", int(first), int(last or first)


def _waiting(workspace: Workspace, plan: ObjectPlan, later: Collection[str]) -> None:
    """Make the engine's tables `waiting`, keys whose parent (`missing: reject`) is nowhere yet, and
    `without`, keys that load without a parent for the time being."""
    store = workspace.store
    for table in ("waiting", "without"):
        workspace.engine.run(f"CREATE OR REPLACE TABLE {table} (key VARCHAR)")
    for lead in leads_of(plan, later):
        column = identifier(lead.name)
        parent = f"unnest({column})" if lead.many else column
        for each in store.manifests("ready", plan.name):
            if lead.name not in each.schema or not each.parts:
                continue
            workspace.engine.run(
                f"""INSERT INTO {"without" if lead.later else "waiting"} SELECT DISTINCT _key FROM (
                  SELECT _key, {parent} AS parent FROM {parquet(store.files(each))}
                  WHERE _key IN (SELECT _key FROM newest WHERE gen = {each.generation}))
                WHERE parent IS NOT NULL AND parent NOT IN (SELECT key FROM crosswalk)"""
            )
    for index, link in enumerate(plan.links):
        staged = " UNION ALL ".join(
            f"""SELECT "left", "right", label, _deleted, {each.generation} AS gen FROM {parquet(files)}"""
            for each in store.manifests("links", f"{plan.name}.{index}")
            if (files := store.files(each))
        )
        if link.missing != "reject" or not staged:
            continue
        workspace.engine.run(
            f"""INSERT INTO waiting SELECT DISTINCT "left" FROM (
              SELECT "left", "right", arg_max(_deleted, gen) AS gone FROM ({staged})
              GROUP BY "left", "right", label)
            WHERE NOT gone AND {entry_sql('"right"')} <> {text(plan.name)}
            AND {itself_sql('"right"')} IS NULL AND "right" NOT IN (SELECT key FROM crosswalk)"""
        )
