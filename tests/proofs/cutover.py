"""Does a cutover lose nothing, forth or back, and can nobody talk it past its gate? Every claim at full size.

Ten weekends from seeds, two side by side, the mode of the way back alternating, three of them with every
command killed at random. What must have come of them is said by `weekend_oracle`, from both systems' logs.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from migrate.demo.generated import generated
from migrate.demo.shape import Sizes
from tests.harness import lanes
from tests.harness.lanes import Lane, side_by_side
from tests.harness.weekend import Weekend
from tests.harness.weekend_doors import with_door
from tests.harness.weekend_oracle import Verdict
from tests.proofs.claims import REPOSITORY, Ground, Line, Shower, shows

SEED, SEEDS = 20_300, 10
MODES = ("journal", "live")  # of the way back, in turn
KILLED = frozenset({2, 5, 8})  # of the ten
SEEN = 1  # signed through Chromium
POSTS = 170  # in each of three freezes: 510
PATIENCE = 1200.0  # wall seconds for a rehearsal on a busy machine
SIZES = Sizes(
    accounts=12, parents=4, opportunities=30, users=35, inactive=6, companies=12, known=2, contacts=8
)
SPEED = 30.0


def proof(*ids: str) -> Callable[[Shower], Shower]:
    """Register a shower of this proof."""
    return shows(*ids, proof="cutover")


@dataclass
class Played:
    """One weekend and what was said of it. `failed`: it didn't come to its end."""

    weekend: Weekend
    verdict: Verdict
    failed: str = ""

    @property
    def name(self) -> str:
        """As it is told."""
        return f"seed {self.weekend.seed}, {self.weekend.mode}"

    def wrong(self, *kinds: str) -> list[str]:
        """What is wrong, of some kinds."""
        if self.failed:
            return [f"{self.name}: {self.failed}"]
        return [f"{self.name}: {words}" for kind in kinds for words in self.verdict.wrong.get(kind, ())]


@proof(
    "weekend-lost",
    "weekend-doubled",
    "weekend-conflicts",
    "weekend-gate",
    "weekend-kills",
    "weekend-console",
    "weekend-oracle-red",
)
def weekends(ground: Ground) -> Iterator[Line]:
    """All of them, from one rehearsed beginning."""
    lanes.PATIENCE = PATIENCE
    numbers = list(range(SEEDS))[:: ground.step]
    posts = POSTS if ground.step == 1 else 5
    with ExitStack() as stack:
        seed = with_door(generated(SIZES))
        rigs = [
            stack.enter_context(
                Lane(ground.folder(f"weekend-{n}"), seed, options={"concurrency": 4}, speed=SPEED)
            )
            for n in range(ground.lanes)
        ]
        for mode in MODES:
            begun = Weekend(rigs[0], SEED, mode)
            begun.prepare()
            if mode == MODES[0]:
                begun.first()
            begun.rehearse()
            rigs[0].save(mode)
            for each in rigs[1:]:
                each.take_over(rigs[0], mode)

        def play(lane: Lane, number: int) -> Played:
            mode = MODES[number % 2]
            lane.restore(mode)
            weekend = Weekend(
                lane, SEED + number, mode, posts=posts,
                killing=number in KILLED, browser=number == SEEN,
            )  # fmt: skip
            weekend.prepare()
            try:
                weekend.play()
            except Exception as error:  # noqa: BLE001 - the other weekends are still to be played
                return Played(weekend, Verdict(), " ".join(str(error).split())[:600])
            return Played(weekend, weekend.judged())

        played = side_by_side(rigs, numbers, play)
        whole = [each for each in played if not each.failed]
        red = whole[-1].weekend.planted() if whole else {}
    yield from _lines(played)
    missed = [kind for kind, found in red.items() if not found]
    figure = (
        f"{len(red) - len(missed)} of {len(red)} planted mistakes found ({', '.join(red) or 'none planted'})"
    )
    yield Line("weekend-oracle-red", figure, len(red), len(red) >= 4 and not missed, tuple(missed))


def _lines(played: Sequence[Played]) -> Iterator[Line]:
    kept = sum(each.verdict.kept for each in played)
    made = sum(each.verdict.created for each in played)
    posted = sum(len(each.weekend.people.posted) for each in played)
    buffered = sum(each.weekend.people.buffered for each in played)
    lost = [line for each in played for line in each.wrong("lost", "overwritten")]
    seeds = f"{len(played)} weekends, seeds {SEED} to {SEED + SEEDS - 1}, clock {SPEED:.0f}x"
    posts = f"{posted:,} posts, {buffered:,} of them through a buffer"
    faults = sum(each.weekend.faults for each in played)
    figure = f"{kept:,} fields that people wrote and {made:,} records that they entered ({posts}), "
    figure += f"{faults:,} requests that went wrong beside outages, "
    yield Line("weekend-lost", f"{figure}{len(lost)} lost; {seeds}", kept + made, not lost, tuple(lost))
    doubled = [line for each in played for line in each.wrong("doubled")]
    yield Line("weekend-doubled", f"{len(doubled)} doubled of {made:,}", made, not doubled, tuple(doubled))
    listed = sum(each.verdict.listed for each in played)
    unlisted = [line for each in played for line in each.wrong("unlisted")]
    figure = f"{listed} edits on the wrong side listed with both values, {len(unlisted)} not"
    yield Line("weekend-conflicts", figure, listed, not unlisted, tuple(unlisted))
    gates = [(each.name, each.weekend.gates) for each in played if not each.failed]
    wrong = [f"{name}: {found}" for name, found in gates if not _went_red_and_back(found)]
    figure = f"{len(gates) - len(wrong)} of {len(gates)} red at `drift`, then not"
    good = not wrong and len(gates) == len(played)
    yield Line("weekend-gate", figure, len(gates), good, tuple(wrong))
    killed = [each for each in played if each.weekend.killing]
    kills = sum(each.weekend.kills for each in killed)
    bad = [line for each in killed for line in each.wrong("lost", "overwritten", "doubled", "unlisted")]
    figure = f"{kills} kills on {len(killed)} weekends, {len(bad)} mistakes"
    yield Line("weekend-kills", figure, kills, not bad and bool(killed), tuple(bad))
    seen = [each for each in played if each.weekend.browser]
    failed = [line for each in seen for line in each.wrong()]
    figure = f"{len(seen) - len(failed)} of {len(seen)} signed by two people a cohort in Chromium"
    yield Line("weekend-console", figure, len(seen), not failed and bool(seen), tuple(failed))


def _went_red_and_back(gates: Sequence[Sequence[str]]) -> bool:
    return len(gates) == 2 and "drift" in gates[0] and "drift" not in gates[1]


# -- claims whose tests are the proof --------------------------------------------------------------


def _tests(id: str, files: Sequence[str], chosen: str = "") -> Line:
    """Run tests in a process of their own; skipped ones fall short."""
    call = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    call += ["-k", chosen] if chosen else []
    done = subprocess.run(call, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    last = done.stdout.strip().splitlines()[-1:] or [done.stderr[-300:]]
    passed = re.search(r"(\d+) passed", last[0])
    n = int(passed[1]) if passed else 0
    bad = done.returncode != 0 or "skipped" in last[0]
    told = tuple(done.stdout.strip().splitlines()[-20:]) if bad else ()
    return Line(
        id, f"{last[0].strip('= ')} ({', '.join(Path(each).name for each in files)})", n, not bad, told
    )


CLAIMED: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("no-way-past-the-gate", ("tests/unit/test_cutover_sequences.py", "tests/unit/test_cutover_machine.py",
                              "tests/unit/test_cutover_approvals.py"),
     ""),
    ("swapped-order", ("tests/unit/test_cutover_sequences.py",), "watermark_is_read_after"),
    ("signatures", ("tests/unit/test_cutover_signing.py", "tests/unit/test_cutover_passkeys.py"), ""),
    ("no-op", ("tests/sandbox/test_cutover_back.py",), "no_op"),
    ("anonymised", ("tests/sandbox/test_anonymize.py", "tests/unit/test_pseudonyms.py"), ""),
    ("console", ("tests/browser/test_console_pages.py", "tests/unit/test_console.py"), ""),
    ("payloads", ("tests/unit/test_docs.py",), ""),
)  # fmt: skip


def _register(id: str, files: tuple[str, ...], chosen: str) -> None:
    def shower(ground: Ground) -> Iterator[Line]:
        yield _tests(id, files, chosen)

    proof(id)(shower)


for _id, _files, _chosen in CLAIMED:
    _register(_id, _files, _chosen)
