"""What would a first plan look like? Both systems are discovered, and a plan is guessed from them."""

from __future__ import annotations

from contextlib import closing

from migrate.errors import UsageError
from migrate.stages.discover import discover
from migrate.storage import write_aside
from migrate.workspace import Workspace

_SKELETON = """\
version: 1
source: {{system: legacy, type: {source}, credentials: "{source_credentials}"{clock}}}
target: {{system: new, type: {target}, credentials: "{target_credentials}"{clock}}}
objects:
  - source: Account
    target: companies
    fields: {{name: Name}}
"""


def first_workspace(
    workspace: Workspace, source: tuple[str, str], target: tuple[str, str], clock: str = "system"
) -> list[str]:
    """Write plan.yaml and its maps; returns the paths.

    Args:
        source, target: (type, credentials) of each system.

    Raises:
        UsageError: there is a plan already.
    """
    from migrate.plan.guess import first_plan

    if workspace.plan_path.exists():
        raise UsageError(
            f"There is a plan.yaml in {workspace.place} already.", "Name another place with `--workspace`."
        )
    text = _SKELETON.format(
        source=source[0],
        source_credentials=source[1],
        target=target[0],
        target_credentials=target[1],
        clock=", clock: sandbox" if clock == "sandbox" else "",
    )
    workspace.root.mkdir(parents=True, exist_ok=True)
    write_aside(workspace.plan_path, text.encode())
    try:
        discover(workspace)
        with closing(workspace.source()):
            files = first_plan(workspace.catalog("source"), workspace.catalog("target"), {})
    except BaseException:
        workspace.plan_path.unlink()
        raise
    written = []
    for name, content in files.items():
        path = workspace.root / name
        if name == "plan.yaml":
            content = _with_systems(content, text)
        workspace.place.keep(path, content.encode())
        written.append(workspace.place.shown(path))
    return written


def _with_systems(guessed: str, skeleton: str) -> str:
    """The guessed plan under the skeleton's own entries of the two systems."""
    entries = [line for line in skeleton.splitlines() if line.startswith(("source:", "target:"))]
    lines, skipping = [], False
    for line in guessed.splitlines():
        if line.startswith(("source:", "target:")):
            skipping = True
            lines.append(entries.pop(0) if line.startswith("source:") else entries.pop(-1))
            continue
        skipping = skipping and line.startswith((" ", "\t"))
        if not skipping:
            lines.append(line)
    return "\n".join(lines) + "\n"
