"""Does a rollback undo exactly what we did, keep what others did, and prove both? Every claim at full size.

Held, deleted and restored are judged by `hold_model`, which replays the target's own log of accepted writes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx2

from tests.harness import back, schedules
from tests.harness.hold_model import Model, lost
from tests.harness.hold_words import HUBSPOT, last
from tests.harness.lanes import Lane
from tests.harness.schedules import Told
from tests.proofs import rollback_volume as volume
from tests.proofs.claims import Ground, Line, Shower, shows

SCHEDULES = 30
SEED = 20_260
TOKEN = "pat-na1-sandbox"  # the load's own, with which the oracles' mistakes are planted


def proof(*ids: str) -> Callable[[Shower], Shower]:
    """Register a shower of this proof."""
    return shows(*ids, proof="rollback")


@contextlib.contextmanager
def into(ground: Ground, vendor: str, name: str = "") -> Iterator[Lane]:
    """A lane into that vendor's system, brought to the point before its load."""
    folder = ground.folder(f"{vendor}{name}")
    if vendor == "salesforce":
        made = Lane(folder, back.seed(), back=True, folder=back.folder(ground.folder(f"plan{name}")),
                    options={"concurrency": 1})  # fmt: skip
    else:
        made = ground.lane(f"{vendor}{name}")
    with made as lane:
        lane.must("discover", "check", "prepare --yes", "extract", "transform")
        lane.save("ready")
        yield lane


# -- random schedules ------------------------------------------------------------------------------


@proof("schedules-verify", "schedules-held", "stamp-job", "oracle-red")
def random_schedules(ground: Ground) -> Iterator[Line]:
    """Half of them into HubSpot, half into Salesforce, two side by side."""
    count = SCHEDULES if ground.step == 1 else max(2, SCHEDULES // ground.step)
    with into(ground, "hubspot") as one, into(ground, "salesforce") as other:
        lanes = {False: one, True: other}
        works = [(bool(n % 2), SEED + n) for n in range(count)]
        alone = [schedules.run(lane, SEED, only_stamps=True) for lane in lanes.values()]
        told = _both(lanes, works)
        yield from _schedule_lines(told)
        yield _stamps(alone)
        yield _red(one)


def _both(lanes: dict[bool, Lane], works: Sequence[tuple[bool, int]]) -> list[Told]:
    """Each vendor's schedules in its own lane, both at once."""

    def do(lane: Lane, mine: list[int]) -> list[Told]:
        return [schedules.run(lane, seed) for seed in mine]

    with ThreadPoolExecutor(len(lanes)) as pool:
        running = [
            pool.submit(do, lane, [seed for is_back, seed in works if is_back is key])
            for key, lane in lanes.items()
        ]
        return [told for each in running for told in each.result()]


def _schedule_lines(told: Sequence[Told]) -> Iterator[Line]:
    steps = schedules.deeds(list(told))
    kills, touched = sum(one.kills for one in told), sum(one.touched for one in told)
    words = ", ".join(f"{name} {n}" for name, n in sorted(steps.items()))
    failed = [f"{one.vendor} {one.seed}: {line}" for one in told for line in one.failed]
    wrong = [f"{one.vendor} {one.seed}: {line}" for one in told for line in one.wrong]
    seeds = f"seeds {SEED} to {SEED + len(told) - 1}, half of them into each vendor"
    figure = f"{len(told) - len({line.split(':')[0] for line in failed})} of {len(told)} pass ({seeds}), "
    figure += f"{kills} kills; {words}; clock 30x"
    yield Line("schedules-verify", figure, len(told), not failed and kills > 0, tuple(failed))
    held = sum(one.held for one in told)
    figure = f"{held} held of {touched:,} records touched, {len(wrong)} of them otherwise than the model says"
    yield Line("schedules-held", figure, held, not wrong, tuple(wrong))


def _stamps(told: Sequence[Told]) -> Line:
    touched = sum(one.touched for one in told)
    wrong = tuple(f"{one.vendor}: {line}" for one in told for line in (*one.failed, *one.wrong))
    held = sum(one.held for one in told)
    return Line("stamp-job", f"{held} held of {touched} after a job on every row, in both vendors", touched,
                not held and not wrong, wrong)  # fmt: skip


# -- the oracles are shown red -----------------------------------------------------------------------


def _red(lane: Lane) -> Line:
    """A loss, a twin and an overwrite, planted with our own token while a rollback is said to run."""
    lane.restore("ready")
    data = lane.hubspot.data
    before, first = HUBSPOT.store(data), last(data)
    lane.must("load")
    lane.settle()
    began = last(data)
    foreign = sorted(place for place in before.records if place[0] == "companies")
    untouched = [p for p in foreign if not HUBSPOT.store(data).records[p].get(HUBSPOT.key)]
    loss, overwritten = untouched[0][1], untouched[1][1]
    headers = {"authorization": f"Bearer {TOKEN}"}
    with httpx2.Client(base_url=lane.hubspot.url, headers=headers, trust_env=False) as client:
        objects = "/crm/v3/objects/companies"
        client.delete(f"{objects}/{loss}").raise_for_status()
        changed = {"properties": {"city": "Nowhere"}}
        client.patch(f"{objects}/{overwritten}", json=changed).raise_for_status()
        twin = {"properties": {"name": "Twin", "migration_key": "sfX.Account.1"}}
        client.post(objects, json=twin).raise_for_status()
    writes = list(HUBSPOT.writes(data, first))
    model = Model(HUBSPOT, before, began).replay(writes)
    now = HUBSPOT.store(data)
    said = "\n".join([*model.wrongs, *model.left(model.held()), *lost(model, now, writes, model.held())])
    wanted = {
        "loss": f"lost: ('companies', '{loss}')",
        "loss by us": f"deleted ('companies', '{loss}'), which we hadn't created",
        "overwrite": f"wrote ['city'] on ('companies', '{overwritten}'), never ours",
        "overwritten": f"overwritten: ('companies', '{overwritten}').city",
        "twin": "created in a rollback",
        "left behind": "left behind: ('deals'",
    }
    missed = tuple(f"{name} isn't seen" for name, words in wanted.items() if words not in said)
    missed += _blind(model)
    figure = f"{len(wanted) + 2 - len(missed)} of {len(wanted) + 2} planted mistakes seen"
    return Line("oracle-red", figure, len(wanted) + 2, not missed, missed)


def _blind(model: Model) -> tuple[str, ...]:
    """A product that holds one record too many, and one too few."""
    one, other = list(model.created)[:2]
    found = schedules.disagreement({one: "planted"}, set(), {other: "planted"})
    told = []
    if not any("not held" in line for line in found):
        told.append("a record that isn't held isn't seen")
    if not any("held without a reason" in line for line in found):
        told.append("a record that is held for nothing isn't seen")
    return tuple(told)


# -- volume --------------------------------------------------------------------------------------------


@proof("volume", "volume-pace", "volume-throttle", "volume-memory")
def large(ground: Ground) -> Iterator[Line]:
    """At HubSpot's real limits, in a process of its own."""
    whole = ground.step == 1
    creates, updates = (volume.CREATES, volume.UPDATES) if whole else (4_000, 800)
    found = volume.prove(ground.folder("volume"), creates, updates, speed=volume.SPEED)
    took = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in found.seconds.items())
    done = not found.wrong and found.code == 0 and found.gone == creates and found.back == updates
    figure = f"{found.gone:,} deleted, {found.back:,} put back, judged by the store; {took}"
    yield Line("volume", figure, found.gone + found.back, done, tuple(found.wrong[:20]))
    figure = (
        f"{found.accepted - found.refused.total():,} calls in {found.busy:.0f} s of the sandbox (clock "
        f"{found.speed:g}x): {found.pace:.2f} a second, {found.used:.1%} of {volume.LIMIT * volume.SHARE:g}"
    )
    yield Line("volume-pace", figure, found.accepted, found.used >= volume.LEAST)
    figure = f"exit {found.code}; refused calls by status: {dict(found.refused) or 'none'}"
    yield Line("volume-throttle", figure, found.accepted, found.code == 0)
    figure = f"peak {found.peak / 1e6:.0f} MB, the engine bounded to {volume.MEMORY}"
    yield Line("volume-memory", figure, found.accepted, found.peak < 300_000_000)
