"""Is everybody who said no still out, whatever happens? Opt-outs of several kinds, some on losers of a merge.

The seed says who said no to what; the oracle compares that with HubSpot's own store and with its log of
accepted writes, never through our connectors. Kinds: the e-mail flag, a subscription type by map, a hard
bounce, no fax, no phone (fields of the contact), people whose record is skipped or rejected, leads that
aren't loaded, and losers of a merge, some with an address of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from migrate.demo.generated import generated
from migrate.demo.shape import TINY, Seed, sf_id
from migrate.sandbox.salesforce.ids import mint
from migrate.sandbox.server import Running
from tests.harness.lanes import Lane
from tests.harness.under import Order
from tests.proofs.claims import Ground, Line, shows

ALL = "*"
TYPES = {"Newsletter": "Marketing Information", "Service": "Customer Service Communication"}
IDS = {"Marketing Information": "29873401", "Customer Service Communication": "29873402"}
PLAN = """version: 1
source: {system: legacy, type: salesforce, credentials: "env:LEGACY_"}
target: {system: new, type: hubspot, credentials: "env:NEW_", share: 0.8}
objects:
  - source: Contact
    target: contacts
    where: coalesce(Department, '') <> 'Skipped'
    dedupe: {on: ["coalesce(Person__c, lower(trim(Email)))"], keep: fullest, losers: merge}
    fields:
      email: lower(trim(Email))
      firstname: FirstName
      lastname: LastName
      jobtitle: {from: Title, picklist: titles.csv, unmapped: reject}
      fax_opt_out: HasOptedOutOfFax
      do_not_call: DoNotCall
    create:
      jobtitle: {kind: string}
      fax_opt_out: {kind: bool, label: No fax}
      do_not_call: {kind: bool, label: No calls}
    automations:
      accept: [{name: Companies by e-mail domain, makes: [companies], links: [companies]}]
consent:
  - {source: Contact, opted_out: HasOptedOutOfEmail, address: Email, at: LastModifiedDate,
     explanation: "'Opted out in Salesforce'"}
  - source: Contact
    opted_out: Opted_Out_Of__c IS NOT NULL
    address: Email
    subscription: {from: Opted_Out_Of__c, picklist: subscriptions.csv, unmapped: all}
    legal_basis: CONSENT_WITH_NOTICE
    explanation: "'Took back consent to ' || Opted_Out_Of__c"
  - {source: Contact, opted_out: EmailBouncedReason IS NOT NULL, address: Email,
     explanation: "'Hard bounce: ' || EmailBouncedReason"}
  - {source: Contact, opted_out: HasOptedOutOfFax, channel: FAX, field: fax_opt_out}
  - {source: Contact, opted_out: DoNotCall, channel: PHONE, field: do_not_call}
  - {source: Lead, opted_out: HasOptedOutOfEmail, address: Email}
  - {source: Lead, opted_out: DoNotCall, channel: PHONE, leave: No lead is moved}
"""
FLAGS = {"HasOptedOutOfFax": "fax_opt_out", "DoNotCall": "do_not_call"}


@dataclass
class Nos:
    """Who said no, by the seed: (address, type or `*`), and (contact's id, target field)."""

    addresses: set[tuple[str, str]] = field(default_factory=set)
    flags: set[tuple[str, str]] = field(default_factory=set)
    people: int = 0
    losers: int = 0

    def say(self, row: Mapping[str, Any], survivor: Mapping[str, Any] | None = None) -> None:
        """Count a person's noes; a merged one's hold for the survivor, too."""
        addresses = {str(one["Email"]).strip().lower() for one in (row, survivor) if one and one.get("Email")}
        kinds: set[str] = set()
        if row.get("HasOptedOutOfEmail") or row.get("EmailBouncedReason"):
            kinds.add(ALL)
        if topic := row.get("Opted_Out_Of__c"):
            kinds.add(IDS[TYPES[topic]] if topic in TYPES else ALL)
        self.addresses |= {(address, kind) for address in addresses for kind in kinds}
        loaded = survivor or row
        if loaded.get("Title") == "Engineer" and not loaded.get("Department"):
            self.flags |= {(str(loaded["Id"]), FLAGS[name]) for name in FLAGS if row.get(name)}
        self.people += 1
        self.losers += survivor is not None


def seeded(count: int, losers: int) -> tuple[Seed, Nos]:
    """A seed with `count` people who said no, `losers` of them on losers of a merge; and some who didn't."""
    base, nos = generated(TINY), Nos()
    noes: Sequence[dict[str, Any]] = (
        {"HasOptedOutOfEmail": True},
        {"Opted_Out_Of__c": "Newsletter"},
        {"Opted_Out_Of__c": "Service"},
        {"Opted_Out_Of__c": "Something else"},
        {"EmailBouncedReason": "550 user unknown", "EmailBouncedDate": "2024-03-01T10:00:00.000Z"},
        {"HasOptedOutOfFax": True},
        {"DoNotCall": True, "HasOptedOutOfEmail": True},
        {"DoNotCall": True},
    )
    contacts: list[dict[str, Any]] = []
    leads: list[dict[str, Any]] = []

    def contact(**more: Any) -> dict[str, Any]:
        number = len(contacts)
        row = {
            "Id": sf_id("Contact", 10_000 + number), "FirstName": "Pat", "LastName": f"No. {number}",
            "Email": f"Pat.{number}@nos.example", "Title": "Engineer",
            "CreatedDate": "2021-01-01T08:00:00.000Z", **more,
        }  # fmt: skip
        contacts.append(row)
        return row

    for number in range(count - losers):
        no = noes[number % len(noes)]
        place = number // len(noes) % 12
        if place == 9 and "Opted_Out_Of__c" not in no and "EmailBouncedReason" not in no:
            row = {"Id": mint("00Q", 40_000_000 + number), "LastName": "Lead", "Company": "X",
                   "Email": f"Lead.{number}@nos.example", **no}  # fmt: skip
            row.pop("HasOptedOutOfFax", None)
            row["HasOptedOutOfEmail"] = True
            leads.append(row)
            nos.say({**row, "Title": ""})
            continue
        rare = {10: {"Department": "Skipped"}, 11: {"Title": "Without a home"}}.get(place, {})
        nos.say(contact(**no, **rare))
    for number in range(losers):
        no = noes[number % len(noes)]
        survivor = contact(Phone=f"+1 555 {number:04d}", Department=None)
        if number % 2:  # the same person by number, with another address
            survivor["Person__c"] = f"P{number}"
            loser = contact(Person__c=f"P{number}", FirstName=None, **no)
        else:
            loser = contact(Email=f" {survivor['Email'].upper()}", FirstName=None, **no)
        nos.say(loser, survivor)
    for _ in range(count // 2):
        contact()
    text = {"type": "string", "length": 80}
    metadata = {
        **base.salesforce["metadata"],
        "Contact": {"fields": [{"name": "Opted_Out_Of__c", **text}, {"name": "Person__c", **text}]},
    }
    records = {name: rows for name, rows in base.salesforce["records"].items() if name == "User"} | {
        "Contact": contacts,
        "Lead": leads,
    }
    hubspot = {**base.hubspot, "records": {}, "links": []}
    document = {**base.salesforce, "metadata": metadata, "records": records}
    return Seed(document, hubspot, base.expected), nos


def folder(root: Path) -> Path:
    """The plan and its maps."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "plan.yaml").write_text(PLAN)
    rows = "".join(f"{ours},,{theirs},\n" for ours, theirs in TYPES.items())
    (root / "subscriptions.csv").write_text(f"source,count,target,note\n{rows}")
    (root / "titles.csv").write_text("source,count,target,note\nEngineer,,Engineer,\n")
    return root


# -- the oracle -------------------------------------------------------------------------------


def out(hubspot: Running) -> set[tuple[str, str]]:
    """Every (address, type or `*`) that HubSpot's store holds as opted out."""
    rows = hubspot.control.ndjson("/truth/consent")
    return {(row["address"], row["subscription"]) for row in rows if row["status"] == "UNSUBSCRIBED"}


def missing(hubspot: Running, nos: Nos, *, flags: bool = True) -> list[str]:
    """Noes of the seed that HubSpot doesn't hold.

    Args:
        flags: also those that are kept in fields of the contacts.
    """
    held = out(hubspot)
    told = [
        f"{address} {kind}" for address, kind in sorted(nos.addresses)
        if (address, kind) not in held and (address, ALL) not in held
    ]  # fmt: skip
    if flags:
        live = {
            row["properties"].get("migration_key", "").rpartition(".")[2]: row["properties"]
            for row in hubspot.control.ndjson("/truth/contacts")
            if not (row["archived"] or row["purged"] or row["mergedInto"])
        }
        told += [f"{id}.{name}" for id, name in sorted(nos.flags) if live.get(id, {}).get(name) != "true"]
    return told


def opted_in(hubspot: Running) -> list[str]:
    """Accepted writes that opted somebody in: by address, or in a field that keeps a no."""
    told = []
    for line in hubspot.control.ndjson("/log?after=0"):
        before, after = line["before"] or {}, line["after"] or {}
        if line["object"] == "consent" and line["note"] != "opt-out":
            told.append(f"{line['seq']} {line['actor']}: {line['id']}")
        if line["object"] == "contacts" and line["op"] == "update":
            told += [
                f"{line['seq']} {line['actor']}: {line['id']}.{name}"
                for name in FLAGS.values()
                if before.get(name) == "true" and after.get(name) != "true"
            ]
    return told


def reachable(hubspot: Running, nos: Nos) -> list[str]:
    """Contacts that were there before their address was opted out, if only for a moment."""
    since: dict[str, int] = {}
    told = []
    wanted = {address for address, _ in nos.addresses}
    for line in hubspot.control.ndjson("/log?after=0"):
        if line["object"] == "consent" and line["note"] == "opt-out":
            since.setdefault(line["id"].split(":", 2)[2], line["seq"])
        if line["object"] == "contacts" and line["op"] == "create":
            address = (line["after"] or {}).get("email", "")
            if address in wanted and address not in since:
                told.append(f"{address} at {line['seq']}")
    return told


# -- the claim --------------------------------------------------------------------------------


CLAIMS = ("consent-missing", "consent-first", "consent-rollback", "consent-never", "consent-red")


@shows(*CLAIMS, proof="history")
def consent(ground: Ground) -> Iterator[Line]:
    """There, struck on the way, validated, back and there again."""
    yield from company(ground, 2_000, 100)


def company(ground: Ground, count: int, losers: int) -> Iterator[Line]:
    """The claim for so many people who said no, `losers` of them on losers of a merge."""
    seed, nos = seeded(count, losers)
    place = ground.folder("consent")
    with Lane(place / "lane", seed, folder=folder(place / "plan")) as lane:
        yield from shown(lane, nos)


# Where the load is killed, one after the other: the request's path, and the point at which it is held.
STRIKES = (
    ("/statuses/batch/unsubscribe-all/read$", "arrival"),
    ("/statuses/batch/unsubscribe-all$", "after_commit"),
    ("/statuses/batch/write$", "half_reply"),
    ("/statuses/batch/read$", "before_commit"),
    ("/contacts/.*batch/create$|/contacts/batch/create$", "after_commit"),
)


def struck(lane: Lane, path: str, how: str, words: str = "load") -> bool:
    """Kill a command while a POST is held; whether it came to that."""
    then = "drop" if how == "arrival" else "proceed"
    lane.fault({"kind": "hold", "at": how, "then": then}, method="POST", path=path)
    child = lane.start(words)
    if not lane.wait_held(child):
        child.wait()
        return False
    return child.kill().killed


def shown(lane: Lane, nos: Nos) -> Iterator[Line]:
    """The claim's lines, on a lane that has the seed of `nos`."""
    lane.must("discover", "check", "prepare", "extract", "transform")
    hits = sum(struck(lane, path, how) for path, how in STRIKES)
    hits += lane.run("load", Order(20, "after")).killed
    strikes = len(STRIKES) + 1
    lane.calm()
    lane.must("load")
    lane.settle()
    verdict = lane.run("validate")
    results = {each["id"]: each for each in verdict.document["results"]}
    red = [f"validate: {id}: {each['summary']}" for id, each in results.items()
           if id.startswith("consent") and each["verdict"] != "pass"]  # fmt: skip
    told = missing(lane.hubspot, nos) + red
    figure = f"{nos.people:,} people, {nos.losers:,} losers of a merge; missing {len(told)}; "
    figure += f"kills {hits} of {strikes}; clock {lane.speed:g}x"
    yield Line("consent-missing", figure, len(nos.addresses) + len(nos.flags),
               not told and hits == strikes and any(id.startswith("consent") for id in results),
               tuple(told))  # fmt: skip
    early = reachable(lane.hubspot, nos)
    yield Line("consent-first", f"contacts before their opt-out: {len(early)}", len(nos.addresses), not early,
               tuple(early))  # fmt: skip
    before = out(lane.hubspot)
    lane.must("rollback plan", "rollback run --yes", "rollback verify")
    lane.settle()
    left = [
        row
        for row in lane.hubspot.control.ndjson("/truth/contacts")
        if not (row["archived"] or row["purged"])
    ]
    gone = sorted(f"{address} {kind}" for address, kind in before - out(lane.hubspot))
    gone += missing(lane.hubspot, nos, flags=False) + [f"contact {row['id']} is left" for row in left]
    yield Line("consent-rollback", f"still opted out after the rollback: {len(before) - len(gone):,} of "
               f"{len(before):,}; contacts left {len(left)}", len(before), not gone, tuple(gone))  # fmt: skip
    lane.must("load")
    again = missing(lane.hubspot, nos)
    writes = opted_in(lane.hubspot)
    calls = [
        f"{each['number']} {each['method']} {each['path']}" for each in lane.requests()
        if each["path"].endswith("/subscribe")
    ]  # fmt: skip
    log = lane.hubspot.control.ndjson("/log?after=0")
    yield Line("consent-never", f"writes that opt in: {len(writes)}; calls to subscribe: {len(calls)}; "
               f"missing after the second load: {len(again)}", len(log), not (writes or calls or again),
               (*writes, *calls, *again))  # fmt: skip
    yield from _red(lane, nos)


def _red(lane: Lane, nos: Nos) -> Iterator[Line]:
    """Each oracle is red when a person opts somebody in again, and so is our own check."""
    victim, kind = min(each for each in nos.addresses if each[1] == ALL)
    subscription = IDS["Marketing Information"]
    lane.hubspot.control.post(
        "/act", {"do": "subscribe", "object": "consent", "id": victim, "subscription": subscription}
    )
    seen = [
        bool(missing(lane.hubspot, nos)),
        bool(opted_in(lane.hubspot)),
        any(
            each["verdict"] == "fail" and each["id"].startswith("consent")
            for each in lane.run("validate").document["results"]
        ),
    ]
    figure = f"a planted opt-in of {kind}: {sum(seen)} of {len(seen)} oracles and checks red"
    yield Line("consent-red", figure, len(seen), all(seen))
