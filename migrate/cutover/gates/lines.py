"""What is a line of the gate, and which lines can nobody talk past?"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal

# The writer, the plan and the way back: an override of these would be no cutover any more, but a jump.
NEVER = frozenset({"lease", "plan", "trail", "way-back", "window", "signers"})
WAIVABLE = frozenset({"dead-letters", "quota", "rehearsal"})  # ahead of time, while what they are about stays

State = Literal["green", "red", "waived", "overridden"]


@dataclass(frozen=True)
class GateLine:
    """One condition. `figure`: what was found, against which bound; `remedy`: the command that mends it.

    `about`: what exactly it is red about, so that a waiver or an override covers that and nothing that comes
    later. `excused`: by whom, and why, where a person lets it stand.
    """

    id: str
    state: State
    words: str
    figure: str = ""
    remedy: str = ""
    about: str = ""
    excused: str = ""

    @property
    def ok(self) -> bool:
        """Whether it stands in nobody's way."""
        return self.state != "red"

    @property
    def overridable(self) -> bool:
        """Whether `cutover override` may name it."""
        return may_override(self.id)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {**vars(self), "ok": self.ok, "overridable": self.overridable, "waivable": self.id in WAIVABLE}


def may_override(id: str) -> bool:
    """Whether a person may let this line stand in an override."""
    return id not in NEVER


def green(id: str, words: str, figure: str = "") -> GateLine:
    """A condition that holds."""
    return GateLine(id, "green", words, figure)


def red(id: str, words: str, remedy: str, figure: str = "", *, about: Any = None) -> GateLine:
    """A condition that doesn't.

    Args:
        about: JSON's types; by default the words.
    """
    told = json.dumps(words if about is None else about, sort_keys=True, default=str)
    return GateLine(id, "red", words, figure, remedy, hashlib.sha256(told.encode()).hexdigest()[:16])
