"""Does validation find what is wrong, name it rightly, and say nothing of what is right?"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from migrate_validators.run import BUILT_IN

from migrate.demo.history import Amounts
from migrate.demo.shape import Sizes
from tests.proofs import validation_broken as broken
from tests.proofs import validation_stories as stories
from tests.proofs.claims import REPOSITORY, Ground, Line, Shower, shows
from tests.proofs.seeded import Generator, Planted
from tests.proofs.seeded_judge import Judged, judge, rows_of
from tests.proofs.seeded_portal import Portal
from tests.proofs.validation_rig import (
    BIG,
    BIG_AMOUNTS,
    LITTLE,
    LITTLE_AMOUNTS,
    OTHER_TOKEN,
    TENTH,
    TENTH_AMOUNTS,
    Rig,
    migrated,
)

MATRIX = REPOSITORY / "docs" / "validation-matrix.md"
EACH, LESS = 20, 3  # of each kind: at full size, and in a part of the proof
OTHER_SEEDS = (101, 202, 303, 404, 505)
TRACED = 10  # planted ones that are traced by the command, beside the key in their row


def proof(*ids: str) -> Callable[[Shower], Shower]:
    """Register a shower of this proof."""
    return shows(*ids, proof="validation")


# -- what was planted ---------------------------------------------------------------------------


@proof("seeded", "matrix-published")
def seeded(ground: Ground) -> Iterator[Line]:
    """Corruptions of every kind, found again; and the matrix of them."""
    whole = ground.step == 1
    sizes, amounts = (BIG, BIG_AMOUNTS) if whole else (LITTLE, LITTLE_AMOUNTS)
    with migrated(ground.folder("seeded"), sizes, amounts) as rig:
        planted = plant(rig, EACH if whole else LESS)
        rig.run("validate")
        found = judge(rig.report(), planted)
        told = [
            *found.told,
            *found.false,
            *red(rig.report(), planted),
            *traced(rig, planted[:: len(planted) // TRACED]),
        ]
    doubles = sum(n > 1 for n in Counter((one.object, one.id) for one in planted).values())
    figure = (
        f"{found.found} of {found.planted} corruptions of {len(found.by_kind)} kinds found in their class "
        f"and at their record; {doubles} records had two; {found.linked} were of links and files, "
        f"{found.unmapped} of unmapped fields; rows that say something else: {len(found.false)}, rows about "
        f"counts and sums of groups: {found.grouped}"
    )
    yield Line("seeded", figure, found.planted, found.whole and not told, tuple(told))
    yield published(found, whole=whole)


def plant(rig: Rig, each: int) -> list[Planted]:
    """Corrupt the target as another program would, and let it come to rest."""
    generator = Generator(Portal(rig.lane.hubspot.url, OTHER_TOKEN), each=each, standing=rig.standing)
    planted = generator.plant()
    rig.lane.settle()
    return planted


def red(report: Path, planted: list[Planted]) -> Iterator[str]:
    """The judge is shown red: on something that nobody planted, and on a planting that it isn't told of."""
    victim = next(one for one in planted if one.kind == "value changed")
    if judge(report, [replace(victim, field="numberofemployees")]).found:
        yield "the judge finds what nobody planted"
    if judge(report, [replace(victim, kind="value truncated")]).found:
        yield "the judge takes one class for another"
    alone = {one.id for one in planted if one.id == victim.id}
    if not judge(report, [one for one in planted if one.id not in alone]).false:
        yield "the judge takes a row that it can't explain for right"


def traced(rig: Rig, planted: list[Planted]) -> Iterator[str]:
    """`migrate trace` leads from the target's id to the record's key."""
    for one in planted:
        if one.kind in ("record twin", "record extra", "file damaged or lost"):
            continue  # not ours, or without a key that HubSpot shows
        keys = [each["key"] for each in rig.run(f"trace {one.id}")["records"]]
        if one.key not in keys:
            yield f"trace {one.id}: {keys}, not {one.key}"


def published(found: Judged, *, whole: bool) -> Line:
    """Print the matrix; hold it against the one in the docs, or renew that with `PUBLISH=1`."""
    lines = found.table()
    text = page(lines, found)
    if whole and os.environ.get("PUBLISH"):
        MATRIX.write_text(text, encoding="utf-8")
    there = MATRIX.read_text(encoding="utf-8") if MATRIX.exists() else ""
    same = there == text if whole else all(kind in there for kind in found.matrix)
    how = (
        "as in docs/validation-matrix.md"
        if same
        else "not as in docs/validation-matrix.md; PUBLISH=1 renews it"
    )
    cells = sum(len(row) - 1 for row in found.matrix.values())
    checks = len(found.precision)
    return Line("matrix-published", f"{cells} cells of {len(found.matrix)} kinds and {checks} checks, {how}",
                cells, same and bool(found.matrix), tuple(lines))  # fmt: skip


def page(lines: list[str], found: Judged) -> str:
    """The published page."""
    head = f"""\
# Which check finds what

Measured by `make prove-validation`: a generator without the checks' code plants {found.planted}
corruptions of {len(found.by_kind)} kinds into a migrated HubSpot portal through HubSpot's API, {found.linked}
of them in mapped links and files, {found.unmapped} in unmapped fields of records that were there before.
`PUBLISH=1` renews this page from the run.

*n*: how many were planted; *found*: how many of them are listed in their class and at their record. Under a
check: how many of them that check lists. *Recall*: found of those that the check is there for. *Precision*:
of the failing rows that the check lists, those at a record that something was done to; rows about counts and
sums of whole groups name no record and are left out.

A second record with the same migration key can't be planted in HubSpot, whose key property is unique; its
twin is a clone without the key.

"""
    return head + "\n".join(lines) + "\n"


@proof("false-alarms")
def false_alarms(ground: Ground) -> Iterator[Line]:
    """Clean migrations of other orgs: nothing fails."""
    whole = ground.step == 1
    seeds = OTHER_SEEDS if whole else OTHER_SEEDS[:1]
    told: list[str] = []
    values = checks = 0
    for number in seeds:
        alarms, compared, ran = clean(ground.folder(f"clean-{number}"), TENTH, TENTH_AMOUNTS, number)
        told += [f"seed {number}: {line}" for line in alarms]
        values, checks = values + compared, checks + ran
    figure = f"{len(told)} on {len(seeds)} other orgs, {values:,} comparisons in {checks} results"
    yield Line("false-alarms", figure, checks, not told, tuple(told))


def clean(root: Path, sizes: Sizes, amounts: Amounts, number: int) -> tuple[list[str], int, int]:
    """Migrate an org and validate it: what is said to fail, how much was compared, by how many results."""
    with migrated(root, sizes, amounts, number) as rig:
        document = rig.run("validate")
        report = rig.report()
    told = [f"{each['id']} is {each['verdict']}: {each['summary']}" for each in document["results"]
            if each["verdict"] not in ("pass", "warn")]  # fmt: skip
    told += [
        f"{row['checks']} {row['class']} {row['key']} {row['field']}"
        for row in rows_of(report)
        if row["grade"] == "fail"
    ]
    if document["verdict"] not in ("pass", "warn"):
        told.append(f"the whole is {document['verdict']}")
    return told, sum(int(each["compared"]) for each in document["results"]), len(document["results"])


# -- what it says when it can't say anything ---------------------------------------------------------


@proof("killed-or-truncated", "third-party")
def cut(ground: Ground) -> Iterator[Line]:
    """Killed midway, fed half of the target; and a check of somebody else's."""
    with broken.little(ground.folder("broken")) as rig:
        told = broken.third_party(rig, broken.installed(ground.folder("acme")))
        yield Line("third-party", "from a wheel, beside ours; one that breaks is an error and hides no other",
                   2, not told, tuple(told))  # fmt: skip
        rig.run("validate")
        midway, wrong = broken.killed(rig, 24 if ground.step == 1 else 4)
        rig.run("validate")
        ways = dict(broken.cut_short(rig.lane))
    wrong += [f"{way}: {line}" for way, lines in ways.items() for line in lines]
    figure = (
        f"{midway} kills midway and {len(ways) - 1} truncations, {len(wrong)} of them not told as `error`"
    )
    yield Line("killed-or-truncated", figure, midway + len(ways) - 1, not wrong and midway > 0, tuple(wrong))


@proof("empty")
def empty(ground: Ground) -> Iterator[Line]:
    """An org in which nothing is yet."""
    with broken.vacant(ground.folder("vacant")) as rig:
        ran, told = broken.on_nothing(rig, sorted({*BUILT_IN, "consent"}))
    yield Line(
        "empty", f"{ran} checks on nothing, {len(told)} of them opened a gate", ran, not told, tuple(told)
    )


# -- one record's way --------------------------------------------------------------------------------


@proof("trace-stories")
def trace_stories(ground: Ground) -> Iterator[Line]:
    """Random records of every outcome, each story held against both systems' stores."""
    each = 200 if ground.step == 1 else 5
    with stories.moved(ground.folder("stories"), each + each // 10) as (rig, must, before):
        found = stories.told(rig, must, before, each)
        lies = stories.red(rig, must, before)
    counts = ", ".join(f"{outcome} {n}" for outcome, n in found.stories.items())
    figure = f"{counts}; {found.facts:,} facts and the target's log, {len(found.wrong)} stories differ"
    full = all(found.stories[outcome] >= each for outcome in stories.OUTCOMES)
    yield Line("trace-stories", figure, found.stories.total(), full and not found.wrong and not lies,
               (*found.wrong, *lies))  # fmt: skip
