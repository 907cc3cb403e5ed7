"""Is a post kept once, with its end, and does its fate stay with the workspace?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from migrate.connector import Who
from migrate.connector.freezing import Touch
from migrate.cutover.machine import Cutover
from migrate.cutover.posts import Full, Posts, opened
from migrate.cutover.receiving import Unreadable, fields_of, slug
from migrate.cutover.replaying import side_now
from migrate.cutover.stillness import named
from migrate.plan.cutover import IntakePlan
from migrate.workspace import Workspace
from tests.unit.test_cli import PLAN

DOOR = IntakePlan(name="Web form", object="Contact", door="form", during="buffer", most=3)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    (tmp_path / "plan.yaml").write_text(PLAN, encoding="utf-8")
    made = Workspace(tmp_path, {})
    yield made
    made.close()


@pytest.fixture
def posts(workspace: Workspace) -> Iterator[Posts]:
    with closing(opened(workspace)) as made:
        yield made


def test_a_post_with_an_id_of_its_own_is_one_whatever_its_words(
    posts: Posts,
) -> None:
    first = posts.take(DOOR, {"Email": "a@example.com"}, "7")
    assert first.fresh
    assert not posts.take(DOOR, {"Email": "b@example.com"}, "7").fresh
    assert posts.counts()["Web form"]["received"] == 1


def test_a_door_takes_no_more_than_may_wait_and_more_once_some_have_their_end(posts: Posts) -> None:
    ids = [posts.take(DOOR, {"n": str(number)}).id for number in range(3)]
    with pytest.raises(Full, match="as many as the plan lets"):
        posts.take(DOOR, {"n": "3"})
    posts.settle([(ids[0], "created", "k", "1", "")])
    posts.take(DOOR, {"n": "3"})
    found = posts.counts()["Web form"]
    assert found["received"] == 4 == sum(number for name, number in found.items() if name != "received")


def test_the_file_is_nobody_elses_and_a_person_can_be_taken_out(workspace: Workspace, posts: Posts) -> None:
    posts.take(DOOR, {"Email": "Ann@Example.com"}, "1")
    posts.take(DOOR, {"Email": "bob@example.com"}, "2")
    path = workspace.place.scratch / "intake" / "posts.db"
    assert path.stat().st_mode & 0o077 == 0
    assert posts.forget("ann@example.com") == 1
    assert sorted(len(each.fields) for each in posts.listed()) == [0, 1]


def test_no_cohort_is_sealed_while_posts_wait(workspace: Workspace, posts: Posts) -> None:
    from migrate.cutover.replaying import _nobody_waits

    cutover = Cutover(workspace)
    assert all(line.ok for line in _nobody_waits(cutover))
    posts.take(DOOR, {"Email": "a@example.com"})
    [line] = _nobody_waits(cutover)
    assert not line.ok
    assert "intake replay" in line.remedy


PARTS = (
    b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n'
    b'--x\r\nContent-Disposition: form-data; name="f"; filename="f.txt"\r\n\r\nsecret\r\n--x--\r\n'
)
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


@pytest.mark.parametrize(
    ("media", "body", "found"),
    [
        (FORM, b"first_name=J%C3%B6rg&a=1&a=2", {"first_name": "J\u00f6rg", "a": "1;2"}),
        (JSON, b'{"n": 1, "yes": true, "none": null, "s": "x"}', {"n": "1", "yes": "true", "s": "x"}),
        ("multipart/form-data; boundary=x", PARTS, {"a": "b"}),
    ],
)
def test_forms_and_flat_json_are_read(media: str, body: bytes, found: dict[str, str]) -> None:
    assert fields_of(body, media) == found


@pytest.mark.parametrize(
    ("media", "body", "status"),
    [
        (JSON, b"[1]", 400),
        (JSON, b"{", 400),
        (JSON, b'{"a": {"b": 1}}', 400),
        ("text/xml", b"<a/>", 415),
        (FORM, b"", 400),
    ],
)
def test_what_is_no_form_is_told_so(media: str, body: bytes, status: int) -> None:
    with pytest.raises(Unreadable) as raised:
        fields_of(body, media)
    assert raised.value.status == status


def test_a_door_has_a_plain_place_in_the_address() -> None:
    assert slug("Web form (DE)") == "web-form-de"


def test_new_records_are_at_home_in_the_source_until_the_last_cohort_is_switched(
    workspace: Workspace,
) -> None:
    assert side_now(workspace) == "source"


def test_a_writer_is_named_by_id_name_or_address_and_by_nothing_else() -> None:
    def touch(by: str, by_id: str) -> Touch:
        return Touch("Contact", "1", "", datetime(2026, 1, 1, tzinfo=UTC), Who.PERSON, by, by_id, "changed")

    robot = touch("Robot (robot@example.com)", "005R")
    assert all(named(robot, [each]) for each in ("005R", "robot@example.com", "Robot (robot@example.com)"))
    assert not any(named(robot, [each]) for each in ("person", "Rob", "005", "", "example.com"))
    assert not named(touch("", ""), ["", "person"])


def test_no_number_of_a_run_comes_twice_though_all_its_posts_go_with_another(posts: Posts) -> None:
    assert posts.assign([DOOR.name], "target") == 0
    taken = posts.take(DOOR, {"Email": "a@example.com"})
    first = posts.assign([DOOR.name], "target")
    posts.settle([(taken.id, "refused", "", "", "no")])
    assert posts.again() == 1
    second = posts.assign([DOOR.name], "target")
    posts.release(second)
    third = posts.assign([DOOR.name], "source")
    assert 0 < first < second < third
    assert posts.runs() == [(third, "source")]
