"""What is still to be undone, by the journal alone?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from migrate_rollback import deeds

from migrate.clock import SystemClock
from migrate.engine import Engine
from migrate.journal import UNDO, Entry, Journal
from migrate.ledger import Lease, Ledger


class Book:
    """A journal that a test writes by hand."""

    def __init__(self, folder: Path) -> None:
        self.ledger = Ledger(folder / "ledger.db", SystemClock())
        self.journal = Journal(folder / "journal", self.ledger)
        self.journal.open(Lease.take(self.ledger, "new", 600))
        self.engine = Engine(folders=[folder])

    def write(self, op: str, outcome: str, key: str = "k1", id: str = "1", **more: Any) -> None:
        values: dict[str, Any] = {
            "attempt": 1, "batch": "b", "system": "new", "object": "companies", "kind": "record", **more
        }  # fmt: skip
        self.journal.append([Entry(key=key, op=op, outcome=outcome, target_id=id, **values)])

    def link(self, left: str, right: str, outcome: str = "done", op: str = "link", **more: Any) -> None:
        more = {"was_there": False, "kind": "link", "object": "companies>companies", **more}
        key = more.pop("key", f"{left}>{right}")
        self.write(op, outcome, key, "", left=left, right=right, label="parent", **more)

    def table(self, name: str, attempt: int = 1) -> list[dict[str, Any]]:
        deeds.tables(self.engine, self.journal.source(), attempt)
        return self.engine.rows(f"SELECT * FROM {name} ORDER BY ALL")


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    made = Book(tmp_path)
    yield made
    made.engine.close()
    made.ledger.close()


def test_an_empty_journal_leaves_nothing_to_undo(book: Book) -> None:
    assert book.table("undo_records") == []
    assert book.table("undo_made") == []


def test_created_is_deleted_and_adopted_gets_the_first_before_image(book: Book) -> None:
    book.write("create", "done", after={"name": "a"}, stamp="t")
    book.write("adopt", "intent", "k2", "2", before={"name": "old"}, after={"name": "new"})
    book.write("adopt", "done", "k2", "2", before={"name": "old"}, after={"name": "new"})
    book.write("update", "intent", "k2", "2", before={"name": "new"}, after={"phone": "1"})
    book.write("update", "done", "k2", "2", before={"name": "new"}, after={"name": "new", "phone": "1"})
    first, second = book.table("undo_records")
    assert (first["id"], first["action"], first["op"], first["stamp"]) == ("1", "delete", "delete", "t")
    assert (second["action"], dict(second["before"])) == ("restore", {"name": "old"})
    assert dict(second["after"]) == {"name": "new", "phone": "1"}
    assert [sorted(dict(each)) for each in second["sent"]] == [["name"], ["phone"]]


def test_a_field_that_the_plan_maps_later_gets_what_it_held_before_that(book: Book) -> None:
    book.write(
        "adopt", "done", "k2", "2", before={"name": "old", "fax": None}, after={"name": "new", "fax": "1"}
    )
    late = {"name": "new", "phone": "theirs"}
    book.write("update", "intent", "k2", "2", before=late, after={"phone": "ours"})
    book.write("update", "done", "k2", "2", before=late, after={"name": "new", "phone": "ours"})
    [row] = book.table("undo_records")
    assert dict(row["before"]) == {"name": "old", "fax": None, "phone": "theirs"}
    assert dict(row["after"]) == {"name": "new", "fax": "1", "phone": "ours"}
    [changed] = book.table("undo_changed")
    assert dict(changed["before"]) == dict(row["before"])


def test_what_was_undone_or_never_done_is_not_listed(book: Book) -> None:
    book.write("create", "done")
    book.write("create", "refused", "k2", "2")
    book.write("delete", "done", batch=f"{UNDO}1")
    assert book.table("undo_records") == []
    assert [row["id"] for row in book.table("undo_deleted")] == ["1"]


def test_a_hold_ends_when_its_record_is_undone_after_all(book: Book) -> None:
    book.write("create", "done")
    book.write("delete", "held", batch=f"{UNDO}1", reason="edited: name by ada")
    assert [(row["id"], row["code"]) for row in book.table("undo_held")] == [("1", "edited")]
    book.write("delete", "done", batch=f"{UNDO}2")
    assert book.table("undo_held") == []


def test_a_record_of_an_earlier_attempt_is_put_back_without_ending_its_entry(book: Book) -> None:
    book.write("create", "done", after={"name": "a"})
    book.write("update", "intent", attempt=2, before={"name": "a"}, after={"name": "b"})
    book.write("update", "done", attempt=2, before={"name": "a"}, after={"name": "b"})
    (row,) = book.table("undo_records", 2)
    assert (row["action"], row["op"], dict(row["before"])) == ("restore", "update", {"name": "a"})
    book.write("update", "done", attempt=2, batch=f"{UNDO}1", before={"name": "b"}, after={"name": "a"})
    assert book.table("undo_records", 2) == []


def test_a_lost_edit_is_noted(book: Book) -> None:
    book.write("adopt", "done")
    book.write("adopt", "lost_edit")
    assert [row["note"] for row in book.table("undo_records")] == ["lost_edit"]


def test_only_links_between_records_that_stay_are_taken_away(book: Book) -> None:
    book.write("create", "done", id="1")
    book.write("adopt", "done", "k2", "2")
    book.write("adopt", "done", "k3", "3")
    book.link("2", "3")
    book.link("1", "2")
    book.link("3", "2", was_there=True)
    assert [(row["left"], row["right"]) for row in book.table("undo_made")] == [("2", "3")]
    book.link("2", "3", op="unlink", batch=f"{UNDO}1")
    assert book.table("undo_made") == []


def test_a_link_that_may_have_landed_late_is_looked_for_too(book: Book) -> None:
    book.write("adopt", "done", "k2", "2")
    book.link("2", "3", outcome="intent")
    assert [row["right"] for row in book.table("undo_made")] == ["3"]


def test_a_link_that_nobody_saw_land_is_looked_for_even_after_it_was_found_absent(book: Book) -> None:
    book.write("adopt", "done", "k2", "2")
    book.link("2", "3", outcome="intent")
    book.link("2", "4")
    book.link("2", "3", op="unlink", batch=f"{UNDO}1")
    assert [row["right"] for row in book.table("undo_made")] == ["4"]
    assert [row["right"] for row in book.table("undo_late")] == ["3"]


# -- back to any checkpoint, and of a part ------------------------------------------------------


def since(book: Book, name: str, position: int, attempt: int = 1, **scope: Any) -> list[dict[str, Any]]:
    deeds.tables(book.engine, book.journal.source(), attempt, since=position, **scope)
    return book.engine.rows(f"SELECT * FROM {name} ORDER BY ALL")


def test_what_stood_at_the_checkpoint_gets_the_values_of_then_and_what_came_later_goes(book: Book) -> None:
    book.write("create", "done", after={"name": "a"})
    position = book.journal.last_seq
    book.write("update", "intent", before={"name": "a"}, after={"name": "b"})
    book.write("update", "done", before={"name": "a"}, after={"name": "b"})
    book.write("create", "done", "k2", "2", after={"name": "new"})
    first, second = since(book, "undo_records", position)
    assert (first["key"], first["action"], first["op"], dict(first["before"])) == (
        "k1", "restore", "update", {"name": "a"}
    )  # fmt: skip
    assert (second["key"], second["action"], second["op"]) == ("k2", "delete", "delete")
    assert [row["id"] for row in book.engine.rows("SELECT id FROM undo_ends ORDER BY id")] == ["1", "2"]
    [standing] = [row for row in since(book, "undo_journal", position) if row["stays"]]
    assert standing["op"] == "create"


def test_a_part_that_was_undone_and_loaded_again_is_undone_with_the_rest(book: Book) -> None:
    book.write("create", "done", after={"name": "a"})
    book.write("create", "done", "d1", "9", object="deals", after={"name": "d"})
    book.write("delete", "done", "d1", "9", object="deals", batch=f"{UNDO}1")
    book.write("create", "done", "d1", "10", object="deals", attempt=2, after={"name": "d"})
    rows = since(book, "undo_records", 0, attempt=2)
    assert {(row["key"], row["id"], row["action"]) for row in rows} == {
        ("k1", "1", "delete"), ("d1", "10", "delete")
    }  # fmt: skip


def test_only_what_was_done_since_it_was_put_back_last_is_undone_again(book: Book) -> None:
    book.write("create", "done", after={"name": "a", "phone": "1"})
    position = book.journal.last_seq
    book.write("update", "intent", before={"phone": "1"}, after={"phone": "2"})
    book.write("update", "done", before={"name": "a", "phone": "1"}, after={"name": "a", "phone": "2"})
    undone = {"name": "a", "phone": "1"}
    book.write("update", "done", batch=f"{UNDO}1", before={"phone": "2"}, after=undone)
    assert since(book, "undo_records", position) == []
    book.write("update", "intent", attempt=2, before=undone, after={"name": "b"})
    book.write("update", "done", attempt=2, before=undone, after={"name": "b", "phone": "1"})
    [row] = since(book, "undo_records", position, attempt=2)
    assert [sorted(dict(each)) for each in row["sent"]] == [["name"]]
    [changed] = book.engine.rows("SELECT * FROM undo_changed")
    assert changed["written"] == ["name"]


def test_what_was_put_back_on_the_way_to_a_later_point_still_goes_on_the_way_to_an_earlier_one(
    book: Book,
) -> None:
    book.write("create", "done", after={"name": "a"})
    book.write("update", "done", before={"name": "a"}, after={"name": "b"})
    book.write("update", "done", batch=f"{UNDO}1", before={"name": "b"}, after={"name": "a"})
    [row] = since(book, "undo_records", 0, attempt=2)
    assert (row["action"], row["op"], dict(row["after"])) == ("delete", "delete", {"name": "a"})


def test_an_object_or_a_cohort_takes_its_own_records_and_the_links_that_it_makes(
    book: Book, tmp_path: Path
) -> None:
    book.write("adopt", "done", "c1", "1")
    book.write("adopt", "done", "d1", "2", object="deals")
    book.write("adopt", "done", "d2", "3", object="deals")
    book.link("2", "1", object="deals>companies", key="d1>c1>primary")
    book.link("3", "1", object="deals>companies", key="d2>c1>primary")
    assert {row["key"] for row in since(book, "undo_records", 0, objects=["deals"])} == {"d1", "d2"}
    assert since(book, "undo_records", 0, objects=["contacts"]) == []
    file = tmp_path / "keys.parquet"
    book.engine.run(f"COPY (SELECT 'd1' AS key) TO '{file}' (FORMAT parquet)")
    assert [row["key"] for row in since(book, "undo_records", 0, cohort=[str(file)])] == ["d1"]
    assert [row["left"] for row in book.engine.rows('SELECT "left" FROM undo_made')] == ["2"]
    assert [row["left"] for row in book.engine.rows('SELECT "left" FROM undo_kept')] == ["3"]


def test_a_link_that_a_later_load_took_away_is_told_until_it_is_made_again(book: Book) -> None:
    book.write("adopt", "done", "c1", "1")
    book.write("adopt", "done", "c2", "2")
    book.link("1", "2")
    position = book.journal.last_seq
    book.link("1", "2", op="unlink")
    assert [row["left"] for row in since(book, "undo_cut", position)] == ["1"]
    book.link("1", "2", batch=f"{UNDO}1")
    assert since(book, "undo_cut", position) == []


def test_what_a_later_load_deleted_is_told(book: Book) -> None:
    book.write("create", "done")
    position = book.journal.last_seq
    book.write("delete", "done")
    assert [row["id"] for row in since(book, "undo_lost", position)] == ["1"]
    assert since(book, "undo_records", position) == []


def test_a_record_that_stays_and_refers_to_one_that_goes_is_told(book: Book) -> None:
    book.write("create", "done", "c1", "1")
    book.write("create", "done", "p1", "5", object="contacts", after={"company": "1", "name": "p"})
    rows = since(book, "undo_refs", 0, objects=["companies"], whole=False)
    assert [(row["key"], row["field"], row["value"]) for row in rows] == [("p1", "company", "1")]
    assert since(book, "undo_refs", 0) == []
