"""Does `trace` tell the right story? Records of each outcome, held against the systems' own stores.

The source's store says what a record was and, by what was planted in it, what must become of it; the target's
store and its log of accepted writes say what did. Nothing of the product is asked but the stories.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from migrate_validators.trace import Way, traces

from migrate.demo.generated import generated
from migrate.demo.shape import TINY, Seed, sf_id
from migrate.workspace import Workspace
from tests.harness import oracle
from tests.harness.lanes import Lane
from tests.proofs.validation_rig import STAGES, Rig

PLAN = """version: 1
source: {system: legacy, type: salesforce, credentials: "env:LEGACY_"}
target: {system: new, type: hubspot, credentials: "env:NEW_", share: 0.8}
objects:
  - source: Account
    target: companies
    where: coalesce(Description, '') <> 'Skip'
    match: [domain]
    key: {field: migration_key, old_id: old_salesforce_id}
    fields:
      name: {from: Name, wins: source}
      domain: Website
      phone: {from: Phone, wins: source}
  - source: Contact
    target: contacts
    key: {field: migration_key, old_id: old_salesforce_id}
    dedupe: {on: [lower(trim(Email))], keep: fullest, losers: merge}
    fields:
      email: lower(trim(Email))
      firstname: FirstName
      lastname: LastName
      jobtitle: {from: Title, picklist: titles.csv, unmapped: reject}
    create:
      jobtitle: {kind: string}
    automations:
      accept: [{name: Companies by e-mail domain, makes: [companies], links: [companies]}]
consent:
  - {source: Contact, opted_out: HasOptedOutOfEmail, address: Email, explanation: "'Opted out in Salesforce'"}
"""
TITLES = "source,count,target,note\nEngineer,1,Engineer,\nBuyer,1,Buyer,\n"
OUTCOMES = ("created", "updated", "adopted", "merged", "skipped", "rejected", "dead_letter", "blocked")
FIELDS = {"Account": {"Name": "name", "Website": "domain", "Phone": "phone"},
          "Contact": {"FirstName": "firstname", "LastName": "lastname", "Title": "jobtitle"}}  # fmt: skip
OURS = "app:7001"
LOAD = "load --keep-going"


@dataclass
class Told:
    """What was traced: how many stories of each outcome, and what was wrong with which."""

    stories: Counter[str] = field(default_factory=Counter)
    facts: int = 0
    wrong: list[str] = field(default_factory=list)


def seeded(each: int) -> tuple[Seed, dict[str, str]]:
    """An org with so many records of each outcome, and by Salesforce id what must become of a record."""
    base = generated(TINY)
    must: dict[str, str] = {}
    accounts: list[dict[str, Any]] = []
    contacts: list[dict[str, Any]] = []
    companies: list[dict[str, Any]] = []

    def account(outcome: str, **more: Any) -> None:
        n = len(accounts)
        row = {"Id": sf_id("Account", 20_000 + n), "Name": f"Firm {n} Größe", "Website": f"firm{n}.example",
               "Phone": f"+49 30 {n:06}", "CreatedDate": "2020-02-03T08:00:00.000Z", **more}  # fmt: skip
        accounts.append(row)
        must[row["Id"]] = outcome
        if outcome == "adopted":
            companies.append({"createdAt": "2022-02-01T09:00:00.000Z",
                              "properties": {"name": f"Theirs {n}", "domain": row["Website"]}})  # fmt: skip

    def contact(outcome: str, email: str, **more: Any) -> None:
        n = len(contacts)
        row = {"Id": sf_id("Contact", 20_000 + n), "FirstName": f"Zoë {n}", "LastName": f"Nr. {n}",
               "Email": email, "Title": "Engineer", "CreatedDate": "2020-02-03T08:00:00.000Z",
               **more}  # fmt: skip
        contacts.append(row)
        must[row["Id"]] = outcome

    for n in range(each):
        account("created")
        account("updated")
        account("adopted")
        account("skipped", Description="Skip")
        contact("created", f"p{n}@people.example")
        contact("merged", f" P{n}@people.example", FirstName=None)  # the emptier one
        contact("rejected", f"r{n}@people.example", Title="Nobody mapped this")
        contact("dead_letter", f"no address {n}")
        contact("blocked", f"no address either {n}", HasOptedOutOfEmail=True)
    document = {**base.salesforce, "records": {"User": base.salesforce["records"]["User"],
                                               "Account": accounts, "Contact": contacts}}  # fmt: skip
    hubspot = {**base.hubspot, "records": {"companies": companies}, "automations": {}}
    return Seed(document, hubspot, base.expected), must


@contextmanager
def moved(root: Path, each: int) -> Iterator[tuple[Rig, dict[str, str], oracle.Truth]]:
    """Loaded, some changed at the source, loaded again, and validated; what must be; the target before it."""
    seed, must = seeded(each)
    overlay = root / "overlay"
    overlay.mkdir(parents=True)
    (overlay / "plan.yaml").write_text(PLAN, encoding="utf-8")
    (overlay / "titles.csv").write_text(TITLES, encoding="utf-8")
    with Lane(root / "lane", seed, folder=overlay) as lane:
        rig = Rig(lane)
        before = oracle.truth(lane.hubspot)
        # Opt-outs that HubSpot refuses one and all would stop a load that isn't told to go on.
        for words in (*STAGES[:-1], LOAD):
            rig.run(words)
        for id, outcome in must.items():
            if outcome == "updated":
                change = {"Phone": f"+1 555 {id[-6:]}"}
                lane.salesforce.control.post(
                    "/act", {"do": "update", "object": "Account", "id": id, "fields": change}
                )
        for words in ("extract --since-watermark", "transform", LOAD, "validate"):
            rig.run(words)
        lane.settle()
        yield rig, must, before


def told(rig: Rig, must: Mapping[str, str], before: oracle.Truth, most: int) -> Told:
    """Trace so many random records of each outcome, and hold each story against both stores."""
    rng = random.Random(11)  # noqa: S311 - a draw, no secret
    stores = _Stores.read(rig.lane, before)
    found = Told()
    by_outcome: dict[str, list[str]] = defaultdict(list)
    for id, outcome in sorted(must.items()):
        by_outcome[outcome].append(id)
    with closing(Workspace(rig.lane.root, rig.lane.environment)) as workspace:
        for outcome, ids in by_outcome.items():
            chosen = rng.sample(ids, min(most, len(ids)))
            for id, ways in zip(chosen, (one.ways for one in traces(workspace, chosen)), strict=True):
                if len(ways) != 1:
                    found.wrong.append(f"{id}: {len(ways)} records")
                    continue
                found.stories[outcome] += 1
                wrong, facts = stores.judge(id, outcome, ways[0])
                found.facts += facts
                found.wrong += [f"{outcome} {id}: {line}" for line in wrong]
    return found


def red(rig: Rig, must: Mapping[str, str], before: oracle.Truth) -> list[str]:
    """The judge is shown red: on each outcome taken for another one."""
    seen = {}
    for outcome in OUTCOMES:
        id = next(id for id, one in must.items() if one == outcome)
        other = next(one for one in OUTCOMES if one != outcome)
        seen[outcome] = bool(told(rig, {id: other}, before, 1).wrong)
    return [f"the judge takes {outcome} for another outcome" for outcome, good in seen.items() if not good]


@dataclass
class _Stores:
    """Both systems' own stores. `ops`: our accepted writes on a record of the target, in their order."""

    source: dict[str, dict[str, Any]]
    target: dict[str, oracle.Stored]
    before: oracle.Truth
    ops: dict[tuple[str, str], list[str]]
    emails: dict[str, str]  # address -> key of the live contact that has it

    @classmethod
    def read(cls, lane: Lane, before: oracle.Truth) -> _Stores:
        source = {}
        for name in FIELDS:
            for row in lane.salesforce.control.ndjson(f"/truth/{name}"):
                source[row["Id"]] = {"_object": name, **row}
        now = oracle.truth(lane.hubspot)
        ops: dict[tuple[str, str], list[str]] = defaultdict(list)
        for entry in oracle.log(lane.hubspot):
            if entry["actor"] == OURS and entry["op"] in ("create", "update"):
                ops[str(entry["object"]), str(entry["id"])].append(str(entry["op"]))
        emails = {one.values["email"]: str(one.key) for one in now.ours() if one.values.get("email")}
        return cls(source, {str(one.key).rpartition(".")[2]: one for one in now.ours()}, before, ops, emails)

    def judge(self, id: str, outcome: str, way: Way) -> tuple[list[str], int]:
        """What is wrong with a story, and how many facts of it were compared."""
        row, there = self.source[id], self.target.get(id)
        wrong = [] if way.outcome == outcome else [f"it says {way.outcome}"]
        facts = 1
        steps: dict[str, list[Any]] = defaultdict(list)
        for step in way.steps:
            steps[step.stage].append(step)
        for name in [*FIELDS[row["_object"]], "Email"]:
            said = steps["source"][-1].facts.get(name) if steps["source"] else None
            facts += 1
            if (said or None) != (row.get(name) or None):
                wrong.append(f"the source's {name} was {row.get(name)!r}, not {said!r}")
        end = steps["end"][-1].facts if steps["end"] else {}
        # A merged one ends where its survivor is.
        last = there or self.target.get(self._survivor(row).rpartition(".")[2] if outcome == "merged" else "")
        if end.get("target_id") != (last.id if last else None):
            wrong.append(f"it ends in {end.get('target_id')}, and the target has {last and last.id}")
        wrong += self._there(there, outcome, steps) if there else self._absent(row, outcome, end, steps)
        return wrong, facts + 2

    def _survivor(self, row: Mapping[str, Any]) -> str:
        """The key of the contact that has this one's address in the target."""
        return self.emails.get(str(row.get("Email")).strip().lower(), "")

    def _there(self, there: oracle.Stored, outcome: str, steps: Mapping[str, list[Any]]) -> Iterator[str]:
        old = (there.object, there.id) in self.before.records
        if old is not (outcome == "adopted"):
            yield f"it was there before: {old}"
        held = steps["target"][-1].facts if steps["target"] else {}
        for name in ("name", "domain", "phone", "email", "firstname", "lastname", "jobtitle"):
            if (held.get(name) or None) != (there.values.get(name) or None):
                yield f"{name} is {there.values.get(name)!r} in the target, not {held.get(name)!r}"
        done = [step.what.split()[1] for step in steps["load"] if step.what.endswith(" done")]
        ops = self.ops[there.object, there.id]
        wanted = ["adopt" if old and n == 0 else op for n, op in enumerate(ops)]
        if done != wanted:
            yield f"the target's log has {wanted}, the story {done}"
        if outcome == "updated" and "update" not in ops:
            yield "the target's log has no update"

    def _absent(
        self, row: Mapping[str, Any], outcome: str, end: Mapping[str, Any], steps: Mapping[str, list[Any]]
    ) -> Iterator[str]:
        reason = str(end.get("reason") or "")
        if outcome in ("created", "updated", "adopted"):
            yield "the target has no such record"
        if steps["target"] and outcome != "merged":
            yield "it tells of a record in the target"
        if any(step.what.endswith(" done") for step in steps["load"]):
            yield "it tells of a write that nobody accepted"
        if outcome == "merged" and end.get("survivor") != self._survivor(row):
            yield f"it names {end.get('survivor')} as its survivor"
        words = {"skipped": "where", "rejected": "jobtitle", "dead_letter": "mail", "blocked": "opt-out"}
        if outcome in words and words[outcome] not in reason.lower():
            yield f"its reason is {reason!r}"
