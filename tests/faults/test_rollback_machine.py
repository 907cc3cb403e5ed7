"""Five hundred steps of loads, stops, people's deeds and rollbacks over real sockets: the rule always holds.

The proof goes on for twenty thousand, without sockets.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from hypothesis.stateful import run_state_machine_as_test

from migrate.sandbox.server import launch
from tests.harness.machine import World, goes, machine, world

SPEED = 200.0
STEPS, EXAMPLES = 170, 5  # the first example is hypothesis's smallest, and short


@pytest.fixture
def over_sockets(tmp_path: Path) -> Iterator[World]:
    settings = {"tier": "enterprise", "burst": 1_000_000}
    with (
        launch("hubspot", tmp_path / "hubspot", speed=SPEED, settings=settings) as hubspot,
        httpx2.HTTPTransport() as transport,
        world(tmp_path, hubspot, transport, SPEED) as made,
    ):
        yield made


def test_whatever_people_do_between_loads_and_rollbacks_the_rule_holds(over_sockets: World) -> None:
    run_state_machine_as_test(machine(over_sockets, between=20), settings=goes(STEPS, EXAMPLES))

    counts = over_sockets.counts
    assert counts["steps"] >= 500, counts
    assert min(counts[name] for name in ("stopped", "held", "verified")) > 0, counts
