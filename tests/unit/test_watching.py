"""A watch tells once when something begins to be wrong, and once when it is over."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from migrate import webhooks
from migrate.clock import stamp
from migrate.cutover import machine
from migrate.cutover.invariants import invariants
from migrate.cutover.watching import Watched, look
from migrate.engine import Engine
from migrate.errors import Parked
from migrate.ledger import alerts
from migrate.ledger.rounds import keep_round
from tests.unit.test_conflicts import PLAN, brought, carried, moved
from tests.unit.two_systems import Move

WATCH = """\
cutover:
  watch:
    webhook: env:HOOK
    invariants: [{name: web form, object: Account, where: "Note = 'web'", every: 6 hours}]
"""


class Hook:
    """A webhook that takes documents, or is away."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.away = False

    def send(self, _webhook: str, _secret: str | None, document: dict[str, Any], *_: Any, **__: Any) -> Any:
        if self.away:
            return webhooks.Reply("it can't be reached (ConnectError)")
        self.taken.append(dict(document))
        return webhooks.Reply("")

    def told(self) -> list[tuple[str, str]]:
        return [(each["alert"], each["state"]) for each in self.taken]


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Hook:
    made = Hook()
    monkeypatch.setattr(webhooks, "send", made.send)
    return made


@pytest.fixture
def move(tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch, hook: Hook) -> Move:
    """Everything is in the target, a record from the web form came just now, and the cutover is holding."""
    monkeypatch.setattr(machine, "GUARDS", ())
    monkeypatch.setattr(machine, "_guards", {})
    made = moved(tmp_path, engine, PLAN, WATCH)
    brought(made, "all", "holding")
    made.source.put("Account", "w", Name="w", Note="web")
    carried(made)
    return made


def looked(move: Move) -> Watched:
    return look(move.workspace)  # each time as a new process finds the workspace


def names(found: Watched) -> list[str]:
    return [each.name for each in found.alerts]


def test_a_cutover_that_is_well_alerts_nobody(move: Move, hook: Hook) -> None:
    found = looked(move)

    assert (found.alerts, found.fresh, hook.taken) == ([], [], [])
    assert found.longest is not None and found.longest < found.bound
    assert [each.state for each in found.invariants] == ["holds"]


def test_a_lag_over_the_bound_is_told_once_and_once_when_it_is_over(move: Move, hook: Hook) -> None:
    move.clock.sleep(3600)
    first, second = looked(move), looked(move)
    carried(move)
    third, fourth = looked(move), looked(move)

    assert [names(each) for each in (first, second, third, fourth)] == [["lag"], ["lag"], [], []]
    assert [len(each.fresh) for each in (first, second, third, fourth)] == [1, 0, 1, 0]
    assert hook.told() == [("lag", "open"), ("lag", "over")]
    move.clock.sleep(3600)
    looked(move)
    assert hook.told()[2:] == [("lag", "open")]


@pytest.mark.long
def test_what_a_webhook_that_was_away_has_missed_is_told_when_it_is_back(move: Move, hook: Hook) -> None:
    move.clock.sleep(3600)
    hook.away = True
    found = looked(move)
    assert "can't be reached" in found.webhook
    hook.away = False
    assert looked(move).webhook == "sent"
    assert looked(move).webhook == ""
    assert hook.told() == [("lag", "open")]


@pytest.mark.long
def test_what_came_and_went_while_the_webhook_was_away_isnt_told(move: Move, hook: Hook) -> None:
    move.clock.sleep(3600)
    hook.away = True
    looked(move)
    carried(move)
    looked(move)
    hook.away = False
    looked(move)
    assert hook.taken == []


@pytest.mark.long
def test_no_record_from_the_web_form_for_six_hours_alerts(move: Move, hook: Hook) -> None:
    for _ in range(7):
        move.clock.sleep(3600)
        move.source.put("Account", "x", Name="x", Note="by phone")
        carried(move)

    found = looked(move)

    assert names(found) == ["invariant:web form"]
    assert "No such record of `Account` for 6 hours" in found.alerts[0].words
    move.source.put("Account", "y", Name="y", Note="web")
    carried(move)
    assert names(looked(move)) == []
    assert hook.told() == [("invariant:web form", "open"), ("invariant:web form", "over")]


@pytest.mark.long
def test_an_extract_too_old_to_tell_leaves_an_invariant_as_it_was(move: Move) -> None:
    move.clock.sleep(7 * 3600)
    found = looked(move)
    assert [each.state for each in found.invariants] == ["unknown"]
    assert names(found) == ["lag"]
    assert [each.state for each in invariants(move.workspace)] == ["unknown"]


def test_an_outage_errors_and_a_quota_that_runs_low_alert(move: Move, hook: Hook) -> None:
    def away(*_: Any, **__: Any) -> Any:
        raise Parked("old", "no answer after 8 tries")

    reading, move.source.read = move.source.read, away  # type: ignore[method-assign]
    carried(move)
    assert names(looked(move)) == ["round"]
    move.source.read = reading  # type: ignore[method-assign]
    carried(move)
    ledger = move.workspace.ledger
    counts = {"calls": 100, "errors": 30, "throttled": 0, "refused": 0}
    calls = {"old": {"left": 100, "most": 1000, "endpoints": {"GET /x": counts}}}
    now = move.workspace.clock.now()
    facts = {"error": "", "attempt": 1, "marks": {}, "calls": calls}
    keep_round(ledger, began=stamp(now), ended=stamp(now), facts=facts)

    found = looked(move)

    assert names(found) == ["errors:old GET /x", "quota:old"]
    assert (found.endpoints[0].rate, found.quota[0].left) == (0.3, 100)
    assert [each for each in hook.told() if each[0] == "round"] == [("round", "open"), ("round", "over")]


def test_more_dead_letters_than_the_base_left_alert(move: Move) -> None:
    move.target.edit(move.key("Account", "a"), "name", "theirs")
    move.source.put("Account", "a", Name="ours", Note="of a")
    carried(move)
    found = looked(move)
    assert names(found) == ["letters"]
    assert (found.letters, found.replay) == (1, 0)


@pytest.mark.long
def test_a_reopened_alert_whose_end_was_never_taken_isnt_told_again(move: Move) -> None:
    ledger = move.workspace.ledger
    judged = frozenset({"lag"})
    [opened] = alerts.note(ledger, {"lag": "x"}, judged)
    alerts.taken(ledger, opened)
    move.clock.sleep(1)
    alerts.note(ledger, {}, judged)
    move.clock.sleep(1)
    alerts.note(ledger, {"lag": "y"}, judged)
    assert alerts.untold(ledger) == []
    assert [(each.state, each.words) for each in alerts.all_alerts(ledger)] == [("open", "y")]


def test_a_look_is_one_document_of_json(move: Move) -> None:
    move.clock.sleep(timedelta(hours=2).total_seconds())
    document = json.loads(json.dumps(looked(move).document()))
    assert document["alerts"][0]["name"] == "lag"
    assert document["lag"][0]["object"] == "Account"
