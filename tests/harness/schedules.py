"""Does a rollback survive a week of people? One random schedule: load, deeds, jobs, kills, rollback, verify.

A schedule is a seed. What the rule demands is told by `hold_model` out of the sandbox's log; what was done
is read from the target's store; what the product says it held is asked of its own commands.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.harness import hold_words, kill
from tests.harness.deeds import HubSpotPeople, People, SalesforcePeople
from tests.harness.hold_model import Model, lost
from tests.harness.hold_words import HUBSPOT, SALESFORCE, Place, Words
from tests.harness.kill import Strike
from tests.harness.lanes import Lane

AUTOMATIONS = {
    "hubspot": ("associate_by_domain", "enrichment"),  # those that the plan accepts
    "salesforce": (),
}
LATE_AUTOMATIONS = {"hubspot": ("workflow_on_update",), "salesforce": ("flow_on_update",)}
SOURCES = {"hubspot": ("Account", "Phone"), "salesforce": ("contacts", "firstname")}
ROLLBACK = "rollback run --yes"


@dataclass
class Told:
    """What came of one schedule.

    `failed`: commands that ended otherwise than they should, and a verify that doesn't pass. `wrong`: what
    was held, deleted, put back or lost otherwise than the rule demands.
    """

    seed: int
    vendor: str
    steps: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    held: int = 0
    touched: int = 0  # records that the load created or changed
    kills: int = 0
    unseen: set[Place] = field(default_factory=set)

    def text(self) -> str:
        """One line."""
        return f"{self.vendor} {self.seed}: {' '.join(self.steps)}; held {self.held} of {self.touched}"


def people_of(lane: Lane, before: hold_words.Store, rng: random.Random) -> People:
    """The acting users of a lane's target."""
    kind = SalesforcePeople if lane.back else HubSpotPeople
    return kind(lane.target.control, lane.target.data, before, rng)


def words_of(lane: Lane) -> Words:
    """The words of a lane's target."""
    return SALESFORCE if lane.back else HUBSPOT


def run(lane: Lane, seed: int, *, only_stamps: bool = False) -> Told:
    """Go through one schedule, from the saved copy `ready`.

    Args:
        only_stamps: nobody acts; only a job of the vendor's moves every stamp.
    """
    rng = random.Random(seed)  # noqa: S311 - a schedule, no secrets
    words, data = words_of(lane), lane.target.data
    told = Told(seed, "salesforce" if lane.back else "hubspot")
    lane.restore("ready")
    lane.settle()
    before, first = words.store(data), hold_words.last(data)
    people = people_of(lane, before, rng)
    _switch(lane, [name for name in AUTOMATIONS[told.vendor] if rng.random() < 0.5])
    _load(lane, rng, people, told, quiet=only_stamps)
    if only_stamps:
        people.stamp_all()
        told.steps.append("stamps")
    else:
        _people(lane, rng, people, told)
    lane.settle() if rng.random() < 0.7 else lane.calm()
    began = hold_words.last(data)
    _back(lane, rng, people, told, quiet=only_stamps)
    lane.settle()
    writes = list(words.writes(data, first))
    model = Model(words, before, began, told.unseen).replay(writes)
    _judge(lane, model, writes, told)
    return told


def _switch(lane: Lane, on: list[str]) -> None:
    known = lane.target.control.get("/automations")
    lane.target.control.post("/automations", {name: name in on for name, was in known.items()
                                              if was or name in on})  # fmt: skip


def _load(lane: Lane, rng: random.Random, people: People, told: Told, *, quiet: bool) -> None:
    """A load, struck up to twice; perhaps it never comes to its end."""
    acted = False
    for _ in range(rng.choice((0, 0, 1, 2))):
        if _struck(lane, "load", _strike(rng, 40), told) and not quiet and rng.random() < 0.5:
            told.steps.append(f"({people.do(gentle=True)})")
            acted = True
    if rng.random() < 0.7 or not people.places("created"):
        ended = lane.run("load")
        # A canary on which somebody was at work before its second look may stop the load: then it stays so.
        stirred = acted and ended.code == 3 and bool(ended.document.get("facts", {}).get("found"))
        told.steps.append("canary" if stirred else "load")
        if ended.code not in (0, 1) and not stirred:
            told.failed.append(f"load ended with {ended.code}: {kill.last_words(ended)}")


def _people(lane: Lane, rng: random.Random, people: People, told: Told) -> None:
    for number in range(rng.randint(3, 12)):
        if number == 2 and rng.random() < 0.5:
            _switch(lane, list(LATE_AUTOMATIONS[told.vendor]))
        if number == 3 and rng.random() < 0.4:
            _delta(lane, rng, told)
        if rng.random() < 0.15:
            people.stamp_all()
            told.steps.append("stamps")
        told.steps.append(people.do() or "idle")


def _delta(lane: Lane, rng: random.Random, told: Told) -> None:
    """Somebody edits a few records of the source; what changed is loaded after them."""
    source, (object, name) = lane.source, SOURCES[told.vendor]
    rows = [row for row in source.control.ndjson(f"/truth/{object}") if not _gone(row)]
    for row in rng.sample(rows, min(4, len(rows))):
        id = str(row.get("Id") or row.get("id"))
        source.control.post("/act", {"do": "update", "object": object, "id": id,
                                     "fields": {name: f"delta {rng.randrange(1000)}"}})  # fmt: skip
    for words in ("extract", "transform", "load"):
        ended = lane.run(words)
        if ended.code not in (0, 1):
            told.failed.append(f"{words} of a delta ended with {ended.code}: {kill.last_words(ended)}")
    told.steps.append("delta")


def _gone(row: Mapping[str, Any]) -> bool:
    return bool(row.get("IsDeleted") or row.get("archived") or row.get("mergedInto"))


def _back(lane: Lane, rng: random.Random, people: People, told: Told, *, quiet: bool) -> None:
    """The rollback, struck up to three times, with people who go on writing meanwhile; then to its end."""
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        if _struck(lane, ROLLBACK, _strike(rng, 60), told) and not quiet and rng.random() < 0.4:
            told.steps.append(f"({people.do(gentle=True)})")
    ended = lane.run(ROLLBACK)
    told.steps.append("back")
    if ended.code not in (0, 1):
        told.failed.append(f"the rollback ended with {ended.code}: {kill.last_words(ended)}")


def _strike(rng: random.Random, requests: int) -> Strike:
    if rng.random() < 0.3:
        return Strike("instant", round(rng.uniform(0.1, 2.5), 3), "")
    if rng.random() < 0.3:
        return Strike("write", rng.randint(2, 40), rng.choice(("before", "after")))
    return Strike("request", rng.randint(1, requests), rng.choice(kill.HOLDS))


def _struck(lane: Lane, words: str, one: Strike, told: Told) -> bool:
    hit = kill.strike(lane, words, one)
    lane.calm(3)  # past the longest call, so that what was under way has landed
    told.kills += hit
    if hit and words == "load":
        told.unseen |= hold_words.unseen(words_of(lane), lane.target.data)
    told.steps.append(f"{words.split()[0]}✂{one.kind[0]}{one.at:g}" if hit else words.split()[0])
    return hit


# -- judging ----------------------------------------------------------------------------------


def _judge(lane: Lane, model: Model, writes: list[hold_words.Write], told: Told) -> None:
    held = model.held()
    now = model.words.store(lane.target.data)
    verified = lane.run("rollback verify")
    document = verified.document
    if document.get("verdict") != "pass":
        told.failed.append(f"verify: {document.get('words') or document}: {document.get('failures')}")
    told.wrong += disagreement(held, model.may_hold(), held_by_product(lane))
    told.wrong += model.wrongs + model.left(held) + lost(model, now, writes, held)
    told.held, told.touched = len(held), len(model.created) + len(model.changed)


def held_by_product(lane: Lane) -> dict[Place, str]:
    """What the product says it holds, with its reason."""
    found: dict[Place, str] = {}
    for group in lane.run("rollback hold list").document.get("groups", []):
        shown: Mapping[str, Any] = lane.run(f"rollback hold show {group['name']} --limit 100000").document
        found.update({(each["object"], each["id"]): each["reason"] for each in shown["holds"]})
    return found


def disagreement(wanted: Mapping[Place, str], may: set[Place], found: Mapping[Place, str]) -> list[str]:
    """Where the rule and the product differ about what is held."""
    told = [f"not held: {place}: {wanted[place]}" for place in sorted(wanted.keys() - found.keys())]
    told += [
        f"held without a reason: {place}: {found[place]}"
        for place in sorted(found.keys() - wanted.keys() - may)
    ]
    return told


def deeds(all_told: list[Told]) -> Counter[str]:
    """How often each step was taken."""
    return Counter(step.strip("()").partition("✂")[0] for told in all_told for step in told.steps)
