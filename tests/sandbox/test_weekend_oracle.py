"""The judge of a weekend sees what was lost, doubled, overwritten or kept back; and a good weekend is good.

No product runs: people act in both sandboxes, and what a cutover should have made of it is written by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from migrate.demo.generated import generated
from migrate.demo.run import sandboxes
from migrate.demo.shape import Sizes
from migrate.sandbox.server import Running
from tests.harness.hold_words import SALESFORCE, last, salesforce_users
from tests.harness.weekend_oracle import BACK, NEW, Moment, Verdict, judge

TINY = Sizes(accounts=6, parents=2, opportunities=6, companies=6, known=2, contacts=4)


@dataclass
class Rig:
    """One contact of the old system, `id`, that stands in the new one as `new`."""

    old: Running
    new_side: Running
    id: str
    new: str
    moments: list[Moment] = field(default_factory=list)

    def act(self, running: Running, do: str, object: str, **more: Any) -> Any:
        return running.control.post("/act", {"do": do, "object": object, **more})

    def person(self, side: str, text: str) -> None:
        """Somebody writes the contact's title, on one side."""
        if side == BACK:
            user = salesforce_users(self.old.data)[0]
            self.act(self.old, "update", "Contact", id=self.id, fields={"Title": text}, **{"as": user})
        else:
            self.act(self.new_side, "update", "contacts", id=self.new, fields={"jobtitle": text})

    def ours(self, **fields: str) -> None:
        """What our user writes into the old system."""
        self.act(self.old, "update", "Contact", id=self.id, fields=fields)

    def moment(self, side: str) -> None:
        self.moments.append(Moment("rest", side, last(self.old.data), last(self.new_side.data)))

    def judge(self, conflicts: Any = (), posts: Any = (), created: Any = ()) -> Verdict:
        data = self.old.data, self.new_side.data
        return judge(*data, {}, self.moments, conflicts, posts, created)


@pytest.fixture
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with sandboxes(tmp_path_factory.mktemp("judge"), generated(TINY)) as (old, new):
        id = next(place[1] for place in SALESFORCE.store(old.data).records if place[0] == "Contact")
        old_key = {"name": "migration_key", "label": "Key", "type": "string", "fieldType": "text",
                   "groupName": "contactinformation"}  # fmt: skip
        new.control.post("/seed", {"properties": {"contacts": [old_key]}})
        fields = {"email": "one@people.example", "migration_key": f"sf1.Contact.{id}"}
        made = new.control.post("/act", {"do": "create", "object": "contacts", "fields": fields})
        yield Rig(old, new, id, str(made["id"]))


def test_the_last_edit_on_the_home_side_is_what_must_stand(rig: Rig) -> None:
    rig.person(BACK, "w1")
    rig.moment(NEW)
    rig.person(NEW, "w2")
    rig.ours(Title="w2")
    rig.moment(BACK)

    assert rig.judge().clean
    assert rig.judge().kept == 1

    rig.person(BACK, "w3")  # at home again
    assert rig.judge().clean


def test_a_lost_and_an_overwritten_edit_are_told_apart(rig: Rig) -> None:
    rig.person(BACK, "w1")
    rig.moment(NEW)
    rig.person(NEW, "w2")
    rig.moment(BACK)

    assert list(rig.judge().wrong) == ["overwritten"]  # `w1` still stands where `w2` should

    rig.ours(Title="Buyer")
    assert list(rig.judge().wrong) == ["lost"]
    rig.act(rig.old, "delete", "Contact", id=rig.id)
    assert "isn't there any more" in rig.judge().wrong["lost"][0]


def test_an_edit_on_the_wrong_side_must_be_listed_and_must_not_count(rig: Rig) -> None:
    rig.person(NEW, "w1")  # before the switch: the old system is right
    rig.person(BACK, "w2")
    rig.moment(NEW)

    assert list(rig.judge().wrong) == ["unlisted"]
    found = rig.judge(conflicts=[{"there": "w1", "here": "w2"}])
    assert (found.clean, found.listed, found.kept) == (True, 1, 1)


def test_what_somebody_wrote_in_the_old_system_after_the_switch_stays_and_is_listed_with_both_values(
    rig: Rig,
) -> None:
    rig.person(BACK, "w1")
    rig.moment(NEW)
    rig.person(BACK, "w2")
    rig.person(BACK, "w3")  # nobody but they themselves can have seen `w2`
    assert list(rig.judge().wrong) == ["unlisted"]
    assert rig.judge(conflicts=[{"there": "w1", "here": "w3"}]).clean

    rig.person(NEW, "w4")  # both sides wrote: whoever decides sees both
    each_alone = [{"there": "w4", "here": "w1"}, {"there": "w1", "here": "w3"}]
    assert list(rig.judge(conflicts=each_alone).wrong) == ["unlisted"]
    both = [{"there": "w4", "here": "w3"}]
    assert rig.judge(conflicts=both).clean

    rig.ours(Title="w4")
    assert list(rig.judge(conflicts=both).wrong) == ["overwritten"]


def test_posts_and_new_sales_are_there_once(rig: Rig) -> None:
    def enter(object: str, **fields: str) -> None:
        rig.act(rig.old, "create", object, fields=fields)

    for _ in range(2):
        enter("Contact", LastName="Post w7")
    enter("Contact", LastName="Person w8")

    found = rig.judge(posts=["w7", "w9"], created=["w8"])

    assert found.created == 5
    assert found.wrong["doubled"] == ["`Post w7` is there 2 times"]
    assert found.wrong["lost"] == [f"`{each}` is there 0 times" for each in ("Post w9", "Firm w8", "Deal w8")]
