"""An oracle that can't see a loss proves nothing: each of them is shown red."""

from __future__ import annotations

from dataclasses import replace

from tests.harness import oracle
from tests.harness.oracle import Stored, Truth


def _deal(id: str, key: str, **values: str) -> Stored:
    return Stored("deals", id, {"migration_key": key, "dealname": "one", **values}, live=True)


def _truth(*records: Stored, links: tuple[tuple[str, str, str, str, str], ...] = ()) -> Truth:
    return Truth({(record.object, record.id): record for record in records}, set(links))


FOREIGN = Stored("companies", "1", {"name": "Theirs"}, live=True)
BEFORE = _truth(FOREIGN)
NOW = _truth(FOREIGN, _deal("2", "a"), _deal("3", "b"), links=(("deals", "2", "companies", "1", "Primary"),))


def test_two_equal_truths_with_other_ids_have_no_differences() -> None:
    links = (("deals", "9", "companies", "1", "Primary"),)
    other = _truth(FOREIGN, _deal("9", "a"), _deal("8", "b"), links=links)
    assert oracle.unequal(oracle.state(NOW, BEFORE), oracle.state(other, BEFORE)) == []


def test_a_planted_loss_is_seen() -> None:
    gone = _truth(FOREIGN, replace(NOW.records["deals", "2"], live=False), NOW.records["deals", "3"])
    assert oracle.lost(gone, ["a", "b"]) == ["a"]
    assert "lost: a" in oracle.unequal(oracle.state(NOW, BEFORE), oracle.state(gone, BEFORE))


def test_a_planted_twin_is_seen() -> None:
    twin = _truth(*NOW.records.values(), _deal("4", "a"))
    assert oracle.twins(twin) == ["a"]
    assert "double: a" in oracle.unequal(oracle.state(NOW, BEFORE), oracle.state(twin, BEFORE))


def test_a_planted_stray_is_seen() -> None:
    assert oracle.strays(_truth(*NOW.records.values(), _deal("4", "c")), ["a", "b"]) == ["c"]


def test_a_planted_overwrite_is_seen() -> None:
    changed = _truth(replace(FOREIGN, values={"name": "Ours"}))
    assert oracle.overwritten(BEFORE, changed) == ["('companies', '1').name: 'Theirs', now 'Ours'"]
    assert oracle.put_back(BEFORE, changed) != []


def test_a_lost_link_is_seen() -> None:
    bare = _truth(*NOW.records.values())
    told = oracle.unequal(oracle.state(NOW, BEFORE), oracle.state(bare, BEFORE))
    assert told == ["link lost: ('a', 'foreign:companies:1', 'Primary')"]


def test_a_second_accepted_create_is_counted() -> None:
    entry = {"op": "create", "after": {"migration_key": "a"}}
    assert oracle.creates([entry, entry])["a"] == 2
