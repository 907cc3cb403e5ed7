"""Which connector speaks to a kind of system? Found through entry points, ours and anyone else's alike."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from migrate.connector import ENTRY_POINTS
from migrate.errors import UsageError

if TYPE_CHECKING:
    from migrate.connector import Connector, Settings

__all__ = ["connect", "known", "load"]


def known() -> list[str]:
    """Types that an installed package offers a connector for."""
    return sorted({entry.name for entry in entry_points(group=ENTRY_POINTS)})


@cache
def load(kind: str) -> type[Any]:
    """The connector class for a system's `type`.

    Raises:
        UsageError: no package offers it, or the one that does can't be imported.
    """
    found = [entry for entry in entry_points(group=ENTRY_POINTS) if entry.name == kind]
    if not found:
        raise UsageError(
            f"no connector for systems of type `{kind}`", f"Installed: {', '.join(known()) or 'none'}."
        )
    try:
        loaded: type[Any] = found[0].load()
    except Exception as error:  # a stranger's package may fail in any way; it is named in one line
        raise UsageError(
            f"the connector `{kind}` ({found[0].value}) can't be loaded: {error.__class__.__name__}: {error}",
            "Reinstall the package that it comes from.",
        ) from error
    return loaded


def connect(kind: str, settings: Settings) -> Connector:
    """A connector for one system of the plan."""
    connector: Connector = load(kind)(settings)
    return connector
