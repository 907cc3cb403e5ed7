"""Have the picklists that the maps speak of changed since the maps were made?

Weeks go by between the rehearsal and the load, and somebody adds, renames or switches off a value. `load`
asks before its first write, each time it begins or goes on; so does `check --live`. Each system tells the
picklists of an object that the plan fills, or that a map reads, in one call (HubSpot: one more for pipelines
and stages); nothing else is asked. The answer is compared with the catalogs that the ready rows were made
with; in `check`, with those of the last `discover`.

A load stops where a value is gone, switched off or renamed to which a map leads, or which ready rows hold;
where a new source value stands in the extract and has no home; and where a new target value is what such
records wait for. All else stands in nobody's way and is told: a target value that no map leads to, a source
value that no record has, or that went but keeps its home.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing

from migrate.catalog import Catalog, Option
from migrate.connector import Connector, TellsPicklists
from migrate.engine import parquet
from migrate.errors import Drifted, Parked, Retriable, SystemRefused, UsageError, ValueChange
from migrate.stages.check_values import option_words, resolve
from migrate.stages.count import count_without_home, holds
from migrate.stages.mapped import Filled, Place, Read, filled, inputs, reads
from migrate.stages.option_changes import became, come
from migrate.stages.pipeline import extracted
from migrate.workspace import Role, Workspace

Picklists = Mapping[Place, Sequence[Option]]
_FIELD_GONE = "the field isn't there any more, or our credential can't see it"


def before_load(workspace: Workspace, target: Connector) -> list[ValueChange]:
    """Ask both systems before the first write. What has changed, if it is in nobody's way.

    A source that doesn't answer stops nothing, for its records are extracted already; it is told.

    Raises:
        Drifted: something has changed that a person must see to.
        SystemRefused, Parked: the target.
    """
    found = _compare(workspace, target, _made_with(workspace, "source"), _made_with(workspace, "target"))
    if any(each.matters for each in found):
        raise Drifted(found)
    return found


def since_discover(workspace: Workspace) -> list[ValueChange]:
    """Ask both systems; all that has changed since the last `discover`."""
    with closing(workspace.target()) as target:
        return _compare(workspace, target, [workspace.catalog("source")], [workspace.catalog("target")])


def _made_with(workspace: Workspace, role: Role) -> list[Catalog]:
    """The catalogs that the ready rows were made with: one, but after a transform that was cut short.

    Rows of a former version don't name the target's; then, and where it is lost, the last one discovered.
    """
    fact = "source_catalog" if role == "source" else "target_discovered"
    digests: dict[str, None] = {}
    for each in workspace.plan.model.objects:
        for manifest in workspace.store.manifests("ready", each.name)[-1:]:
            digests[str(manifest.facts.get(fact) or "")] = None
    found = [workspace.former_catalog(role, digest) for digest in digests if digest]
    return [each for each in found if each is not None] or [workspace.catalog(role)]


def _compare(
    workspace: Workspace, target: Connector, sources: Sequence[Catalog], targets: Sequence[Catalog]
) -> list[ValueChange]:
    found: set[ValueChange] = set()
    for catalog in targets:
        places = filled(workspace.plan, catalog)
        side = _Target(workspace, target.system, sources[0], catalog, picklists(target, places))
        for place, each in places.items():
            found |= set(side.changes(place, each))
    for catalog in sources:
        found |= set(_Source(workspace, catalog, targets[0]).changes())
    return sorted(found)


def picklists(system: Connector, places: Iterable[Place]) -> Picklists:
    """The options of these fields now; a field that isn't there, or can't be seen, is left out.

    A connector that can't tell an object's picklists by themselves discovers everything.
    """
    wanted: dict[str, list[str]] = {}
    for object, name in dict.fromkeys(places):
        wanted.setdefault(object, []).append(name)
    if wanted and not isinstance(system, TellsPicklists):
        objects = system.discover().objects
        there = {(object, name): field.options for object in wanted if object in objects
                 for name, field in objects[object].fields.items()}  # fmt: skip
        return {place: there[place] for place in places if place in there}
    found: dict[Place, Sequence[Option]] = {}
    for object, names in wanted.items():
        assert isinstance(system, TellsPicklists)  # noqa: S101 - else it has returned
        found |= {(object, name): options for name, options in system.picklists(object, names).items()}
    return found


class _Target:
    """Compares the target's picklists, as they are `now`, with those of a catalog."""

    def __init__(
        self, workspace: Workspace, system: str, source: Catalog, catalog: Catalog, now: Picklists
    ) -> None:
        self._workspace, self._system = workspace, system
        self._source, self._catalog, self._now = source, catalog, now

    def changes(self, place: Place, each: Filled) -> Iterator[ValueChange]:
        field = self._catalog.objects[place[0]].fields[place[1]]
        old, new = field.options, self._now.get(place)
        if new is None:
            yield ValueChange(self._system, *place, "", f"{_FIELD_GONE}.", matters=True)
            return
        for option, what in became(old, new):
            users = self._led(each, old, place[1], option)
            if number := self._ready(place, each.entries, option.value):
                users.append(f"{_records(number, 'ready')} {_verb(number, 'hold')} it")
            if users:
                words = f"{what}; {'; '.join(users)}."
                yield ValueChange(self._system, *place, option.value, words, matters=True)
        yield from self._ambiguous(place, each, old, new)
        named = {written for _, _, written in each.homes}
        for option in come(old, new):
            if not named & {option.value, option.label}:
                waiting = [words for read in each.reads if (words := self._waiting(read, option))]
                words = f"{option_words(option)} is new; {'; '.join(waiting) or 'no map leads there'}."
                yield ValueChange(self._system, *place, option.value, words, matters=bool(waiting))

    @staticmethod
    def _led(each: Filled, old: Sequence[Option], name: str, option: Option) -> list[str]:
        """Which maps lead to a value, and from where."""
        files: dict[str, list[str]] = {}
        for file, value, written in each.homes:
            if resolve(old, written, name)[0] == option.value:
                files.setdefault(file, []).append(value)
        return [f"{file} leads {_listed(values)} there" for file, values in files.items()]

    def _ambiguous(
        self, place: Place, each: Filled, old: Sequence[Option], new: Sequence[Option]
    ) -> Iterator[ValueChange]:
        """Labels, written in maps, that one value had and several have now."""
        values = {option.value for option in new}
        for file, value, written in each.homes:
            home = resolve(old, written, place[1])[0]
            alike = [option.value for option in new if option.label == written]
            if home in values and written not in values and len(alike) > 1:
                what = f"`{written}` is the label of several values now, {_listed(alike)}"
                words = f"{what}; {file} leads `{value}` there."
                yield ValueChange(self._system, *place, written, words, matters=True)

    def _ready(self, place: Place, entries: Sequence[str], value: str) -> int:
        store, engine = self._workspace.store, self._workspace.engine
        condition = holds(self._catalog.objects[place[0]].fields[place[1]], value)
        total = 0
        for entry in entries:
            for manifest in store.manifests("ready", entry):
                if manifest.parts and place[1] in manifest.schema:
                    rows = parquet(store.files(manifest))
                    total += int(engine.rows(f"SELECT count(*) AS n FROM {rows} WHERE {condition}")[0]["n"])
        return total

    def _waiting(self, read: Read, option: Option) -> str:
        """Extracted records that hold a value of this very name and were rejected for want of a home."""
        homes = self._workspace.plan.picklist(read.file).home
        for value in dict.fromkeys((option.value, option.label)):
            for _, name in inputs(self._workspace.plan, self._workspace.engine, read, self._source):
                number = 0
                if value not in homes:
                    number = _homeless(self._workspace, self._source, read, name, value, homes)
                if number:
                    records = _records(number, "extracted")
                    return f"{records} with `{value}` {_verb(number, 'have')} no home in {read.file}"
        return ""


class _Source:
    """Compares the source's picklists with those of a catalog."""

    def __init__(self, workspace: Workspace, catalog: Catalog, target: Catalog) -> None:
        self._workspace, self._catalog, self._target = workspace, catalog, target

    @property
    def _system(self) -> str:
        return self._workspace.system("source").system

    def changes(self) -> Iterator[ValueChange]:
        plan, engine = self._workspace.plan, self._workspace.engine
        found = [
            (read, place, name)
            for read in reads(plan)
            for place, name in inputs(plan, engine, read, self._catalog)
        ]
        if not found:
            return
        try:
            with closing(self._workspace.source()) as source:
                now = picklists(source, [place for _, place, _ in found])
        except (SystemRefused, Parked, Retriable, UsageError) as error:
            words = f"can't be compared with what it was. {str(error).splitlines()[0]}"
            yield ValueChange(self._system, *found[0][1], "", words, matters=False)
            return
        for read, place, name in found:
            if place in now:
                yield from self._field(read, place, name, now[place])
            else:
                yield ValueChange(self._system, *place, "", f"{_FIELD_GONE}.", matters=False)

    def _field(self, read: Read, place: Place, name: str, new: Sequence[Option]) -> Iterator[ValueChange]:
        old = self._catalog.objects[place[0]].fields[place[1]].options
        homes = set(self._workspace.plan.picklist(read.file).home)
        for option, what in became(old, new):
            if option.value in homes:
                words = f"{what}; it keeps its home in {read.file}."
                yield ValueChange(self._system, *place, option.value, words, matters=False)
        homes |= self._by_itself(read)
        for option in come(old, new):
            if option.value not in homes:
                number = _homeless(self._workspace, self._catalog, read, name, option.value, homes)
                have = f"{_records(number, 'extracted')} {_verb(number, 'have')} it"
                words = f"{option_words(option)} is new and has no home in {read.file}; {have}."
                matters = number > 0 and read.rule in ("reject", "add")
                yield ValueChange(self._system, *place, option.value, words, matters)

    def _by_itself(self, read: Read) -> set[str]:
        """With `unmapped: add` a value is its own home where the target has it."""
        if read.rule != "add" or read.fills is None or read.fills[0] not in self._target.objects:
            return set()
        field = self._target.objects[read.fills[0]].fields.get(read.fills[1])
        return {text for each in (field.options if field else ()) for text in (each.value, each.label)}


def _homeless(
    workspace: Workspace, source: Catalog, read: Read, name: str, value: str, homes: Collection[str]
) -> int:
    """Extracted records with this value of a field, out of which the plan makes what has no home."""
    plan = workspace.plan
    objects = {read.through.object}
    if read.index is not None:
        objects |= {one.of for one in plan.model.objects[read.index].related.values()}
    files = extracted(workspace, sorted(objects)).files
    return count_without_home(plan, source, files, workspace.engine, read.through, name, value, homes)


def _listed(values: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(f"`{value}`" for value in values[:most])
    return shown + (f" and {len(values) - most:,} more" if len(values) > most else "")


def _records(number: int, which: str) -> str:
    return f"{number or 'no'} {which} record" + ("" if number == 1 else "s")


def _verb(number: int, plural: str) -> str:
    return plural if number != 1 else {"have": "has"}.get(plural, f"{plural}s")
