"""Did all of it arrive, to the row, the cent and the field? On real input, against our own recomputation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

import pyarrow.parquet as pq

from migrate.demo.generated import generated
from migrate.demo.maven import maven
from migrate.demo.shape import Seed
from tests.harness import oracle, recompute
from tests.harness.lanes import Lane
from tests.proofs.claims import REPOSITORY, Ground, Line, shared_data, shows

STAGES = ("discover", "check", "prepare", "extract", "transform", "load")


def moved(lane: Lane) -> tuple[oracle.Truth, oracle.Truth, recompute.Wanted, list[dict[str, object]]]:
    """Run the stages; gives truth before and after, what must be there, and the log of accepted writes."""
    before = oracle.truth(lane.hubspot)
    lane.must(*STAGES)
    lane.calm(15)
    maps = recompute.Maps(REPOSITORY / "plans" / lane.plan, lane.seed.hubspot)
    must = recompute.wanted(recompute.source(lane.salesforce), before, maps, lane.plan, lane.salesforce.url)
    return before, oracle.truth(lane.hubspot), must, oracle.log(lane.hubspot)


@shows("promise-2", "promise-2-sources", "promise-2-survivors", "sums", "fields", "oracle-red")
def real_input(ground: Ground) -> Iterator[Line]:
    """Maven Analytics' CRM, whole."""
    seed = maven(shared_data() / "maven-crm")
    with ground.lane("maven", seed, "maven-to-hubspot", longest_call=None, concurrency=4) as lane:
        before, now, must, log = moved(lane)
        yield from _promise(lane, before, now, must, log)
        yield _sums(now, must)
        yield _fields("fields", now, must, log)
        yield _red(lane, before, now, must)


@shows("fields-generated")
def made_up(ground: Ground) -> Iterator[Line]:
    """The demo's own seed, whole, with what the real one lacks: drifted values, people who have left."""
    seed: Seed = generated()
    with ground.lane("generated", seed, longest_call=None, concurrency=4) as lane:
        _, now, must, log = moved(lane)
        yield _fields("fields-generated", now, must, log)


def _promise(
    lane: Lane, before: oracle.Truth, now: oracle.Truth, must: recompute.Wanted, log: list[dict[str, object]]
) -> Iterator[Line]:
    ours = now.ours()
    created = oracle.creates(log)
    adopted = [record for record in ours if (record.object, record.id) in before.records]
    survivors = Counter(must.merged.values())
    several = sum(str(record.key) in survivors for record in ours)
    rows = len(ours)
    ok = rows == len(created) + len(adopted) and rows == len(must.values) and not oracle.twins(now)
    ok = ok and all(n == 1 for n in created.values())
    figure = (
        f"{rows:,} rows = {len(created):,} created + 0 updated + {len(adopted)} adopted = "
        f"{rows - several:,} with one source + {several} with several"
    )
    yield Line("promise-2", figure, rows, ok and len(adopted) == len(must.adopted))
    total = sum(must.sources.values())
    contributing = total - len(must.rejected)
    told = tuple(oracle.lost(now, must.values) + oracle.strays(now, must.values))
    figure = (
        f"{contributing:,} contributing = {rows:,} loaded + {len(must.merged)} merged; "
        f"{total:,} extracted = those + {len(must.rejected)} rejected"
    )
    yield Line(
        "promise-2-sources", figure, contributing, contributing == rows + len(must.merged) and not told, told
    )
    stated = {}
    for path in sorted((lane.root / ".migrate/stage/merged/Contact").glob("*/*.parquet")):
        for row in pq.read_table(path).to_pylist():
            stated[row["_key"]] = row["survivor"]
    same = stated == must.merged
    yield Line("promise-2-survivors", f"{len(stated)} merged contacts name their survivor", len(stated), same)


def _sums(now: oracle.Truth, must: recompute.Wanted) -> Line:
    wanted: Counter[tuple[str, str]] = Counter()
    for values in must.values.values():
        if values.get("amount"):
            group = (str(values["dealstage"]), str(values["hubspot_owner_id"] or ""))
            wanted[group] += int(Decimal(str(values["amount"])) * 100)
    found = oracle.sums(now)
    odd = tuple(
        f"{group}: {wanted[group]} cents, found {found.get(group, 0)}"
        for group in sorted(wanted.keys() | found.keys())
        if wanted[group] != found.get(group, 0)
    )
    total = sum(found.values())
    figure = (
        f"{total // 100:,}.{total % 100:02d} in {len(found)} groups of stage and owner, {len(odd)} differ"
    )
    return Line("sums", figure, len(found), not odd, odd)


def _fields(id: str, now: oracle.Truth, must: recompute.Wanted, log: list[dict[str, object]]) -> Line:
    compared = recompute.compare(must, now, log)
    figure = (
        f"{compared.cells:,} values of {len(must.values):,} rows and {compared.links:,} links, "
        f"{len(compared.told)} differ; empty and filled by HubSpot's enrichment: {len(compared.enriched)}"
    )
    ok = not compared.told and len(compared.enriched) == 1
    return Line(id, figure, compared.cells, ok, tuple(compared.told))


def _red(lane: Lane, before: oracle.Truth, now: oracle.Truth, must: recompute.Wanted) -> Line:
    """Plant a loss, a twin, a stray and an overwrite; each oracle must see exactly what was planted."""
    control = lane.hubspot.control
    deals = sorted((record for record in now.ours() if record.object == "deals"), key=lambda r: r.id)
    gone, copied, changed = deals[0], deals[1], deals[2]
    foreign = next(r for r in now.live("companies") if ("companies", r.id) in before.records and not r.key)
    wanted = oracle.state(now, before)
    who = {"as": "planter@example.com"}
    control.post("/act", {**who, "do": "delete", "object": "deals", "id": gone.id})
    fields = {
        "dealname": "twin",
        "dealstage": copied.values["dealstage"],
        "pipeline": copied.values["pipeline"],
    }
    # The sandbox refuses a second record with a key, as HubSpot does: only a seed can plant one.
    control.post(
        "/seed", {"records": {"deals": [{"properties": {**fields, "migration_key": "planted.stray"}}]}}
    )
    control.post(
        "/act", {**who, "do": "update", "object": "deals", "id": changed.id, "fields": {"amount": "1"}}
    )
    control.post(
        "/act",
        {**who, "do": "update", "object": "companies", "id": foreign.id, "fields": {"name": "Planted"}},
    )
    after = oracle.truth(lane.hubspot)
    after.records["deals", "planted-twin"] = oracle.Stored("deals", "planted-twin", dict(copied.values), True)
    seen = {
        "loss": oracle.lost(after, must.values) == [gone.key],
        "twin": oracle.twins(after) == [copied.key],
        "stray": oracle.strays(after, must.values) == ["planted.stray"],
        "overwrite": len(oracle.overwritten(before, after, must.adopted)) == 1,
        "field": any(f"{changed.key}.amount" in line for line in recompute.compare(must, after, []).told),
        "sum": oracle.sums(after) != oracle.sums(now),
        "straight": {"double", "lost", "stray", "differs"}
        <= {line.partition(":")[0] for line in oracle.unequal(wanted, oracle.state(after, before))},
        "twice": oracle.creates([{"op": "create", "after": {"migration_key": "k"}}] * 2)["k"] == 2,
    }
    red = [name for name, good in seen.items() if good]
    told = tuple(f"not seen: {name}" for name, good in seen.items() if not good)
    return Line("oracle-red", f"red on {', '.join(red)}", len(seen), not told, told)
