"""One lane for all fault tests: a small load, brought to the point before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.harness import kill, oracle
from tests.harness.lanes import Lane
from tests.proofs.claims import Ground
from tests.proofs.kills import ready


@dataclass
class Small:
    """A lane with the copies `ready` and `loaded`, and its straight runs."""

    lane: Lane
    before: oracle.Truth
    judge: kill.Judge
    loaded: kill.Straight
    undone: kill.Straight


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    """Three objects, a ring of parents, two adoptions, a merge; concurrency 1."""
    with Ground(tmp_path_factory.mktemp("faults")).lane("small") as lane:
        before = ready([lane])
        judge = kill.loaded(before)
        loaded = kill.straight(lane, "ready", "load", judge)
        lane.save("loaded")
        undone = kill.straight(lane, "loaded", "rollback run --yes", judge)
        yield Small(lane, before[id(lane)], judge, loaded, undone)
