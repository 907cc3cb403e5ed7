"""With the ledger in PostgreSQL a load survives the same: kills, and a server that goes away in the midst."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from tests.harness import kill, oracle
from tests.harness.kill import Strike
from tests.harness.lanes import Lane
from tests.harness.under import Order
from tests.proofs.claims import Ground
from tests.proofs.kills import ready

pytestmark = pytest.mark.long

CREATE = 29  # near the first create among the requests of a load


@dataclass
class Team:
    """A lane whose ledger is on a server, brought to the point before the load."""

    lane: Lane
    judge: kill.Judge
    straight: kill.Straight


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory, postgres: str) -> Iterator[Team]:
    with Ground(tmp_path_factory.mktemp("team")).lane("team", postgres=postgres) as lane:
        judge = kill.loaded(ready([lane]))
        yield Team(lane, judge, kill.straight(lane, "ready", "load", judge))


@pytest.mark.parametrize(
    "strike",
    [
        pytest.param(Strike("request", CREATE, "before_commit"), marks=pytest.mark.slow),
        Strike("request", CREATE, "after_commit"),
        Strike("write", 60, "before"),
        Strike("write", 61, "after"),
        pytest.param(Strike("write", 110, "after"), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_load_killed_there_ends_as_the_straight_run(team: Team, strike: Strike) -> None:
    result = kill.survive(team.lane, "ready", "load", strike, team.straight, team.judge)
    assert result.hit, f"{strike} came too late"
    assert result.told == []


def test_a_server_that_goes_away_in_the_midst_ends_the_load_with_5_and_the_next_one_completes_it(
    team: Team,
) -> None:
    lane = team.lane
    lane.restore("ready")
    seq = oracle.last(lane.hubspot)
    child = lane.start("load", Order(at=15, side="before", kinds=("commit",), do="stop"))
    assert child.until_stopped()
    with psycopg.connect(lane.postgres, autocommit=True) as connection:
        connection.execute("ALTER DATABASE team ALLOW_CONNECTIONS false")
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'team'")
        kill.go_on(child)
        ended = child.wait()
        connection.execute("ALTER DATABASE team ALLOW_CONNECTIONS true")
    assert ended.code == 5
    assert "out of reach" in ended.out
    assert lane.run("load").code == team.straight.code
    assert kill.difference(team.straight.left, team.judge(lane)) == []
    assert [n for n in oracle.creates(oracle.log(lane.hubspot, seq)).values() if n > 1] == []
