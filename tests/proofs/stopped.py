"""What can a stopped process still do, once somebody else has taken over? At most its calls in flight."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from tests.harness import kill, oracle
from tests.harness.lanes import Child, Lane
from tests.harness.under import Order
from tests.proofs.claims import Ground, Line, shows
from tests.proofs.kills import ready

CALL = "contacts/batch/create"
INTENT = "'ready/Contact/g0000'"  # in the transaction that makes the contacts' intent durable
EXTENDED = 3  # the call's deadline is noted last: for accounts created, accounts adopted, contacts created


def taken_over(lane: Lane, order: Order) -> tuple[Child, list[str]]:
    """Stop a load by the order, let a second operator take over and roll back; the first stays stopped."""
    told = []
    child = lane.start("load", order)
    if not child.until_stopped():
        raise AssertionError(f"the load ended unstopped: {child.wait().out[-500:]}")
    refused = lane.run("rollback run --yes")
    words = refused.out
    if refused.code != 4 or str(child.pid) not in words:
        told.append(
            f"a second operator meets exit {refused.code}, not 4 with the holder's name: {words[-300:]}"
        )
    longest = lane.longest_call or 100.0
    time.sleep((2 * longest + 65) / lane.speed)  # the lease's length, and some
    over = lane.run("rollback run --yes")
    if over.code not in (0, 1):
        told.append(f"the takeover ended with {over.code}: {kill.last_words(over)}")
    lane.calm(15)  # a full rate window: else the call in flight may be refused, which proves nothing
    return child, told


@shows("stopped-before-check", "stopped-after-check")
def stopped(ground: Ground) -> Iterator[Line]:
    """SIGSTOP, takeover and rollback by a second operator, SIGCONT."""
    with ground.lane("stopped") as lane:
        before = ready([lane])[id(lane)]
        yield _before(lane, before, Order(1, "after", ("commit",), "stop", INTENT))
        orders = {
            "stopped after its last check": Order(EXTENDED, "after", ("commit",), "stop", "SET deadline"),
            "half a request sent": Order(at=1, kinds=("send",), do="half", match=CALL),
        }
        yield _after(lane, before, orders)


def _before(lane: Lane, before: oracle.Truth, order: Order) -> Line:
    lane.restore("ready")
    child, told = taken_over(lane, order)
    number, seq = lane.last_request(), oracle.last(lane.hubspot)
    kill.go_on(child)
    ended = child.wait()
    lane.settle()
    sent = lane.last_request() - number
    wrote = [entry for entry in oracle.log(lane.hubspot, seq) if entry["actor"] == oracle.OURS]
    if ended.code != 4:
        told.append(f"exit {ended.code}: {kill.last_words(ended)}")
    told += oracle.put_back(before, oracle.truth(lane.hubspot))
    figure = f"{sent} requests and {len(wrote)} writes after SIGCONT, exit {ended.code}"
    return Line("stopped-before-check", figure, 1, not told and not sent and not wrote, tuple(told))


def _after(lane: Lane, before: oracle.Truth, orders: dict[str, Order]) -> Line:
    figures, told = [], []
    for name, order in orders.items():
        lane.restore("ready")
        child, odd = taken_over(lane, order)
        seq = oracle.last(lane.hubspot)
        kill.go_on(child)
        ended = child.wait()
        lane.settle()
        landed = [
            entry for entry in oracle.log(lane.hubspot, seq)
            if entry["actor"] == oracle.OURS and entry["op"] == "create"
        ]  # fmt: skip
        calls = {entry["request"] for entry in landed}
        if ended.code != 4:
            odd.append(f"the first ends with {ended.code}, not 4: {kill.last_words(ended)}")
        if len(calls) != 1:
            odd.append(f"{len(calls)} calls landed, not the one in flight")
        verify = lane.run("rollback verify")
        named = json.dumps(verify.document.get("failures", []))
        missing = [entry["id"] for entry in landed if entry["id"] not in named]
        if verify.code != 1 or verify.document.get("verdict") == "pass" or missing:
            odd.append(f"verify ends with {verify.code} and doesn't name {len(missing)} of {len(landed)}")
        again = lane.run("rollback run --yes")
        last = lane.run("rollback verify")
        if last.code != 0:
            odd.append(
                f"after `rollback run` ({again.code}) verify ends with {last.code}: {kill.last_words(last)}"
            )
        lane.settle()
        odd += oracle.put_back(before, oracle.truth(lane.hubspot))
        figures.append(f"{name}: {len(landed)} records of {len(calls)} call landed and are named, then gone")
        told += [f"{name}: {line}" for line in odd]
    return Line("stopped-after-check", "; ".join(figures), len(orders), not told, tuple(told))
