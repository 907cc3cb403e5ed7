"""Where does one migration live, and what is in reach of a command? The workspace and its parts.

`place.py` says where its two halves lie. Everything is opened on demand, so that a command pays only for what
it uses.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import uuid
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from migrate.errors import Damaged, Overtaken, SystemRefused, UsageError
from migrate.place import LEDGER, Place
from migrate.storage import NEW, Taken
from migrate.store import Store

if TYPE_CHECKING:
    from migrate.blobs import Blobs
    from migrate.catalog import Catalog
    from migrate.clock import Clock
    from migrate.connector import CallCounts, Connector, Source, Target
    from migrate.engine import Engine
    from migrate.journal import Journal
    from migrate.ledger import Ledger
    from migrate.ledger.database import Appended
    from migrate.plan import Plan
    from migrate.plan.models import SystemPlan
    from migrate.storage import Storage

Role = Literal["source", "target"]
_BINDING = "ledger.json"  # which ledger is this workspace's
COPY = "ledger-copy.json"  # what of the ledger stands nowhere else; see `migrate.ledger.copies`
TRAIL = "trail-head.json"  # the newest event of the trail; shows where its tail was cut
GONE = (
    "Restore it from a backup, or run `migrate rebuild`: it makes the ledger anew out of the journal and the "
    "copy beside it. Nothing may be loaded before that."
)
LOST_HEADS = 100  # that are remembered
MEMORY = "MIGRATE_MEMORY"  # the environment variable that bounds what the engine keeps in memory
_SIZE = re.compile(r"[1-9][0-9]{0,5}[MG]B")


def other_tenant(label: str, tenant: str, bound: str) -> SystemRefused:
    """The refusal of credentials that lead elsewhere than those of the first discover."""
    return SystemRefused(
        label,
        f"its credentials lead to tenant {tenant}, but this workspace is bound to {bound}",
        "Use the credentials of the first discover, or begin another workspace for the other tenant.",
    )


class Workspace:
    """One migration.

    Args:
        where: the folder that holds `plan.yaml`, or `s3://bucket/prefix`.
        environment: where `credentials: env:PREFIX_` are looked up.
    """

    def __init__(self, where: Path | str, environment: Mapping[str, str] | None = None) -> None:
        self.environment = os.environ if environment is None else environment
        self.place = Place(where, self.environment)
        self.calls: dict[str, CallCounts] = {}  # by system, of every connector that was made here
        self._catalogs: dict[Role, tuple[str, Catalog]] = {}  # each read and verified once, with its key

    # -- people's side ------------------------------------------------------------------------

    @property
    def root(self) -> Path:
        """The folder with the plan and its maps; of a workspace on S3, this command's copy."""
        return self.place.root

    @property
    def plan_path(self) -> Path:
        """The plan."""
        return self.root / "plan.yaml"

    @cached_property
    def plan(self) -> Plan:
        """The plan with its maps and, once both systems were discovered, the entries that `files` stand for.

        Raises:
            UsageError: there is none here.
            PlanError: it is wrong.
        """
        return self.with_files(self._written)

    def with_files(self, plan: Plan) -> Plan:
        """A plan of this workspace with the entries that its `files` stand for, as far as catalogs tell."""
        from migrate.plan.attachments import expanded

        if not any(each.files.attachments for each in plan.model.objects):
            return plan
        try:
            source, target = self.catalog("source"), self.catalog("target")
        except UsageError:  # before the first discover there is no catalog
            return plan
        return expanded(plan, source, target)

    @cached_property
    def _written(self) -> Plan:
        """The plan as it is written."""
        from migrate.plan import load_plan

        if not self.plan_path.exists():
            raise UsageError(
                f"There is no plan.yaml in {self.place}.",
                "Run `migrate init` there, or name another workspace with `--workspace`.",
            )
        return load_plan(self.plan_path)

    def system(self, role: Role) -> SystemPlan:
        """The plan's entry of a system."""
        return self._written.model.source if role == "source" else self._written.model.target

    # -- our side -----------------------------------------------------------------------------

    @property
    def storage(self) -> Storage:
        """Where stages, journal, catalogs, reports and blobs lie."""
        return self.place.storage

    @cached_property
    def clock(self) -> Clock:
        """The clock that the plan asks for; `sandbox` follows a loopback sandbox's control endpoint.

        Raises:
            UsageError: `clock: sandbox` for a host that isn't this machine.
        """
        from migrate.clock import SystemClock

        roles: tuple[Role, ...] = ("target", "source")
        for role in roles:
            if self.system(role).clock == "sandbox":
                return self._sandbox_clock(role)
        return SystemClock()

    def _sandbox_clock(self, role: Role) -> Clock:
        from migrate.clock import SandboxClock, is_loopback
        from migrate.errors import Parked

        given = self.credentials(role)
        url = given.get("base_url") or given.get("instance_url") or ""
        if not is_loopback(url):
            raise UsageError(
                f"`clock: sandbox` of `{self.system(role).system}` needs a sandbox on this machine.",
                "Remove `clock` from the plan's entry for a real system.",
            )
        try:
            return SandboxClock.read(url, given.get("ca"))
        except (OSError, ValueError) as error:
            system = self.system(role).system
            raise Parked(system, f"its sandbox at {url} doesn't answer ({error})") from error

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger: `.migrate/ledger.db`, or the PostgreSQL database that `MIGRATE_LEDGER` names.

        Raises:
            UsageError: this workspace's ledger is another one.
        """
        from migrate.ledger import Ledger

        clock = self.clock  # asks the plan: where there is none, nothing is made
        storage, file, url = self.storage, self.place.ledger_file, self.environment.get(LEDGER)
        self.place.make()
        try:
            content, tag = storage.read(_BINDING)
            known = json.loads(content)
        except FileNotFoundError:
            known, tag = {"id": uuid.uuid4().hex, "place": ""}, NEW
        if not url:
            if known["place"] or file is None:
                raise UsageError(
                    f"This workspace's ledger is {known['place']}.", f"Set the variable {LEDGER} to its URL."
                )
            if not _begun(file) and self.has_history():
                raise Damaged(str(file), "is gone, though this workspace has a history", GONE)
            return self._kept(Ledger(file, clock))
        if file is not None and file.exists():
            raise UsageError(
                f"This workspace's ledger is {file}, and {LEDGER} names another one.",
                f"Unset {LEDGER}, or begin another workspace with it.",
            )
        ledger = Ledger(url, clock)
        try:
            if known["place"]:
                _must_have_owner(ledger)
            if not known["place"]:
                # The id is kept first: a database that is bound to an id that nobody knows would be lost.
                storage.prove()
                tag = storage.write(_BINDING, json.dumps(known).encode(), tag)
            ledger.bind(known["id"])
            if not known["place"]:
                bound = {**known, "place": ledger.backend.name}
                storage.write(_BINDING, json.dumps(bound).encode(), tag)
        except Taken as error:
            ledger.close()
            raise Overtaken(storage.address(_BINDING)) from error
        except BaseException:
            ledger.close()
            raise
        return self._kept(ledger)

    def _kept(self, ledger: Ledger) -> Ledger:
        """A ledger whose small tables are copied beside the data, so that it can be made anew."""
        storage = self.storage
        ledger.keeper = lambda content: storage.write(COPY, content)
        ledger.witness = lambda appended: _witness(ledger, storage, appended)
        if not storage.has(COPY):
            ledger.keep_copy()
        return ledger

    def has_history(self) -> bool:
        """Whether something of a ledger's lies here: its copy, or a segment of the journal."""
        return self.storage.has(COPY) or any(key.endswith(".parquet") for key in self.storage.keys("journal"))

    @cached_property
    def store(self) -> Store:
        """Stage artifacts."""
        self.place.make()
        return Store(self.storage.below("stage"))

    @cached_property
    def blobs(self) -> Blobs:
        """The bytes of files."""
        from migrate.blobs import StoredBlobs

        self.place.make()
        return StoredBlobs(self.storage.below("blobs"))

    @cached_property
    def journal(self) -> Journal:
        """What we did to the systems."""
        from migrate.journal import Journal

        return Journal(self.storage.below("journal"), self.ledger, self.store)

    @cached_property
    def engine(self) -> Engine:
        """DuckDB over the workspace's own Parquet, and nothing else."""
        from migrate.engine import MEMORY_LIMIT, Engine

        given = self.environment.get(MEMORY)
        if given is not None and not _SIZE.fullmatch(given):
            raise UsageError(f"{MEMORY} is `{given}`.", "Write a size, such as `128MB`.")
        scratch, limit = self.place.scratch, given or MEMORY_LIMIT
        megabytes = int(limit[:-2]) * (1000 if limit.endswith("GB") else 1)
        # A thread wants 125 MB (DuckDB, "Environment": memory, read 2026-11-26).
        threads = min(2, max(1, megabytes // 125))
        return Engine(limit, scratch / "spill", threads, folders=[scratch])

    # -- systems ------------------------------------------------------------------------------

    def credentials(self, role: Role) -> dict[str, str]:
        """A system's credentials, names in lower case, from where the plan says.

        Raises:
            UsageError: nothing is there, or an address among them is none; names the variables.
        """
        from migrate.clock import is_web_address

        entry = self.system(role)
        where, _, rest = entry.credentials.partition(":")
        if where == "env":
            found = {
                name.removeprefix(rest).lower(): value
                for name, value in self.environment.items()
                if name.startswith(rest) and value
            }
        else:
            path = (self.root / rest).expanduser()
            if not path.exists():
                raise UsageError(
                    f"{path}: the credentials of `{entry.system}` are not there.", "Write the file."
                )
            lines = (line.partition("=") for line in path.read_text().splitlines() if "=" in line)
            found = {name.strip().lower(): value.strip() for name, _, value in lines}
        if not found:
            raise UsageError(
                f"No credentials for `{entry.system}`: no environment variable begins with `{rest}`.",
                f"Set them, for example `{rest}TOKEN`; the vendor's page in docs/vendors lists the names.",
            )
        for name, value in found.items():
            if name.endswith("_url") and not is_web_address(value):
                given = f"`{rest}{name.upper()}`" if where == "env" else f"`{name}` in {path}"
                # Its value isn't told: somebody may have put a token there by mistake.
                raise UsageError(
                    f"{given} isn't the web address of a system.",
                    "Write it with scheme and host, for example `https://acme.my.example.com`.",
                )
        return found

    def connector(self, role: Role) -> Any:
        """A new connector to a system; the caller closes it."""
        from migrate.clock import is_web_address
        from migrate.connector import CallCounts, Settings
        from migrate.plugins import connect

        entry = self.system(role)
        options: dict[str, object] = {**(entry.model_extra or {}), "share": entry.share}
        for name, value in options.items():
            if name.endswith("_url") and not is_web_address(str(value)):
                raise UsageError(
                    f"`{name}` of `{entry.system}` in the plan isn't the web address of a system.",
                    "Write it with scheme and host, for example `https://acme.my.example.com`.",
                )
        if entry.longest_call is not None:
            options["longest_call"] = entry.longest_call
        counts = self.calls.setdefault(entry.system, CallCounts())
        return connect(
            entry.type, Settings(entry.system, self.credentials(role), options, self.clock, counts)
        )

    def source(self) -> Source:
        """A connector to the source.

        Raises:
            SystemRefused: the credentials; or they lead to another tenant than the first discover's.
        """
        connector: Source = self.connector("source")
        self._same_tenant(connector)
        return connector

    def target(self) -> Target:
        """A connector to the target, told which fields hold the migration key.

        Raises:
            SystemRefused: the credentials; or they lead to another tenant than the first discover's.
        """
        connector: Target = self.connector("target")
        connector.bind({each.target: each.key.field for each in self.plan.model.objects})
        with contextlib.suppress(UsageError):  # before the first discover there is no catalog to work from
            connector.use(self.catalog("target"))
        self._same_tenant(connector)
        return connector

    def _same_tenant(self, connector: Connector) -> None:
        try:
            bound = self.ledger.system(connector.system).tenant
        except UsageError:
            return  # before the first discover nothing is bound
        with contextlib.ExitStack() as opened:
            opened.callback(connector.close)
            if (tenant := connector.tenant()) != bound:
                raise other_tenant(connector.system, tenant, bound)
            opened.pop_all()  # it stays open for the caller

    # -- catalogs -----------------------------------------------------------------------------

    def catalog(self, role: Role) -> Catalog:
        """The catalog that the last `discover` took.

        Raises:
            UsageError: there is none yet.
        """
        from migrate.catalog import Catalog

        bound = self.ledger.system(self.system(role).system)
        key = catalog_key(bound.label, bound.catalog)
        if (known := self._catalogs.get(role)) is not None and known[0] == key:
            return known[1]
        place, remedy = self.storage.address(key), "Run `migrate discover` again."
        try:
            catalog = Catalog.model_validate_json(self.storage.read(key)[0])
        except (OSError, ValueError) as error:
            raise Damaged(place, f"can't be read ({error})", remedy) from error
        if catalog.digest() != bound.catalog:
            raise Damaged(place, "differs from its digest", remedy)
        self._catalogs[role] = key, catalog
        return catalog

    def catalog_digest(self, role: Role) -> str:
        """The digest of the catalog that the last `discover` took."""
        return str(self.ledger.system(self.system(role).system).catalog)

    def former_catalog(self, role: Role, digest: str) -> Catalog | None:
        """A catalog that some `discover` took; None where it isn't there any more, or isn't whole."""
        from migrate.catalog import Catalog

        try:
            content = self.storage.read(catalog_key(self.system(role).system, digest))[0]
            catalog = Catalog.model_validate_json(content)
        except (OSError, ValueError):
            return None
        return catalog if catalog.digest() == digest else None

    def guarded(self) -> Catalog:
        """The target's catalog, with those fields marked too in which the plan keeps opt-outs.

        Raises:
            UsageError: as `catalog`.
        """
        from migrate.plan.needs import marked

        return marked(self.plan.model, self.catalog("target"))

    def keep_catalog(self, label: str, catalog: Catalog) -> str:
        """Write a catalog whole; returns its digest."""
        self.__dict__.pop("plan", None)  # what its `files` stand for may be known only now
        digest = catalog.digest()
        self.storage.write(catalog_key(label, digest), catalog.model_dump_json(indent=1).encode())
        return digest

    def forget(self) -> None:
        """Let go of what was opened and may be another by now: ledger, journal, stages, plan."""
        if "ledger" in self.__dict__:
            self.__dict__["ledger"].close()
        for name in ("ledger", "journal", "store", "blobs", "plan", "_written"):
            self.__dict__.pop(name, None)

    def close(self) -> None:
        """Release what was opened."""
        for name in ("engine", "ledger"):
            if name in self.__dict__:
                self.__dict__[name].close()
        self.place.close()


def _witness(ledger: Ledger, storage: Storage, appended: Sequence[Appended]) -> None:
    """Keep the trail's head beside the data. A head that was kept and is in the trail no more stays there
    (`before`): a tail that was cut can't be covered up by going on."""
    import sqlalchemy as sa

    from migrate.ledger.tables import events

    before: list[str] = []
    with contextlib.suppress(FileNotFoundError):
        try:
            kept = json.loads(storage.read(TRAIL)[0])
            before, known = list(kept["before"]), str(kept["digest"])
        except (ValueError, KeyError, TypeError):
            before, known = ["unreadable"], appended[0].previous  # shows for ever, and stops nobody's work
        if any(each.what == "purge" for each in appended):
            before = []  # the purge has made every digest anew, and says so
        elif known != appended[0].previous and not ledger.read(
            sa.select(events.c.number).where(events.c.digest == known)
        ):
            before = [*before, known]
    content = {"digest": appended[-1].digest, "before": before[-LOST_HEADS:]}
    storage.write(TRAIL, json.dumps(content).encode())


def _must_have_owner(ledger: Ledger) -> None:
    if ledger.owner() is None:
        raise Damaged(ledger.backend.name, "is empty, though this workspace has a history", GONE)


def _begun(file: Path) -> bool:
    return file.exists() and file.stat().st_size > 0


def catalog_key(label: str, digest: str) -> str:
    """Where a system's catalog of this digest lies."""
    return f"catalog/{label}-{digest[:16]}.json"
