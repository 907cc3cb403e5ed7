"""A model that can't say no proves nothing: each of its words is seen once, on writes made up for it."""

from __future__ import annotations

from typing import Any

from tests.harness.hold_model import Model, lost
from tests.harness.hold_words import HUBSPOT, MACHINE, OURS, PERSON, Place, Store, Write

THEIRS: Place = ("companies", "1")
MINE: Place = ("deals", "2")
BEFORE = Store({THEIRS: {"name": "Theirs", "phone": "1"}})
BEGAN = 100


class Log:
    """Writes in order."""

    def __init__(self) -> None:
        self.writes: list[Write] = []

    def add(self, who: str, op: str, place: Place, before: Any = None, after: Any = None, *,
            seq: int | None = None, note: str = "") -> Log:  # fmt: skip
        number = seq or len(self.writes) + 1
        self.writes.append(Write(number, who, op, place, before or {}, after or {}, note))
        return self

    def link(self, who: str, one: Place, other: Place) -> Log:
        return self.add(who, "link", ("links", "/".join((*one, *other))), None, {"types": [["A", 1]]})

    def model(self) -> Model:
        return Model(HUBSPOT, BEFORE, BEGAN).replay(self.writes)


def created() -> Log:
    return Log().add(OURS, "create", MINE, None, {"dealname": "d", "migration_key": "k"})


def adopted() -> Log:
    return Log().add(OURS, "update", THEIRS, {"name": "Theirs", "phone": "1"}, {"name": "Ours", "phone": "1"})


def test_what_nobody_touched_must_go() -> None:
    model = created().model()
    assert model.held() == {}
    assert model.left({}) == [f"left behind: {MINE}"]
    assert created().add(OURS, "delete", MINE, seq=BEGAN + 1).model().wrongs == []


def test_what_a_person_wrote_or_linked_is_held_and_a_machine_s_work_isn_t() -> None:
    edit = ({"dealname": "d"}, {"dealname": "x"})
    assert MINE in created().add(PERSON, "update", MINE, *edit).model().held()
    assert MINE not in created().add(MACHINE, "update", MINE, *edit).model().held()
    assert MINE in created().link(PERSON, MINE, THEIRS).model().held()
    assert MINE not in created().link(MACHINE, MINE, THEIRS).model().held()
    stamps = ({"hs_lastmodifieddate": "1"}, {"hs_lastmodifieddate": "2"})
    assert MINE not in created().add(PERSON, "update", MINE, *stamps).model().held()


def test_an_edit_that_was_taken_back_holds_nothing() -> None:
    log = created().add(PERSON, "update", MINE, {"dealname": "d"}, {"dealname": "x"})
    assert MINE in log.model().held()
    log.add(PERSON, "update", MINE, {"dealname": "x"}, {"dealname": "d"})
    assert MINE not in log.model().held()


def test_deleting_what_a_person_touched_or_what_isn_t_ours_is_wrong() -> None:
    touched = created().link(PERSON, MINE, THEIRS).add(OURS, "delete", MINE, seq=BEGAN + 1)
    assert "somebody linked it" in touched.model().wrongs[0]
    assert "hadn't created" in Log().add(OURS, "delete", THEIRS, seq=BEGAN + 1).model().wrongs[0]


def test_of_a_record_that_we_changed_only_our_fields_count() -> None:
    theirs = ({"name": "Ours", "phone": "1"}, {"name": "Ours", "phone": "2"})
    ours = ({"name": "Ours", "phone": "1"}, {"name": "By hand", "phone": "1"})
    assert THEIRS not in adopted().add(PERSON, "update", THEIRS, *theirs).model().held()
    assert THEIRS in adopted().add(PERSON, "update", THEIRS, *ours).model().held()
    assert adopted().model().left({}) == [f"not put back: {THEIRS}.name is 'Ours', was 'Theirs'"]


def test_putting_back_over_a_person_s_value_or_another_value_is_wrong() -> None:
    by_hand = adopted().add(PERSON, "update", THEIRS, {"name": "Ours"}, {"name": "By hand"})
    over = by_hand.add(OURS, "update", THEIRS, {"name": "By hand"}, {"name": "Theirs"}, seq=BEGAN + 1)
    assert "covered" in over.model().wrongs[0]
    other = adopted().add(OURS, "update", THEIRS, {"name": "Ours"}, {"name": "Else"}, seq=BEGAN + 1)
    assert "not 'Theirs'" in other.model().wrongs[0]


def test_a_planted_loss_an_overwrite_and_a_lost_link_are_seen() -> None:
    log = created().link(PERSON, MINE, THEIRS)
    model = log.model()
    held = model.held()
    whole = Store({**BEFORE.records, MINE: dict(model.records[MINE])})
    whole.ties[frozenset((MINE, THEIRS))] = 1
    assert lost(model, whole, log.writes, held) == []
    assert lost(model, Store({MINE: {}}), log.writes, held) == [f"lost: {THEIRS}"]
    bare = Store({THEIRS: {"name": "Ours", "phone": "1"}, MINE: {}})
    told = lost(model, bare, log.writes, held)
    assert told == [
        f"overwritten: {THEIRS}.name: 'Theirs', now 'Ours'", f"link lost: {sorted((MINE, THEIRS))}"
    ]  # fmt: skip
