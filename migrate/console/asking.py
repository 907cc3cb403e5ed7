"""Who asks for what, and how is a request refused?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from migrate.console.people import Person, Role
from migrate.console.sessions import Session


@dataclass(frozen=True)
class Asked:
    """A request of somebody who is logged in. `origin`: how their browser calls this console."""

    path: str
    query: Mapping[str, str]
    parts: Mapping[str, str]
    form: Mapping[str, str]
    session: Session
    person: Person
    origin: str = ""

    @property
    def inside(self) -> bool:
        """They do more than look: persons of the data aren't masked for them."""
        return bool(self.person.roles - {"viewer"})


class Refused(Exception):
    """An answer that ends a request."""

    def __init__(self, status: int, heading: str, words: str) -> None:
        self.status, self.heading, self.words = status, heading, words
        super().__init__(status, heading, words)


def not_theirs(person: Person, role: Role) -> Refused:
    """The refusal of an act that is another role's."""
    return Refused(403, f"That is for an {role}", f"You are {person.words}. Nothing was done.")
