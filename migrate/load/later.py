"""What was left out of a record when it loaded, and can be filled in now?

The second pass: references whose record came later, of a circle of objects or because the plan says so.
What is to be done follows from the staged rows and the journal, so a killed pass goes on where it stopped:
a row is done when its field holds what it leads to, or when a batch of this pass had it. Batches are updates
like any other, cut from the ready parts under a stage of their own (`later/<entry>/g0000`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from migrate.engine import identifier, text
from migrate.held import held
from migrate.journal import REFUSED
from migrate.ledger import batches as book
from migrate.load.context import Loading
from migrate.load.cutting import cut
from migrate.load.references import Lead
from migrate.load.staged import Staged, part_of
from migrate.load.work import Item, RecordWork
from migrate.plan.models import ObjectPlan
from migrate.store import Manifest, Part

READY, LATER = "ready/", "later/"


def stage_of(manifest: Manifest) -> str:
    """The stage under which the second pass over a ready generation stands in the ledger."""
    return LATER + manifest.folder.removeprefix(READY)


class LaterCutter:
    """Cuts the second pass over one entry. Needs the engine's table `crosswalk`."""

    def __init__(self, loading: Loading, plan: ObjectPlan) -> None:
        self.loading, self.plan = loading, plan
        self.staged = Staged(loading, plan)
        self.leads = [lead for lead in self.staged.leads if lead.later]

    @property
    def fields(self) -> frozenset[str]:
        """The fields that this pass writes."""
        return frozenset([*(lead.name for lead in self.leads), *self.staged.texts])

    def manifests(self) -> list[Manifest]:
        """Ready generations, oldest first."""
        return self.staged.manifests()

    def in_doubt(self) -> Iterator[RecordWork]:
        """Batches of this pass that a former process left open."""
        stages = {stage_of(manifest): manifest for manifest in self.manifests()}
        for row in book.in_doubt(self.loading.ledger, self.loading.attempt, ("load", "replay")):
            if manifest := stages.get(row.stage):
                items = {each.row: each for each in self.staged.items(manifest, part_of(manifest, row.part))}
                work = tuple(self._only(items[number], self.fields) for number in row.rows)
                yield RecordWork(row, self.plan, row.operation, work, doubt=True)

    def pending(self, manifest: Manifest) -> Iterator[RecordWork]:
        """Batches over the rows of a generation whose fields can be filled now."""
        size = self.loading.target.limits.records_of(self.plan.target)
        refused = REFUSED.format(journal=self.loading.journal.source())
        self.loading.workspace.engine.run(
            f"""CREATE OR REPLACE TABLE tried AS
            SELECT key FROM ({refused}) WHERE attempt = {self.loading.attempt}"""
        )
        for part in manifest.parts:
            rows = self._open(manifest, part)
            group: list[Item] = []
            for item in self.staged.items(manifest, part) if rows else ():
                only = self._only(item, rows.get(item.row, frozenset()))
                if only.values:
                    group.append(only)
                if len(group) >= size:
                    yield self._work(manifest, part, group)
                    group = []
            if group:
                yield self._work(manifest, part, group)

    def _work(self, manifest: Manifest, part: Part, items: list[Item]) -> RecordWork:
        # A list that was filled in part comes again when more of it is there.
        return cut(self.loading, self.plan, stage_of(manifest), part.name, "update", items, again=True)

    def _only(self, item: Item, fields: Collection[str]) -> Item:
        """The row with nothing but those of these fields that don't stand in the target as they should."""
        there = item.known.after if item.known else {}
        values: dict[str, str | None] = {
            name: value
            for name, value in item.values.items()
            if name in fields and value is not None and self._differs(item.key, name, value, there.get(name))
        }
        return replace(item, values=values)

    def _differs(self, key: str, name: str, value: str, there: str | None) -> bool:
        schema = self.loading.catalog.objects[self.plan.target].fields
        if held(schema[name].held, value) == there:
            return False
        if name not in self.staged.texts or (addresses := self.loading.addresses) is None:
            return True
        # A vendor may hold a text otherwise than it was sent: what counts is whether an old address is left.
        return bool(there and addresses.of(addresses.find(there, self.plan, name, key)))

    def _open(self, manifest: Manifest, part: Part) -> dict[int, frozenset[str]]:
        """Fields that may have to be written, by row: of records in the target, in their newest version.

        What was refused or held isn't tried again here, nor anything else of such a record: what is done of
        it now would hide what isn't. A dead letter is replayed, and brings all of it. A field is filled once;
        a list or a text is looked at again, for more of its records may have come.
        """
        leads = [lead for lead in self.leads if lead.name in manifest.schema]
        texts = [name for name in self.staged.texts if name in manifest.schema]
        if not leads and not texts:
            return {}
        store, engine = self.loading.workspace.store, self.loading.workspace.engine
        done = book.rows_done(self.loading.ledger, self.loading.attempt, stage_of(manifest), part.name)
        newer = [path for each in self.manifests() if each.generation > manifest.generation
                 for path in store.files(each)]  # fmt: skip
        stale = f"AND p._key NOT IN (SELECT _key FROM read_parquet({newer!r}))" if newer else ""
        once, many = [lead for lead in leads if not lead.many], [lead for lead in leads if lead.many]
        lacks = [_lacks(lead, f"x{number}") for number, lead in enumerate(once)]
        lacks += [f"p.{identifier(lead.name)} IS NOT NULL" for lead in many]
        lacks += [self._old(name) for name in texts]
        within = "AND p._key IN (SELECT key FROM sample)" if self.loading.scoped else ""
        joins = " ".join(
            f"LEFT JOIN crosswalk AS x{number} ON x{number}.key = p.{identifier(lead.name)}"
            for number, lead in enumerate(once)
        )
        items = ", ".join(f"({each}) AS lacks{number}" for number, each in enumerate(lacks))
        path = self.staged.path(manifest, part)
        found = engine.rows(
            f"""SELECT p.file_row_number AS row, p._key AS key, c.origin, {items}
            FROM read_parquet({text(path)}, file_row_number=true) AS p
            JOIN crosswalk AS c ON c.key = p._key
            LEFT JOIN {self.staged.images(path)} AS held ON held.seq = c.told_seq {joins}
            WHERE NOT p._deleted AND p._key NOT IN (SELECT key FROM tried) {within} {self._here()}
            AND ({" OR ".join(f"({each})" for each in lacks)}) {stale}"""
        )
        over = self.staged.over(manifest, part) if found else {}
        names = [*(lead.name for lead in (*once, *many)), *texts]
        return {
            row["row"]: frozenset(
                name
                for number, name in enumerate(names)
                if row[f"lacks{number}"]
                # On an adopted record the target's value may have won, and would do so again.
                and (row["row"] not in done or (number >= len(once) and row["origin"] == "create"))
            )
            for row in found
            if row["key"] not in over
        }

    def _here(self) -> str:
        """A condition: the record isn't at home in the target."""
        away = self.loading.away
        return "" if away is None else f"AND NOT {away.condition('p._key')}"

    def _old(self, name: str) -> str:
        """A condition: the text, as we left it in the target, may hold an old address."""
        assert self.loading.addresses is not None  # noqa: S101 - else there are no such texts
        return self.loading.addresses.condition(self.plan, name, f'held."after"[{text(name)}]')


def _lacks(lead: Lead, parent: str) -> str:
    """A condition: the record that a field leads to is there, and the field doesn't hold it yet."""
    there = f"{parent}.target_id"
    same = "false" if lead.id is not None else f'held."after"[{text(lead.name)}] IS NOT DISTINCT FROM {there}'
    return f"{there} IS NOT NULL AND NOT ({same})"
