"""Who works on a weekend of a cutover? Sellers of both systems and a web form, all from one seed.

They act through the control endpoints as somebody else, and every text that they write is written once.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.harness.hold_words import HUBSPOT, SALESFORCE, salesforce_users
from tests.harness.lanes import Lane
from tests.harness.weekend_doors import Receiver
from tests.harness.weekend_oracle import BACK, FIELDS, NEW

COHORTS = ("pilot", "second", "rest")
BUFFERED = 5  # every so manieth post comes through the door that is a buffer


@dataclass
class People:
    """The people of one weekend.

    Args:
        rng: whence they take what they do; the weekend's own.
        bounds: firms' names at which cohorts begin and end: of the pilot, of the second, and where it begins.
        form: the user of the old system as whom the web form writes.
        killing: some posts' receivers die in the middle, too.

    `posted`, `entered`: texts of the form's posts, and of new sales in the new system.
    """

    lane: Lane
    seed: int
    rng: random.Random
    bounds: tuple[str, str, str]
    form: str
    killing: bool = False
    posted: list[str] = field(default_factory=list)
    entered: list[str] = field(default_factory=list)
    number: int = 0
    buffered: int = 0

    def __post_init__(self) -> None:
        self.before = set(HUBSPOT.store(self.lane.hubspot.data).records)
        self.cohorts = self._cohorts()

    def fresh(self) -> str:
        """A text that no other edit has."""
        self.number += 1
        return f"w{self.seed % 1000:03d}n{self.number:04d}"

    def person(self, old: bool) -> dict[str, str]:
        """As whom somebody acts: a seller of the old system, or an owner of the new one."""
        return {"as": self.rng.choice(salesforce_users(self.lane.salesforce.data))} if old else {"as": "1"}

    def edit(self, side: str, cohorts: Sequence[str] = COHORTS) -> str:
        """Somebody edits a field of a record that the migration moves, on one side."""
        object, target, names = self.rng.choice(FIELDS)
        old, new = self.rng.choice(names)
        running = self.lane.salesforce if side == BACK else self.lane.hubspot
        kind = object if side == BACK else target
        olds = self._olds()
        chosen = sorted(
            place for place, id in olds[side].items()
            if place[0] == kind and self.cohorts.get(id, "rest") in cohorts
        )  # fmt: skip
        if not chosen:
            return ""
        _, id = self.rng.choice(chosen)
        text = self.fresh()
        order = {"do": "update", "object": kind, "id": id, "fields": {old if side == BACK else new: text}}
        running.control.post("/act", {**order, **self.person(side == BACK)})
        return text

    def sell(self) -> None:
        """Somebody enters a new firm, a person of it and a deal with it into the new system."""
        text, who = self.fresh(), self.person(old=False)
        act = self.lane.hubspot.control.post
        firm = act("/act", {"do": "create", "object": "companies", **who,
                            "fields": {"name": f"Firm {text}", "country": text}})  # fmt: skip
        on = {"object": "companies", "id": str(firm["id"])}
        act("/act", {"do": "create", "object": "contacts", **who, "on": on, "fields": {
            "email": f"{text}@new-sales.example", "lastname": f"Person {text}"}})  # fmt: skip
        another = next(
            values for (kind, _), values in HUBSPOT.store(self.lane.hubspot.data).records.items()
            if kind == "deals" and values.get("migration_key") and values.get("closedate")
        )  # fmt: skip
        alike = {name: another[name] for name in ("pipeline", "dealstage", "closedate")}
        act("/act", {"do": "create", "object": "deals", **who, "on": on, "fields": {
            **alike, "dealname": f"Deal {text}", "amount": "12.5"}})  # fmt: skip
        self.entered.append(text)

    def post(self, receiver: Receiver) -> None:
        """One post: of the web form, into the old system, or of a form that leads to the receiver."""
        text = self.fresh()
        self.posted.append(text)
        if len(self.posted) % BUFFERED == 0:
            fields = {"last_name": f"Post {text}", "email": f"{text}@form-posts.example"}
            receiver.post(text, fields, killed=self.killing and self.rng.random() < 0.1)
            self.buffered += 1
            return
        self.lane.salesforce.control.post("/act", {
            "do": "create", "object": "Contact", "as": self.form,
            "fields": {"LastName": f"Post {text}", "Email": f"{text}@form-posts.example"},
        })  # fmt: skip

    def busy(self, count: int, sides: Sequence[str], cohorts: Sequence[str] = COHORTS) -> None:
        """People at work."""
        for _ in range(count):
            self.edit(self.rng.choice(sides), cohorts)

    # -- who is in which cohort, by the script's own rule ---------------------------------------

    def _olds(self) -> dict[str, dict[tuple[str, str], str]]:
        """By side, the records that went over as ones of their own, each with the old record's id; of those
        adopted or merged the plan's rules decide. A record's cohort is by the name that its firm had when the
        weekend began."""
        new = {
            place: str(values["migration_key"]).rpartition(".")[2]
            for place, values in HUBSPOT.store(self.lane.hubspot.data).records.items()
            if place not in self.before and values.get("migration_key")
        }
        moved = set(new.values())
        old = SALESFORCE.store(self.lane.salesforce.data).records
        return {NEW: new, BACK: {place: place[1] for place in old if place[1] in moved}}

    def _cohorts(self) -> dict[str, str]:
        """Before anything moves, which record is in which cohort."""
        store = SALESFORCE.store(self.lane.salesforce.data)
        names = {id: str(v["Name"]) for (object, id), v in store.records.items() if object == "Account"}
        in_cohort: dict[str, str] = {}
        for cohort in ("second", "pilot"):  # the first one that contains it is its own
            for id, name in names.items():
                if self._within(cohort, name):
                    in_cohort[id] = cohort
        found = dict(in_cohort)
        for (object, id), values in store.records.items():
            if object in ("Contact", "Opportunity") and values.get("AccountId") in in_cohort:
                found[id] = in_cohort[values["AccountId"]]
        return found

    def _within(self, cohort: str, name: str) -> bool:
        first, second, shared = self.bounds
        return bool(name < first if cohort == "pilot" else shared <= name < second)
