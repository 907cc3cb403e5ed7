"""What do people do in the target while a migration is loaded and rolled back? Random deeds, seeded.

Each deed picks its records out of the target's own store and acts through the control endpoint, as a person
or as another program would. A deed for which nothing is there says so and is passed over.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol

from migrate.sandbox.control import ControlError
from tests.harness.hold_words import HUBSPOT, SALESFORCE, Place, Store, Words, salesforce_users


class Orders(Protocol):
    """A control endpoint that takes orders."""

    def post(self, path: str, document: Any = None) -> Any:
        """Give an order."""


class Nothing(Exception):
    """There is no record for this deed."""


class People(ABC):
    """Acting users of one target. `gentle` deeds only write and link; the others delete and merge, too.

    Args:
        data: the sandbox's folder.
        before: the store before the load, which tells what is adopted.
    """

    words: ClassVar[Words]
    objects: ClassVar[tuple[str, ...]]
    mergeable: ClassVar[tuple[str, ...]]
    mapped: ClassVar[Mapping[str, str]]  # a field that the plan writes, and one that it doesn't, by object
    unmapped: ClassVar[Mapping[str, str]]

    def __init__(self, control: Orders, data: Path, before: Store, rng: random.Random) -> None:
        self.control, self.data, self.before, self.rng = control, data, before, rng
        self.number = 0
        self.told: list[str] = []

    def do(self, *, gentle: bool = False) -> str:
        """One deed of some kind; its name, or "" where nothing could be done."""
        kinds = [*self.mild(), *(() if gentle else self.hard())]
        for deed in self.rng.sample(kinds, len(kinds)):
            try:
                deed()
            except (Nothing, ControlError):
                continue  # nothing is there for it, or the vendor refuses: somebody does another thing
            self.told.append(deed.__name__)
            return deed.__name__
        return ""

    def act(self, do: str, object: str, **more: Any) -> Any:
        """One act of a user."""
        return self.control.post("/act", {"do": do, "object": object, **self.who(), **more})

    def who(self) -> dict[str, str]:
        """As whom they act; nobody named is the portal's administrator."""
        return {}

    # -- choosing -----------------------------------------------------------------------------

    def places(self, what: str, objects: tuple[str, ...] = ()) -> list[Place]:
        """Live records: `created` by the load, `adopted`, or `foreign`."""
        store = self.words.store(self.data)
        found = []
        for place, values in sorted(store.records.items()):
            ours = values.get(self.words.key)
            kind = "foreign" if not ours else "adopted" if place in self.before.records else "created"
            if kind == what and place[0] in (objects or self.objects):
                found.append(place)
        return found

    def some(self, what: str, *objects: str) -> Place:
        """One of them.

        Raises:
            Nothing: there is none.
        """
        found = self.places(what, objects)
        if not found:
            raise Nothing
        return self.rng.choice(found)

    def fresh(self, word: str) -> str:
        """A text that nobody wrote before."""
        self.number += 1
        return f"{word} {self.number}-{self.rng.randrange(10_000)}"

    # -- deeds --------------------------------------------------------------------------------

    def mild(self) -> tuple[Callable[[], None], ...]:
        """Deeds that write and link."""
        return (self.edit_created, self.edit_unmapped, self.edit_adopted, self.edit_adopted_unmapped,
                self.edit_foreign, self.note_on_ours, self.child_under_ours, self.link_to_foreign,
                self.link_ours)  # fmt: skip

    def hard(self) -> tuple[Callable[[], None], ...]:
        """Deeds that delete and merge."""
        return (self.delete_created, self.delete_foreign, self.merge_ours_away, self.merge_into_ours,
                self.merge_two_of_ours)  # fmt: skip

    def _edit(self, place: Place, names: Mapping[str, str]) -> None:
        object, id = place
        self.act("update", object, id=id, fields={names[object]: self.fresh("by hand")})

    def edit_created(self) -> None:
        """A field of ours on a record that we created."""
        self._edit(self.some("created"), self.mapped)

    def edit_unmapped(self) -> None:
        """A field that no plan maps, on a record that we created."""
        self._edit(self.some("created"), self.unmapped)

    def edit_adopted(self) -> None:
        """A field of ours on a record that we adopted."""
        self._edit(self.some("adopted"), self.mapped)

    def edit_adopted_unmapped(self) -> None:
        """A field of theirs on a record that we adopted."""
        self._edit(self.some("adopted"), self.unmapped)

    def edit_foreign(self) -> None:
        """A record that is nobody's business of ours."""
        self._edit(self.some("foreign"), self.unmapped)

    def delete_created(self) -> None:
        """A record that we created."""
        object, id = self.some("created")
        self.act("delete", object, id=id)

    def delete_foreign(self) -> None:
        """A record of theirs."""
        object, id = self.some("foreign")
        self.act("delete", object, id=id)

    def _merge(self, winner: str, loser: str) -> None:
        object = self.rng.choice(self.mergeable)
        survivor, other = self.some(winner, object), self.some(loser, object)
        if survivor == other:
            raise Nothing
        self.act("merge", object, master=survivor[1], id=survivor[1], losers=[other[1]])

    def merge_ours_away(self) -> None:
        """A record of ours goes into one of theirs."""
        self._merge("foreign", self.rng.choice(("created", "adopted")))

    def merge_into_ours(self) -> None:
        """A record of theirs goes into one of ours."""
        self._merge(self.rng.choice(("created", "adopted")), "foreign")

    def merge_two_of_ours(self) -> None:
        """Two of ours become one."""
        self._merge("created", "created")

    @abstractmethod
    def note_on_ours(self) -> None:
        """A note hangs on a record of ours."""

    @abstractmethod
    def child_under_ours(self) -> None:
        """A new record under one of ours."""

    @abstractmethod
    def link_to_foreign(self) -> None:
        """A record of ours and one of theirs are linked."""

    @abstractmethod
    def link_ours(self) -> None:
        """Two records of ours are linked by a person."""

    def stamp_all(self) -> None:
        """A job of the vendor's that moves every record's stamp and changes nothing."""
        for object in self.objects:
            self.act("touch", object)


class HubSpotPeople(People):
    """Users of a HubSpot portal."""

    words = HUBSPOT
    objects = ("companies", "contacts", "deals")
    mergeable = ("companies", "contacts")
    mapped: ClassVar[Mapping[str, str]] = {"companies": "phone", "contacts": "jobtitle", "deals": "dealname"}
    unmapped: ClassVar[Mapping[str, str]] = {
        "companies": "about_us",
        "contacts": "mobilephone",
        "deals": "description",
    }

    def note_on_ours(self) -> None:
        """A note hangs on a record of ours."""
        object, id = self.some("created")
        body = {"hs_note_body": self.fresh("ring them")}
        self.act("create", "notes", fields=body, on={"object": object, "id": id})

    def child_under_ours(self) -> None:
        """A new contact at one of our companies; its address may wake the portal's own writers."""
        _, id = self.some("created", "companies")
        email = f"{self.fresh('new').replace(' ', '-')}@people.example"
        self.act("create", "contacts", fields={"email": email}, on={"object": "companies", "id": id})

    def _link(self, one: Place, other: Place) -> None:
        if one == other or frozenset((one, other)) in self.words.store(self.data).ties:
            raise Nothing
        self.act("link", one[0], id=one[1], to_object=other[0], to=other[1])

    def link_to_foreign(self) -> None:
        """A record of ours and one of theirs are linked."""
        self._link(self.some("created", "contacts", "deals"), self.some("foreign", "companies"))

    def link_ours(self) -> None:
        """A deal and a contact of ours are linked by a person."""
        self._link(self.some("created", "deals"), self.some("created", "contacts"))


class SalesforcePeople(People):
    """Users of a Salesforce org."""

    words = SALESFORCE
    objects = ("Account", "Contact")
    mergeable = ("Account", "Contact")
    mapped: ClassVar[Mapping[str, str]] = {"Account": "Phone", "Contact": "FirstName"}
    unmapped: ClassVar[Mapping[str, str]] = {"Account": "TickerSymbol", "Contact": "Department"}

    def who(self) -> dict[str, str]:
        """As a seller: the administrator is the one as whom the load runs."""
        return {"as": salesforce_users(self.data)[0]}

    def _edit(self, place: Place, names: Mapping[str, str]) -> None:
        object, id = place
        self.act("update", object, id=id, fields={names[object]: self.fresh("hand")[:20]})

    def note_on_ours(self) -> None:
        """A task about a contact of ours."""
        _, id = self.some("created", "Contact")
        self.act("create", "Task", fields={"Subject": self.fresh("ring them"), "WhoId": id})

    def child_under_ours(self) -> None:
        """A new contact at one of our accounts."""
        _, id = self.some("created", "Account")
        self.act("create", "Contact", fields={"LastName": self.fresh("New"), "AccountId": id})

    def link_to_foreign(self) -> None:
        """A contact of theirs moves to an account of ours."""
        _, child = self.some("foreign", "Contact")
        _, parent = self.some("created", "Account")
        self.act("update", "Contact", id=child, fields={"AccountId": parent})

    def link_ours(self) -> None:
        """An account of ours gets another one of ours for a parent, by a person."""
        (_, child), (_, parent) = self.some("created", "Account"), self.some("created", "Account")
        if child == parent:
            raise Nothing
        self.act("update", "Account", id=child, fields={"ParentId": parent})
