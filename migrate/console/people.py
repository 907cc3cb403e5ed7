"""Who may come in, and what may each do? Asked of the plan at each request.

A person of `cutover.people` has the role that stands there; one of `cutover.sign` may approve, too. Roles
don't contain each other: who approves doesn't operate, unless the plan names them in both places.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from migrate.errors import UsageError
from migrate.plan import Plan

Role = Literal["viewer", "approver", "operator"]
NOBODY = "Name them in plan.yaml: `cutover: {people: [{name: …, email: …, role: viewer}]}`."


@dataclass(frozen=True)
class Person:
    """Somebody whom the plan names. `zone`: in which they read times."""

    name: str
    email: str
    roles: frozenset[Role]
    zone: str

    def may(self, role: Role) -> bool:
        """Whether they have the role; everybody may look."""
        return role == "viewer" or role in self.roles

    @property
    def words(self) -> str:
        """Their roles for people."""
        return " and ".join(sorted(self.roles - {"viewer"})) or "viewer"


def everybody(plan: Plan) -> Mapping[str, Person]:
    """Everybody whom the plan lets in, by name."""
    cutover, zone = plan.model.cutover, plan.model.calendar.zone
    found: dict[str, Person] = {}
    for each in cutover.people:
        found[each.name] = Person(each.name, each.email, frozenset({each.role}), each.zone or zone)
    for one in cutover.sign:
        known = found.get(one.name) or Person(one.name, one.email, frozenset(), zone)
        found[one.name] = Person(known.name, known.email, known.roles | {"approver"}, known.zone)
    return found


def person(plan: Plan, name: str) -> Person:
    """The one of this name, or e-mail address.

    Raises:
        UsageError: the plan names nobody so.
    """
    known = everybody(plan)
    for each in known.values():
        if name in (each.name, each.email):
            return each
    if not known:
        raise UsageError("The plan lets nobody into the console.", NOBODY)
    raise UsageError(f"The plan doesn't name `{name}`.", f"It names {', '.join(sorted(known))}. {NOBODY}")
