"""How does a plan get from S3 into a folder where people edit it, and back? With the files that it names.

Nothing else travels: what lies beside a plan may be anybody's, a file with credentials among it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from migrate.errors import Overtaken, UsageError
from migrate.place import PLAN, STATE, Place
from migrate.storage import NEW, Storage, Taken, write_aside
from migrate.workspace import Workspace

_POINTER = "A folder whose `.migrate` is a file with an address `s3://bucket/prefix` has such a copy."


@dataclass(frozen=True)
class Copy:
    """One file that differs. `outcome`: what became, or would become, of it: written or replaced."""

    file: str
    outcome: str


def _there(workspace: Workspace) -> Storage:
    if not workspace.place.remote:
        raise UsageError(f"The state of {workspace.place} isn't on S3: its plan has no copy.", _POINTER)
    return workspace.storage.below(PLAN)


def pull(workspace: Workspace, folder: Path, *, dry_run: bool = False) -> list[Copy]:
    """Copy the plan on S3 into a folder, and let the folder's `.migrate` name the workspace.

    Raises:
        UsageError: there is no plan there, or the folder has a state of its own.
    """
    storage = _there(workspace)
    remote = Workspace(str(workspace.place.remote), workspace.environment)
    state = folder / STATE
    other = state.is_file() and Place(folder, workspace.environment).remote != remote.place.remote
    if state.is_dir() or other:
        raise UsageError(f"{state} belongs to another workspace.", "Name another folder.")
    keys = storage.keys()
    if "plan.yaml" not in keys:
        raise UsageError(
            f"There is no plan.yaml in {storage.address()}.", "Run `migrate plan push` from a folder."
        )
    try:
        found = []
        for key in keys:
            content, path = (remote.root / key).read_bytes(), folder / key
            if path.exists() and path.read_bytes() == content:
                continue
            found.append(Copy(key, "replaced" if path.exists() else "written"))
            if not dry_run:
                write_aside(path, content)
    finally:
        remote.close()
    if not dry_run and not state.exists():
        write_aside(state, f"{remote.place.remote}\n".encode())
    return found


def push(workspace: Workspace, *, dry_run: bool = False) -> list[Copy]:
    """Copy the folder's plan, and the files that it names, to S3.

    Raises:
        PlanError: it is wrong.
        Overtaken: somebody wrote there meanwhile.
    """
    storage = _there(workspace)
    if workspace.place.folder is None:
        raise UsageError("A plan is pushed from a folder.", _POINTER)
    found = []
    for path in plan_files(workspace):
        key, content = path.relative_to(workspace.root).as_posix(), path.read_bytes()
        try:
            there, tag = storage.read(key)
        except FileNotFoundError:
            there, tag = None, NEW
        if there == content:
            continue
        found.append(Copy(key, "written" if there is None else "replaced"))
        if not dry_run:
            try:
                storage.write(key, content, tag)
            except Taken as error:
                raise Overtaken(storage.address(key)) from error
    return found


def plan_files(workspace: Workspace) -> Iterator[Path]:
    """The plan and the files beside it that it names.

    Raises:
        PlanError: it is wrong.
    """
    yield workspace.plan_path
    for name in workspace.plan.names():
        path = workspace.plan.beside(name)
        if path.is_file():
            yield path
