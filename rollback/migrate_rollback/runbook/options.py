"""What could one do, and what does each cost? Mend forward, go back with one object, go back with all.

Figures are those of the last `rollback plan`, a look at every record; where there was none, the page says so.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from migrate.engine import parquet
from migrate.workspace import Workspace
from migrate_rollback.planned import UNDONE
from migrate_rollback.runbook.terms import many, span
from migrate_rollback.runbook.triggers import Evidence
from migrate_rollback.window import Window


@dataclass(frozen=True)
class Looked:
    """What the last look at the target found. `tally`: rows by (object, action); `at`: a stamp, None where
    nobody has looked. `seconds`: how long all of it would take; `calls`: as many."""

    at: str | None = None
    seconds: float | None = None
    calls: int | None = None
    tally: Counter[tuple[str, str]] = field(default_factory=Counter)

    def count(self, *actions: str, object: str | None = None) -> int:
        """Rows with one of these actions, of an object or of all."""
        return sum(
            n for (name, action), n in self.tally.items() if action in actions and object in (None, name)
        )

    @property
    def objects(self) -> list[str]:
        """Objects with something to undo, but for links, the most first."""
        found: Counter[str] = Counter()
        for (object, action), n in self.tally.items():
            if action in UNDONE and ">" not in object:  # links go with their records
                found[object] += n
        return [name for name, _ in found.most_common()]


@dataclass(frozen=True)
class Option:
    """One way out. Counts are None where nobody has looked yet."""

    name: str
    command: str
    when: str
    minutes: str
    touched: int | None
    held: int | None
    lost: int | None
    note: str = ""


def looked(workspace: Workspace, attempt: int) -> Looked:
    """The last `rollback plan` of an attempt, where that was of all of it."""
    manifest = workspace.store.manifest(f"rollback/attempt-{attempt}/plan")
    if manifest is None or not manifest.facts.get("whole"):
        return Looked()
    tally: Counter[tuple[str, str]] = Counter()
    if manifest.parts:
        files = parquet(workspace.store.files(manifest))
        for row in workspace.engine.rows(
            f"SELECT object, action, count(*) AS n FROM {files} GROUP BY ALL ORDER BY ALL"
        ):
            tally[row["object"], row["action"]] = int(row["n"])
    facts: dict[str, Any] = manifest.facts
    return Looked(facts["at"], float(facts["seconds"]), int(facts["calls"]), tally)


def options(seen: Looked, report: Evidence, window: Window, run: str, command: str) -> list[Option]:
    """The ways out, the gentlest first.

    Args:
        run: the command that goes back, as step 3 has it.
        command: `migrate`, with the workspace as it is named.
    """
    whole = seen.seconds if seen.seconds is not None else window.seconds
    undone = seen.count(*UNDONE) if seen.at else None
    pace = whole / undone if whole and undone else None
    differ = report.differences
    forward = Option(
        "Repair forward", f"{command} repair --fields OBJECT.FIELD --dry-run",
        "a field was mapped wrongly, and people are working in the target already",
        span(pace * differ if pace and differ is not None else None), differ, None, 0,
        "Mend plan.yaml first; name the field. --dry-run counts. Touched: what the last validation found.",
    )  # fmt: skip
    partial = [
        Option(
            f"Only {object}", f"{run} --object {object}", f"only {object} are wrong",
            span(pace * seen.count(*UNDONE, object=object) if pace else None),
            seen.count(*UNDONE, object=object), seen.count("hold", object=object),
            seen.count("can't", "by hand", object=object),
        )
        for object in seen.objects
    ] if len(seen.objects) > 1 else []  # fmt: skip
    full = Option(
        "All of it", run, "most of it is wrong, or nobody knows how much",
        span(whole), undone, seen.count("hold") if seen.at else None,
        seen.count("can't", "by hand") if seen.at else None,
        f"{many(seen.calls, 'call')} to the target." if seen.calls else "",
    )  # fmt: skip
    return [forward, *partial, full]
