"""Parents load first; of a circle, something that can wait waits."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrate.catalog import Catalog, ObjectSchema
from migrate.plan.models import ObjectPlan
from migrate.plan.waves import Circle, waves
from migrate.types import Kind
from tests.unit.planning import field, hubspot


def entry(name: str, *, link: str = "", **leads: Any) -> ObjectPlan:
    """An entry whose fields refer to others."""
    fields = {
        f: {"from": f, "reference": to} if isinstance(to, str) else {"from": f, **to}
        for f, to in leads.items()
    }
    links = [{"to": link, "via": "x", "missing": "reject"}] if link else []
    return ObjectPlan.model_validate(
        {"source": name, "target": name.lower(), "fields": fields, "links": links}
    )


def catalog(*required: str, updateable: bool = True) -> Catalog:
    """Every object has the fields a to e; those named (`x.a`) are required, or can't be updated."""
    objects = {
        name: ObjectSchema(
            name=name, label=name,
            fields={
                each: field(each, Kind.REFERENCE, required=f"{name}.{each}" in required and updateable,
                            updateable=updateable or f"{name}.{each}" not in required)
                for each in "abcde"
            },
        )
        for name in "vwxyz"
    }  # fmt: skip
    return hubspot().model_copy(update={"objects": objects})


def order(*plans: ObjectPlan, target: Catalog | None = None) -> tuple[str, set[tuple[str, str]]]:
    found = waves(plans, target or catalog())
    return "".join(each.name for each in found.order), set(found.later)


def test_parents_come_first_and_else_the_plan_s_order_stays() -> None:
    assert order(entry("X", a="Z"), entry("Y"), entry("Z")) == ("YZX", set())
    assert order(entry("X"), entry("Y"), entry("Z", a="X")) == ("XYZ", set())


def test_a_record_that_leads_to_its_own_kind_is_filled_later() -> None:
    assert order(entry("X", a="X")) == ("X", {("X", "a")})


def test_of_a_circle_the_one_that_stands_first_waits() -> None:
    assert order(entry("X", a="Y"), entry("Y", b="X")) == ("XY", {("X", "a")})
    assert order(entry("Y", b="X"), entry("X", a="Y")) == ("YX", {("Y", "b")})
    assert order(entry("X", a="Z"), entry("Y", b="X"), entry("Z", c="Y")) == ("XYZ", {("X", "a")})


def test_what_the_target_can_t_take_later_doesn_t_wait() -> None:
    both = entry("X", a="Y"), entry("Y", b="X")
    assert order(*both, target=catalog("x.a")) == ("YX", {("Y", "b")})
    assert order(*both, target=catalog("x.a", updateable=False)) == ("YX", {("Y", "b")})
    insert_only = both[0].model_copy(update={"insert_only": ["a"]})
    assert order(insert_only, both[1]) == ("YX", {("Y", "b")})


def test_what_says_later_waits_first() -> None:
    said = {"reference": "X", "missing": "later"}
    assert order(entry("X", a="Y"), entry("Y", b=said)) == ("YX", {("Y", "b")})
    # Without a circle it loads after its parent all the same, so that little is left to be filled in.
    assert order(entry("Y", b=said), entry("X")) == ("XY", {("Y", "b")})


def test_a_circle_that_can_t_be_opened_is_told() -> None:
    with pytest.raises(Circle) as told:
        order(entry("X", a="Y"), entry("Y", b="X"), target=catalog("x.a", "y.b"))
    assert "These objects wait for each other: " in str(told.value)
    again = pickle.loads(pickle.dumps(told.value))  # noqa: S301 - our own
    assert str(again) == str(told.value)
    with pytest.raises(Circle):
        order(entry("X", link="y"), entry("Y", link="x"))
    with pytest.raises(Circle):
        order(entry("X", a="X"), target=catalog("x.a"))


@given(
    edges=st.sets(st.tuples(*map(st.sampled_from, ("VWXYZ", "abcde", "VWXYZ"))), max_size=15)
)  # fmt: skip
def test_every_circle_opens_and_what_doesn_t_wait_comes_after_its_parent(
    edges: set[tuple[str, str, str]],
) -> None:
    leads: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in "VWXYZ"}
    for child, name, parent in sorted(edges):
        leads[child].setdefault(name, {"reference": []})["reference"].append(parent)
    found = waves([entry(name, link="", **fields) for name, fields in leads.items()], catalog())

    place = {each.name: number for number, each in enumerate(found.order)}
    assert sorted(place) == list("VWXYZ")
    for child, name, parent in edges:
        assert (child, name) in found.later or place[parent] < place[child]
