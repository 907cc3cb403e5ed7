"""One portal into another: records, custom objects and links, then what changed, went and was merged."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from migrate.cli import main
from migrate.clock import SandboxClock
from migrate.connector import Batch, Link, NewField, NewLabel, NewObject, Operation, Settings, Write
from migrate.connectors.hubspot import HubSpotConnector
from migrate.sandbox.server import Running, launch

SPEED = 100.0
OLD, NEW = 4471203, 5550001
PERSON = "ann@example.com"
PLAN = """\
version: 1
source: {system: old, type: hubspot, credentials: "env:OLD_", clock: sandbox}
target: {system: new, type: hubspot, credentials: "env:NEW_", clock: sandbox, longest_call: 5}
objects:
  - source: companies
    target: companies
    fields: {name: name}
    links:
      - {to: companies, through: companies_to_companies, left: left, right: right, label: parent,
         where: "label = 'parent'"}
  - source: contacts
    target: contacts
    fields: {lastname: lastname, phone: phone}
    links:
      - {to: companies, through: contacts_to_companies, left: left, right: right,
         label: {from: label, picklist: labels.csv}}
  - source: p_pet
    target: p_animal
    create_object: {label: Animal, plural: Animals, name_field: animal_name}
    create:
      animal_name: {kind: string, label: Name, required: true}
      weight: {kind: decimal, precision: 38, scale: 10}
    fields: {animal_name: pet_name, weight: weight}
    links:
      - {to: contacts, through: p_pet_to_contacts, left: left, right: right,
         label: {from: label, picklist: labels.csv}}
"""
LABELS = (
    "source,count,target,note\nprimary,,primary,\ndefault,,default,\nBoss,,Decision maker,\nOwner,,Keeper,\n"
)


@dataclass
class Portals:
    """Two portals, a workspace between them, and who is who by name."""

    root: Path
    old: Running
    new: Running
    ids: dict[str, str]
    capsys: pytest.CaptureFixture[str] | None = None

    def run(self, words: str) -> dict[str, Any]:
        assert self.capsys is not None
        self.capsys.readouterr()
        code = main(["-w", str(self.root), "--json", *words.split(" ")])
        found: dict[str, Any] = json.loads(self.capsys.readouterr().out)
        assert code in (0, 1), found
        return found

    def act(self, **action: Any) -> None:
        self.old.control.post("/act", {"as": PERSON, **action})

    def there(self, object: str, name: str) -> set[str]:
        """Names of the live records that the new portal holds with a key."""
        rows = self.new.control.ndjson(f"/truth/{object}")
        live = [
            row["properties"] for row in rows if not (row["archived"] or row["purged"] or row["mergedInto"])
        ]
        return {str(values.get(name)) for values in live if values.get("migration_key")}

    def links(self, left: str, right: str) -> set[tuple[str, str, str]]:
        """Names of both ends and label of every live link, unlabelled ones aside."""
        names: dict[str, str] = {}
        for object, name in (
            ("companies", "name"),
            ("contacts", "lastname"),
            (f"p{NEW}_animal", "animal_name"),
        ):
            for row in self.new.control.ndjson(f"/truth/{object}"):
                names[row["id"]] = str(row["properties"].get(name))
        return {
            (names[row["from"]], names[row["to"]], str(told["label"]))
            for row in self.new.control.ndjson("/truth/links")
            if (row["from_object"], row["to_object"]) == (left, right) and not row["archived"]
            for told in row["types"]
            if told["label"]
        }


def fill(running: Running) -> dict[str, str]:
    """The old portal's records and links; ids by name."""
    clock = SandboxClock(datetime.fromisoformat(running.control.get("/clock")["now"]), SPEED)
    hubspot = HubSpotConnector(
        Settings("old", {"base_url": running.url, "token": "pat-na1-sandbox"}, {}, clock)
    )
    named = {"companies": "name", "contacts": "lastname", "p_pet": "pet_name"}
    hubspot.bind(named)
    fields = (
        NewField("p_pet", "pet_name", "Name", "string", unique=True),
        NewField("p_pet", "weight", "Weight", "decimal"),
    )
    pet = NewObject("p_pet", "Pet", "Pets", "pet_name", "", fields, links=("contacts",))
    hubspot.prepare(
        [pet, *fields, NewLabel("contacts", "companies", "Boss"), NewLabel("p_pet", "contacts", "Owner")]
    )
    ids: dict[str, str] = {}
    for object, names in {
        "companies": ["mother", "daughter", "twin", "other", "purged"],
        "contacts": ["ada", "bob", "cyd", "dan"],
        "p_pet": ["rex", "tom"],
    }.items():
        more = {"weight": "12345678901234567890.0123456789"} if object == "p_pet" else {}
        writes = tuple(Write(each, values={named[object]: each, **more}) for each in names)
        for name, outcome in zip(names, hubspot.send(Batch(Operation.CREATE, object, writes)), strict=True):
            ids[name] = str(outcome.id)
    for left, right, label, pairs in (
        ("companies", "companies", "parent", [("daughter", "mother")]),
        (
            "contacts",
            "companies",
            "default",
            [("ada", "mother"), ("bob", "twin"), ("cyd", "other"), ("dan", "purged")],
        ),
        ("contacts", "companies", "Boss", [("ada", "mother"), ("ada", "other")]),
        ("p_pet", "contacts", "Owner", [("rex", "ada"), ("tom", "bob")]),
    ):
        links = tuple(Link(left, ids[one], right, ids[other], label) for one, other in pairs)
        assert {
            each.status for each in hubspot.send(Batch(Operation.LINK, f"{left}>{right}", links=links))
        } == {"done"}
    hubspot.close()
    return ids


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portals]:
    base = tmp_path_factory.mktemp("portals")
    with ExitStack() as stack:
        running = []
        for name, portal in (("old", OLD), ("new", NEW)):
            (base / name).mkdir()
            each = stack.enter_context(
                launch(
                    "hubspot",
                    base / name,
                    speed=SPEED,
                    settings={"tier": "professional", "index_lag": [0, 1]},
                )
            )
            each.control.post("/seed", {"portal": {"portalId": portal}, "owners": [{"email": PERSON}]})
            running.append(each)
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for prefix, each in zip(("OLD_", "NEW_"), running, strict=True):
            patch.setenv(f"{prefix}TOKEN", "pat-na1-sandbox")
            patch.setenv(f"{prefix}BASE_URL", each.url)
        root = base / "work"
        root.mkdir()
        (root / "plan.yaml").write_text(PLAN)
        (root / "labels.csv").write_text(LABELS)
        yield Portals(root, running[0], running[1], fill(running[0]))


@pytest.fixture
def portals(started: Portals, capsys: pytest.CaptureFixture[str]) -> Portals:
    started.capsys = capsys
    return started


def test_records_custom_objects_and_links_arrive(portals: Portals) -> None:
    for words in ("discover", "check", "prepare --yes"):
        portals.run(words)
    extracted = {each["object"]: each for each in portals.run("extract")["objects"]}
    for name in ("contacts_to_companies", "companies_to_companies", "p_pet_to_contacts"):
        assert extracted[name]["rows"] == extracted[name]["counted"] > 0
    for words in ("transform", "load"):
        portals.run(words)
    assert portals.there("companies", "name") == {"mother", "daughter", "twin", "other", "purged"}
    assert portals.there("contacts", "lastname") == {"ada", "bob", "cyd", "dan"}
    assert portals.there(f"p{NEW}_animal", "animal_name") == {"rex", "tom"}
    assert portals.there(f"p{NEW}_animal", "weight") == {"12345678901234567890.0123456789"}
    bosses = {each for each in portals.links("contacts", "companies") if each[2] == "Decision maker"}
    assert bosses == {("ada", "mother", "Decision maker"), ("ada", "other", "Decision maker")}
    assert portals.links(f"p{NEW}_animal", "contacts") == {("rex", "ada", "Keeper"), ("tom", "bob", "Keeper")}
    parents = {
        each for each in portals.links("companies", "companies") if "hild" in each[2] or "arent" in each[2]
    }
    assert {(each[0], each[1]) for each in parents} == {("daughter", "mother"), ("mother", "daughter")}


def test_a_delta_brings_what_changed_went_was_merged_and_was_unlinked(
    portals: Portals, tmp_path: Path
) -> None:
    ids = portals.ids
    portals.act(do="update", object="contacts", id=ids["cyd"], fields={"phone": "+49 1"})
    portals.act(do="delete", object="contacts", id=ids["dan"])
    portals.act(do="merge", object="companies", id=ids["other"], other=ids["twin"])
    portals.act(do="unlink", object="contacts", id=ids["ada"], to_object="companies", to=ids["mother"])
    purge(portals.old, ids["purged"])

    extracted = {each["object"]: each for each in portals.run("extract --since-watermark")["objects"]}
    assert extracted["companies"]["deleted"] == 2  # merged and purged: in no list of archived records
    assert extracted["contacts"]["deleted"] == 1
    assert extracted["contacts_to_companies"]["deleted"] >= 3  # its own, dan's, and those of twin and purged
    for words in ("transform", "load"):
        portals.run(words)

    assert portals.there("companies", "name") == {"mother", "daughter", "other"}
    assert portals.there("contacts", "lastname") == {"ada", "bob", "cyd"}
    assert "+49 1" in portals.there("contacts", "phone")
    held = {(left, right) for left, right, _ in portals.links("contacts", "companies")}
    assert held == {("ada", "other"), ("bob", "other"), ("cyd", "other")}

    out = tmp_path / "crosswalk.csv"
    portals.run(f"crosswalk export {out}")
    rows = {
        row["old_id"]: row
        for row in csv.DictReader(out.read_text().splitlines())
        if row["key"].split(".")[1] == "companies"
    }
    twin, other = rows[ids["twin"]], rows[ids["other"]]
    assert (twin["outcome"], twin["survivor"]) == ("merged_at_source", other["key"])
    assert twin["target_id"] == other["target_id"] != ""

    again = {each["object"]: each for each in portals.run("extract --since-watermark")["objects"]}
    # What a comparison told isn't told again; what a list tells is, within the overlap of the windows.
    assert {name for name, each in again.items() if each["deleted"]} == {"contacts"}


def test_a_delta_brings_back_what_came_back_from_the_bin(portals: Portals) -> None:
    """HubSpot's lists show a restored record with its old stamp, and no window has it."""
    ids, company = portals.ids, portals.ids["daughter"]
    portals.act(do="update", object="companies", id=company, fields={"phone": "+49 7"})
    portals.act(do="delete", object="companies", id=company)
    for words in ("extract --since-watermark", "transform", "load"):
        portals.run(words)
    assert "daughter" not in portals.there("companies", "name")
    portals.act(do="undelete", object="companies", id=company)
    portals.act(do="undelete", object="contacts", id=ids["dan"])

    extracted = {each["object"]: each for each in portals.run("extract --since-watermark")["objects"]}
    for words in ("transform", "load"):
        portals.run(words)

    assert extracted["companies"]["rows"] >= 1
    assert portals.there("companies", "name") == {"mother", "daughter", "other"}
    assert portals.there("contacts", "lastname") == {"ada", "bob", "cyd", "dan"}
    family = {(one, other) for one, other, _ in portals.links("companies", "companies")}
    assert ("daughter", "mother") in family

    for words in ("extract --since-watermark", "transform", "load"):  # and it stays, and isn't made twice
        portals.run(words)
    live = [
        row for row in portals.new.control.ndjson("/truth/companies")
        if row["properties"].get("name") == "daughter" and not row["archived"]
    ]  # fmt: skip
    assert len(live) == 1

    portals.act(do="delete", object="companies", id=company)
    for words in ("extract --since-watermark", "transform", "load"):
        portals.run(words)
    assert "daughter" not in portals.there("companies", "name")


def purge(portal: Running, id: str) -> None:
    """A permanent delete, as for a person who wants to be forgotten: it is in no list any more."""
    import httpx2

    told = httpx2.post(
        f"{portal.url}/crm/v3/objects/companies/gdpr-delete",
        json={"objectId": id},
        headers={"Authorization": "Bearer pat-na1-sandbox"},
    )
    assert told.status_code == 204, told.text
