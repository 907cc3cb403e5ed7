"""What stands on the report's first screen? Eleven sections, always in the same order.

A section comes from a provider `section(seen) -> Section`: of a module here, or of another package through
the entry point group `crm_migrate.sections`, by the section's id. One without a provider, or whose provider
has nothing to go by, says `not set up`: that is amber on the page and is no pass, but it doesn't count in the
verdict of the evidence. A provider that breaks is an `error`, and the other sections stand.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from migrate_validators.model import Section, Table, Verdict
from migrate_validators.wording import without_folders

if TYPE_CHECKING:
    from migrate.ledger import Ledger
    from migrate_validators.evidence import Evidence
    from migrate_validators.model import Result
    from migrate_validators.story import Point

GROUP = "crm_migrate.sections"
TITLES = {
    "verdict": "The decision",
    "scope": "Where every record went",
    "money": "Money, old and new",
    "accounts": "Top accounts",
    "notices": "What users will notice",
    "consent": "Consent and visibility",
    "people": "People's own test",
    "way_back": "The way back",
    "lines": "Needs a decision",
    "waivers": "Waivers",
    "signatures": "Signatures",
}
_MODULES = {
    "verdict": "deciding", "scope": "scope", "money": "money", "accounts": "spot", "notices": "notices",
    "consent": "visibility", "people": "people", "lines": "deciding:lines", "waivers": "deciding:waivers",
}  # fmt: skip
NOT_SET_UP = "Not set up."
NOT_OF_A_PART = "Not looked at: only a part of the records was read."


@dataclass(frozen=True)
class Seen:
    """What a section may go by: the evidence, the judged results, the ledger, and the story's facts."""

    evidence: Evidence
    results: Sequence[Result]
    ledger: Ledger
    facts: dict[str, Any]
    checkpoint: Point | None = None


Provider = Callable[[Seen], "Section | Mapping[str, Any] | None"]


def screen(seen: Seen, without: Sequence[str] = ()) -> list[Section]:
    """Every section, in order.

    Args:
        without: ids of those that can't be told of what was looked at.
    """
    installed = {point.name: point for point in entry_points(group=GROUP)}
    return [
        Section(id, TITLES[id], None, NOT_OF_A_PART) if id in without else _section(id, seen, installed)
        for id in TITLES
    ]


def _section(id: str, seen: Seen, installed: dict[str, Any]) -> Section:
    try:
        provider = installed[id].load() if id in installed else _built_in(id)
        found = provider(seen) if provider else None
    except Exception as error:  # noqa: BLE001 - one broken section must not hide the others
        said = without_folders(f"{type(error).__name__}: {error}")
        return Section(id, TITLES[id], Verdict.ERROR, f"This part could not be made: {said}")
    return _of(id, found) if found else Section(id, TITLES[id], None, NOT_SET_UP)


def _of(id: str, found: Section | Mapping[str, Any]) -> Section:
    """A section as it is, or of a mapping: other packages needn't import this one."""
    if isinstance(found, Section):
        return found
    told = dict(found)
    state = told.pop("verdict")
    tables = tuple(Table(**each) for each in told.pop("tables", ()))
    return Section(id, TITLES[id], None if state is None else Verdict(state), tables=tables, **told)


def _built_in(id: str) -> Provider | None:
    if id not in _MODULES:
        return None
    module, _, name = _MODULES[id].partition(":")
    try:
        loaded = importlib.import_module(f"migrate_validators.{module}")
    except ModuleNotFoundError:
        return None
    return getattr(loaded, name or "section", None)


def document(sections: Sequence[Section]) -> list[dict[str, Any]]:
    """As JSON's facts."""
    return [asdict(each) for each in sections]
