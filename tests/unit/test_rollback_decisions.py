"""What did people decide, about which records, and what becomes of it? By the journal and the trail alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
from migrate_rollback import decisions, deeds, worklist
from migrate_rollback.decisions import Choice

from migrate.catalog import Catalog, Owner
from migrate.errors import UsageError
from migrate.stages.checkpoint import Checkpoint
from migrate.store import Store
from tests.unit.fake_target import CATALOG
from tests.unit.test_load_protocol import PLAN
from tests.unit.test_rollback_deeds import Book

OWNERS = (Owner(id="5", email="ada@x.test", name="Ada"), Owner(id="6", email="bob@x.test", name="Bob"))


def owned() -> Catalog:
    """Companies with an owner."""
    companies = CATALOG.objects["companies"]
    field = companies.fields["name"].model_copy(update={"name": "owner", "owner": True})
    companies = companies.model_copy(update={"fields": {**companies.fields, "owner": field}})
    return CATALOG.model_copy(
        update={"objects": {**CATALOG.objects, "companies": companies}, "owners": OWNERS}
    )


class Desk:
    """A journal and a trail, and the tables that follow from them."""

    def __init__(self, folder: Path) -> None:
        self.book, self.catalog = Book(folder), owned()
        self.space: Any = SimpleNamespace(
            engine=self.book.engine, journal=self.book.journal, ledger=self.book.ledger,
            store=Store(folder / "stage"), plan=SimpleNamespace(model=SimpleNamespace(objects=[PLAN])),
            guarded=lambda: self.catalog,
        )  # fmt: skip

    def adopted(self, id: str, code: str = "edited", owner: str = "5") -> None:
        """A record of somebody's that we changed, and that is held."""
        images: dict[str, Any] = {"before": {"name": "old"}, "after": {"name": "new"}}
        self.book.write("adopt", "intent", f"k{id}", id, **images)
        self.book.write("adopt", "done", f"k{id}", id, **images)
        self.held("restore", id, code, owner)

    def created(self, id: str, code: str = "edited", owner: str = "5") -> None:
        self.book.write("create", "done", f"k{id}", id, after={"name": "new"})
        self.held("delete", id, code, owner)

    def held(self, op: str, id: str, code: str, owner: str) -> None:
        before = {"owner": owner} if owner else {}
        self.book.write(op, "held", f"k{id}", id, batch="undo-1", reason=f"{code}: x", before=before)

    def tables(self) -> None:
        deeds.tables(self.book.engine, self.book.journal.source(), 1)
        decisions.tables(self.space, self.catalog, 1)

    def group(self, what: str, group: str = "companies.edited", owner: str | None = None) -> int:
        return decisions.record(self.space, 1, what, group=group, owner=owner, count=0)

    def decided(self) -> dict[str, str]:
        self.tables()
        return {row["id"]: row["what"] for row in self.book.engine.rows("SELECT * FROM undo_decided")}

    def work(self, *events: int) -> dict[str, dict[str, Any]]:
        """Rows of the list that carries these decisions out, by id."""
        self.tables()
        decisions.deciding(self.space, events)
        point = Checkpoint("c", 1, "", 0, {}, {}, None)
        worklist.strays_table(self.space, point, [])
        manifest = worklist.build(self.space, point, f"f{events}", events)
        if manifest is None:
            return {}
        rows = [row for file in self.space.store.files(manifest) for row in pq.read_table(file).to_pylist()]
        return {row["id"]: row for row in rows}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.book.engine.close()
    made.book.ledger.close()


def test_the_latest_decision_on_a_record_counts(desk: Desk) -> None:
    desk.adopted("1")
    desk.adopted("2", owner="6")
    desk.group("force")
    assert desk.decided() == {"1": "force", "2": "force"}
    desk.group("merge", owner="6")
    desk.group("keep", owner="5")
    assert desk.decided() == {"1": "keep", "2": "merge"}
    decisions.record_rows(desk.space, 1, [Choice("companies", "1", "merge", "=1+1")], {"file": "a.xlsx"})
    assert desk.decided() == {"1": "merge", "2": "merge"}


def test_nobody_has_decided_about_what_is_held_only_later(desk: Desk) -> None:
    desk.adopted("1")
    event = desk.group("force")
    desk.adopted("2")
    assert desk.decided() == {"1": "force"}
    desk.held("restore", "1", "edited", "5")
    assert desk.decided() == {}
    assert desk.work(event) == {}


def test_a_record_of_ours_isnt_undone_by_field_and_a_merge_of_peoples_isnt_parted(desk: Desk) -> None:
    desk.created("1")
    desk.adopted("2")
    desk.adopted("3", code="merged")
    desk.adopted("4", code="lost")
    desk.group("merge")
    assert desk.decided() == {"2": "merge"}
    event = desk.group("force")
    later = [desk.group("force", f"companies.{code}") for code in ("merged", "lost")]
    assert desk.decided() == {"1": "force", "2": "force"}
    work = desk.work(event, *later)
    assert {id: (row["action"], row["forced"], row["by_field"]) for id, row in work.items()} == {
        "1": ("delete", True, False), "2": ("restore", True, False),
    }  # fmt: skip


def test_by_field_what_our_load_had_covered_is_put_back_instead_of_what_stood_before_both(desk: Desk) -> None:
    desk.adopted("1", code="lost_edit")
    desk.book.write("adopt", "lost_edit", "k1", "1", before={"name": "hers"})
    desk.held("restore", "1", "lost_edit", "5")
    row = desk.work(desk.group("merge", "companies.lost_edit"))["1"]
    assert (dict(row["before"]), row["covered"], row["by_field"]) == ({"name": "hers"}, ["name"], True)
    row = desk.work(desk.group("force", "companies.lost_edit"))["1"]
    assert (dict(row["before"]), row["covered"], row["forced"]) == ({"name": "old"}, [], True)


def test_an_owner_is_named_by_id_address_or_name_and_nobody_is_nobody(desk: Desk) -> None:
    there = ["5", "6", ""]
    for asked in ("5", "ADA@x.test", "ada"):
        assert decisions.owner_id(desk.catalog, asked, there) == "5"
    assert decisions.owner_id(desk.catalog, "nobody", there) == ""
    with pytest.raises(UsageError, match="Nothing of `carl` is held there"):
        decisions.owner_id(desk.catalog, "carl", there)
    assert decisions.owner_words(desk.catalog) == {
        "5": "Ada (ada@x.test)",
        "6": "Bob (bob@x.test)",
        "": "nobody",
    }
