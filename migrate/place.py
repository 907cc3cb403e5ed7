"""Where do a workspace's two halves lie: the people's (the plan and its maps), and ours (everything else)?

`--workspace DIR` has the plan in a folder, and our half in `DIR/.migrate`: a folder (0700), or a file of one
line, `s3://bucket/prefix`, that says where it is. `--workspace s3://bucket/prefix` has both halves there, the
people's under `plan/`; a command works on a private copy of it, and puts back what it changes. So whoever may
read the bucket and the ledger can go on from any machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from migrate.errors import Damaged, Overtaken, PlanError, PlanMistake, UsageError
from migrate.storage import NEW, FolderStorage, Storage, Taken, at_once, write_aside

if TYPE_CHECKING:
    from migrate.storage.s3 import S3Storage

LEDGER = "MIGRATE_LEDGER"  # the environment variable with a team's ledger
REMOTE = "s3://"
STATE, PLAN = ".migrate", "plan"


class Place:
    """Where one workspace lies.

    Args:
        where: the folder that holds `plan.yaml`, or `s3://bucket/prefix`.
        environment: where the ledger's URL and the settings of the local cache are looked up.
    """

    def __init__(self, where: Path | str, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self._tags: dict[str, str] = {}  # of the plan's files on S3, as they were fetched
        self.folder: Path | None = None
        self.remote: str | None = None
        if isinstance(where, str) and where.startswith(REMOTE):
            self.remote = where
        else:
            self.folder = Path(where).resolve()
            self.remote = _pointer(self.folder / STATE)

    def __str__(self) -> str:
        return str(self.folder or self.remote)

    # -- our half -----------------------------------------------------------------------------

    @cached_property
    def storage(self) -> Storage:
        """Stages, journal, catalogs, reports, blobs.

        Raises:
            UsageError: it is on S3, and its ledger wouldn't be where others find it.
        """
        return self._s3 if self.remote else FolderStorage(self._state)

    @cached_property
    def _s3(self) -> S3Storage:
        from migrate.storage.opening import open_s3

        if not self.environment.get(LEDGER):
            raise UsageError(
                f"A workspace on S3 ({self.remote}) needs its ledger in PostgreSQL.",
                f"Set the variable {LEDGER} to its URL, for example postgresql://migrate@db.example.com/acme.",
            )
        return open_s3(str(self.remote), self.environment)

    @property
    def _state(self) -> Path:
        return (self.folder or Path()) / STATE

    def make(self) -> None:
        """Make our half, for nobody else's eyes."""
        if not self.remote:
            self._state.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._state.chmod(0o700)

    @property
    def scratch(self) -> Path:
        """The private local folder in which SQL reads and spills."""
        self.make()
        return self._s3.desk.folder if self.remote else self._state

    @property
    def ledger_file(self) -> Path | None:
        """The file that is the ledger, where none is named; there is none beside a workspace on S3."""
        return None if self.remote else self._state / "ledger.db"

    # -- the people's half --------------------------------------------------------------------

    @cached_property
    def root(self) -> Path:
        """The folder with `plan.yaml`: theirs, or this command's copy of it."""
        if self.folder is not None:
            return self.folder
        storage, root = self._s3.below(PLAN), self._s3.desk.folder / PLAN
        root.mkdir(mode=0o700, exist_ok=True)

        def fetch(key: str) -> None:
            parts = PurePosixPath(key).parts
            if not parts or any(part in ("..", "") or part.startswith(".") for part in parts):
                raise Damaged(storage.address(key), "has a name that no file of a plan has", "Remove it.")
            content, self._tags[key] = storage.read(key)
            path = root.joinpath(*parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

        at_once(storage, fetch, storage.keys())
        return root

    def keep(self, path: Path, content: bytes) -> None:
        """Write a file of the people's half, whole.

        Raises:
            Overtaken: somebody has changed it on S3 since this command began.
        """
        write_aside(path, content)
        if self.folder is None:
            storage, key = self._s3.below(PLAN), path.relative_to(self.root).as_posix()
            try:
                self._tags[key] = storage.write(key, content, self._tags.get(key, NEW))
            except Taken as error:
                raise Overtaken(storage.address(key)) from error

    def shown(self, path: Path) -> str:
        """How people find a file of theirs: a path, or an address on S3."""
        if self.folder is not None:
            return str(path)
        return self._s3.below(PLAN).address(path.relative_to(self.root).as_posix())

    def told(self, error: PlanError) -> PlanError:
        """The same mistakes, at places where people find them: a command's copy of a plan is nobody's."""

        def at(mistake: PlanMistake) -> PlanMistake:
            path = Path(mistake.at.file)
            ours = self.folder is None and path.is_relative_to(self.root)
            return replace(mistake, at=replace(mistake.at, file=self.shown(path))) if ours else mistake

        return PlanError([at(mistake) for mistake in error.mistakes])

    def close(self) -> None:
        """Give back the local copies."""
        if "_s3" in self.__dict__:
            self._s3.desk.close()


def _pointer(path: Path) -> str | None:
    """The address in a `.migrate` that is a file.

    Raises:
        UsageError: there is none in it.
    """
    if not path.is_file():
        return None
    address = path.read_text(encoding="utf-8", errors="replace").strip()
    if not address.startswith(REMOTE):
        raise UsageError(
            f"{path} is a file, and not of the one line `s3://bucket/prefix`.",
            "Write the address of the workspace's state into it, or remove it.",
        )
    return address
