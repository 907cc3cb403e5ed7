"""Other people work in the target at the same time: is their work safe, and is ours found out?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow.parquet as pq

from tests.harness import kill, oracle, recompute
from tests.harness.lanes import Lane
from tests.proofs.claims import REPOSITORY, Ground, Line, shows
from tests.proofs.kills import ready

UPDATE = r"/objects/[^/]*/companies/batch/update"
WHO = "ada.abbas@northgate.example"


def difference_rows(lane: Lane, check: str) -> list[dict[str, Any]]:
    """Rows behind one kind of check in the newest report."""
    reports = lane.root / ".migrate" / "reports"
    folder = reports / json.loads((reports / "latest.json").read_text())["folder"]
    rows: list[dict[str, Any]] = []
    for path in sorted((folder / "rows").glob(f"{check}.*.parquet")):
        rows += pq.read_table(path).to_pylist()
    return rows


def held(document: Mapping[str, Any]) -> int:
    """Number of records that a rollback held."""
    return int(document.get("held") or 0)


@shows("edit-before-write", "edit-after-write")
def edits(ground: Ground) -> Iterator[Line]:
    """An adopted record, edited at the two moments that no conditional write covers."""
    with ground.lane("edits") as lane:
        before = ready([lane])[id(lane)]
        lane.restore("ready")
        lane.must("load")
        now = oracle.truth(lane.hubspot)
        adopted = sorted(r.id for r in now.ours() if (r.object, r.id) in before.records)
        yield _edit(lane, before, adopted[0], "arrival", "edit-before-write")
        yield _edit(lane, before, adopted[0], "after_commit", "edit-after-write")


def _edit(lane: Lane, before: oracle.Truth, id: str, moment: str, claim: str) -> Line:
    theirs = "+49 40 123456"
    action = {"as": WHO, "do": "update", "object": "companies", "id": id, "fields": {"phone": theirs}}
    lane.restore("ready")
    lane.fault({"kind": "act", "at": moment, "action": action}, method="POST", path=UPDATE)
    loaded = lane.run("load")
    hits = lane.hits()
    lane.settle()
    told = [] if hits == 1 and loaded.code in (0, 1) else [f"exit {loaded.code}, {hits} edits"]
    there = oracle.truth(lane.hubspot).records["companies", id]
    kept = there.values.get("phone") == theirs
    listed = lane.run("dead-letters list").out + lane.run("validate").out + loaded.out
    rows = difference_rows(lane, "rows")
    found = "lost_edit" in listed or any(row["id"] == id and row["field"] == "phone" for row in rows)
    if not kept and not found:
        told.append("the edit is lost and nobody says so")
    rolled = lane.run("rollback run --yes")
    if held(rolled.document) != 1:
        told.append(f"rollback holds {held(rolled.document)} records, not 1: {rolled.out[-800:]}")
    after = oracle.truth(lane.hubspot)
    same = {k: v for k, v in after.records["companies", id].values.items() if k not in oracle.SYSTEM}
    if same != {k: v for k, v in there.values.items() if k not in oracle.SYSTEM}:
        told.append("rollback touched the held record")
    lane.settle()
    told += oracle.put_back(before, oracle.truth(lane.hubspot), [id])
    what = "kept" if kept else "covered, and listed" if found else "lost"
    figure = (
        f"the edit is {what}{' and listed' if kept and found else ''}; {held(rolled.document)} record held"
    )
    return Line(claim, figure, 1, not told, tuple(told))


@shows("living-rollback", "second-load", "hand-edit-found", "hand-edit-held")
def living(ground: Ground) -> Iterator[Line]:
    """Both silent writers on, people at work in records that are none of ours."""
    with ground.lane("living") as lane:
        before = ready([lane])[id(lane)]
        judge = kill.loaded({id(lane): before})
        first = kill.straight(lane, "ready", "load", judge)
        lane.save("loaded")
        yield _living(lane, before)
        lane.restore("loaded")
        lane.must("rollback run --yes")
        seq = oracle.last(lane.hubspot)
        again = lane.run("load")
        told = kill.difference(first.left, judge(lane))
        told += [] if again.code == first.code else [f"exit {again.code}: {kill.last_words(again)}"]
        made = len(oracle.creates(oracle.log(lane.hubspot, seq)))
        records = len(first.left.records)
        figure = (
            f"{made} created anew; {records} records and {len(first.left.links)} links, {len(told)} differ"
        )
        yield Line("second-load", figure, made, not told, tuple(told))
        lane.restore("loaded")
        yield from _hand_edit(lane, before)


def _living(lane: Lane, before: oracle.Truth) -> Line:
    """People edit and add records of their own before and after the rollback."""
    automations = lane.hubspot.control.get("/automations")
    foreign = [r for r in oracle.truth(lane.hubspot).live("contacts") if ("contacts", r.id) in before.records]
    act = lane.hubspot.control.post
    act("/act", {"as": WHO, "do": "create", "object": "contacts",
                 "fields": {"email": "someone.new@somewhere-else.example", "lastname": "New"}})  # fmt: skip
    act("/act", {"as": WHO, "do": "update", "object": "contacts", "id": foreign[0].id,
                 "fields": {"jobtitle": "Head of everything"}})  # fmt: skip
    lane.settle()
    lived = oracle.truth(lane.hubspot)
    ran = lane.run("rollback run --yes")
    lane.settle()
    verified = lane.run("rollback verify")
    now = oracle.truth(lane.hubspot)
    told = [
        f"{done.words}: exit {done.code}: {kill.last_words(done)}" for done in (ran, verified) if done.code
    ]
    # What must stand there now: all that stood there before, as people have changed it, and what they added.
    extra = {place for place in lived.records if place not in before.records}
    theirs = {
        place for place in extra
        if str(lived.records[place].values.get("hs_object_source", "")).startswith("CRM_UI")
        or "somewhere-else" in str(lived.records[place].values)
    }  # fmt: skip
    changed = theirs | {("contacts", foreign[0].id)}
    linked = {link for link in lived.links if {(link[0], link[1]), (link[2], link[3])} & theirs}
    records = before.records | {place: lived.records[place] for place in changed}
    wanted = oracle.Truth(records, before.links | linked)
    told += oracle.put_back(wanted, now)
    on = [name for name, state in automations.items() if state]
    word = verified.document.get("words")
    figure = f"`{word}`, silent writers on: {', '.join(on)}; left or altered by the oracle: {len(told)}"
    ok = not told and len(on) == 2 and str(word).startswith("pass, 0 held")
    return Line("living-rollback", figure, len(wanted.records), ok, tuple(told))


def _hand_edit(lane: Lane, before: oracle.Truth) -> Iterator[Line]:
    lane.run("validate")
    known = {(row["key"], row["field"]) for row in difference_rows(lane, "rows")}
    deals = [r for r in oracle.truth(lane.hubspot).ours() if r.object == "deals" and r.values.get("amount")]
    chosen = sorted(deals, key=lambda r: r.id)[3]
    lane.hubspot.control.post(
        "/act",
        {"as": WHO, "do": "update", "object": "deals", "id": chosen.id, "fields": {"amount": "123456.78"}},
    )
    ended = lane.run("validate")
    rows = {(row["key"], row["field"]) for row in difference_rows(lane, "rows")} - known
    good = rows == {(chosen.key, "amount")} and ended.document.get("verdict") == "fail" and ended.code == 1
    figure = f"validate says {ended.document.get('verdict')}; {len(rows)} value differs: {sorted(rows)}"
    yield Line("hand-edit-found", figure, 1, good)
    rolled = lane.run("rollback run --yes")
    lane.settle()
    now = oracle.truth(lane.hubspot)
    ours = now.ours()
    told = oracle.put_back(before, now, [chosen.id])
    left = [(r.object, r.id) for r in ours]
    if left != [("deals", chosen.id)] or ours[0].values.get("amount") != "123456.78":
        told.append(f"left: {left}")
    figure = f"{held(rolled.document)} held by rollback; of ours the target has {len(left)} record"
    yield Line("hand-edit-held", figure, 1, held(rolled.document) == 1 and not told, tuple(told))


@shows("dead-letter")
def dead_letter(ground: Ground) -> Iterator[Line]:
    """Refused in the base, refused again in a newer delta, then replayed."""
    with ground.lane("letter") as lane:
        before = ready([lane])[id(lane)]
        lane.restore("ready")
        path = r"/objects/[^/]*/contacts/batch/create"
        # The first call is the canary's, of one record.
        lane.fault({"kind": "partial", "rows": [4]}, method="POST", path=path, nth=2)
        first = lane.run("load")
        maps = recompute.Maps(REPOSITORY / "plans" / lane.plan, lane.seed.hubspot)
        rows = recompute.source(lane.salesforce)
        must = recompute.wanted(rows, before, maps, lane.plan, lane.salesforce.url)
        refused = oracle.lost(oracle.truth(lane.hubspot), must.values)
        told = [] if first.code == 1 and len(refused) == 1 else [f"exit {first.code}, refused: {refused}"]
        id_ = refused[0].rpartition(".")[2]
        lane.calm(60)
        action = {
            "do": "update",
            "object": "Contact",
            "id": id_,
            "fields": {"Title": "Chief of the new delta"},
        }
        lane.salesforce.control.post("/act", action)
        lane.calm(60)
        told += [
            f"{ended.words}: exit {ended.code}: {kill.last_words(ended)}"
            for ended in (lane.run("extract --since-watermark"), lane.run("transform"))
            if ended.code not in (0, 1)
        ]
        lane.fault({"kind": "partial", "rows": [0]}, method="POST", path=path)
        second = lane.run("load")
        again = oracle.lost(oracle.truth(lane.hubspot), must.values)
        if second.code != 1 or again != refused:
            told.append(f"the delta wasn't refused: exit {second.code}, {again}: {kill.last_words(second)}")
        lane.calm()
        replayed = lane.run("dead-letters replay")
        there = oracle.truth(lane.hubspot).by_key().get(refused[0])
        title = there.values.get("jobtitle") if there else None
        if replayed.code != 0 or title != "Chief of the new delta":
            told.append(f"replay: exit {replayed.code}, {title!r} is there: {kill.last_words(replayed)}")
        figure = f"refused twice, replayed: the target has {title!r}"
        yield Line("dead-letter", figure, 1, not told, tuple(told))
