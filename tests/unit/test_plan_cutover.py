"""Do triggers mean what they say, and does agreeing on them leave the loaded plan the same plan?"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from migrate.plan.cutover import CutoverPlan, TriggerPlan
from migrate.plan.loading import load_plan
from tests.unit.test_docs import pieces


@pytest.mark.parametrize(
    ("threshold", "below", "reached"),
    [("> 50", "50", "50.1"), (">= 50", "49.9", "50"), ("< 0.5", "0.5", "0.49"), ("<= -1", "0", "-1")],
)
def test_a_threshold_is_reached_on_its_own_side_only(threshold: str, below: str, reached: str) -> None:
    trigger = TriggerPlan(what="rows.Account", threshold=threshold, owner="Dana")

    assert not trigger.reached(Decimal(below))
    assert trigger.reached(Decimal(reached))


@pytest.mark.parametrize("words", ["50", "> many", "=> 5", "> 5%", ""])
def test_a_threshold_that_says_no_side_is_refused(words: str) -> None:
    with pytest.raises(ValidationError, match="is no threshold"):
        TriggerPlan(what="rows.Account", threshold=words, owner="Dana")


@pytest.mark.parametrize("words", ["https://hooks.example.com/secret", "env:", "env:A B"])
def test_an_address_that_lets_anybody_speak_stands_in_no_plan(words: str) -> None:
    with pytest.raises(ValidationError):
        CutoverPlan.model_validate({"notify": {"webhook": words}})


def digest(folder: Path, more: str) -> str:
    whole = "\n".join(line for line in pieces()[0].splitlines() if not line.startswith("cutover:"))
    (folder / "plan.yaml").write_text(whole + "\n" + more, encoding="utf-8")
    return load_plan(folder / "plan.yaml").digest


def test_who_decides_and_when_may_be_agreed_after_the_load(tmp_path: Path) -> None:
    bare = digest(tmp_path, "")

    told = digest(
        tmp_path,
        "cutover: {sponsors: [Dana], notify: {webhook: env:HOOK},"
        ' triggers: [{what: "rows.Account", threshold: "> 5", owner: Dana}]}\n',
    )

    assert told == bare
    assert digest(tmp_path, "cutover: {window: 5 days}\n") != bare
