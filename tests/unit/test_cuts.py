"""Is a text that is too long cut only where the plan says so, and is every cut told?"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from migrate.types import Kind
from tests.unit.transform_case import SOURCE, TARGET, World, fields, of

BODY = "<p>Grüße &amp; \U0001f600 mehr</p>" * 20
PLAN = """
- source: Deal
  target: deals
  fields:
    dealname: Name
    body: {body}
"""
_DEAL = SOURCE.objects["Deal"]
_DEALS = TARGET.objects["deals"]


def world(tmp_path: Path, *, html: bool) -> World:
    source = _DEAL.model_copy(update={"fields": _DEAL.fields | fields(Body=Kind.TEXT)})
    target = _DEALS.model_copy(
        update={"fields": _DEALS.fields | fields(body=of("body", Kind.TEXT, length=100, html=html or None))}
    )
    made = World(
        tmp_path,
        source=SOURCE.model_copy(update={"objects": {**SOURCE.objects, "Deal": source}}),
        target=TARGET.model_copy(update={"objects": {**TARGET.objects, "deals": target}}),
    )
    made.extract(
        "Deal",
        [{"Id": "D1", "Name": "long", "Body": BODY}, {"Id": "D2", "Name": "short", "Body": "x" * 100},
         {"Id": "D3", "Name": "none", "Body": None}],
    )  # fmt: skip
    return made


def ready(made: World, body: str) -> dict[str, Any]:
    made.transform(made.plan(PLAN.format(body=body)))
    return {row["_source_id"]: row["body"] for row in made.rows("ready", "Deal")}


@pytest.mark.parametrize("html", [True, False])
def test_a_long_text_is_cut_told_and_its_whole_named_by_digest(tmp_path: Path, html: bool) -> None:
    made = world(tmp_path, html=html)
    found = ready(made, "{from: Body, oversize: cut}")
    assert found["D2"] == "x" * 100
    assert found["D3"] is None
    assert found["D1"].endswith("[…]</p>" if html else "[…]")
    assert len(found["D1"].encode("utf-16-le")) // 2 <= 100
    [cut] = made.rows("cuts", "Deal")
    assert (cut["_key"], cut["_source_id"], cut["field"]) == ("fam.Deal.D1", "D1", "body")
    assert cut["length"] == len(BODY.encode("utf-16-le")) // 2
    assert cut["kept"] == len(found["D1"].encode("utf-16-le")) // 2
    assert cut["sha256"] == hashlib.sha256(BODY.encode()).hexdigest()
    assert made.rows("rejects", "Deal") == []


def test_the_note_is_the_plan_s(tmp_path: Path) -> None:
    found = ready(world(tmp_path, html=False), "{from: Body, oversize: cut, cut_note: ' (cut)'}")
    assert found["D1"].endswith(" (cut)")


def test_without_the_plan_s_word_a_long_text_is_a_reject(tmp_path: Path) -> None:
    made = world(tmp_path, html=True)
    assert set(ready(made, "{from: Body}")) == {"D2", "D3"}
    [reject] = made.rows("rejects", "Deal")
    assert (reject["_source_id"], reject["reason"]) == ("D1", "too_long")
    assert made.rows("cuts", "Deal") == []


def test_what_was_cut_is_a_remark_of_the_transform(tmp_path: Path) -> None:
    made = world(tmp_path, html=True)
    counts = made.transform(made.plan(PLAN.format(body="{from: Body, oversize: cut}")))
    assert "`body` of 1 records is longer" in counts["Deal"].warnings[0]
