"""May a record be undone? The rules, without any system."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from migrate_rollback.judging import asks_history, judge_delete, judge_restore, sides_of_ours
from migrate_rollback.model import Row
from migrate_rollback.unlink import mark_is_free, split

from migrate.catalog import Field
from migrate.connector import Held, Link, Version, Who
from migrate.types import Kind

FIELDS = ["name", "phone"]
SCHEMA = {
    name: Field(name=name, label=name, kind=Kind.STRING, vendor_type="string", held=("trim", "empty_is_null"))
    for name in FIELDS
}


def created(**more: Any) -> Row:
    values: dict[str, Any] = {"after": {"name": "Acme", "phone": None}, "stamp": "t1", **more}
    return Row(0, 1, "record", "companies", "f.Account.1", "7", "delete", **values)


def changed(**more: Any) -> Row:
    values: dict[str, Any] = {
        "before": {"name": "Old"}, "after": {"name": "New", "phone": "1"},
        "sent": ({"name": "New", "phone": "1"},), **more,
    }  # fmt: skip
    return Row(0, 1, "record", "companies", "f.Account.1", "7", "restore", **values)


def record(stamp: str = "t1", id: str = "7", **values: str | None) -> Held:
    return Held(id, "7", {"name": None, "phone": None, **values}, stamp)


def version(who: Who, field: str = "name") -> Version:
    return Version(field, "x", "t2", who, "ada@x.test")


def test_a_created_record_as_we_left_it_is_deleted_without_reading_its_history() -> None:
    row, now = created(), record(name="Acme")
    assert not asks_history(row, now, FIELDS)
    assert judge_delete(row, now, FIELDS, None, []).what == "delete"


@pytest.mark.parametrize(
    ("row", "now"),
    [
        (created(), record("t2", name="Acme")),
        (created(stamp=""), record(name="Acme")),
        (created(), record(name="Acme", phone="1")),
        (replace(created(), kind="side"), record(name="Acme")),
        (replace(created(), kind="stray"), record(name="Acme")),
    ],
    ids=["stamp moved", "no stamp of ours", "value filled", "side", "stray"],
)
def test_the_history_is_read_where_stamps_or_values_ask_for_it(row: Row, now: Held) -> None:
    assert asks_history(row, now, FIELDS)
    assert judge_delete(row, now, FIELDS, [version(Who.AUTOMATION), version(Who.OURS)], []).what == "delete"
    for who in (Who.PERSON, Who.INTEGRATION):
        verdict = judge_delete(row, now, FIELDS, [version(who, "description")], [])
        assert (verdict.what, verdict.code) == ("hold", "edited")
        assert "description by ada@x.test" in verdict.reason


def test_a_field_that_we_never_wrote_is_none_of_ours_to_differ() -> None:
    row = created(after={"name": "Acme"})
    assert not asks_history(row, record(name="Acme", phone="1"), FIELDS)
    assert asks_history(row, record("t2", name="Acme", phone="1"), FIELDS)


def test_without_a_history_a_moved_stamp_holds() -> None:
    assert judge_delete(created(), record("t2", name="Acme"), FIELDS, None, []).code == "unknown"
    assert judge_delete(created(), record("t2", name="Other"), FIELDS, None, []).code == "edited"


def test_a_foreign_link_holds_and_is_named() -> None:
    link = Link("companies", "7", "notes", "99", "default")
    verdict = judge_delete(created(), record(name="Acme"), FIELDS, None, [link])
    assert (verdict.what, verdict.code, verdict.reason) == ("hold", "linked", "linked to notes 99")


def test_what_is_gone_is_done_and_what_is_merged_is_held_even_by_force() -> None:
    assert judge_delete(created(), None, FIELDS, None, []).what == "gone"
    for row in (created(), created(forced=True)):
        assert judge_delete(row, record(id="8", name="Acme"), FIELDS, None, []).code == "merged"
    assert judge_restore(changed(), None, SCHEMA).what == "gone"


def test_force_deletes_whatever_stands_there() -> None:
    link = Link("companies", "7", "notes", "99", "default")
    row = created(forced=True)
    assert (
        judge_delete(row, record("t9", name="Other"), FIELDS, [version(Who.PERSON)], [link]).what == "delete"
    )


def test_only_the_fields_that_we_wrote_are_put_back() -> None:
    verdict = judge_restore(changed(), record(name="New", phone="1"), SCHEMA)
    assert verdict.what == "restore"
    assert verdict.values == {"name": "Old", "phone": None}
    assert judge_restore(changed(), record(name="Old"), SCHEMA).what == "gone"


def test_an_adopted_record_that_somebody_changed_since_is_held() -> None:
    verdict = judge_restore(changed(), record(name="Theirs", phone="1"), SCHEMA)
    assert (verdict.what, verdict.code) == ("hold", "edited")
    assert judge_restore(changed(note="lost_edit"), record(name="New", phone="1"), SCHEMA).code == "lost_edit"
    forced = judge_restore(changed(forced=True), record(name="Theirs", phone="1"), SCHEMA)
    assert forced.values == {"name": "Old", "phone": None}


def test_a_write_of_ours_that_landed_late_is_ours_unless_history_says_otherwise() -> None:
    row = replace(changed(), kind="stray", after={}, sent=({"name": " New ", "phone": "1"},))
    now = record(name="New", phone="1")
    assert judge_restore(row, now, SCHEMA).what == "restore"
    ours = [version(Who.OURS), version(Who.OURS, "phone")]
    assert judge_restore(row, now, SCHEMA, ours).what == "restore"
    assert judge_restore(row, now, SCHEMA, [version(Who.PERSON), *ours]).code == "edited"


VALUES = st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(["a", "b", None]), min_size=1)


@given(before=VALUES, sent=VALUES, edit=st.one_of(st.none(), VALUES))
def test_restoring_what_we_did_gives_what_was_there_or_holds(
    before: dict[str, str | None], sent: dict[str, str | None], edit: dict[str, str | None] | None
) -> None:
    after = {**before, **sent}
    row = changed(before=before, after=after, sent=(sent,))
    now = {**after, **(edit or {})}
    verdict = judge_restore(row, Held("7", "7", now, "t1"), SCHEMA)
    result = {**now, **verdict.values}
    if verdict.what == "hold":
        assert any(now.get(name) not in (after.get(name), before.get(name)) for name in sent)
    else:
        assert all(result.get(name) == before.get(name) for name in sent)
        assert all(result.get(name) == now.get(name) for name in FIELDS if name not in sent)


def test_an_automations_record_goes_with_ours_only_if_something_of_ours_set_it_off() -> None:
    links = [
        Link("companies", "1", "contacts", "10", "default"),
        Link("companies", "2", "contacts", "20", "default"),
        Link("companies", "3", "contacts", "20", "default"),
        Link("companies", "3", "contacts", "10", "default"),
    ]
    assert sides_of_ours(["1", "2", "3", "4"], links, {("contacts", "10")}) == (["1", "3", "4"], ["2"])


def link_row(left: str, right: str, label: str) -> Row:
    return Row(0, 0, "link", "companies>companies", "k", "", "unlink", left, right, label)


def test_a_pair_goes_whole_only_where_nothing_linked_it_before_and_nobody_labelled_it_since() -> None:
    rows = [link_row(str(n), "9", "parent") for n in range(3)]
    now = {
        ("0", "9"): {"parent", "default"},
        ("1", "9"): {"parent", "default"},
        ("2", "9"): {"parent", "theirs"},
    }
    whole, labels = split(rows, now, {("1", "9"): {"default"}})
    assert [(link.left, link.label) for link in whole] == [("0", "*")]
    assert [(link.left, link.label) for link in labels] == [("1", "parent"), ("2", "parent")]


def test_a_mark_goes_back_only_where_its_pair_stands_and_nobody_gave_it_elsewhere() -> None:
    row = Row(0, 9, "relink", "contacts>companies", "", "", "relink", "1", "5", "primary")
    there = Link("contacts", "1", "companies", "5", "default")
    assert mark_is_free(row, [there])
    assert not mark_is_free(row, [])
    assert not mark_is_free(row, [there, Link("contacts", "1", "companies", "6", "primary")])
    assert not mark_is_free(row, [there, Link("contacts", "1", "companies", "5", "primary")])
