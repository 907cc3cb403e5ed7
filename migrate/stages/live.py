"""Do we have the rights, and no more than the rights, before the first write? Asked of both systems."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from migrate.connector import CONSENT, KeepsConsent, Rights
from migrate.stages.extract import objects_needed
from migrate.workspace import Workspace


@dataclass(frozen=True)
class Proof:
    """What one system said of our credential."""

    system: str
    role: str
    rights: Rights

    @property
    def words(self) -> str:
        """For people: one line, and one for each thing missing or too much."""
        calls = ""
        if self.rights.calls_max is not None:
            calls = f", {self.rights.calls_left or 0:,} of {self.rights.calls_max:,} calls left today"
        lines = [
            f"{self.system} ({self.role}) as {self.rights.user}: {len(self.rights.granted)} rights{calls}."
        ]
        lines += [f"  missing: {each}" for each in self.rights.missing]
        lines += [f"  too much: {each}" for each in self.rights.excess]
        return "\n".join(lines)


def prove(workspace: Workspace) -> list[Proof]:
    """Ask both systems; writes nothing."""
    targets = list(dict.fromkeys(each.target for each in workspace.plan.model.objects))
    with closing(workspace.source()) as source:
        first = Proof(source.system, "source", source.rights(objects_needed(workspace), write=False))
    by_address = any(each.address is not None for each in workspace.plan.model.consent)
    with closing(workspace.target()) as target:
        if by_address and isinstance(target, KeepsConsent):
            targets.append(CONSENT)
        second = Proof(target.system, "target", target.rights(targets, write=True))
    return [first, second]
