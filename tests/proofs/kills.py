"""Can every stage be killed at any instant and run again? Each point of each stage, once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow.parquet as pq

from tests.harness import kill, oracle
from tests.harness.kill import Judge, Result, Strike
from tests.harness.lanes import Lane, side_by_side
from tests.proofs.claims import WIDE, Ground, Line, shows


def campaign(
    ground: Ground,
    lanes: Sequence[Lane],
    saved: str,
    words: str,
    judge: Judge,
    works: Sequence[Strike],
    *,
    keyed: bool = True,
) -> list[Result]:
    """All strikes, side by side; straight runs first."""
    straight = {id(lane): kill.straight(lane, saved, words, judge) for lane in lanes}

    def do(lane: Lane, one: Strike) -> Result:
        for _ in range(kill.TRIES):
            result = kill.survive(lane, saved, words, one, straight[id(lane)], judge, keyed=keyed)
            if result.hit or result.told:
                break
        return result

    found: list[Result] = side_by_side(lanes, ground.thin(list(works)), do)
    for index, late in enumerate(found):
        # Lanes differ by a write or two, so the last points may be there in another one only.
        for lane in lanes:
            if found[index].hit or found[index].told:
                break
            found[index] = do(lane, late.strike)
    return found


def line(id: str, results: Sequence[Result], what: str, least: int = 1, speed: float = 30.0) -> Line:
    """A claim's line of a campaign."""
    hit = sum(result.hit for result in results)
    bad = [result for result in results if result.told]
    told = tuple(f"{result.strike}: {'; '.join(result.told)[:600]}" for result in bad)
    told += tuple(f"{result.strike}: not hit" for result in results if not result.hit)
    figure = (
        f"points hit {hit} of {len(results)}, {what}; {len(bad)} not as the straight run; clock {speed:g}x"
    )
    return Line(id, figure, hit, hit == len(results) >= least and not bad, told)


def ready(lanes: Sequence[Lane]) -> dict[int, oracle.Truth]:
    """Bring all lanes to the point before the load; their truths before anything was moved."""
    before = {}
    for lane in lanes:
        before[id(lane)] = oracle.truth(lane.hubspot)
        lane.must("discover", "check", "prepare", "extract", "transform")
        lane.save("ready")
    return before


@shows("kill-requests", "kill-writes")
def load(ground: Ground) -> Iterator[Line]:
    """Three objects, a cycle, two adoptions, a merge; concurrency 1."""
    with ground.several("load") as lanes:
        judge = kill.loaded(ready(lanes))
        count = kill.requests_of(lanes[0], "ready", "load")
        works = kill.every_request(count)
        found = campaign(ground, lanes, "ready", "load", judge, works)
        yield line("kill-requests", found, f"{count} requests x {len(kill.HOLDS)}", _least(ground, 160))
        points = kill.writes_of(lanes[0], "ready", "load")
        found = campaign(ground, lanes, "ready", "load", judge, kill.every_write(len(points)))
        books = sum(kind == "commit" or "/journal/" in what for _, kind, what in points)
        what = f"{len(points)} writes before and after, {books} of them commits and journal renames"
        yield line("kill-writes", found, what, _least(ground, 120))


def _least(ground: Ground, number: int) -> int:
    return number if ground.step == 1 else 1


@shows("kill-instants")
def instants(ground: Ground) -> Iterator[Line]:
    """Several batches of each object under way at once."""
    with ground.several("instants", WIDE, concurrency=4) as lanes:
        judge = kill.loaded(ready(lanes))
        seconds = kill.straight(lanes[0], "ready", "load", judge).seconds
        # The straight run's time holds the judge's; what comes after the end of the load isn't hit.
        works = kill.instants(ground.instants, 0.6 * seconds)
        found = campaign(ground, lanes, "ready", "load", judge, works)
        yield line("kill-instants", found, f"within {0.6 * seconds:.1f} s, concurrency 4", ground.instants)


# -- the other stages -------------------------------------------------------------------------

VOLATILE = {"_at", "at"}
WRITERS = ("prepare", "rollback")  # stages that write to a system


def content(*folders: str) -> Judge:
    """A judge of stage artifacts: rows and digest of the content by folder, in whatever order."""

    def judge(lane: Lane) -> dict[str, Any]:
        found: dict[str, Any] = {}
        root = lane.root / ".migrate" / "stage"
        for folder in folders:
            for path in sorted((root / folder).rglob("manifest.json")):
                manifest = json.loads(path.read_text())
                rows: list[str] = []
                for part in manifest["parts"]:
                    for row in pq.read_table(path.parent / part["name"]).to_pylist():
                        kept = {name: value for name, value in row.items() if name not in VOLATILE}
                        rows.append(json.dumps(kept, default=str, sort_keys=True))
                text = "\n".join(sorted(rows))
                found[str(path.parent.relative_to(root))] = (
                    manifest["rows"], len(rows), hashlib.sha256(text.encode()).hexdigest()[:16],
                )  # fmt: skip
        return found

    return judge


def catalogs(lane: Lane) -> dict[str, Any]:
    """Catalogs that the ledger names: whole, and as they would be read."""
    document = lane.must("status")[0].document
    files = sorted(path.name for path in (lane.root / ".migrate/catalog").glob("*.json"))
    broken = []
    for name in files:
        try:
            json.loads((lane.root / ".migrate/catalog" / name).read_text())
        except ValueError:
            broken.append(name)
    return {"files": files, "broken": broken, "systems": json.dumps(document.get("systems"), default=str)}


def schema(lane: Lane) -> dict[str, Any]:
    """What was made in HubSpot's schema: each thing once."""
    made = [f"{e['object']}:{e['id']}" for e in oracle.log(lane.hubspot) if e["op"] == "schema"]
    return {"made": sorted(made), "twice": sorted({name for name in made if made.count(name) > 1})}


def verdict(lane: Lane) -> dict[str, Any]:
    """What the last validation said: verdict and figures of each check."""
    document = (
        json.loads((lane.root / ".migrate/reports/latest/report.json").read_text())
        if (lane.root / ".migrate/reports/latest/report.json").exists()
        else _newest_report(lane)
    )
    checks = document.get("checks", [])
    return {
        "verdict": document.get("verdict"),
        "checks": sorted((str(c.get("id")), str(c.get("verdict"))) for c in checks),
    }


def _newest_report(lane: Lane) -> dict[str, Any]:
    paths = sorted((lane.root / ".migrate/reports").rglob("report.json"), key=lambda p: p.stat().st_mtime)
    found: dict[str, Any] = json.loads(paths[-1].read_text())
    return found


def _stage(
    ground: Ground,
    lanes: Sequence[Lane],
    saved: str,
    words: str,
    judge: Callable[[Lane], Any],
    *,
    keyed: bool,
) -> Line:
    count = len(kill.writes_of(lanes[0], saved, words))
    name = words.split()[0]
    works, sides = kill.every_write(count), "before and after"
    if name not in WRITERS:
        # Between two writes such a stage does nothing that lasts: after one is before the next.
        works = [one for one in works if one.how == "before" or one.at == count]
        sides = "before each and after the last"
    found = campaign(ground, lanes, saved, words, judge, works, keyed=keyed)
    return line(f"kill-{name}", found, f"{count} writes, {sides}")


@shows("kill-discover", "kill-prepare", "kill-extract", "kill-transform", "kill-validate", "kill-rollback")
def stages(ground: Ground) -> Iterator[Line]:
    """The stages around the load, one after the other."""
    with ground.several("stages") as lanes:
        before = {id(lane): oracle.truth(lane.hubspot) for lane in lanes}
        for lane in lanes:
            lane.save("fresh")
        yield _stage(ground, lanes, "fresh", "discover", catalogs, keyed=False)
        _on(lanes, "fresh", "found", "discover", "check")
        yield _stage(ground, lanes, "found", "prepare", schema, keyed=False)
        _on(lanes, "found", "prepared", "prepare")
        yield _stage(ground, lanes, "prepared", "extract", content("source", "target"), keyed=False)
        _on(lanes, "prepared", "extracted", "extract")
        judge = content("ready", "links", "rejects", "merged", "skipped", "matches", "full")
        yield _stage(ground, lanes, "extracted", "transform", judge, keyed=False)
        _on(lanes, "extracted", "loaded", "transform", "load")
        yield _stage(ground, lanes, "loaded", "validate", verdict, keyed=False)
        yield _stage(ground, lanes, "loaded", "rollback run --yes", kill.loaded(before), keyed=False)


def _on(lanes: Sequence[Lane], saved: str, name: str, *commands: str) -> None:
    for lane in lanes:
        lane.restore(saved)
        lane.must(*commands)
        lane.settle()
        lane.save(name)
