"""Where does the way back keep what it knows, and what did both systems hold when a cohort was switched?

The old system is the target of a workspace of its own, below this one's state: with a ledger, a journal and a
checkpoint, so that what we write into somebody's old system obeys the load protocol there, too. Beside them
lie *looks* (each system as it was read last) and *bases* (each record as it was when its changes were looked
at last; at first, when its cohort was switched). What differs between the two is what people did since.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from migrate.cutover import homes
from migrate.cutover.inverses import quick
from migrate.cutover.reverse_plan import document, turned
from migrate.engine import identifier, parquet, text
from migrate.errors import Busy, UsageError
from migrate.journal import CROSSWALK
from migrate.load.work import crosswalk
from migrate.place import LEDGER, STATE
from migrate.plan.keys import entry_sql, key_prefix, posted_sql, split_entry
from migrate.stages.changes import Following, Look
from migrate.stages.snapshot import link_schema, snapshot_links
from migrate.store import Manifest, Store, generation_folder
from migrate.workspace import Role, Workspace

if TYPE_CHECKING:
    from migrate.catalog import Catalog
    from migrate.connector import Target

FOLDER = "reverse"  # below the workspace's state; a purge knows it by this name
WHOLE_EVERY = timedelta(days=1)  # a look that goes on for longer is taken anew
NEW, OLD, BASE, LINKS, FOREIGN, MARKS = "look-new", "look-old", "base", "base-links", "foreign", "marks"
ON_S3 = (
    "The way back keeps a ledger and a journal of its own in a folder; this workspace is on S3.",
    "Restore it into a folder (`migrate backup`, `migrate restore`), and switch from there.",
)
ANCHOR, ROUND = "anchor", "round"  # kinds of marks


@dataclass(frozen=True)
class Mark:
    """What a numbered step of the way back was: an anchor (a cohort was about to switch), or a round.

    `tried`: the old system's field that a canary's round tried; nobody entered what it brought there.
    """

    number: int
    kind: str
    cohort: str
    at: str
    tried: str = ""


class Side:
    """The way back's own workspace, and the entries of the plan turned round.

    Raises:
        UsageError: the workspace lies on S3, or a rule can't be read.
        PlanError: the plan isn't sound.
    """

    def __init__(self, forward: Workspace) -> None:
        if forward.place.remote:
            raise UsageError(*ON_S3)
        self.forward = forward
        plan, self.source, self.target = forward.plan, forward.catalog("source"), forward.catalog("target")
        self.entries = turned(plan, self.source, self.target, quick(forward).inverses)
        root = forward.root / STATE / FOLDER
        environment = {name: value for name, value in forward.environment.items() if name != LEDGER}
        self.workspace = Workspace(root, environment)
        self._write()

    def _write(self) -> None:
        """Write the turned plan, where it isn't there as it is now."""
        from ruamel.yaml import YAML

        self.forward.place.make()
        root = self.workspace.root
        root.mkdir(mode=0o700, exist_ok=True)
        systems = {}
        for role, entry in (
            ("source", self.forward.system("target")),
            ("target", self.forward.system("source")),
        ):
            told = entry.model_dump(mode="json", exclude_none=True)
            where, _, rest = entry.credentials.partition(":")
            if where == "file":
                told["credentials"] = f"file:{(self.forward.root / rest).expanduser()}"
            systems[role] = told
        path, aside = root / "plan.yaml", root / "plan.yaml.new"
        with aside.open("w", encoding="utf-8") as out:
            yaml = YAML(typ="safe")
            yaml.default_flow_style = False
            yaml.dump(document(self.forward.plan, self.entries, systems), out)
        if path.exists() and path.read_bytes() == aside.read_bytes():
            aside.unlink()
        else:
            aside.replace(path)

    def close(self) -> None:
        """Release what was opened; not the workspace that goes forward."""
        self.workspace.close()

    @property
    def store(self) -> Store:
        """Where looks, bases and what is made of them lie."""
        return self.workspace.store

    @cached_property
    def objects(self) -> dict[str, tuple[str, ...]]:
        """Objects of the new system that are looked at, each with the fields that matter."""
        found: dict[str, dict[str, None]] = {}
        for each in self.entries:
            found.setdefault(each.object, {}).update(dict.fromkeys(each.looked_at))
        return {name: tuple(fields) for name, fields in found.items()}

    @cached_property
    def old_objects(self) -> dict[str, tuple[str, ...]]:
        """The same of the old one: every field to which something goes."""
        found: dict[str, dict[str, None]] = {}
        for each in self.entries:
            names = [field.name for field in each.fields]
            names += [one.old for one in each.stays if one.old and "." not in one.field]
            fields = self.source.objects[each.old].fields
            found.setdefault(each.old, {}).update(dict.fromkeys(name for name in names if name in fields))
        return {name: tuple(fields) for name, fields in found.items()}

    @cached_property
    def pairs(self) -> dict[str, tuple[str, ...]]:
        """Objects at the far ends of the links that matter, by the object of the new system."""
        found: dict[str, dict[str, None]] = {}
        for each in self.entries:
            ends = [field.far for field in each.fields if field.link] + [link.far for link in each.links]
            if ends:
                found.setdefault(each.object, {}).update(dict.fromkeys(ends))
        return {name: tuple(ends) for name, ends in found.items()}

    # -- marks --------------------------------------------------------------------------------

    def marks(self) -> list[Mark]:
        """Every step that was planned whole, oldest first."""
        return [
            Mark(
                each.generation, each.facts["kind"], each.facts["cohort"], each.facts["at"],
                each.facts.get("tried", ""),
            )
            for each in self.store.manifests(MARKS, "all")
        ]  # fmt: skip

    def mark(self, number: int, kind: str, cohort: str, at: str, tried: str = "") -> None:
        """The step's artifacts are whole; from now on it counts."""
        facts = {"kind": kind, "cohort": cohort, "at": at, "tried": tried}
        folder = generation_folder(MARKS, "all", number)
        self.store.publish(Manifest(folder, MARKS, "all", number, 0, (), facts=facts))
        for stage in (BASE, LINKS):
            for object in self.objects:
                for old in self.store.manifests(stage, object)[:-2]:
                    self.store.discard(old.folder)

    def changes(self, number: int) -> int:
        """How many changes a step found."""
        manifest = self.store.manifest(generation_folder("changes", "all", number))
        return manifest.rows if manifest is not None else 0

    # -- looks --------------------------------------------------------------------------------

    def ready(self) -> None:
        """Discover both systems for the way back, where that wasn't done.

        Raises:
            UsageError: the credentials lead elsewhere than those of the plan.
        """
        from migrate.stages.discover import discover

        ledger = self.workspace.ledger
        roles: tuple[tuple[Role, Catalog], ...] = (("source", self.target), ("target", self.source))
        for role, catalog in roles:
            label = self.workspace.system(role).system
            try:
                bound = ledger.system(label)
            except UsageError:
                discover(self.workspace, (role,))
                bound = ledger.system(label)
            if bound.tenant != catalog.tenant:
                raise UsageError(
                    "The way back is bound to other systems than the plan.",
                    f"Look into {self.workspace.root}.",
                )

    def look_new(self, *, whole: bool = False, objects: Sequence[str] = (), links: bool = True) -> str:
        """Read what changed in the new system, links included; the vendor's time when it began.

        Args:
            whole: read every record from the row store, so that nothing depends on an index.
            objects: only these; none: all.
            links: read them too; they bear no stamps, so that all of them are read.
        """
        with closing(self.forward.target()) as target:
            began = f"{target.now().isoformat()}"
            keys = {each.target: each.key.field for each in self.forward.plan.model.objects}
            for object, fields in self.objects.items():
                if objects and object not in objects:
                    continue
                self._look(
                    target, self.target.objects[object], object, NEW, fields, keys[object], whole=whole
                )
            for object, ends in self.pairs.items() if links else ():
                if objects and object not in objects:
                    continue
                files = self.look(NEW, object)
                ids = (
                    id
                    for batch in self.workspace.engine.stream(f"SELECT _id FROM {files}")
                    for id in batch.column(0).to_pylist()
                )
                folder = f"{NEW}/{object}-links"
                snapshot_links(target, object, ids, ends, self.store, folder, clock=self.forward.clock)
        return began

    def look_old(self, *, whole: bool = False) -> None:
        """Read what changed in the old system."""
        with closing(self.workspace.target()) as target:
            keys = {each.old: each.key_field for each in self.entries}
            catalog = self.workspace.catalog("target")
            for object, fields in self.old_objects.items():
                self._look(target, catalog.objects[object], object, OLD, fields, keys[object], whole=whole)

    def _look(
        self, target: Target, schema: object, object: str, stage: str, fields: tuple[str, ...], key: str, *,
        whole: bool,
    ) -> None:  # fmt: skip
        from migrate.catalog import ObjectSchema

        assert isinstance(schema, ObjectSchema)  # noqa: S101
        clock = self.forward.clock
        look = Look(target, self.store, self.workspace.engine, clock)
        catalog = self.target.digest() if stage == NEW else self.source.digest()
        folder = f"{stage}/{object}"
        if whole:
            look.whole(schema, folder, key_field=key, fields=fields, catalog=catalog, why="whole")
        else:
            look.on(schema, folder, Following(WHOLE_EVERY, catalog), key_field=key, fields=fields)

    # -- tables -------------------------------------------------------------------------------

    def look(self, stage: str, object: str) -> str:
        """The table expression of a look."""
        manifest = self.store.manifest(f"{stage}/{object}")
        if manifest is None:
            raise UsageError(
                f"`{object}` hasn't been looked at for the way back.", "Run the same command again."
            )
        return self._table(manifest, stage, object)

    def base(self, object: str, number: int, stage: str = BASE) -> str:
        """The table expression of the newest base up to a step; without rows where there is none."""
        found = [each for each in self.store.manifests(stage, object) if each.generation <= number]
        return self._table(found[-1] if found else None, stage, object)

    def _table(self, manifest: Manifest | None, stage: str, object: str) -> str:
        if manifest is not None and manifest.parts:
            return parquet(self.store.files(manifest))
        from migrate.types import duckdb_type

        if stage == LINKS or object.endswith("-links"):
            names = ", ".join(f"NULL::VARCHAR AS {identifier(name)}" for name in link_schema().names)
            return f"(SELECT {names} WHERE false)"
        old = stage == OLD or stage.endswith("-old")
        catalog = self.source if old else self.target
        schema = catalog.objects[object].fields
        fields = (self.old_objects if old else self.objects)[object]
        typed = [(n, schema[n]) for n in fields]
        columns = [f"NULL::VARCHAR AS {n}" for n in ("_id", "_key", "_stamp", "_source")]
        columns += [f"NULL::{duckdb_type(f.kind, f.precision, f.scale)} AS {identifier(n)}" for n, f in typed]
        return f"(SELECT {', '.join(columns)} WHERE false)"

    def ids(self) -> None:
        """Make the engine's table `ids`: records of the new system that are known in the old one.

        `object`, `id` (new), `entry` (turned), `rkey`, `old`, `old_id`, `key` (the migration key, null for
        what came back as a new record) and `side`.
        """
        forward, engine = self.forward, self.workspace.engine
        crosswalk(forward)
        home, other = homes.home(forward), homes.elsewhere(forward)
        query = f"""SELECT c.key, c.object, c.target_id AS id, coalesce(h.side, {text(other)}) AS side
            FROM crosswalk AS c LEFT JOIN {home} AS h ON h.key = c.key
            WHERE NOT {posted_sql("c.key")}"""  # the old system never had these: they go there as new ones
        engine.run("CREATE OR REPLACE TABLE known (key VARCHAR, object VARCHAR, id VARCHAR, side VARCHAR)")
        import pyarrow as pa

        for batch in forward.engine.stream(query):
            engine.insert("known", pa.Table.from_batches([batch]))
        engine.run(
            "CREATE OR REPLACE TABLE turned (forward VARCHAR, entry VARCHAR, object VARCHAR, old VARCHAR, "
            "prefix VARCHAR, suffix VARCHAR)"
        )
        family = self.target.family
        engine.put(
            "turned",
            [
                (each.forward, each.name, each.object, each.old, key_prefix(family, each.name),
                 split_entry(each.name)[1])
                for each in self.entries
            ],
        )  # fmt: skip
        back = CROSSWALK.format(journal=self.workspace.journal.source())
        engine.run(
            f"""CREATE OR REPLACE TABLE ids AS
            SELECT k.object, k.id, t.entry, t.prefix || k.id || t.suffix AS rkey, t.old,
              regexp_extract(k.key, '^[^.]+[.][^.]+[.]([^~]+)', 1) AS old_id, k.key, k.side
            FROM known AS k JOIN turned AS t ON t.forward = {entry_sql("k.key")} AND t.object = k.object
            QUALIFY row_number() OVER (PARTITION BY k.object, k.id, t.entry ORDER BY k.key) = 1"""
        )
        engine.run(
            f"""INSERT INTO ids SELECT t.object, substr(c.key, length(t.prefix) + 1,
                length(c.key) - length(t.prefix) - length(t.suffix)) AS id, t.entry, c.key, t.old,
                c.target_id, NULL, 'target'
            FROM (SELECT key, target_id, origin FROM ({back})) AS c JOIN turned AS t
              ON t.entry = {entry_sql("c.key")}
            WHERE c.origin = 'create' AND c.key NOT IN (SELECT rkey FROM ids)"""
        )


@contextmanager
def opened(forward: Workspace) -> Iterator[Side]:
    """The way back's side of a workspace, closed at the end."""
    side = Side(forward)
    try:
        yield side
    finally:
        side.close()


@contextmanager
def alone(side: Side) -> Iterator[None]:
    """Keep the steps of the way back to one process.

    Raises:
        Busy: another process is at it.
    """
    with side.workspace.ledger.alone("way-back") as ours:
        if not ours:
            raise Busy("Another process is busy with the way back.", "Wait for its end, and run this again.")
        yield
