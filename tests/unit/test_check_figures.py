"""Does `check` tell what is wrong with the figures that a plan asks for, with its place?"""

from __future__ import annotations

from pathlib import Path

import pytest

from migrate.errors import PlanError
from tests.unit.test_check import SOUND, sound

ASKED = "  sums: [{object: companies, field: annualrevenue, by: [industry]}]\n"


def mistakes(folder: Path, said: str) -> list[str]:
    """What `check` finds wrong, each with the line of what was said."""
    with pytest.raises(PlanError) as refused:
        sound(folder, SOUND.replace(ASKED, f"{said}\n{ASKED}"))
    plan = (folder / "plan.yaml").read_text().splitlines()
    return [f"{each.what} | {plan[each.at.line - 1].strip()}" for each in refused.value.mistakes]


def test_money_of_an_entry_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "  money: {entry: Acount}") == [
        "The plan has no entry `Acount`. | money: {entry: Acount}"
    ]


def test_words_for_money_are_expressions_over_the_fields_of_their_own_side(tmp_path: Path) -> None:
    said = "  money:\n    source: {open: NOT industry}\n    target: {won: Industry = 'x', amount: Nam + 1}"

    found = mistakes(tmp_path, said)

    assert [each for each in found if "source:" in each] == []  # names are taken without regard to case
    assert any(each.startswith("`Nam` isn't a field of `companies`.") for each in found), found


def test_money_that_only_one_system_tells_is_told(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "  money: {entry: Contact, source: {amount: '1'}}") == [
        "No entry of this plan has money that both systems tell. "
        "| money: {entry: Contact, source: {amount: '1'}}"
    ]


def test_the_rule_of_accounts_is_checked_against_the_source(tmp_path: Path) -> None:
    said = "  high_value: {entry: Account, by: AnnualRevenu, list: board.csv, strata: [Industri]}"

    assert [each.partition(" |")[0] for each in mistakes(tmp_path, said)] == [
        "`AnnualRevenu` isn't a field of `Account`.",
        "There is no file `board.csv` beside the plan.",
        "`Industri` isn't a field of `Account`.",
    ]


def test_expressions_want_to_know_whose_fields_they_read(tmp_path: Path) -> None:
    (told,) = mistakes(tmp_path, "  high_value: {by: AnnualRevenue}")

    assert told.startswith("It isn't said whose fields these are.")


def test_a_question_and_its_vendor_s_figure_are_checked(tmp_path: Path) -> None:
    said = """\
  questions:
    - name: A
      key: [industry]
      source: old.sql
      target: SELECT 1 AS records
      vendor:
        source: {object: Acount}
        target: {object: companies, by: [month(industri), name], sum: nam, where: [{field: nme}]}"""

    assert [each.partition(" |")[0] for each in mistakes(tmp_path, said)] == [
        "There is no file `old.sql` beside the plan.",
        "It is grouped otherwise than `key` says.",
        "`Acount` isn't an object of this system.",
        "It is grouped otherwise than `key` says.",
        "`industri` isn't a field of `companies`.",
        "`nam` isn't a field of `companies`.",
        "`nme` isn't a field of `companies`.",
    ]
