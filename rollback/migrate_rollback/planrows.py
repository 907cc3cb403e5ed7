"""Where does a plan keep its rows? A Parquet artifact with one row for each change that we made.

    object, action, why, kind, key, id, left, right, label, detail, url

`action` is a key of `ACTIONS`, `why` one of `CODES`; `detail` names fields or writers, `url` leads to the
record in the target's own pages. Rows follow from a look at each record; those of links that go with their
record, and of opt-outs, from the journal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from migrate.catalog import Catalog
from migrate.engine import Engine, text
from migrate.journal import LINKS
from migrate.store import PartWriter
from migrate.workspace import Workspace
from migrate_rollback import consent
from migrate_rollback.model import Row
from migrate_rollback.planned import Left

if TYPE_CHECKING:
    import pyarrow as pa

NAMES = ("object", "action", "why", "kind", "key", "id", "left", "right", "label", "detail", "url")
BY_HAND = "by hand"
MOST_LEFT = 200  # of those left to a person, in the plan itself; all are in the artifact
Told = tuple[Row, str, str, str]  # row, action, why, detail


def schema() -> pa.Schema:
    """Columns of the artifact."""
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in NAMES])


class Rows:
    """Writes a plan's rows and counts them by (object, action, why)."""

    def __init__(self, writer: PartWriter, engine: Engine, catalog: Catalog) -> None:
        self._writer, self._engine, self._catalog = writer, engine, catalog
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self.left: list[Left] = []  # the first that are left to a person
        engine.run("CREATE OR REPLACE TABLE undo_told (object VARCHAR, id VARCHAR, goes BOOLEAN)")

    def add(self, told: Sequence[Told], ours: bool = True) -> None:
        """Rows that were looked at.

        Args:
            ours: records of our making, whose links of ours go, or stay, with them.
        """
        import pyarrow as pa

        cells = [
            (
                row.object, action, why, row.kind, row.key, row.id, row.left, row.right, row.label, detail,
                self._url(row.object, row.id),
            )
            for row, action, why, detail in told
        ]  # fmt: skip
        columns = list(zip(*cells, strict=True)) if cells else [()] * len(NAMES)
        self._write(pa.table([pa.array(column, pa.string()) for column in columns], schema=schema()))
        if ours and told:
            kept = [(row.object, row.id, action in ("delete", "delete file")) for row, action, _, _ in told]
            self._engine.put("undo_told", kept)

    def links(self, journal: str) -> None:
        """Links of ours on records of our making: they go with the record, or stay with it."""
        self._stream(
            f"""WITH made AS (
              SELECT *, split_part(object, '>', 1) AS lo, split_part(object, '>', 2) AS ro
              FROM ({LINKS.format(journal=journal)}) WHERE NOT coalesce(was_there, false)
            ), met AS (
              SELECT made.*, t.goes FROM made JOIN undo_told AS t ON t.object = lo AND t.id = "left"
              UNION ALL
              SELECT made.*, t.goes FROM made JOIN undo_told AS t ON t.object = ro AND t.id = "right"
            ), ends AS (
              SELECT object, key, "left", "right", label, bool_or(goes) AS goes FROM met GROUP BY ALL
            ) SELECT object, CASE WHEN goes THEN 'with record' ELSE 'stays' END, '', 'link', key, '', "left",
              "right", label, '', '' FROM ends ORDER BY ALL"""
        )

    def opt_outs(self, catalog: Catalog) -> None:
        """Opt-outs that the load brought, by address and in fields: they stay."""
        self._stream(
            f"""SELECT 'consent', 'can''t', 'consent', 'consent', key, '', address, '', subscription, '', ''
            FROM ({consent.brought()}) ORDER BY ALL"""
        )
        for object, name, says in consent.marked(catalog, list(catalog.objects)):
            self._stream(
                f"""SELECT {text(f"{object}.{name}")}, 'can''t', 'consent', 'record', key, id, '', '', '',
                {text(name)}, replace({text(self._pattern(object))}, '{{id}}', id)
                FROM ({consent.staying(object, name, says)}) ORDER BY ALL"""
            )

    def deleted(self, action: Callable[[str], str]) -> None:
        """Records of ours from before the checkpoint that a later load deleted, for the source had.

        Args:
            action: what becomes of one, by object.
        """
        for row in self._engine.rows("SELECT DISTINCT object FROM undo_lost ORDER BY object"):
            object = row["object"]
            self._stream(
                f"""SELECT object, {text(action(object))}, 'deleted', 'record', key, id, '', '', '', '',
                replace({text(self._pattern(object))}, '{{id}}', id) FROM undo_lost
                WHERE object = {text(object)} ORDER BY ALL"""
            )

    def held(self, hand: Mapping[str, str]) -> None:
        """Rows that a former run has left as they are.

        Args:
            hand: the action by code, where it isn't `hold`.
        """
        action = "CASE code " + " ".join(f"WHEN {text(c)} THEN {text(a)}" for c, a in hand.items())
        self._stream(
            f"""SELECT object, {action} ELSE 'hold' END, code, kind, key, id, '', '', '', reason, ''
            FROM undo_held ORDER BY ALL"""
        )

    def _stream(self, query: str) -> None:
        for batch in self._engine.stream(query):
            if batch.num_rows:
                import pyarrow as pa

                columns = [column.cast(pa.string()) for column in batch.columns]
                self._write(pa.table(columns, schema=schema()))

    def _write(self, table: pa.Table) -> None:
        self._writer.write(table)
        groups = table.group_by(["object", "action", "why"]).aggregate([([], "count_all")]).to_pylist()
        for row in groups:
            self.counts[(row["object"], row["action"], row["why"])] += row["count_all"]
        if any(row["action"] == BY_HAND for row in groups) and len(self.left) < MOST_LEFT:
            named = (row for row in table.to_pylist() if row["action"] == BY_HAND)
            self.left += [
                Left(row["object"], row["id"], row["key"], row["why"], row["url"])
                for row in islice(named, MOST_LEFT - len(self.left))
            ]

    def _url(self, object: str, id: str) -> str:
        return self._pattern(object).replace("{id}", id) if id else ""

    def _pattern(self, object: str) -> str:
        found = self._catalog.objects.get(object)
        return (found.url or "") if found is not None else ""


def read(workspace: Workspace, folder: str, actions: Sequence[str] = ()) -> Iterator[dict[str, str]]:
    """A published plan's rows, streamed.

    Args:
        actions: only these; all where empty.
    """
    manifest = workspace.store.manifest(folder)
    if manifest is None:
        return
    for batch in workspace.store.read(manifest):
        for row in batch.to_pylist():
            if not actions or row["action"] in actions:
                yield row
