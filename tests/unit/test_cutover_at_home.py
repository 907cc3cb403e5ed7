"""Is a later cohort's validation red for what people do with records that have switched before? It must not
be."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from migrate.cutover import homes, starting, trail
from migrate.cutover.machine import MOVED, Cutover
from migrate.cutover.states import STATES, State
from migrate.engine import Engine
from migrate.errors import Damaged
from tests.unit.two_systems import HEAD, Move

PLAN = """\
  - source: Account
    target: companies
    fields: {name: Name}
cutover: {cohorts: [{name: pilot, where: "Account: Name = 'Firm 0'"}, {name: rest}]}
"""


class Cohorts(Move):
    """Three firms, all loaded; the first is the pilot's."""

    def plan(self, text: str) -> None:
        (self.root / "plan.yaml").write_text(HEAD + text, encoding="utf-8")

    def moved(self, cohort: str, *path: State) -> None:
        """Moves as their own parts record them."""
        for came_from, to in pairwise(path):
            told = {"from": came_from, "to": to}
            trail.append(self.workspace.ledger, "Max", MOVED, cohort=cohort, **told)

    def edited(self, number: int) -> None:
        self.there("Account", f"001{number}").values["name"] = f"Firm {number}, by its people"

    def gone(self, number: int) -> None:
        self.there("Account", f"001{number}").live = False


@pytest.fixture
def case(tmp_path: Path, engine: Engine) -> Cohorts:
    found = Cohorts(tmp_path / "w", engine, PLAN)
    for number in range(3):
        found.source.put("Account", f"001{number}", Name=f"Firm {number}")
    found.move()
    homes.publish(found.workspace, "pilot")
    return found


TO_SWITCHED = STATES[: STATES.index("switched") + 1]


def verdict(case: Cohorts, check: str) -> str:
    return str(case.validate()[check]["verdict"])


def test_what_people_do_with_records_that_have_switched_is_no_difference(case: Cohorts) -> None:
    case.edited(0)
    assert verdict(case, "rows.Account") == "fail"  # before the switch it is one

    case.moved("pilot", *TO_SWITCHED)
    found = case.validate()["rows.Account"]

    assert found["verdict"] in ("pass", "warn"), found
    assert found["figures"]["at home in the target, not compared"] == 1
    assert found["figures"]["rows compared"] == 2


def test_a_record_that_its_people_delete_there_is_theirs_to_delete(case: Cohorts) -> None:
    case.moved("pilot", *TO_SWITCHED)
    case.gone(0)

    assert verdict(case, "counts.Account") == "warn"


def test_another_cohort_s_records_are_compared_as_before(case: Cohorts) -> None:
    case.moved("pilot", *TO_SWITCHED)
    case.edited(1)

    assert verdict(case, "rows.Account") == "fail"


def test_a_cohort_that_went_back_is_compared_again(case: Cohorts) -> None:
    case.moved("pilot", *TO_SWITCHED, "reversing", "reverted")
    case.edited(0)

    assert verdict(case, "rows.Account") == "fail"


def test_a_switched_cohort_whose_keys_are_gone_stops_a_validation(case: Cohorts) -> None:
    case.moved("pilot", *TO_SWITCHED)
    manifest = homes.published(case.workspace, "pilot")
    assert manifest is not None
    case.workspace.store.discard(manifest.folder)

    with pytest.raises(Damaged, match="no list of the cohort's records"):
        case.validate()


class Asked(Cohorts):
    """The same firms, loaded cohort by cohort, and a question about the whole company."""

    def plan(self, text: str) -> None:
        super().plan(text.replace("cutover: {", "cutover: {profile: small, ") + QUESTION)

    def start(self, cohort: str) -> None:
        starting.start(Cutover(self.workspace, cohort), who="Max")


QUESTION = """\
validate:
  questions:
    - {name: Firms, key: [], source: SELECT count(*) AS records FROM source.Account,
       target: SELECT count(*) AS records FROM target.companies}
"""


def test_a_question_about_the_whole_company_waits_for_every_cohort(tmp_path: Path, engine: Engine) -> None:
    case = Asked(tmp_path / "w", engine, PLAN)
    for number in range(3):
        case.source.put("Account", f"001{number}", Name=f"Firm {number}")

    case.start("pilot")
    found = case.validate()["questions.firms"]
    assert found["verdict"] == "warn", found
    assert "Not asked yet: 2 records of other cohorts" in found["summary"]

    case.start("rest")
    assert verdict(case, "questions.firms") == "pass"

    case.gone(1)
    assert verdict(case, "questions.firms") == "fail"
