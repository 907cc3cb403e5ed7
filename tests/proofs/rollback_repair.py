"""Is a wrong mapping mended on every row that nobody has touched, and undone by one command? Any size.

`repaired` moves sales whose amounts lack the tax, lets users edit some of them, mends the plan, repairs, and
rolls back to the repair's own checkpoint. Every figure is read from the portal's own store.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from migrate.demo.generated import generated
from migrate.demo.run import SETTINGS, environment, prepare_folder
from migrate.demo.shape import Sizes
from migrate.sandbox.server import launch
from tests.harness import kill
from tests.harness.kill import Strike
from tests.harness.lanes import Lane
from tests.proofs.claims import Ground
from tests.proofs.claims import Line as Claim
from tests.proofs.kills import campaign, line
from tests.sandbox.test_rollback import Line

NET = "      amount: Amount\n"
# The tax, and a fee on each: so every sale changes, one without an amount too.
GROSS = "      amount: CAST(round(coalesce(Amount, 0) * 1.19, 2) + 1 AS DECIMAL(18, 2))\n"
Amounts = dict[str, Decimal | None]


@dataclass
class Repair:
    """What the portal's store showed, in sales.

    `mended`: the new amount; `held`: the user's; `lost`: a user's edit that is gone; `wrong`: anything else.
    `back`: as before the repair, edits included, after the one command; `not_back`: the others. `said`:
    the commands' own documents, by their first two words.
    """

    mended: int = 0
    held: int = 0
    lost: int = 0
    wrong: int = 0
    back: int = 0
    not_back: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    said: dict[str, dict[str, Any]] = field(default_factory=dict)


def amounts(line: Line) -> Amounts:
    """What the portal's own store holds, by migration key."""
    found: Amounts = {}
    for row in line.hubspot.control.ndjson("/truth/deals"):
        values = row["properties"]
        if not row.get("archived") and values.get("migration_key"):
            found[values["migration_key"]] = Decimal(values["amount"]) if values.get("amount") else None
    return found


def edit(line: Line, old: str, new: str) -> None:
    """Change the plan, as its author would."""
    path = line.root / "plan.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def gross(net: Decimal | None, fee: int = 1) -> Decimal:
    """With tax and fee; the oracle's own arithmetic."""
    return ((net or Decimal(0)) * Decimal("1.19")).quantize(Decimal("0.01"), "ROUND_HALF_UP") + fee


def by_hand(line: Line, before: Mapping[str, Decimal | None], count: int) -> Amounts:
    """A user gives so many sales, spread over all, an amount of their own; these amounts."""
    ids = {
        row["properties"]["migration_key"]: row["id"]
        for row in line.hubspot.control.ndjson("/truth/deals")
        if row["properties"].get("migration_key")
    }
    keys = sorted(before)
    chosen = keys[:: max(1, len(keys) // count)][:count]
    edited: Amounts = {key: Decimal(number) + Decimal("0.37") for number, key in enumerate(chosen)}
    for key, value in edited.items():
        line.act(do="update", object="deals", id=ids[key], fields={"amount": str(value)})
    return edited


def repaired(folder: Path, size: int = 40_000, edited: int = 300, *, speed: float = 20.0,
             undo: bool = True) -> Repair:  # fmt: skip
    """Load `size` sales, edit some by hand, repair, undo.

    Args:
        undo: also go back to the repair's checkpoint.
    """
    root = folder / "workspace"
    # One of them has a stage without a home, and is rejected.
    sizes = Sizes(accounts=16, parents=5, opportunities=size + 1, companies=20, known=4, contacts=15)
    seed = generated(sizes)
    prepare_folder(root, "salesforce-to-hubspot")
    plan = (root / "plan.yaml").read_text(encoding="utf-8")
    plan = plan.replace('"env:LEGACY_"}', '"env:LEGACY_", clock: sandbox}')
    (root / "plan.yaml").write_text(
        plan.replace("share: 0.8}", "share: 0.8, clock: sandbox}"), encoding="utf-8"
    )
    done = Repair()
    with ExitStack() as stack:
        running = [
            stack.enter_context(launch(name, folder / name, speed=speed, settings=SETTINGS[name]))
            for name in ("salesforce", "hubspot")
        ]
        for each, document in zip(running, (seed.salesforce, seed.hubspot), strict=True):
            each.control.post("/seed", document)
        line = Line(root, running[1], environment(running[0], running[1]), patience=3_000)

        def run(*words: str) -> None:
            started = time.monotonic()
            done.said[" ".join(words[:2])] = line.run(*words, codes=(0, 1))
            done.seconds[" ".join(words[:2])] = time.monotonic() - started

        for words in ("discover", "prepare", "extract", "transform", "load"):
            run(words)
        before = amounts(line)
        theirs = by_hand(line, before, edited)
        edit(line, NET, GROSS)
        run("repair", "--fields", "deals.amount", "--yes")
        for key, now in amounts(line).items():
            if key in theirs:
                done.held += now == theirs[key]
                done.lost += now != theirs[key]
            else:
                done.mended += now == gross(before[key])
                done.wrong += now != gross(before[key])
        if undo:
            run("rollback", "run", "--to", done.said["repair --fields"]["checkpoint"], "--yes")
            wanted = before | theirs
            there = amounts(line)
            done.back = sum(there.get(key) == value for key, value in wanted.items())
            done.not_back = len(wanted.keys() | there.keys()) - done.back
    return done


REPAIR = "repair --fields deals.amount --yes"
EDITS = 2


def killed(ground: Ground) -> Iterator[Claim]:
    """A repair struck at each request (at one point in turn) and at every second write, then run again: the
    portal holds what the straight run leaves, users' amounts included."""
    with ground.several("repair") as lanes:
        for lane in lanes:
            _edited(lane)
        works, what = _strikes(lanes[0])
        found = campaign(ground, lanes, "edited", REPAIR, _held, works)
        yield line("kill-repair", found, what)


def _edited(lane: Lane) -> None:
    """Load, let a user edit, mend the plan; saved as `edited`."""
    lane.must("discover", "check", "prepare", "extract", "transform", "load")
    ids = {key: id for key, (id, _) in _deals(lane).items()}
    for number, key in enumerate(sorted(ids)[:EDITS]):
        act = {"do": "update", "object": "deals", "id": ids[key], "fields": {"amount": f"{number}.37"}}
        lane.hubspot.control.post("/act", act)
    path = lane.root / "plan.yaml"
    text = path.read_text(encoding="utf-8")
    assert NET in text
    path.write_text(text.replace(NET, GROSS), encoding="utf-8")
    lane.settle()
    lane.save("edited")


def _deals(lane: Lane) -> dict[str, tuple[str, str | None]]:
    """Id and amount of our live deals in the portal's own store, by migration key."""
    rows = lane.hubspot.control.ndjson("/truth/deals")
    live = [row for row in rows if not row["archived"] and row["properties"].get("migration_key")]
    return {r["properties"]["migration_key"]: (r["id"], r["properties"].get("amount")) for r in live}


def _held(lane: Lane) -> dict[str, str | None]:
    lane.settle()
    return {key: amount for key, (_, amount) in _deals(lane).items()}


def _strikes(lane: Lane) -> tuple[list[Strike], str]:
    requests = kill.requests_of(lane, "edited", REPAIR)
    writes = [n for n, kind, _ in kill.writes_of(lane, "edited", REPAIR) if kind != "fsync"]
    works = [Strike("request", n, kill.HOLDS[n % len(kill.HOLDS)]) for n in range(1, requests + 1)]
    works += [Strike("write", n, ("before", "after")[turn % 2]) for turn, n in enumerate(writes[::2])]
    return works, f"{requests} requests and every second of {len(writes)} writes"
