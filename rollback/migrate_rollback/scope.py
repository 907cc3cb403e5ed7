"""What of all that we did is to be undone? Everything since a checkpoint, some objects of it, or a cohort.

An empty scope is no choice: the rollback under way, else the one that ended last, else everything since
the first load. A scope that a rollback has begun with is kept in the ledger, with its checkpoint named.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Scope:
    """Which part is to be undone.

    `to`: a checkpoint's name. `objects`: target objects, None for all. `cohort`: an expression that chooses
    source records, with what hangs under them; None for all. See docs/rollback.md.
    """

    to: str | None = None
    objects: tuple[str, ...] | None = None
    cohort: str | None = None

    @property
    def empty(self) -> bool:
        """Nobody has chosen anything."""
        return self == Scope()

    @property
    def partial(self) -> bool:
        """Only some of the records since the checkpoint."""
        return self.objects is not None or self.cohort is not None

    @property
    def part(self) -> str:
        """For people: `: only deals, only the cohort …`; "" for all of it."""
        told = [f"only {', '.join(self.objects)}"] if self.objects is not None else []
        told += [f"only the cohort {self.cohort}"] if self.cohort is not None else []
        return f": {', '.join(told)}" if told else ""

    @property
    def words(self) -> str:
        """For people: back to where, and what of it."""
        return f"back to `{self.to or 'the first checkpoint'}`{self.part}"

    @property
    def options(self) -> str:
        """As options of a command line, quoted for a shell; "" for an empty one."""
        import shlex

        told = [f"--to {shlex.quote(self.to)}"] if self.to is not None else []
        told += [f"--object {shlex.quote(each)}" for each in self.objects or ()]
        told += [f"--cohort {shlex.quote(self.cohort)}"] if self.cohort is not None else []
        return " ".join(told)

    def text(self) -> str:
        """For the ledger."""
        return json.dumps(asdict(self))

    @staticmethod
    def of(text: str) -> Scope:
        """What `text` wrote."""
        facts = json.loads(text)
        objects = facts["objects"]
        return Scope(facts["to"], None if objects is None else tuple(objects), facts["cohort"])


UNSAID = Scope()
