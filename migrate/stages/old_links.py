"""What became of the old addresses in the texts of a load?

After a load every old address in the texts of an entry is written down (`old-links/<entry>/current`) with
what became of it: rewritten, or left, and why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from migrate.engine import identifier, text
from migrate.oldlinks import CID, Old
from migrate.plan.models import ObjectPlan
from migrate.rewriting import Addresses, rewritten_fields
from migrate.stages.addresses import LOT, addresses_of
from migrate.stages.crosswalk import latest_ready
from migrate.store import Manifest

if TYPE_CHECKING:
    from migrate.load import Loading

LINKS = {"_key": "VARCHAR", "field": "VARCHAR", "old": "VARCHAR", "new": "VARCHAR", "why": "VARCHAR"}
REWRITTEN, LEFT = "rewritten", "left"


def addresses_for(loading: Loading) -> Addresses | None:
    """The new addresses as the journal knows them. Whenever they are asked for, `crosswalk` must be there."""
    workspace = loading.workspace

    def read(object: str, name: str, ids: Sequence[str]) -> Mapping[str, str | None]:
        found = loading.target.read_back(object, [name], ids=ids)
        return {record.asked: record.values.get(name) for record in found}

    return addresses_of(
        workspace.engine, workspace.store, workspace.plan, workspace.catalog("source"), loading.catalog,
        "SELECT key, object, target_id AS id FROM crosswalk", read,
    )  # fmt: skip


def write_down(loading: Loading, plan: ObjectPlan) -> Counter[str]:
    """Publish what became of every old address in an entry's loaded texts; how many of each end.

    Needs the table `crosswalk`.
    """
    import pyarrow as pa

    addresses, store = loading.addresses, loading.workspace.store
    names = rewritten_fields(plan)
    tally: Counter[str] = Counter()
    if addresses is None or not names:
        return tally
    folder = f"old-links/{plan.name}/current"
    store.discard(folder)
    schema = pa.schema([(name, pa.string()) for name in LINKS])
    with store.writer(folder, schema) as writer:
        for name in names:
            for rows in _told(loading, addresses, plan, name):
                tally.update(REWRITTEN if row["why"] == "" else LEFT for row in rows)
                writer.write(pa.Table.from_pylist(rows, schema=schema))
    rows_written = sum(part.rows for part in writer.parts)
    store.publish(
        Manifest(folder, "old-links", plan.name, 0, rows_written, tuple(writer.parts), facts=dict(tally))
    )
    return tally


def _told(
    loading: Loading, addresses: Addresses, plan: ObjectPlan, name: str
) -> Iterator[list[dict[str, str | None]]]:
    staged = latest_ready(loading.workspace.store, plan.name, {name: "VARCHAR"})
    reader = loading.workspace.engine.stream(
        f"""SELECT s._key, s.{identifier(name)} AS was, held."after"[{text(name)}] AS now
        FROM {staged} AS s JOIN crosswalk AS c ON c.key = s._key LEFT JOIN (
          SELECT seq, "after" FROM {loading.journal.source()} WHERE kind = 'record' AND outcome = 'done'
        ) AS held ON held.seq = c.told_seq
        WHERE {addresses.condition(plan, name, f"s.{identifier(name)}")} ORDER BY s._key""",
        rows=LOT,
    )
    for batch in reader:
        texts = batch.to_pylist()
        found = [(row, addresses.find(row["was"], plan, name, row["_key"])) for row in texts]
        urls = addresses.of(old for _, olds in found for old in olds)
        files = addresses.known_files(old for _, olds in found for old in olds if old.ids not in urls)
        rows: list[dict[str, str | None]] = []
        for row, olds in found:
            left = Counter(old.url for old in addresses.find(row["now"] or "", plan, name, row["_key"]))
            for old in olds:
                new = urls.get(old.ids) if old.ids else None
                stays, why = left[old.url] > 0, ""
                if stays:
                    left[old.url] -= 1
                    why = _why(old, new, has_file=old.ids in files)
                elif new is None:
                    why = "the target took it out of the text"
                rows.append(
                    {
                        "_key": row["_key"],
                        "field": name,
                        "old": old.url,
                        "new": None if stays else new,
                        "why": why,
                    }
                )
        if rows:
            yield rows


def _why(old: Old, new: str | None, *, has_file: bool) -> str:
    if not old.ids:
        return "it isn't the page of a record"
    if old.ids[0][0] == CID and new is None:
        return "its file isn't in the target" if has_file else "no file of its record bears this Content-ID"
    return (
        "its record isn't in the target" if new is None else "the text wasn't written, or would be too long"
    )
