"""How does a plan come to speak to the vendors' own sandboxes? An overlay of systems, and a map of ids.

The plan and its maps are copied into a workspace of its own beside the real one. The overlay (YAML: `source`
and `target`, each with what is other: credentials, addresses, a system's label) goes over the plan's systems;
ids that differ there (owners, record types, pipelines, stages, users) are replaced wherever they stand as a
whole word, in the plan and in its maps. A system whose tenant is the real one is refused before it is read.
"""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migrate.errors import UsageError
from migrate.place import STATE
from migrate.stages.discover import discover
from migrate.workspace import Role, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterable

ROLES: tuple[Role, ...] = ("source", "target")
COLUMNS = ("kind", "production", "sandbox")
MAPS = (".csv", ".yaml", ".yml", ".sql", ".py")
_SKIPPED = shutil.ignore_patterns(STATE, ".*", "__pycache__")


def sandbox_workspace(
    real: Workspace, root: Path, systems: Path, ids: Path | None, environment: Mapping[str, str]
) -> Workspace:
    """Copy the plan beside, let it speak to the sandboxes, and discover them.

    Args:
        root: a folder that isn't there yet.
        systems: the overlay.
        ids: CSV with `kind`, `production`, `sandbox`; `kind` is a word for people.

    Raises:
        UsageError: the overlay or the map can't be read, or a system is the real one.
        SystemRefused: a sandbox doesn't let us in.
    """
    over = _overlay(systems)
    known = _ids(ids) if ids is not None else {}
    shutil.copytree(real.root, root, ignore=_SKIPPED)
    if known:
        for path in sorted(root.rglob("*")):
            if path.is_file() and path.suffix in MAPS:
                _replace(path, known)
    _redirect(root / "plan.yaml", over)
    copy = Workspace(root, environment)
    try:
        copy.place.make()
        for role in ROLES:
            _must_be_another(real, copy, role)
            discover(copy, (role,))
    except BaseException:
        copy.close()
        raise
    return copy


def _overlay(path: Path) -> dict[str, dict[str, Any]]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        found = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except (OSError, YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"The systems in {path} can't be read: {error}", "Write YAML, in UTF-8.") from error
    good = isinstance(found, dict) and set(found) == set(ROLES)
    if not good or not all(isinstance(each, dict) and each for each in found.values()):
        raise UsageError(
            f"{path} names no two systems.",
            "Write `source: {credentials: …}` and `target: {credentials: …}` of the sandboxes.",
        )
    return {str(role): dict(each) for role, each in found.items()}


def _ids(path: Path) -> dict[str, str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"The map of ids in {path} can't be read: {error}", "Save it as CSV, UTF-8."
        ) from error
    reader = csv.DictReader(text.splitlines())
    if missing := [each for each in COLUMNS if each not in (reader.fieldnames or ())]:
        raise UsageError(
            f"{path}:1: the column `{missing[0]}` is missing.", f"Its first line: {','.join(COLUMNS)}"
        )
    found: dict[str, str] = {}
    for number, row in enumerate(reader, start=2):
        old, new = (row["production"] or "").strip(), (row["sandbox"] or "").strip()
        if not old or not new:
            raise UsageError(f"{path}:{number}: an id is missing.", "Each line maps one id to another.")
        if found.setdefault(old, new) != new:
            raise UsageError(f"{path}:{number}: `{old}` is mapped twice.", "Leave one of the lines out.")
    return found


def _replace(path: Path, ids: Mapping[str, str]) -> None:
    """Ids that stand as whole words; all at once, so that no replacement is replaced."""
    longest = sorted(ids, key=len, reverse=True)
    words = re.compile(rf"(?<![A-Za-z0-9_])({'|'.join(map(re.escape, longest))})(?![A-Za-z0-9_])")
    before = path.read_text(encoding="utf-8")
    after = words.sub(lambda found: ids[found[1]], before)
    if after != before:
        path.write_text(after, encoding="utf-8")


def _redirect(plan: Path, over: Mapping[str, Mapping[str, Any]]) -> None:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 1 << 16
    document = yaml.load(plan.read_text(encoding="utf-8"))
    for role in ROLES:
        for place in ("base_url", "instance_url", "login_url", "ca"):
            document[role].pop(place, None)  # the real one's address must not be asked
        document[role].update(over[role])
    with plan.open("w", encoding="utf-8") as out:
        yaml.dump(document, out)


def _must_be_another(real: Workspace, copy: Workspace, role: Role) -> None:
    """Ask the sandbox who it is before anything else.

    Raises:
        UsageError: it is the real tenant.
    """
    connector = copy.connector(role)
    try:
        tenant = connector.tenant()
    finally:
        connector.close()
    known: Iterable[str] = {real.catalog(each).tenant for each in ROLES}
    if tenant in known:
        raise UsageError(
            f"The {role} of the overlay is the real one: tenant `{tenant}`.",
            "Name credentials of a sandbox. Nothing was written.",
        )
