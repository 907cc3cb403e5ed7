"""A week of people, jobs and kills, then a rollback: held is what an independent model says, and no more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness import schedules
from tests.harness.lanes import Lane
from tests.proofs.claims import Ground
from tests.proofs.rollback import into

pytestmark = pytest.mark.long


@pytest.fixture(scope="module", params=["hubspot", "salesforce"])
def lane(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lane]:
    with into(Ground(tmp_path_factory.mktemp("schedules")), request.param) as made:
        yield made


def test_a_job_that_moves_every_stamp_holds_nothing(lane: Lane) -> None:
    told = schedules.run(lane, 1, only_stamps=True)
    assert (told.held, told.failed, told.wrong) == (0, [], []), told.text()
    assert told.touched > 0


@pytest.mark.parametrize(
    "seed", [8, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 4, 5, 13, 18, 20263, 20265))]
)
def test_what_is_held_is_what_the_rule_says(lane: Lane, seed: int) -> None:
    told = schedules.run(lane, seed)
    assert (told.failed, told.wrong) == ([], []), told.text()
