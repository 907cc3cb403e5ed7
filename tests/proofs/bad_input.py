"""What does bad input get? The right exit code, what to do about it, and a re-run that completes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass

from tests.harness import kill, oracle
from tests.harness.lanes import Lane, side_by_side
from tests.harness.under import Order
from tests.proofs.claims import HERE, Ground, Line, shows
from tests.proofs.kills import content

MISTAKES = HERE / "mistakes"


def wanted_mistakes() -> list[tuple[str, str]]:
    """(a word of the line in the plan, words that must be said) of each mistake, from beside the plan."""
    lines = (MISTAKES / "expected.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.partition(" => ") for line in lines if line and not line.startswith("#")]
    return [(where, what) for where, _, what in pairs]


@shows("bad-plan", "bad-credential", "bad-part")
def bad(ground: Ground) -> Iterator[Line]:
    """One workspace, spoilt and mended three times."""
    with ground.lane("bad") as lane:
        judge = kill.loaded({id(lane): oracle.truth(lane.hubspot)})
        lane.must("discover")
        yield _plan(lane)
        lane.must("check", "prepare", "extract", "transform")
        lane.save("ready")
        straight = kill.straight(lane, "ready", "load", judge)
        yield _credential(lane, straight, judge)
        yield _part(lane, straight, judge)


def _plan(lane: Lane) -> Line:
    good, path = lane.base / "good.yaml", lane.root / "plan.yaml"
    shutil.copy2(path, good)
    told = []
    systems = [line for line in good.read_text().splitlines() if line.startswith(("source: {", "target: {"))]
    text = (MISTAKES / "plan.yaml").read_text(encoding="utf-8")
    path.write_text("\n".join(systems) + "\n" + text)
    ended = lane.run("check")
    said = ended.out
    lines = path.read_text().splitlines()
    missing = []
    for where, what in wanted_mistakes():
        number = next((n for n, line in enumerate(lines, 1) if line.endswith(f"# {where}")), 0)
        # A value without a home is a mistake of the map, which the report names instead.
        place = "lead_source.csv:2:" if where == "no-home" else f"plan.yaml:{number}:"
        if place not in said or what not in said:
            missing.append(f"{where} (line {number}): {what}")
    count = len(wanted_mistakes())
    if ended.code != 2:
        told.append(f"exit {ended.code}, not 2")
    told += [f"not said: {each}" for each in missing]
    shutil.copy2(good, path)
    mended = lane.run("check")
    if mended.code not in (0, 1):
        told.append(f"mended, check ends with {mended.code}")
    figure = f"{count - len(missing)} of {count} mistakes named with file, line and column; exit {ended.code}"
    return Line("bad-plan", figure, count, not told and count >= 30, tuple(told))


def _again(lane: Lane, straight: kill.Straight, judge: kill.Judge) -> list[str]:
    ended = lane.run("load")
    told = [] if ended.code == straight.code else [f"mended: exit {ended.code}: {kill.last_words(ended)}"]
    return told + kill.difference(straight.left, judge(lane))


def _credential(lane: Lane, straight: kill.Straight, judge: kill.Judge) -> Line:
    told = []
    cases = {"load": {"NEW_TOKEN": "pat-na1-wrong"}, "extract": {"LEGACY_CLIENT_SECRET": "wrong"}}
    for words, environment in cases.items():
        lane.restore("ready")
        if words == "extract":
            shutil.rmtree(lane.root / ".migrate/stage/source")
        ended = lane.run(words, None, **environment)
        (secret,) = environment.values()
        if ended.code != 3 or not ended.document.get("message"):
            told.append(f"{words}: exit {ended.code}, not 3: {kill.last_words(ended)}")
        if words == "load" and not any(name in ended.out for name in ("TOKEN", "token", "credential")):
            told.append(f"{words}: doesn't say what to do: {ended.out[-400:]}")
        if secret in ended.out + ended.err and len(secret) > 5:
            told.append(f"{words}: the secret is in the message")
        if words == "extract":
            told += [f"mended: exit {e.code}" for e in (lane.run(words), lane.run("transform")) if e.code > 1]
        told += _again(lane, straight, judge)
    return Line("bad-credential", f"{len(cases)} systems, exit 3; mended, as the straight run",
                len(cases), not told, tuple(told))  # fmt: skip


def _part(lane: Lane, straight: kill.Straight, judge: kill.Judge) -> Line:
    told = []
    parts = ("ready/Opportunity/g0000", "source/Contact/g0000")
    for folder in parts:
        lane.restore("ready")
        stage = lane.root / ".migrate" / "stage"
        path = stage / folder / "part-00000.parquet"
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        words = "load" if folder.startswith("ready") else "transform"
        ended = lane.run(words)
        if ended.code != 5 or path.name not in ended.out or folder not in ended.out:
            told.append(f"{folder}: exit {ended.code}, not 5 with its name: {kill.last_words(ended)}")
        mends = ("transform",) if words == "load" else ("extract", "transform")
        for mend in mends:
            done = lane.run(mend)
            if done.code not in (0, 1):
                told.append(f"{folder}: `{mend}` doesn't mend it: exit {done.code}: {kill.last_words(done)}")
        told += _again(lane, straight, judge)
    return Line("bad-part", f"{len(parts)} truncated parts, exit 5; mended, as the straight run",
                len(parts), not told, tuple(told))  # fmt: skip


# -- no space ---------------------------------------------------------------------------------

FULL = ("fsync", "replace", "commit")


@dataclass(frozen=True)
class _Full:
    saved: str
    words: str
    at: int
    straight: dict[int, kill.Straight]
    judge: kill.Judge


def _filled(lane: Lane, work: _Full) -> list[str]:
    """Fill the disk, run, empty it, run again, judge."""
    name = f"{work.words} {work.at}"
    wanted = work.straight[id(lane)]
    odd = []
    for _ in range(kill.TRIES):  # the number of writes of a run varies by one or two
        lane.restore(work.saved)
        ended, passed = lane.recorded(work.words, Order(at=work.at, kinds=FULL, do="full"))
        if len(passed) >= work.at:
            break
    else:
        odd.append(f"{name}: not reached")
    if ended.code != 5 or not _helps(ended.out):
        odd.append(f"{name}: exit {ended.code}, not 5 with advice: {kill.last_words(ended)}")
    again = lane.run(work.words)
    if again.code != wanted.code:
        odd.append(f"{name}: again: exit {again.code}: {kill.last_words(again)}")
    return odd + [f"{name}: {line}" for line in kill.difference(wanted.left, work.judge(lane))]


@shows("no-space")
def no_space(ground: Ground) -> Iterator[Line]:
    """From the n-th write on the disk is full; then it isn't."""
    with ground.several("space") as lanes:
        before = {id(lane): oracle.truth(lane.hubspot) for lane in lanes}
        for lane in lanes:
            lane.must("discover", "check", "prepare")
            lane.save("prepared")
            lane.must("extract")
            lane.save("extracted")
        ready_judge = content("ready", "links", "rejects", "merged", "skipped", "matches", "full")
        stages = (
            ("prepared", "extract", content("source", "target")),
            ("extracted", "transform", ready_judge),
            ("ready", "load", kill.loaded(before)),
        )
        for lane in lanes:
            lane.must("transform")
            lane.save("ready")
        told: list[str] = []
        total = 0
        for saved, words, judge in stages:
            straight = {id(lane): kill.straight(lane, saved, words, judge) for lane in lanes}
            lanes[0].restore(saved)
            count = len(lanes[0].points(words, Order(kinds=FULL, do="full")))

            works = [_Full(saved, words, at, straight, judge) for at in range(1, count + 1, ground.step)]
            found = side_by_side(lanes, works, _filled)
            total += len(found)
            told += [line for lines in found for line in lines]
        figure = (
            f"{total} writes of extract, transform and load, exit 5; {len(told)} things not as they must be"
        )
        yield Line("no-space", figure, total, not told, tuple(told))


def _helps(said: str) -> bool:
    return any(word in said.lower() for word in ("space", "disk", "full"))
