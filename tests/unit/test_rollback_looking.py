"""Whose is a link on a record that is to be deleted? By the journal, and by what the target holds now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from migrate_rollback import deeds
from migrate_rollback.looking import Look
from migrate_rollback.model import Row

from migrate.catalog import Catalog
from migrate.connector import RECORD, Link, Version, Who
from tests.unit.bench import HandClock
from tests.unit.fake_target import CATALOG, FakeTarget
from tests.unit.test_rollback_deeds import Book

AT = "2026-11-27T04:00:00.000Z"


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    made = Book(tmp_path)
    yield made
    made.engine.close()
    made.ledger.close()


class Target(FakeTarget):
    """One whose records may also have contacts under them. `told`: histories by id."""

    told: dict[str, list[Version]]

    def history(self, object: str, ids: Sequence[str], fields: Sequence[str]) -> dict[str, list[Version]]:  # noqa: ARG002
        return {id: self.told.get(id, []) for id in ids}

    def linked_objects(self, object: str) -> list[str]:  # noqa: ARG002 - all are alike
        return ["companies", "contacts", "tasks"]


def foreign(
    book: Book, links: set[Link], *ids: str, catalog: Catalog = CATALOG, object: str = "companies",
    told: dict[str, list[Version]] | None = None,
) -> set[str]:  # fmt: skip
    """Ids of created companies with a link of somebody's.

    Args:
        told: histories of what hangs there, by id.
    """
    deeds.tables(book.engine, book.journal.source(), 1)
    target = Target(HandClock(), catalog=catalog)
    target.linked, target.told = links, told or {}
    objects = [SimpleNamespace(target=name) for name in ("companies", "contacts")]
    space = SimpleNamespace(
        engine=book.engine, plan=SimpleNamespace(model=SimpleNamespace(objects=objects))
    )  # fmt: skip
    look = Look(space, target, catalog)  # type: ignore[arg-type]
    rows = [Row(n, 1, "record", object, f"k{id}", id, "delete") for n, id in enumerate(ids)]
    return set(look.foreign(object, rows))


def test_a_link_of_ours_holds_nothing_and_one_of_somebodys_holds_both_ends_that_we_created(
    book: Book,
) -> None:
    for id in ("1", "2", "3"):
        book.write("create", "done", f"k{id}", id)
    book.link("1", "2")
    ours = {
        Link("companies", "1", "companies", "2", "parent"),
        Link("companies", "2", "companies", "1", "default"),
    }
    assert foreign(book, ours, "1", "2", "3") == set()
    theirs = {
        Link("companies", "1", "companies", "3", "default"),
        Link("companies", "3", "companies", "1", "default"),
    }
    assert foreign(book, ours | theirs, "1", "2", "3") == {"1", "3"}


def test_our_label_has_another_name_at_the_other_end_and_somebodys_label_is_seen_there(book: Book) -> None:
    for id in ("1", "2"):
        book.write("create", "done", f"k{id}", id)
    book.link("1", "2")
    ours = {
        Link("companies", "1", "companies", "2", "parent"),
        Link("companies", "2", "companies", "1", "child"),
    }
    assert foreign(book, ours, "2") == set()
    more = {
        Link("companies", "1", "companies", "2", "rival"),
        Link("companies", "2", "companies", "1", "rival of"),
    }
    assert foreign(book, ours | more, "2") == {"2"}
    assert foreign(book, ours | more, "1") == {"1"}


def test_a_child_that_we_created_holds_its_parent_only_where_somebody_hung_it_there(book: Book) -> None:
    field = (
        CATALOG.objects["contacts"].fields["phone"].model_copy(update={"name": "company", "updateable": True})
    )
    contacts = CATALOG.objects["contacts"]
    contacts = contacts.model_copy(update={"fields": {**contacts.fields, "company": field}})
    catalog = CATALOG.model_copy(update={"objects": {**CATALOG.objects, "contacts": contacts}})
    for id in ("1", "2"):
        book.write("create", "done", f"k{id}", id)
    book.write("create", "done", "kc", "9", object="contacts", after={"company": "1"})

    def under(parent: str, *told: Version) -> set[str]:
        link = Link("companies", parent, "contacts", "9", "company")
        return foreign(book, {link}, parent, catalog=catalog, told={"9": list(told)})

    machine, person = (Version("company", "2", AT, who) for who in (Who.AUTOMATION, Who.PERSON))
    saved = Version(RECORD, None, AT, Who.AUTOMATION)
    assert under("1") == under("2", machine) == set()
    # Looked at before its child, a parent is held all the same; also where who hung it there isn't told.
    assert under("2", person) == under("2", saved, person) == under("2", saved) == {"2"}
    book.write(
        "delete", "held", "kc", "9", object="contacts", batch="undo-1", reason="edited: company by ann"
    )
    assert under("1") == set()
    assert under("2", machine) == {"2"}


def test_a_persons_link_to_a_record_of_an_automation_holds_and_an_automations_task_doesnt(book: Book) -> None:
    book.write("create", "done", "k1", "1")
    book.write("create", "done", "", "5", kind="side")
    book.write("create", "done", "", "6", kind="side", object="tasks")
    assert foreign(book, {Link("companies", "1", "tasks", "6", "default")}, "1") == set()
    assert foreign(book, {Link("companies", "1", "companies", "5", "default")}, "1") == {"1"}
    book.link("1", "5", kind="side")
    assert foreign(book, {Link("companies", "1", "companies", "5", "default")}, "1") == set()
