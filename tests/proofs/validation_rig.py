"""Where is something to be validated? A migration with a bit of everything, driven by the command line.

The plan of `sales-and-history` with currencies, of an org some of whose people said no; the target is in use
and keeps on writing by itself. Two credentials: the product's, and another program's that plants errors.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from migrate.demo.history import Amounts, with_history
from migrate.demo.run import PLANS, TOKEN
from migrate.demo.shape import Seed, Sizes
from tests.harness.lanes import Lane

OTHER_TOKEN, OTHER_APP = "pat-na1-other-program", 9_002
STAGES = ("discover", "check", "prepare", "extract", "transform", "load")
BIG = Sizes(known=20)
BIG_AMOUNTS = Amounts(emails=300, on_emails=20, on_accounts=30, sites=120)
TENTH = Sizes(accounts=30, parents=5, opportunities=880, companies=30, known=4, contacts=30)
TENTH_AMOUNTS = Amounts(emails=30, on_emails=4, on_accounts=6, sites=12)
LITTLE = Sizes(accounts=30, parents=6, opportunities=150, companies=30, known=8, contacts=30)
LITTLE_AMOUNTS = Amounts(emails=40, on_emails=4, on_accounts=6, sites=20)
_CURRENCY = """\
      amount: Amount
      deal_currency_code: "'USD'"  # the only one that this org knows
"""


class Ended(Exception):
    """A command of the product ended otherwise than it must."""


@dataclass
class Rig:
    """A migration that was made, and its two systems. `standing`: ids of companies before the load."""

    lane: Lane
    standing: frozenset[str] = frozenset()
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self, words: str, codes: Sequence[int] = (0, 1)) -> dict[str, Any]:
        """Run one command; its JSON document.

        Raises:
            Ended: with none of `codes`.
        """
        call = [sys.executable, "-m", "migrate", "-w", str(self.lane.root), "--json", *words.split()]
        began = time.monotonic()
        done = subprocess.run(call, env=self.lane.environment, capture_output=True, check=False)
        self.seconds[words] = time.monotonic() - began
        if done.returncode not in codes:
            said = (done.stdout[-1500:] + done.stderr[-2500:]).decode(errors="replace")
            raise Ended(f"`{words}` ended with {done.returncode}: {said}")
        document: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
        return document

    def report(self) -> Path:
        """The folder of the newest report."""
        reports = self.lane.root / ".migrate" / "reports"
        latest = json.loads((reports / "latest.json").read_text())
        return reports / next(iter(str(value) for key, value in latest.items() if key in ("folder", "name")))


def plan_text() -> str:
    """The plan with currencies."""
    text = (PLANS / "sales-and-history" / "plan.yaml").read_text(encoding="utf-8")
    return text.replace("      amount: Amount\n", _CURRENCY)


def seed_of(sizes: Sizes, amounts: Amounts, number: int) -> Seed:
    """The generated org with its history; every fifth person said no, and another program has a token."""
    seed = with_history(sizes, amounts, seed=number, org=number)
    for index, row in enumerate(seed.salesforce["records"]["Contact"]):
        if index % 5 == 0 and row.get("Email"):
            row["HasOptedOutOfEmail"] = True
    seed.hubspot["tokens"] = [{"token": TOKEN}, {"token": OTHER_TOKEN, "app_id": OTHER_APP}]
    return seed


@contextmanager
def migrated(
    root: Path, sizes: Sizes, amounts: Amounts, number: int = 20_263, stages: Sequence[str] = STAGES
) -> Iterator[Rig]:
    """A migration after its load.

    Args:
        number: of the seed; another one is another org.
    """
    overlay = root / "overlay"
    overlay.mkdir(parents=True)
    (overlay / "plan.yaml").write_text(plan_text(), encoding="utf-8")
    base = root / "lane"
    with Lane(base, seed_of(sizes, amounts, number), plan="sales-and-history", folder=overlay) as lane:
        before = lane.hubspot.control.ndjson("/truth/companies")
        rig = Rig(lane, frozenset(str(row["id"]) for row in before))
        for words in stages:
            rig.run(words)
        lane.settle()
        yield rig
