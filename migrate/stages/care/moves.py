"""How does what was written aside take its place, whatever interrupts it? By a durable list of moves.

The list names each file with the digest of what takes its place, and holds nothing of anybody. Until it has
been worked off, digests don't fit, and nobody loads or rolls back; working it off twice changes nothing.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migrate.errors import Damaged
from migrate.ledger.tables import segments, validations
from migrate.stages.care.fsck import LOST, MOVES
from migrate.storage import flush_folder, sha256_of, space
from migrate.store.artifacts import MANIFEST

if TYPE_CHECKING:
    from migrate.workspace import Workspace

ASIDE = "purging"


def finish(workspace: Workspace) -> bool:
    """Make the moves of a list that lies there, if one does; returns whether one did."""
    root = Path(workspace.storage.address())
    path = root / MOVES
    if not path.exists():
        shutil.rmtree(root / ASIDE, ignore_errors=True)
        return False
    moves = json.loads(path.read_text())
    for key, digest in sorted(moves["files"].items()):
        new = root / ASIDE / key
        if new.exists():
            with space(root / key):
                new.replace(root / key)
                flush_folder((root / key).parent)
        elif sha256_of(root / key) != digest:
            raise Damaged(str(root / key), "isn't what the purge made of it", LOST)
    _manifests(workspace, moves["parts"])
    workspace.storage.remove(moves["remove"])
    with workspace.ledger.write() as tx:
        for each in moves["segments"]:
            facts = {"sha256": each["sha256"], "previous": each["previous"]}
            tx.sql.execute(segments.update().where(segments.c.name == each["name"]).values(**facts))
        for folder, digest in moves["reports"].items():
            tx.sql.execute(validations.update().where(validations.c.folder == folder).values(digest=digest))
    workspace.ledger.compact()
    shutil.rmtree(root / ASIDE, ignore_errors=True)
    path.unlink()
    flush_folder(root)
    return True


def _manifests(workspace: Workspace, parts: dict[str, list[Any]]) -> None:
    """Rows, bytes and digests of the parts that were written anew."""
    by_folder: dict[str, dict[str, list[Any]]] = {}
    for key, told in parts.items():
        if key.startswith("stage/"):
            folder, _, name = key.removeprefix("stage/").rpartition("/")
            by_folder.setdefault(folder, {})[name] = told
    for folder, names in by_folder.items():
        key = f"{folder}/{MANIFEST}"
        document = json.loads(workspace.store.storage.read(key)[0])
        for part in document["parts"]:
            if part["name"] in names:
                part["rows"], part["bytes"], part["sha256"] = names[part["name"]]
        document["rows"] = sum(part["rows"] for part in document["parts"])
        content = json.dumps(document, indent=1, sort_keys=True).encode()
        workspace.store.storage.write(key, content)
