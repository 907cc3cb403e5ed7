"""Does the source stand still? Who wrote since, which jobs run, and what moved that no stamp tells.

A look believes nobody. It asks the source who touched which record of the cohort; it lists jobs and imports;
it sweeps what bears no stamp (links) and compares it with the sweep before; and, apart, it reads the catalog
anew. What a door does that the plan lets go on (`during: drain`), and what the writers do that
it allows, is counted and in nobody's way.

Times are the vendor's. A touch is listed with user, record, deed and fields, as far as the vendor tells them.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from migrate.clock import stamp
from migrate.connector import ListsAutomations, Query
from migrate.connector.freezing import Deed, Job, Level, TellsJobs, TellsTouches, Touch
from migrate.cutover import homes
from migrate.cutover.cohorts import known, names
from migrate.engine import parquet, text
from migrate.plan.keys import TILDE, key_of
from migrate.stages.extract import objects_needed
from migrate.store import Manifest

if TYPE_CHECKING:
    from migrate.connector import Source
    from migrate.plan.cutover import FreezePlan, IntakePlan
    from migrate.workspace import Workspace

LISTED = 200  # offences that are listed of one object; all are counted
FOLDER = "freeze"  # stage of the sweeps


@dataclass(frozen=True)
class Offence:
    """One write that breaks the freeze. `by` and `by_id` are "" where the vendor doesn't tell who it was."""

    object: str
    id: str
    name: str
    at: str
    by: str
    by_id: str
    deed: Deed
    fields: tuple[str, ...] = ()


@dataclass
class Look:
    """What one look at the source found. `since`, `at`: stamps of the vendor's time.

    `counts`: offences by (object, who). `last`: when the newest of them was. `doors`: records that came
    through each door that stays open. `stirred`: records of which a job of the vendor moved the stamp alone.
    """

    since: str
    at: str
    offences: list[Offence] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    last: str = ""
    doors: Counter[str] = field(default_factory=Counter)
    allowed: Counter[str] = field(default_factory=Counter)
    door_last: str = ""
    stirred: int = 0
    jobs: list[Job] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)  # what this system can't tell, in words

    @property
    def touched(self) -> int:
        """Offences in all."""
        return sum(self.counts.values())

    @property
    def running(self) -> list[Job]:
        """Jobs that haven't ended."""
        return [each for each in self.jobs if not each.ended]

    def digest(self) -> str:
        """Of what was seen; the trail's evidence."""
        seen = {
            "since": self.since, "at": self.at, "last": self.last,
            "counts": sorted((*key, count) for key, count in self.counts.items()),
            "doors": sorted(self.doors.items()), "allowed": sorted(self.allowed.items()),
            "jobs": sorted((each.id, each.state) for each in self.jobs),
        }  # fmt: skip
        return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()


def levels(workspace: Workspace) -> dict[str, Level]:
    """The level of each source object that the plan reads; `data` where the plan names none."""
    asked = workspace.plan.model.cutover.freeze.levels
    return {name: asked.get(name, "data") for name in objects_needed(workspace)}


def configuration(workspace: Workspace, source: Source) -> dict[str, str]:
    """A digest of each object's fields and picklists as they are now, and of which automations there are.

    Whether an automation is on doesn't count: a freeze switches some off.
    """
    catalog = source.discover()
    names = [name for name in levels(workspace) if name in catalog.objects]
    found = {name: catalog.objects[name].model_dump(mode="json") for name in names}
    if isinstance(source, ListsAutomations):
        for each in source.automations(names).automations:
            known = found[each.object].setdefault("automations", [])
            known.append([each.kind, each.name, each.id])
    return {
        name: hashlib.sha256(json.dumps(each, sort_keys=True, default=str).encode()).hexdigest()[:16]
        for name, each in found.items()
    }


class Looking:
    """Looks at the source of one cohort."""

    def __init__(self, workspace: Workspace, source: Source, cohort: str) -> None:
        self._workspace, self._source, self._cohort = workspace, source, cohort
        plan = workspace.plan.model.cutover
        self._freeze: FreezePlan = plan.freeze
        self._doors = [each for each in plan.intake if each.during == "drain"]
        self._catalog = workspace.catalog("source")
        self._scope = Scope(workspace, cohort)

    def look(self, since: datetime, *, sweep: bool = True) -> Look:
        """Look at everything since a moment, but for the configuration.

        Args:
            sweep: read what bears no stamp, whole. Without it only what was never swept since then is; of the
                rest the former sweeps count.

        Raises:
            SystemRefused, Parked: the source; a right that is missing is named.
        """
        found = Look(stamp(since), stamp(self._source.now()))
        self._jobs(found, since)
        for object, level in levels(self._workspace).items():
            if level == "data":
                self._object(found, object, since, sweep=sweep)
        return found

    def changed(self, known: Mapping[str, str]) -> list[str]:
        """What of the configuration is no longer as it was when the freeze was asked for, in words."""
        now = configuration(self._workspace, self._source)
        words = []
        for name in sorted(known.keys() | now.keys()):
            if known.get(name) != now.get(name):
                word = "is gone" if name not in now else "came" if name not in known else "was changed"
                words.append(f"`{name}` {word} (fields, picklists or automations)")
        return words

    def _jobs(self, found: Look, since: datetime) -> None:
        if isinstance(self._source, TellsJobs):
            wanted = {name for name, level in levels(self._workspace).items() if level != "configuration"}
            found.jobs = [
                each
                for each in self._source.jobs(since)
                if not each.object or wanted & set(each.object.split(", "))
            ]
        else:
            found.untold.append("It tells no jobs or imports: ask whoever runs them.")

    def _object(self, found: Look, object: str, since: datetime, *, sweep: bool) -> None:
        schema = self._catalog.objects.get(object)
        pages = None
        if schema is not None and schema.stamp is not None and isinstance(self._source, TellsTouches):
            pages = self._source.touches(object, since)
        if pages is None:
            self._swept(found, object, sweep=sweep)
            return
        for page in pages:
            ours = self._scope.of(object, [each.id for each in page])
            for each in page:
                if each.id in ours:
                    self._one(found, each)

    def _one(self, found: Look, each: Touch) -> None:
        at = stamp(each.at)
        if each.stirred:
            found.stirred += 1
        elif door := next((door for door in self._doors if comes_through(door, each)), None):
            found.doors[door.name] += 1
            found.door_last = max(found.door_last, at)
        elif named(each, self._freeze.allow):
            found.allowed[each.by or each.by_id] += 1
            found.door_last = max(found.door_last, at)
        else:
            self._offend(
                found,
                Offence(each.object, each.id, each.name, at, each.by, each.by_id, each.deed, each.fields),
            )

    @staticmethod
    def _offend(found: Look, each: Offence) -> None:
        found.counts[each.object, each.by or each.by_id] += 1
        found.last = max(found.last, each.at)
        if sum(one.object == each.object for one in found.offences) < LISTED:
            found.offences.append(each)

    # -- what no stamp tells -------------------------------------------------------------------

    def _swept(self, found: Look, object: str, *, sweep: bool) -> None:
        """Read it whole and compare it with the sweep before; what differs moved between the two."""
        import pyarrow as pa

        store = self._workspace.store
        folder = f"{FOLDER}/{self._cohort}/{object}"
        former = store.manifest(folder)
        if former is not None and former.facts["since"] != found.since:
            former = None  # of an earlier freeze
        if former is not None and not sweep:
            found.last = max(found.last, str(former.facts["moved"]))
            return
        ends = [name for name in ("left", "right") if name in self._fields(object)]
        asked = [*ends, *self._stamp(object)]
        columns = pa.schema([(name, pa.string()) for name in ("_id", *asked)])
        before = self._rows(store.files(former) if former is not None else [], columns)
        with store.rewriter(folder, columns) as writer:
            for page in self._source.read(Query(object, tuple(asked)), after=None):
                if page.batch.num_rows:
                    writer.write(pa.Table.from_batches([page.batch]).select(columns.names).cast(columns))
        # What a sweep finds may have moved until its end. The first has none to be compared with: the object
        # stands still from then on, at the earliest.
        ended = stamp(self._source.now())
        moved = str(former.facts["moved"]) if former is not None else ended
        if former is not None:
            now = self._rows(
                store.paths(folder if store.storage.remote else f"{folder}/next", writer.parts), columns
            )
            if self._links(found, object, ends, before, now):
                moved = ended
        facts = {"since": found.since, "at": found.at, "moved": moved}
        rows = sum(part.rows for part in writer.parts)
        store.replace(Manifest(folder, FOLDER, object, 0, rows, tuple(writer.parts), facts=facts))
        found.last = max(found.last, moved)

    def _links(self, found: Look, object: str, ends: Sequence[str], before: str, now: str) -> bool:
        """Whether anything of the cohort's came or went between two sweeps."""
        moved, engine = False, self._workspace.engine
        came = f"""SELECT *, _id IN (SELECT _id FROM {before}) AS there
            FROM (SELECT * FROM {now} EXCEPT SELECT * FROM {before})"""
        gone = f"SELECT *, false AS there FROM {before} WHERE _id NOT IN (SELECT _id FROM {now})"
        ways: tuple[tuple[Deed, str], ...] = (("created", came), ("deleted", gone))
        for deed, query in ways:
            for row in engine.rows(query):
                if self._in_scope(object, row, ends):
                    kind: Deed = "changed" if row["there"] else deed
                    self._offend(found, Offence(object, str(row["_id"]), "", found.at, "", "", kind))
                    moved = True
        return moved

    def _in_scope(self, object: str, row: Mapping[str, Any], ends: Sequence[str]) -> bool:
        """Whether a link is the cohort's: one of its ends is."""
        fields = self._fields(object)
        for name in ends:
            for end in fields[name].references:
                if self._scope.of(end, [str(row[name])]):
                    return True
        return not ends

    def _stamp(self, object: str) -> tuple[str, ...]:
        schema = self._catalog.objects.get(object)
        return (schema.stamp,) if schema is not None and schema.stamp else ()

    def _fields(self, object: str) -> Mapping[str, Any]:
        schema = self._catalog.objects.get(object)
        return schema.fields if schema is not None else {}

    @staticmethod
    def _rows(files: Sequence[str], columns: Any) -> str:
        empty = ", ".join(f'NULL::VARCHAR AS "{name}"' for name in columns.names)
        return parquet(files) if files else f"(SELECT {empty} WHERE false)"


class Scope:
    """Which records of the source are a cohort's, and still at home there?"""

    def __init__(self, workspace: Workspace, cohort: str) -> None:
        self._engine, self._family = workspace.engine, workspace.catalog("source").family
        bounded = known(workspace, cohort).where is not None
        self._files = homes.keys(workspace, cohort) if bounded else None
        others = [] if bounded else [name for name in names(workspace) if name != cohort]
        self._others = [file for name in others for file in homes.keys(workspace, name)]
        self._home = homes.home(workspace)

    def of(self, object: str, ids: Sequence[str]) -> set[str]:
        """Those of these records that are in the cohort and at home in the source.

        A cohort without a condition is everything that no other has, new records included.
        """
        if not ids:
            return set()
        keys = {key_of(self._family, object, id): id for id in ids}
        listed = ", ".join(map(text, keys))
        left = set(keys) - self._among(f"SELECT key FROM {self._home} WHERE side = 'target'", listed)
        if self._others:
            left -= self._among(f"SELECT key FROM {parquet(self._others)}", listed)
        if self._files is not None:
            left &= self._among(f"SELECT key FROM {parquet(self._files)}", listed) if self._files else set()
        return {keys[key] for key in left}

    def _among(self, keys: str, listed: str) -> set[str]:
        """Keys of a query, their parts aside, that are among these."""
        rows = self._engine.rows(
            f"""SELECT DISTINCT split_part(key, '{TILDE}', 1) AS key FROM ({keys})
            WHERE split_part(key, '{TILDE}', 1) IN ({listed})"""
        )
        return {row["key"] for row in rows}


def comes_through(door: IntakePlan, each: Touch) -> bool:
    """Whether a write came through a door: its writer's, or, where none is named, a new record."""
    if each.object != door.object:
        return False
    return named(each, door.by) if door.by else each.deed == "created"


def named(each: Touch, names: Sequence[str]) -> bool:
    """Whether a list of people and apps names the writer: by the vendor's id, by name, or by e-mail."""
    by = each.by.lower()
    return any(
        name == each.by_id or name.lower() == by or f"({name.lower()})" in by for name in names if name
    )
