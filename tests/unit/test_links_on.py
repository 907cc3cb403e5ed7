"""Are links made to records that the target holds already, found by an e-mail address?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from migrate.errors import PlanError, UsageError
from migrate.stages.check import check
from migrate.stages.snapshot import known_folder
from migrate.types import Kind
from tests.unit.transform_case import SOURCE, World, fields

PLAN = """
- source: Deal
  target: deals
  fields: {dealname: Name}
  links:
    - {to: contacts, through: Role, left: DealId, right: Email, on: email}
"""


def world(tmp_path: Path) -> World:
    role = SOURCE.objects["Role"]
    role = role.model_copy(update={"fields": role.fields | fields(Email=Kind.STRING)})
    made = World(tmp_path, source=SOURCE.model_copy(update={"objects": {**SOURCE.objects, "Role": role}}))
    made.extract("Deal", [{"Id": "D1", "Name": "a"}, {"Id": "D2", "Name": "b"}])
    roles = [
        ("R1", "D1", " Ann@X.test"), ("R2", "D1", "nobody@x.test"), ("R3", "D2", "two@x.test"),
        ("R4", "D2", "ann@x.test"), ("R5", "D1", "ann@x.test"),
    ]  # fmt: skip
    made.extract("Role", [{"Id": id, "DealId": deal, "Email": email} for id, deal, email in roles])
    return made


def known(made: World, *people: tuple[str, str | None]) -> None:
    """What the target's contacts hold."""
    names = {"_id": pa.string(), "email": pa.string()}
    rows = [{"_id": id, "email": email} for id, email in people]
    made.write(known_folder("contacts", "email"), pa.Table.from_pylist(rows, pa.schema(list(names.items()))))


def test_a_link_leads_to_the_record_that_has_the_address(tmp_path: Path) -> None:
    made = world(tmp_path)
    known(made, ("501", "ANN@x.test "), ("502", "two@x.test"), ("503", "two@x.test"), ("504", None))
    counts = made.transform(made.plan(PLAN))["Deal"]
    links = [(row["left"], row["right"], row["right_object"]) for row in made.rows("links", "Deal.0")]
    assert links == [("fam.Deal.D1", "=501", "contacts"), ("fam.Deal.D2", "=501", "contacts")]
    # Nobody has one address: skipped. Two have another: nobody's to guess. One pair stands twice: folded.
    told = counts.link
    assert (told.found, told.staged, told.skipped, told.rejected, told.folded) == (5, 2, 1, 1, 1)
    [reject] = made.rows("rejects", "Deal.0")
    assert (reject["_source_id"], reject["reason"], reject["value"]) == (
        "R3",
        "ambiguous_match",
        "two@x.test",
    )


def test_the_target_s_records_must_have_been_read(tmp_path: Path) -> None:
    made = world(tmp_path)
    with pytest.raises(UsageError, match="known-email"):
        made.transform(made.plan(PLAN))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (("on: email", "on: nowhere"), "isn't a field of `contacts`"),
        (("right: Email", "right: Nobody"), "isn't a field of `Role`"),
        (("on: email", "on: email, entry: Deal"), "exclude each other"),
    ],
)
def test_what_can_t_be_is_said(tmp_path: Path, change: tuple[str, str], what: str) -> None:
    made = world(tmp_path)
    with pytest.raises(PlanError, match=what):
        check(made.plan(PLAN.replace(*change)), made.source, made.target)


def test_nothing_of_the_plan_need_go_to_the_object(tmp_path: Path) -> None:
    made = world(tmp_path)
    found: Any = check(made.plan(PLAN), made.source, made.target)
    assert [link.plan.on for link in found.objects["Deal"].links] == ["email"]
