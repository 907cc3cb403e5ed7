"""A load that is killed and run again leaves what an unbroken one leaves. A few points of each kind.

`make prove-main` goes through every point.
"""

from __future__ import annotations

import pytest

from tests.faults.conftest import Small
from tests.harness import kill, oracle
from tests.harness.kill import Strike
from tests.harness.under import Order

CREATE, UPDATE = 29, 31  # near the first create and the first update among the requests of a load


def _after(small: Small, strike: Strike, words: str = "load", saved: str = "ready") -> list[str]:
    straight = small.loaded if words == "load" else small.undone
    result = kill.survive(small.lane, saved, words, strike, straight, small.judge, keyed=words == "load")
    assert result.hit, f"{strike} came too late"
    return result.told


@pytest.mark.parametrize("how", kill.HOLDS)
def test_a_load_killed_while_a_request_is_held_there_ends_as_the_straight_run(small: Small, how: str) -> None:
    assert _after(small, Strike("request", CREATE if how != "after_commit" else UPDATE, how)) == []


@pytest.mark.long
@pytest.mark.parametrize(("at", "how"), [(60, "before"), (75, "after"), (100, "before"), (150, "after")])
def test_a_load_killed_at_a_write_ends_as_the_straight_run(small: Small, at: int, how: str) -> None:
    assert _after(small, Strike("write", at, how)) == []


@pytest.mark.long
def test_a_load_killed_within_the_compaction_of_the_journal_goes_on(small: Small) -> None:
    small.lane.restore("ready")
    points = small.lane.points("load", Order(kinds=("replace", "commit")))
    place = next(n for n, (_, kind, what) in enumerate(points, 1) if kind == "replace" and "-c0" in what)
    small.lane.restore("ready")
    assert small.lane.run("load", Order(place, "after", ("replace", "commit"))).killed
    assert small.lane.run("load").code == small.loaded.code
    assert kill.difference(small.loaded.left, small.judge(small.lane)) == []


@pytest.mark.long
@pytest.mark.parametrize("at", [20, 60])
def test_a_rollback_killed_at_a_write_ends_as_the_straight_run(small: Small, at: int) -> None:
    assert _after(small, Strike("write", at, "before"), "rollback run --yes", "loaded") == []


def test_a_full_disk_ends_a_load_with_5_and_the_next_one_completes_it(small: Small) -> None:
    small.lane.restore("ready")
    ended = small.lane.run("load", Order(at=60, kinds=("fsync", "replace", "commit"), do="full"))
    assert ended.code == 5
    assert "space" in ended.out.lower() or "full" in ended.out.lower()
    assert small.lane.run("load").code == small.loaded.code
    assert kill.difference(small.loaded.left, small.judge(small.lane)) == []


def test_a_rollback_puts_back_what_the_oracle_saw_before(small: Small) -> None:
    small.lane.restore("loaded")
    small.lane.must("rollback run --yes", codes=(0,))
    small.lane.settle()
    assert oracle.put_back(small.before, oracle.truth(small.lane.hubspot)) == []
