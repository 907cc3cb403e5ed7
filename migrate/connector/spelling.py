"""How are a system's ids spelled, where an id is more than a number? For whoever makes up others."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Protocol, runtime_checkable


@runtime_checkable
class SpellsIds(Protocol):
    """A connector (the class; nobody connects) whose ids have a form that a made-up one must keep."""

    id_pattern: ClassVar[str]  # a regular expression for what may be an id within a text

    @staticmethod
    def other_id(id: str, draw: Callable[[str], str]) -> str | None:
        """An id of the same form and object, whose own part is `draw` of the old one's.

        Args:
            draw: gives letters and digits for letters and digits, as many, one to one.

        Returns:
            None where the text is no id.
        """
        ...
