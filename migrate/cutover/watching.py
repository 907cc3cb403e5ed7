"""Is the cutover well? Lag, errors, dead letters, quota and invariants, and an alert once where one is not.

Read from the ledger and the journal; a system is asked only by an invariant that is about the target. An
alert is told once when it begins and once when it is over, to the log and to the plan's webhook, whatever
restarts in between; a webhook that is away gets it at the next look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from migrate import webhooks
from migrate.clock import stamp
from migrate.cutover.invariants import Held, invariants
from migrate.cutover.lag import Lag, lags, longest
from migrate.cutover.machine import Cutover, states
from migrate.cutover.rounds import AWAY, bound_of, memory_of
from migrate.journal import REFUSED
from migrate.ledger.alerts import OPEN, Alert, all_alerts, note, taken, untold
from migrate.ledger.rounds import RoundRow, last_rounds
from migrate.logs import logger

if TYPE_CHECKING:
    from migrate.workspace import Workspace

SPAN = timedelta(hours=1)  # of calls that an error rate is about
LEAST, MOST = 20, 0.1  # calls of an endpoint that are enough for a rate; the rate that alerts
EVENT = "cutover alert"
FLOWING = ("syncing", "holding", "frozen")


@dataclass(frozen=True)
class EndpointRate:
    """Calls of one endpoint within the last hour. `rate`: of those without an answer, or throttled."""

    system: str
    endpoint: str
    calls: int
    errors: int
    throttled: int
    rate: float


@dataclass(frozen=True)
class Quota:
    """Calls left of a system's quota, as its newest reply said."""

    system: str
    left: int
    most: int | None


@dataclass(frozen=True)
class Watched:
    """One look. `replay`: dead letters that a replay would send again; `alerts`: all that are open; `fresh`:
    those that began or ended now; `webhook`: `sent`, or why it wasn't, empty where there was nothing to send
    or nowhere to."""

    at: str
    states: Mapping[str, str]
    lag: Sequence[Lag]
    bound: float
    round: int | None
    round_ended: str
    error: str
    endpoints: Sequence[EndpointRate]
    letters: int
    replay: int
    quota: Sequence[Quota]
    invariants: Sequence[Held]
    alerts: Sequence[Alert]
    fresh: Sequence[Alert]
    webhook: str

    @property
    def longest(self) -> float | None:
        """The longest lag of any object, in seconds."""
        return longest(list(self.lag))

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {**asdict(self), "longest": self.longest}

    def text(self) -> str:
        """For people."""
        lag = self.longest
        behind = "no base yet" if lag is None else f"lag {lag:,.0f} s of {self.bound:,.0f} s"
        lines = [
            f"{self.at}: {', '.join(f'{name} {state}' for name, state in self.states.items())}; {behind}."
        ]
        lines += [f"  {each.object}: {each.seconds:,.0f} s" for each in self.lag if each.seconds is not None]
        lines.append(f"  Dead letters: {self.letters:,}, of them to be replayed: {self.replay:,}.")
        lines += [f"  {each.system}: {each.left:,} calls left." for each in self.quota]
        lines += [
            f"  {each.system}: {each.endpoint}: {each.rate:.0%} of {each.calls:,} calls failed."
            for each in self.endpoints
            if each.rate
        ]
        lines += [f"  {each.name}: {each.state}. {each.words}" for each in self.invariants]
        lines += [f"  ALERT {each.name} since {each.at}: {each.words}" for each in self.alerts]
        lines += [f"  over: {each.name}" for each in self.fresh if each.state != OPEN]
        if self.webhook and self.webhook != "sent":
            lines.append(f"  The webhook was NOT told: {self.webhook}. The next look tries again.")
        return "\n".join(lines)


def look(workspace: Workspace) -> Watched:
    """Look once, and tell what began or ended since the last look.

    Raises:
        UsageError, PlanError: an invariant of the plan can't be judged as it is written.
    """
    ledger, now = workspace.ledger, workspace.clock.now()
    rounds = last_rounds(ledger)
    lag = lags(workspace, now, memory_of(workspace))
    found, asked = _invariants(workspace)
    letters, replay = _letters(workspace)
    endpoints, quota = endpoints_of(rounds, workspace), quota_of(rounds)
    breaches = {
        **_behind(workspace, lag), **_forgetting(lag), **_away(rounds), **_failing(endpoints),
        **_short(workspace, quota), **_more_letters(workspace, letters),
        **{f"invariant:{each.name}": each.words for each in found if each.state == "breached"},
    }  # fmt: skip
    judged = {"lag", "memory", "round", "errors", "quota", "letters"}
    judged |= {f"invariant:{each.name}" for each in found if each.state != "unknown"}
    fresh, webhook = _told(workspace, breaches, frozenset(judged))
    last = rounds[-1] if rounds else None
    return Watched(
        stamp(now), dict(states(workspace)), lag, bound_of(workspace).total_seconds(),
        last.number if last else None, last.ended if last else "", last.facts["error"] if last else asked,
        endpoints, letters, replay, quota, found,
        [each for each in all_alerts(ledger) if each.state == OPEN], fresh, webhook,
    )  # fmt: skip


def _invariants(workspace: Workspace) -> tuple[list[Held], str]:
    """The plan's invariants; unknown where the target can't be asked now, and why."""
    try:
        return invariants(workspace), ""
    except AWAY as error:
        named, why = workspace.plan.model.cutover.watch.invariants, str(error).splitlines()[0]
        return [Held(each.name, "unknown", why) for each in named], why


def _letters(workspace: Workspace) -> tuple[int, int]:
    refused = REFUSED.format(journal=workspace.journal.source())
    row = workspace.engine.rows(
        f"""SELECT count(*) AS n, count(*) FILTER (outcome IN ('refused', 'conflict')) AS again
        FROM ({refused}) WHERE attempt = {workspace.ledger.attempt()}"""
    )[0]
    return int(row["n"]), int(row["again"])


def endpoints_of(rounds: Sequence[RoundRow], workspace: Workspace) -> list[EndpointRate]:
    """By system and endpoint, what the rounds of the last hour counted, the worst first."""
    since = stamp(workspace.clock.now() - SPAN)
    sums: dict[tuple[str, str], list[int]] = {}
    for row in rounds:
        if row.ended < since:
            continue
        for system, told in row.facts["calls"].items():
            for name, each in told["endpoints"].items():
                found = sums.setdefault((system, name), [0, 0, 0])
                found[0] += each["calls"]
                found[1] += each["errors"]
                found[2] += each["throttled"]
    rates = [
        EndpointRate(system, name, calls, errors, throttled, (errors + throttled) / calls)
        for (system, name), (calls, errors, throttled) in sums.items()
        if calls
    ]
    return sorted(rates, key=lambda each: (-each.rate, each.system, each.endpoint))


def quota_of(rounds: Sequence[RoundRow]) -> list[Quota]:
    """What is left of each system's quota, by the newest of these rounds that was told."""
    found: dict[str, Quota] = {}
    for row in rounds:
        for system, told in row.facts["calls"].items():
            if told["left"] is not None:
                found[system] = Quota(system, told["left"], told["most"])
    return [found[name] for name in sorted(found)]


# -- what alerts ----------------------------------------------------------------------------------


def _behind(workspace: Workspace, lag: list[Lag]) -> dict[str, str]:
    """A cohort that was close enough once and isn't now. The way there takes as long as it takes."""
    seconds, bound = longest(lag), bound_of(workspace).total_seconds()
    if seconds is None or seconds <= bound:
        return {}
    held = [
        name
        for name, state in states(workspace).items()
        if state in FLOWING and Cutover(workspace, name).last("holding") is not None
    ]
    words = (
        f"The lag is {seconds:,.0f} s, and the bound is {bound:,.0f} s. Is `migrate cutover delta` running?"
    )
    return {"lag": words} if held else {}


def _forgetting(lag: list[Lag]) -> dict[str, str]:
    return {
        f"memory:{each.object}": f"The source forgets deletions of `{each.object}` from {each.forgets} on; "
        "the delta after that compares every id."
        for each in lag
        if each.warn
    }


def _away(rounds: Sequence[RoundRow]) -> dict[str, str]:
    error = rounds[-1].facts["error"] if rounds else ""
    return {"round": f"The last round of deltas stopped: {error}"} if error else {}


def _failing(endpoints: Sequence[EndpointRate]) -> dict[str, str]:
    return {
        f"errors:{each.system} {each.endpoint}": f"{each.rate:.0%} of {each.calls:,} calls failed."
        for each in endpoints
        if each.calls >= LEAST and each.rate > MOST
    }


def _short(workspace: Workspace, quota: Sequence[Quota]) -> dict[str, str]:
    share = workspace.plan.model.cutover.gate.quota
    return {
        f"quota:{each.system}": f"{each.left:,} of {each.most:,} calls are left, less than {share:.0%}."
        for each in quota
        if each.most and each.left < share * each.most
    }


def _more_letters(workspace: Workspace, letters: int) -> dict[str, str]:
    """More dead letters than the base left, which were there to be decided about."""
    before = 0
    for name in states(workspace):
        began = Cutover(workspace, name).last("syncing")
        before = max(before, int(began.facts.get("refused", 0)) if began else 0)
    if letters <= before:
        return {}
    return {
        "letters": f"{letters:,} dead letters; the base left {before:,}. See `migrate dead-letters list`."
    }


# -- telling --------------------------------------------------------------------------------------


def _told(
    workspace: Workspace, breaches: Mapping[str, str], judged: frozenset[str]
) -> tuple[list[Alert], str]:
    """Note and tell; one process at a time, so that two watches don't tell the same twice."""
    ledger = workspace.ledger
    with ledger.alone("alerts") as ours:
        if not ours:
            return [], ""
        fresh = note(ledger, breaches, judged)
        for each in fresh:
            logger().warning(**_body(workspace, each))
        failed, sent = "", False
        plan = workspace.plan.model.cutover.watch
        if plan.webhook is None:
            return fresh, ""
        for each in untold(ledger):
            failed = webhooks.send(
                plan.webhook, plan.secret, _body(workspace, each), workspace.environment,
                key=f"{each.name} {each.state} {each.at}",
            ).problem  # fmt: skip
            if failed:
                break
            taken(ledger, each)
            sent = True
    return fresh, failed or ("sent" if sent else "")


def _body(workspace: Workspace, alert: Alert) -> dict[str, Any]:
    """What the log and a webhook get: names and figures, nothing of a record, nothing of this machine."""
    return {
        "event": EVENT, "alert": alert.name, "state": alert.state, "at": alert.at, "words": alert.words,
        "system": workspace.system("target").system,
    }  # fmt: skip
