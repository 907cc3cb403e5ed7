"""May a record be undone? The rules, without any system."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from migrate_rollback.judging import asks_history, judge_delete, judge_restore, sides_of_ours, standing
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

WIDE = SCHEMA | {"description": SCHEMA["name"].model_copy(update={"name": "description"})}


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


def told(who: Who, field: str, *values: str | None) -> list[Version]:
    """A field's history, newest first."""
    return [Version(field, value, f"t{9 - number}", who, "ada@x.test") for number, value in enumerate(values)]


def test_what_somebody_changed_and_changed_back_is_as_we_left_it() -> None:
    row, now = created(), record("t9", name="Acme")
    name = [*told(Who.PERSON, "name", "Acme", "Other"), *told(Who.OURS, "name", "Acme")]
    note = told(Who.PERSON, "description", None, "to be deleted")
    assert judge_delete(row, now, FIELDS, name + note, [], WIDE).what == "delete"
    kept = judge_delete(row, record("t9", name="Other"), FIELDS, name[1:], [], WIDE)
    assert (kept.what, kept.code) == ("hold", "edited")
    stands = told(Who.PERSON, "description", "hers", None) + told(Who.AUTOMATION, "description", "its")
    assert judge_delete(row, now, FIELDS, stands, [], WIDE).code == "edited"


def test_what_the_target_notes_of_a_save_is_nobodys_work_but_a_merge_is() -> None:
    noted = WIDE["description"].model_copy(update={"name": "saved_by", "updateable": False})
    schema = WIDE | {"saved_by": noted, "merged_ids": noted.model_copy(update={"name": "merged_ids"})}
    back = told(Who.PERSON, "description", None, "x") + told(Who.PERSON, "saved_by", "17", "16")
    assert judge_delete(created(), record("t9", name="Acme"), FIELDS, back, [], schema).what == "delete"
    merged = [Version("merged_ids", "8", "t5", Who.PERSON, "ada@x.test")]
    assert (
        judge_delete(created(), record("t9", name="Acme"), FIELDS, back + merged, [], schema).code == "edited"
    )


def test_an_automation_after_a_person_leaves_the_persons_work_a_persons() -> None:
    mixed = told(Who.AUTOMATION, "score", "7") + told(Who.PERSON, "score", "5")
    assert judge_delete(created(), record("t9", name="Acme"), FIELDS, mixed, [], WIDE).code == "edited"


def test_a_history_without_values_is_no_proof_that_nothing_changed() -> None:
    for field in ("story", "record"):
        blank = told(Who.OURS, field, None) + told(Who.PERSON, field, None)
        assert judge_delete(created(), record("t9", name="Acme"), FIELDS, blank, [], WIDE).code == "edited"


def test_where_all_that_anybody_may_write_is_ours_the_values_alone_decide() -> None:
    saved = told(Who.PERSON, "record", None)
    row = created(after={"name": "Acme", "phone": None})
    assert judge_delete(row, record("t9", name="Acme"), FIELDS, saved, [], SCHEMA).what == "delete"
    assert judge_delete(row, record("t9", name="Acme", phone="1"), FIELDS, saved, [], SCHEMA).code == "edited"


def test_every_word_of_a_person_holds_what_an_automation_made() -> None:
    side = replace(created(after={}), kind="side")
    back = told(Who.PERSON, "subject", None, "x")
    assert judge_delete(side, record("t9"), FIELDS, back, [], SCHEMA).code == "edited"


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


def test_force_doesnt_take_along_what_is_held() -> None:
    link = Link("companies", "7", "contacts", "99", "company", cascades=True)
    verdict = judge_delete(created(forced=True), record(name="Acme"), FIELDS, None, [link])
    assert (verdict.what, verdict.code) == ("hold", "linked")
    assert "contacts 99" in verdict.reason


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


@given(before=VALUES, sent=VALUES, edit=st.one_of(st.none(), VALUES), forced=st.booleans())
def test_undone_by_field_ours_is_back_theirs_stays_and_nothing_is_held(
    before: dict[str, str | None],
    sent: dict[str, str | None],
    edit: dict[str, str | None] | None,
    forced: bool,
) -> None:
    after = {**before, **sent}
    row = changed(before=before, after=after, sent=(sent,), by_field=not forced, forced=forced)
    now = {**after, **(edit or {})}
    held = Held("7", "7", now, "t1")
    where = standing(row, held, SCHEMA)
    verdict = judge_restore(row, held, SCHEMA)
    result = {**now, **verdict.values}

    assert verdict.what in ("restore", "gone")
    assert set(where) == set(sent)
    for name in sent:
        ours = now.get(name) == after.get(name)
        assert result.get(name) == (before.get(name) if ours or forced else now.get(name))
        left = not ours and now.get(name) != before.get(name) and not forced
        assert (name in verdict.kept) == left == (where[name] == "theirs" and not forced)
    assert all(result.get(name) == now.get(name) for name in FIELDS if name not in sent)


def test_undone_by_field_an_edit_that_our_load_covered_comes_back_and_is_theirs() -> None:
    row = changed(note="lost_edit", before={"name": "hers"}, by_field=True, covered=("name",))
    verdict = judge_restore(row, record(name="New", phone="1"), SCHEMA)
    assert verdict.values == {"name": "hers", "phone": None}
    assert verdict.kept == ("name",)


def test_a_merge_by_people_cant_be_undone_by_field() -> None:
    assert judge_restore(changed(by_field=True), record(id="8", name="New"), SCHEMA).code == "merged"


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
