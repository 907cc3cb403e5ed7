"""What have people changed in the target while its records are at home in the source? Each with both values.

A delta holds such a record when the source changes it, too; here the others are found, so that nobody learns
of them only after the switch. Stamps choose what is read again: records changed since the former look whose
stamp isn't that of our own last write. Values decide: a field that isn't as we left it was changed by
somebody, or by an automation, and the vendor's history says by whom.

The first look begins where the cutover began to sync; what was changed before that is `migrate validate`'s to
find. Found rows are kept as `conflicts/<object>/gNNNN`, one generation a look that found any.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from migrate.clock import parse_stamp, stamp
from migrate.connector import KeepsHistory, Who
from migrate.engine import parquet, text
from migrate.errors import GapTooLong
from migrate.load.homes import away
from migrate.load.work import crosswalk, image
from migrate.plan.needs import written_fields
from migrate.stages.changes import OVERLAP, Look
from migrate.stages.snapshot import asked_of
from migrate.store import Manifest, generation_folder

if TYPE_CHECKING:
    import pyarrow as pa

    from migrate.catalog import ObjectSchema
    from migrate.connector import Target, Version
    from migrate.plan.models import ObjectPlan
    from migrate.workspace import Workspace

STAGE = "conflicts"
AT_ONCE = 500  # records whose values are in memory as Python's own
COLUMNS = ("key", "object", "target_id", "field", "was", "there", "who", "at", "found")
BY_AUTOMATION = f"({Who.AUTOMATION})"  # how `who` ends where nobody but the target's own automations wrote
DELETED = "deleted"  # what stands there of a record that somebody deleted; its `field` is empty


@dataclass
class Looked:
    """What one look found that none before it had: `records` that people changed, by target object. `marks`:
    when each look began."""

    records: dict[str, int] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)  # of what was found, by object

    @property
    def total(self) -> int:
        """Records in all."""
        return sum(self.records.values())


@dataclass(frozen=True)
class _Changed:
    key: str
    id: str
    after: dict[str, str | None]


def look(workspace: Workspace, since: Mapping[str, str], begin: str) -> Looked:
    """Look once at every object of the target that the plan writes to.

    Args:
        since: by target object, when the former look began.
        begin: where the first look begins.

    Raises:
        Parked, SystemRefused: the target.
    """
    found, plans = Looked(), workspace.plan.model.objects
    crosswalk(workspace)
    home = away(workspace)
    here = f"AND NOT {home.condition('c.key')}" if home else ""
    catalog = workspace.catalog("target")
    with closing(workspace.target()) as target:
        for name in dict.fromkeys(each.target for each in plans):
            schema = catalog.objects[name]
            if schema.stamp is None:
                continue
            entries = [each for each in plans if each.target == name]
            one = _Object(workspace, target, schema, entries, here)
            mark = stamp(target.now())
            manifest = one.look(parse_stamp(since.get(name, begin)) - OVERLAP)
            found.marks[name] = mark
            if manifest is not None and manifest.facts["records"]:
                found.records[name] = int(manifest.facts["records"])
                found.digests[name] = manifest.digest()
    return found


def looked(workspace: Workspace, object: str) -> list[Manifest]:
    """What looks have found of a target object, oldest first."""
    return workspace.store.manifests(STAGE, object)


class _Object:
    """One target object."""

    def __init__(
        self, workspace: Workspace, target: Target, schema: ObjectSchema, entries: Sequence[ObjectPlan],
        here: str,
    ) -> None:  # fmt: skip
        self.workspace, self.target, self.schema, self.here = workspace, target, schema, here
        self.name, self.engine, self.store = schema.name, workspace.engine, workspace.store
        once = {field for each in entries for field in each.insert_only}
        names = dict.fromkeys(name for each in entries for name in written_fields(each))
        self.fields = [name for name in names if name not in once]

    def look(self, since: datetime) -> Manifest | None:
        """Publish what was changed since and not found before; None where there is nothing."""
        import pyarrow as pa

        now = stamp(self.workspace.clock.now())
        number = max(self.store.generations(STAGE, self.name), default=-1) + 1
        folder, people = generation_folder(STAGE, self.name, number), 0
        self.store.discard(folder)
        with self.store.writer(folder, _columns()) as writer:
            for lot in chain(self._edited(since, now), self._deleted(since, now)):
                if rows := self._fresh(lot):
                    writer.write(pa.Table.from_pylist(rows, schema=_columns()))
                    people += len({row["key"] for row in rows if not row["who"].endswith(BY_AUTOMATION)})
        count = sum(part.rows for part in writer.parts)
        if not count:
            return None
        facts = {"at": now, "records": people}
        return self.store.publish(
            Manifest(folder, STAGE, self.name, number, count, tuple(writer.parts), facts=facts)
        )

    def _edited(self, since: datetime, now: str) -> Iterator[list[dict[str, Any]]]:
        """Fields that somebody changed, some records at a time."""
        asked = asked_of(self.target, self.schema, "", [])
        folder = f"{STAGE}/{self.name}/look"
        looking = Look(self.target, self.store, self.engine, self.workspace.clock)
        changed = looking.changed(folder, asked, since)
        try:
            if changed.rows:
                for lot in self._candidates(parquet(self.store.files(changed))):
                    yield self._differing(lot, now)
        finally:
            self.store.discard(f"{folder}-changed")

    def _candidates(self, rows: str) -> Iterator[list[_Changed]]:
        """Records of ours that somebody wrote to after our last write, by their stamps."""
        listed = self.engine.stream(
            f"""SELECT c.key, c.target_id, c.told_seq FROM crosswalk AS c
            JOIN (SELECT _id, any_value(_stamp) AS _stamp FROM {rows} GROUP BY _id) AS r
              ON r._id = c.target_id
            WHERE c.object = {text(self.name)} AND c.told_seq IS NOT NULL
              AND (c.stamp = '' OR c.stamp IS DISTINCT FROM r._stamp) {self.here} ORDER BY c.key""",
            rows=AT_ONCE,
        )
        for batch in listed:
            lot = batch.to_pylist()
            seqs = [int(row["told_seq"]) for row in lot]
            images = self.engine.rows(
                f"""SELECT seq, "after" FROM {self.workspace.journal.source(seqs)}
                WHERE kind = 'record' AND outcome = 'done' AND seq IN ({", ".join(map(str, seqs))})"""
            )
            after = {row["seq"]: image(row["after"]) for row in images}
            yield [
                _Changed(row["key"], row["target_id"], after.get(row["told_seq"], {})) for row in lot
            ]  # fmt: skip

    def _differing(self, lot: Sequence[_Changed], now: str) -> list[dict[str, Any]]:
        """The fields of these records that aren't as we left them, and who wrote them."""
        there = {
            record.asked: record
            for record in self.target.read_back(self.name, self.fields, ids=[each.id for each in lot])
        }
        differing: list[tuple[_Changed, list[str]]] = []
        for each in lot:
            record = there.get(each.id)
            if record is None or record.id != each.id:
                continue  # deleted or merged: told by its own rows, or by the next delta that meets it
            names = [
                name for name in self.fields
                if name in each.after and each.after[name] != record.values.get(name)
            ]  # fmt: skip
            if names:
                differing.append((each, names))
        versions = self._versions(differing)
        return [
            {
                "key": each.key, "object": self.name, "target_id": each.id, "field": name,
                "was": each.after[name], "there": there[each.id].values.get(name),
                **_written(versions.get(each.id, ()), name, there[each.id].stamp), "found": now,
            }
            for each, names in differing
            for name in names
        ]  # fmt: skip

    def _versions(self, differing: Sequence[tuple[_Changed, list[str]]]) -> dict[str, list[Version]]:
        if not differing or not isinstance(self.target, KeepsHistory):
            return {}
        names = sorted({name for _, found in differing for name in found})
        return self.target.history(self.name, [each.id for each, _ in differing], names)

    def _deleted(self, since: datetime, now: str) -> Iterator[list[dict[str, Any]]]:
        """Records of ours that somebody deleted in the target, some at a time."""
        folder = f"{STAGE}/{self.name}/look"
        looking = Look(self.target, self.store, self.engine, self.workspace.clock)
        try:
            gone = looking.gone(folder, self.name, since)
        except GapTooLong:
            return  # so long after the last look; a delta that meets one tells it, and so does validate
        try:
            if not gone.rows:
                return
            ours = self.engine.stream(
                f"""SELECT c.key, c.target_id FROM crosswalk AS c
                WHERE c.object = {text(self.name)} {self.here}
                AND c.target_id IN (SELECT _id FROM {parquet(self.store.files(gone))}) ORDER BY c.key""",
                rows=AT_ONCE,
            )
            for batch in ours:
                yield self._gone(batch.to_pylist(), now)
        finally:
            self.store.discard(f"{folder}-gone")

    def _gone(self, lot: list[dict[str, Any]], now: str) -> list[dict[str, Any]]:
        live = self.target.read_back(self.name, [], ids=[row["target_id"] for row in lot])
        back = {record.asked for record in live}
        return [
            {
                "key": row["key"], "object": self.name, "target_id": row["target_id"], "field": "",
                "was": None, "there": DELETED, "who": "", "at": "", "found": now,
            }
            for row in lot
            if row["target_id"] not in back
        ]  # fmt: skip

    def _fresh(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those that no look before has found: the same value in the same field is told once."""
        files = [path for each in looked(self.workspace, self.name) for path in self.store.files(each)]
        if not rows or not files:
            return rows
        keys = ", ".join(text(key) for key in sorted({row["key"] for row in rows}))
        known = self.engine.rows(
            f"SELECT DISTINCT key, field, there FROM {parquet(files)} WHERE key IN ({keys})"
        )
        told = {(row["key"], row["field"], row["there"]) for row in known}
        return [row for row in rows if (row["key"], row["field"], row["there"]) not in told]


def _written(versions: Sequence[Version], name: str, at: str) -> dict[str, str]:
    last = next((each for each in versions if each.field == name and each.who is not Who.OURS), None)
    if last is None:
        return {"who": "", "at": at}
    return {"who": f"{last.name} ({last.who})".strip(), "at": last.at}


def _columns() -> pa.Schema:
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in COLUMNS])
