"""Does a rollback survive the loss of our own files? Real processes, both sandboxes, the target's own store.

`ledger_lost`: the ledger is deleted after a load, rebuilt, rolled back and verified, and a further load is
complete. `flipped_byte`: one byte of one segment is changed; `fsck` names the file, and the commands of a
rollback refuse and name the records. `journal_lost`: journal and ledger gone; creates go back, adopted
records are named. A small version of each runs in the suite (tests/sandbox/test_care.py).
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.harness import oracle
from tests.harness.lanes import Lane
from tests.proofs.claims import Ground, Line

STAGES = ("discover", "check", "prepare", "extract", "transform")


def ready(lane: Lane) -> oracle.Truth:
    """Bring a lane to the point after a load; the truth before it."""
    lane.must(*STAGES)
    before = oracle.truth(lane.hubspot)
    lane.must("load")
    return before


def state(lane: Lane) -> Path:
    """Where the workspace's own files lie."""
    return lane.root / ".migrate"


def back(lane: Lane, before: oracle.Truth, held: Sequence[str] = ()) -> list[str]:
    """Roll back and verify; what isn't as it should be."""
    told = []
    lane.must("rollback run --yes")
    verified = lane.must("rollback verify")[0].document
    if verified["verdict"] != "pass" or verified["held"] != len(held):
        told.append(f"verify: {verified['verdict']}, {verified['held']} held: {verified['failures'][:3]}")
    return told + oracle.put_back(before, oracle.truth(lane.hubspot), held)


def lose_ledger(lane: Lane, *, copy: bool = False) -> None:
    """Delete it, as a person does who cleans up."""
    for path in state(lane).glob("ledger.db*"):
        path.unlink()
    if copy:
        (state(lane) / "ledger-copy.json").unlink()


def segments(lane: Lane) -> list[Path]:
    """Live segments: what a compaction has taken the place of is no more than left over."""
    paths = sorted((state(lane) / "journal").glob("*.parquet"))
    replaced: set[str] = set()
    for path in paths:
        metadata = pq.read_metadata(path).metadata or {}
        replaced.update(json.loads(metadata.get(b"replaces", b"[]")))
    return [path for path in paths if path.name not in replaced]


# -- the ledger -----------------------------------------------------------------------------------


def ledger_lost(ground: Ground, id: str = "ledger-lost") -> Iterator[Line]:
    """Deleted with and without its copy; each time refused, rebuilt, rolled back, verified, loaded again."""
    told: list[str] = []
    records = 0
    with ground.lane("ledger-lost", concurrency=2) as lane:
        before = ready(lane)
        first = oracle.state(oracle.truth(lane.hubspot), before)
        records = len(oracle.truth(lane.hubspot).ours())
        for copy in (False, True):
            lose_ledger(lane, copy=copy)
            refused = lane.run("load")
            if refused.code != 5 or "migrate rebuild" not in refused.out:
                told.append(f"load without a ledger ended with {refused.code}: {refused.out[-300:]}")
            rebuilt = lane.must("rebuild")[0].document["rebuilt"]
            if rebuilt["from_copy"] is copy or not rebuilt["tables"]["batches"]:
                told.append(f"rebuilt of the wrong things: {rebuilt}")
            told += back(lane, before)
            lane.must("transform", "load")
            again = oracle.state(oracle.truth(lane.hubspot), before)
            told += oracle.unequal(first, again)
            told += [f"twin: {each}" for each in oracle.twins(oracle.truth(lane.hubspot))]
    figure = (
        f"{records} records; refused, rebuilt, rolled back, verified, loaded again, with the copy and without"
    )
    yield Line(id, figure, records, not told, tuple(told))


# -- the journal ----------------------------------------------------------------------------------


def flipped_byte(
    ground: Ground, id: str = "flipped-byte", tries: int = 12, seed: int = 20261126
) -> Iterator[Line]:
    """One byte at random places of each live segment, one by one; then put right, and rolled back."""
    told: list[str] = []
    flips, named = 0, 0
    with ground.lane("flipped-byte", concurrency=2) as lane:
        before = ready(lane)
        choose = random.Random(seed)  # noqa: S311 - places to try
        for path in segments(lane):
            whole = path.read_bytes()
            keys = _records(path)
            for _ in range(max(1, tries // len(segments(lane)))):
                at = choose.randrange(len(whole))
                path.write_bytes(
                    whole[:at] + bytes([whole[at] ^ (1 << choose.randrange(8))]) + whole[at + 1 :]
                )
                flips += 1
                odd, count = _told(lane, path, keys)
                told += [f"{path.name} byte {at}: {each}" for each in odd]
                named += count
            path.write_bytes(whole)
        if lane.run("fsck --deep").code != 0:
            told.append("fsck isn't clean after the bytes were put right")
        told += back(lane, before)
    figure = f"{flips} flips: each named by fsck, each refused by load, rollback plan, run and verify"
    yield Line(id, f"{figure}; {named} records named", flips, not told, tuple(told))


def _records(path: Path) -> set[str]:
    """Migration keys of which a segment tells."""
    return {
        row["key"]
        for row in pq.read_table(path, columns=["kind", "key"]).to_pylist()
        if row["kind"] == "record"
    }


def _told(lane: Lane, path: Path, keys: set[str]) -> tuple[list[str], int]:
    """What `fsck` and the refusals didn't say; how many records were named."""
    odd = []
    checked = lane.run("fsck")
    document = checked.document
    places = [each["place"] for each in document["findings"] if each["part"] == "journal"]
    if checked.code != 5 or str(path) not in places:
        odd.append(f"fsck ended with {checked.code} and named {places}")
    listed: set[str] = set()
    if document["folder"]:
        for part in sorted(Path(document["folder"]).glob("*.parquet")):
            listed.update(pq.read_table(part)["key"].to_pylist())
    if missing := keys - listed:
        odd.append(f"fsck doesn't name {len(missing)} records, for example {sorted(missing)[:2]}")
    seen = lane.last_request()
    for words in ("rollback plan", "rollback run --yes", "rollback verify", "load"):
        refused = lane.run(words)
        facts: dict[str, Any] = refused.document.get("facts", {})
        if refused.code != 5 or path.name not in refused.document.get("message", ""):
            odd.append(f"`{words}` ended with {refused.code}: {refused.out[-200:]}")
        elif not facts.get("records"):
            odd.append(f"`{words}` names no records")
    written = [each for each in lane.requests(seen) if each["method"] in ("PUT", "PATCH", "DELETE")]
    if written:
        odd.append(f"it wrote all the same: {written[0]}")
    return odd, len(listed)


def journal_lost(ground: Ground, id: str = "journal-lost") -> Iterator[Line]:
    """Journal and ledger gone: rebuilt from the target; creates go back, adopted records are named by id."""
    told: list[str] = []
    with ground.lane("journal-lost", concurrency=2) as lane:
        before = ready(lane)
        now = oracle.truth(lane.hubspot)
        adopted = sorted(each.id for each in now.ours() if (each.object, each.id) in before.records)
        created = len(now.ours()) - len(adopted)
        shutil.rmtree(state(lane) / "journal")
        lose_ledger(lane)
        found = lane.must("rebuild --from-target --yes")[0].document["from_target"]
        if sum(found["created"].values()) != created:
            told.append(f"created by us: {found['created']}, really {created}")
        if sorted(id for ids in found["lost"].values() for id in ids) != adopted:
            told.append(f"not reversible: {found['lost']}, really {adopted}")
        planned = lane.must("rollback plan")[0].document
        if planned["counts"].get("can't", 0) < len(adopted):
            told.append(f"the plan says {planned['counts']}")
        told += back(lane, before, adopted)
    figure = f"{created} created, all undone; {len(adopted)} adopted, all named"
    yield Line(id, figure, created, not told and bool(adopted), tuple(told))
