"""Does any order of loads, stops, people's deeds and rollbacks keep the rule? A state machine for hypothesis.

Each rule is one step. After every rollback that came to its end the target's log is replayed by `hold_model`,
and what the product held, deleted and put back must be what the rule says; `verify` must pass.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from migrate_rollback import holds, run, show_hold, verify

from migrate.clock import SandboxClock
from migrate.errors import MigrateError
from migrate.sandbox.server import Running
from tests.faults.attack_rig import Rig
from tests.harness import hold_words, schedules
from tests.harness.deeds import HubSpotPeople
from tests.harness.hold_model import Model, lost
from tests.harness.hold_words import HUBSPOT, OURS, Place
from tests.harness.in_process import Stopped, Stopping

FIRMS, KNOWN, PERSONS = 16, 5, 40
SEEDS = st.integers(0, 2**20)
TOKEN = "pat-na1-sandbox"


class World:
    """A rig with a saved copy, whose product speaks through a transport that can be stopped."""

    def __init__(self, base: Path, hubspot: Running, transport: httpx2.BaseTransport) -> None:
        self.base, self.hubspot, self.stopping = base, hubspot, Stopping(transport)
        self.data = hubspot.data
        self.counts = dict.fromkeys(
            ("steps", "examples", "deeds", "load", "refused", "stopped", "rollback", "held", "verified"), 0
        )

    def make(self) -> None:
        """Companies of theirs, rows made ready, and a copy of both."""
        self.hubspot.control.post("/seed", {"tokens": [{"token": TOKEN}], "records": {
            "companies": [{"properties": {"name": f"Theirs {n}", "domain": f"c{n}.example"}}
                          for n in range(FIRMS)],
            "contacts": [{"properties": {"email": f"t{n}@theirs.example"}} for n in range(6)],
        }})  # fmt: skip
        self.rig = Rig(self.base / "work", self.hubspot)
        theirs = sorted(int(row["id"]) for row in self.rig.truth("companies"))
        self.rig.ready("Account", 0, [
            {"n": n, "name": f"Ours {n}", "domain": f"d{n}.example" if n >= KNOWN else f"c{n}.example",
             "adopt": str(theirs[n]) if n < KNOWN else None}
            for n in range(FIRMS)
        ])  # fmt: skip
        self.rig.ready("Contact", 0, [{"n": n, "email": f"p{n}@c.example", "lastname": f"P{n}"}
                                      for n in range(PERSONS)])  # fmt: skip
        self.rig.links(0, [(n, n % FIRMS, "default", False) for n in range(PERSONS)])
        self.rig.workspace.close()
        shutil.copytree(self.rig.root, self.base / "kept")
        self.hubspot.control.post("/save", {"to": str(self.base / "kept.db")})

    def restore(self) -> None:
        """As it was before the first load."""
        self.rig.workspace.close()
        shutil.rmtree(self.rig.root)
        shutil.copytree(self.base / "kept", self.rig.root)
        self.hubspot.control.post("/restore", {"from": str(self.base / "kept.db")})

    def work(self, do: Callable[[], Any], stop: tuple[int, bool] | None = None) -> bool:
        """Let the product work, perhaps to a stop; whether it was stopped."""
        nth, landed = stop or (0, False)
        self.stopping.arm(nth, landed=landed)
        try:
            do()
        except Stopped:
            self.counts["stopped"] += 1
            return True
        finally:
            self.stopping.arm(0, landed=False)
        return False

    def load(self, stop: tuple[int, bool] | None = None) -> bool:
        """Load, as a new process would; whether it didn't come to its end."""
        self.counts["load"] += 1
        try:
            return self.work(self.rig.load, stop)
        except MigrateError:  # its canary takes a job that touched the record meanwhile for an automation
            self.counts["refused"] += 1
            return True

    def back(self, stop: tuple[int, bool] | None = None) -> bool:
        """Roll back, likewise."""
        self.counts["rollback"] += 1
        return self.work(lambda: run(self.rig.again()), stop)

    def held(self) -> dict[Place, str]:
        """What the product says it holds."""
        workspace = self.rig.again()
        return {
            (each.object, each.id): each.reason
            for group in holds(workspace)
            for each in show_hold(workspace, group.name, 10_000)
        }


@contextmanager
def world(base: Path, hubspot: Running, transport: httpx2.BaseTransport, speed: float) -> Iterator[World]:
    """A world made ready; the product's calls go through its transport."""
    made = World(base, hubspot, transport)
    with pytest.MonkeyPatch.context() as patch:
        client = httpx2.Client
        patch.setattr(httpx2, "Client", lambda **_: client(transport=made.stopping))
        clock = hubspot.control.get("/clock")

        def read(_url: str, _ca: str | None = None) -> SandboxClock:
            from datetime import datetime

            now = datetime.fromisoformat(hubspot.control.get("/clock")["now"])
            return SandboxClock(now, speed)

        assert clock["speed"] == speed
        patch.setattr(SandboxClock, "read", staticmethod(read))
        made.make()
        yield made
        made.rig.workspace.close()


def machine(place: World, between: int = 10) -> type[RuleBasedStateMachine]:
    """The rules, over one world; each example begins at its saved copy.

    Args:
        between: deeds between two runs of the product, at least, and twice as many at most.
    """

    class Machine(RuleBasedStateMachine):
        """`state`: fresh, begun (a load that wrote nothing yet), loading, loaded, rolling, back."""

        @initialize()
        def begin(self) -> None:
            place.restore()
            place.counts["examples"] += 1
            self.state, self.rested = "fresh", 0
            self._mark()

        def _mark(self) -> None:
            self.before, self.first = HUBSPOT.store(place.data), hold_words.last(place.data)
            self.began, self.unseen = 0, set[Place]()

        def _people(self, seed: int) -> HubSpotPeople:
            rng = random.Random(seed)  # noqa: S311 - deeds, no secrets
            return HubSpotPeople(place.hubspot.control, place.data, self.before, rng)

        @rule(
            what=st.sampled_from(("deed", "deed", "deed", "gentle", "gentle", "job")), seed=SEEDS,
            nth=st.integers(1, 8), landed=st.booleans(), whole=st.booleans(),
        )  # fmt: skip
        def step(self, what: str, seed: int, nth: int, landed: bool, whole: bool) -> None:
            """One rule for all: hypothesis leaves rules out of whole examples, but the product must run."""
            place.counts["steps"] += 1
            if self.rested < between + seed % between:
                self.rested += 1
                self._somebody(what, seed)
                return
            self.rested = 0
            stop = None if whole else (nth, landed)
            if self.state in ("fresh", "begun", "back") or (self.state == "loading" and seed % 2):
                self._load(stop)
            else:
                self._rollback(stop)

        def _somebody(self, what: str, seed: int) -> None:
            if what == "job":
                self._people(seed).stamp_all()
                return
            gentle = what == "gentle" or self.state == "rolling"
            place.counts["deeds"] += bool(self._people(seed).do(gentle=gentle))

        def _load(self, stop: tuple[int, bool] | None) -> None:
            if self.state in ("fresh", "back"):
                self._mark()
            self.state = "loading" if place.load(stop) else "loaded"
            if self.state == "loading" and stop and stop[1]:
                self.unseen |= hold_words.unseen(HUBSPOT, place.data)
            if not any(write.who == OURS for write in HUBSPOT.writes(place.data, self.first)):
                self.state = "begun"  # stopped before its first write: there is nothing to roll back yet

        def _rollback(self, stop: tuple[int, bool] | None) -> None:
            if self.state != "rolling":
                self.began = hold_words.last(place.data)
            self.state = "rolling" if place.back(stop) else "back"
            if self.state == "back":
                self._judge()

        def _judge(self) -> None:
            writes = list(HUBSPOT.writes(place.data, self.first))
            model = Model(HUBSPOT, self.before, self.began, self.unseen).replay(writes)
            held = model.held()
            told = schedules.disagreement(held, model.may_hold(), place.held())
            told += model.wrongs + model.left(held)
            told += lost(model, HUBSPOT.store(place.data), writes, held)
            assert not told, "\n".join(told)
            place.counts["held"] += len(held)
            found = verify(place.rig.again())
            assert found.verdict == "pass", (found.words, found.failures)
            place.counts["verified"] += 1

        def teardown(self) -> None:
            place.rig.workspace.close()

    return Machine


def goes(steps: int, examples: int) -> settings:
    """So many examples of so many steps each; the same ones every time."""
    return settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, database=None, derandomize=True,
        phases=(Phase.generate,), suppress_health_check=list(HealthCheck), print_blob=False,
    )  # fmt: skip
