"""How does a migration's workspace come to speak to twins, with the same plan and the same extract?

The plan and its maps are copied; only where the systems are and whose clock counts is other. The extract
and its files are linked, not copied, where the disk allows it: parts are never changed once they are
written. The ledger and the journal are new. No credential of the real systems gets in, so nothing can
reach them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from migrate.errors import Damaged
from migrate.ledger.tables import systems
from migrate.place import STATE
from migrate.stages.discover import discover, drift_between
from migrate.workspace import MEMORY, Role, Workspace

if TYPE_CHECKING:
    from migrate.catalog import Catalog
    from migrate.storage import Storage
    from migrate.twins.standing import Standing

PREFIX: Mapping[Role, str] = {"source": "TWIN_SOURCE_", "target": "TWIN_TARGET_"}
COPIED = ("source", "files")  # stages of the extract
_PLACES = ("base_url", "instance_url", "login_url", "ca")  # a twin has its own
_SKIPPED = shutil.ignore_patterns(STATE, ".*", "__pycache__")


@dataclass(frozen=True)
class CopiedWorkspace:
    """A workspace whose systems are twins. `unlike`: where a twin's catalog differs, by role."""

    workspace: Workspace
    unlike: Mapping[Role, tuple[str, ...]]


def twin_workspace(
    real: Workspace, root: Path, twins: Mapping[Role, Standing], *, extracted: bool = True
) -> CopiedWorkspace:
    """Copy plan and extract, bind the copy to the twins, and see how like they are.

    Args:
        root: a folder that isn't there yet.
        twins: both of them, stood up from the catalogs of `real`.
        extracted: take the extract over; without, the copy extracts from the source's twin.

    Raises:
        Damaged: a part of the extract is missing or differs from its digest.
    """
    shutil.copytree(real.root, root, ignore=_SKIPPED)
    _redirect(root / "plan.yaml")
    environment = {
        f"{PREFIX[role]}{name.upper()}": value
        for role, standing in twins.items()
        for name, value in standing.credentials.items()
    }
    if MEMORY in real.environment:
        environment[MEMORY] = real.environment[MEMORY]
    copy = Workspace(root, environment)
    copy.place.make()
    if extracted:
        for stage in COPIED:
            _link(real.storage.below(f"stage/{stage}"), root / STATE / "stage" / stage)
        _link(real.storage.below("blobs"), root / STATE / "blobs")
    unlike: dict[Role, tuple[str, ...]] = {}
    for role in PREFIX:
        discover(copy, (role,))
        twins[role].hide(copy.catalog(role))
        discover(copy, (role,))
        unlike[role] = tuple(drift_between(twins[role].twin.catalog, copy.catalog(role)))
    if extracted:
        _bind(copy, "source", real.catalog("source"))
    return CopiedWorkspace(copy, unlike)


def _bind(copy: Workspace, role: Role, catalog: Catalog) -> None:
    """Let the copy work from the real catalog, which its extract was made with."""
    digest = copy.keep_catalog(copy.system(role).system, catalog)
    with copy.ledger.write() as tx:
        tx.sql.execute(
            systems.update().where(systems.c.label == copy.system(role).system).values(catalog=digest)
        )


def _redirect(plan: Path) -> None:
    """Both systems' credentials and clock are the twins'; the rest of the plan stays word for word."""
    from ruamel.yaml import YAML

    yaml = YAML()  # keeps comments and order
    yaml.preserve_quotes = True
    yaml.width = 1 << 16
    document = yaml.load(plan.read_text(encoding="utf-8"))
    for role in PREFIX:
        entry = document[role]
        for name in _PLACES:
            entry.pop(name, None)
        entry["credentials"] = f"env:{PREFIX[role]}"
        entry["clock"] = "sandbox"
    with plan.open("w", encoding="utf-8") as out:
        yaml.dump(document, out)


def _link(there: Storage, here: Path) -> None:
    """Take over everything that lies there: as links on the same disk, else as copies."""
    for key, _ in there.sizes():
        to = here / key
        to.parent.mkdir(parents=True, exist_ok=True)
        if there.remote:
            with there.open(key) as content, to.open("wb") as out:
                shutil.copyfileobj(content, out)
            continue
        path = Path(there.address(key))
        try:
            os.link(path, to)
        except FileNotFoundError as error:
            raise Damaged(str(path), "went away while it was copied", "Try again.") from error
        except OSError:  # another file system
            shutil.copyfile(path, to)
