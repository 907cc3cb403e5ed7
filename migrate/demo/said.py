"""What did the commands say? The only module of the demo that knows the keys of their documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Documents = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Finding:
    """A figure, as it must be and as it is."""

    what: str
    expected: object
    found: object

    @property
    def holds(self) -> bool:
        """Whether they agree."""
        return self.expected == self.found
