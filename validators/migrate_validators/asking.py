"""What do the two systems say of themselves now? Asked once for all checks.

A check that needs the source again must not end the validation where the source is gone: it may be switched
off by then. It says `not available`, which is a warning and never a pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from migrate.errors import Parked, Retriable, SystemRefused, UsageError

if TYPE_CHECKING:
    from migrate.catalog import Catalog
    from migrate.connector import Rights, Source
    from migrate.plan.models import ObjectPlan
    from migrate_validators.evidence import Evidence

Role = Literal["source", "target"]
NOT_AVAILABLE = "Not available"
COLUMNS = ("id", "field", "class", "grade", "expected", "found", "system")  # of rows about a system itself


@dataclass(frozen=True)
class Silent:
    """A system that doesn't answer; `why` in one line."""

    why: str


@dataclass(frozen=True)
class Asked:
    """A system that answers. `was`: its catalog at the last `discover`; of the target with what we made."""

    role: Role
    label: str
    connector: Source
    was: Catalog


def ask(evidence: Evidence, role: Role) -> Asked | Silent:
    """A system to ask.

    Raises:
        SystemRefused, Parked: the target.
    """
    if role == "target":
        return Asked("target", evidence.plan.model.target.system, evidence.connector, evidence.target)
    return evidence.once(("ask", "source"), lambda: _source(evidence))


def _source(evidence: Evidence) -> Asked | Silent:
    if evidence.open_source is None:
        return Silent("the source isn't at hand")
    try:
        opened = evidence.open_source()
    except (SystemRefused, Parked, Retriable, UsageError) as error:
        return Silent(str(error).splitlines()[0])
    evidence.opened.append(opened)
    return Asked("source", evidence.plan.model.source.system, opened, evidence.source)


def catalog_now(evidence: Evidence, role: Role) -> Catalog | Silent:
    """A system's catalog as it is at this moment, discovered once a validation."""
    return evidence.once(("catalog now", role), lambda: _catalog(evidence, role))


def _catalog(evidence: Evidence, role: Role) -> Catalog | Silent:
    asked = ask(evidence, role)
    if isinstance(asked, Silent):
        return asked
    evidence.progress(f"discover {asked.label}", 0, 1)
    connector = asked.connector
    if role == "target" and evidence.open_target is not None:
        # The one that other checks read with goes on with the catalog that it has.
        connector = evidence.open_target()
        evidence.opened.append(connector)
    try:
        return connector.discover()
    except (SystemRefused, Parked, Retriable, UsageError) as error:
        if role == "target":
            raise
        return Silent(str(error).splitlines()[0])


def rights_now(evidence: Evidence, role: Role) -> Rights | Silent:
    """What our credential may read of all objects of the plan, asked once a validation."""
    return evidence.once(("rights now", role), lambda: _rights(evidence, role))


def _rights(evidence: Evidence, role: Role) -> Rights | Silent:
    asked = ask(evidence, role)
    if isinstance(asked, Silent):
        return asked
    try:
        return asked.connector.rights(_objects(evidence.plan.model.objects, role), write=False)
    except (SystemRefused, Parked, Retriable, UsageError) as error:
        if role == "target":
            raise
        return Silent(str(error).splitlines()[0])


def _objects(entries: Sequence[ObjectPlan], role: Role) -> list[str]:
    return list(dict.fromkeys(each.source if role == "source" else each.target for each in entries))
