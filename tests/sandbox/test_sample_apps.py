"""Salesforce's sample apps move whole into HubSpot: every record, field and link, by files and store.

The expected values are read from the apps' own files, not from what seeds or plans say.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from migrate.cli import main
from migrate.demo.trees import PROFILES
from migrate.sandbox.server import Running, launch

pytestmark = pytest.mark.long

PLANS = Path(__file__).parents[2] / "plans"
DATA = Path(os.environ.get("SHARED_DATA") or Path(__file__).parents[3] / "shared" / "data")
SPEED = 100.0
LINE = ("discover", "check", "prepare --yes", "extract", "transform", "load")


@dataclass
class App:
    """One sample app, moved: its folder of files, and the portal that holds it now."""

    folder: Path
    salesforce: Running
    hubspot: Running
    root: Path
    environment: Mapping[str, str]

    def given(self, file: str) -> list[dict[str, Any]]:
        """Records of a tree file, numbers exact."""
        records: list[dict[str, Any]] = json.loads(
            (self.folder / file).read_text(encoding="utf-8"), parse_float=Decimal
        )["records"]
        return records

    def held(self, object: str) -> dict[str, dict[str, Any]]:
        """Live records of the portal's store with a key, by name; and that no name stands twice."""
        rows = self.hubspot.control.ndjson(f"/truth/{object}")
        live = [row for row in rows if not (row["archived"] or row["purged"] or row["mergedInto"])]
        named = {named_by(row["properties"]): row for row in live if row["properties"].get("migration_key")}
        assert len(named) == len(live)
        return named

    def links(self, left: str, right: str) -> set[tuple[str, str, str]]:
        """Names of both ends and label of every labelled link."""
        names = {row["id"]: name for object in (left, right) for name, row in self.held(object).items()}
        return {
            (names[row["from"]], names[row["to"]], told["label"])
            for row in self.hubspot.control.ndjson("/truth/links")
            if (row["from_object"], row["to_object"]) == (left, right) and not row["archived"]
            for told in row["types"]
            if told["label"]
        }


def named_by(values: Mapping[str, str]) -> str:
    return values.get("name") or f"{values.get('firstname')} {values['lastname']}"


@pytest.fixture(scope="module")
def move(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], App]]:
    """Seed an app's org and move it by its plan."""
    moved: dict[str, App] = {}
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())

        def run(name: str) -> App:
            folder = DATA / name
            if not folder.is_dir():
                pytest.skip(f"{folder} isn't there; SHARED_DATA names the folder that holds `{name}`.")
            if name not in moved:
                moved[name] = _moved(name, folder, tmp_path_factory.mktemp(name), stack, patch)
            return moved[name]

        yield run


@pytest.fixture(scope="module")
def move_back(
    move: Callable[[str], App], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Running]]:
    """Move an app out of HubSpot again, into an org that has never heard of it."""
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())

        def run(name: str) -> Running:
            app = move(name)
            base = tmp_path_factory.mktemp(f"{name}-back")
            third = stack.enter_context(launch("salesforce", base, speed=SPEED))
            third.control.post("/seed", {"org": {"Id": "00D5g000009Thrd"}})
            _line(
                f"hubspot-to-{name}",
                base / "work",
                patch,
                {
                    "LEGACY_TOKEN": "pat-na1-sandbox",
                    "LEGACY_BASE_URL": app.hubspot.url,
                    "NEW_INSTANCE_URL": third.url,
                    "NEW_CLIENT_ID": "admin-app",
                    "NEW_CLIENT_SECRET": "sandbox-secret",
                },
            )
            return third

        yield run


def _line(plan: str, root: Path, patch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> None:
    """A plan's whole line of commands, from a fresh folder."""
    shutil.copytree(PLANS / plan, root)
    text = (root / "plan.yaml").read_text()
    text = text.replace('"env:LEGACY_"}', '"env:LEGACY_", clock: sandbox}')
    (root / "plan.yaml").write_text(
        text.replace("share: 0.8}", "share: 0.8, clock: sandbox, longest_call: 5}")
    )
    for key, value in environment.items():
        patch.setenv(key, value)
    for words in LINE:  # `check` remarks that what isn't moved could hold opt-outs; the READMEs say so
        assert main(["-w", str(root), *words.split()]) == int(words == "check"), words


def _moved(name: str, folder: Path, base: Path, stack: ExitStack, patch: pytest.MonkeyPatch) -> App:
    root = base / "work"
    running = []
    for vendor in ("salesforce", "hubspot"):
        (base / vendor).mkdir()
        running.append(stack.enter_context(launch(vendor, base / vendor, speed=SPEED)))
    salesforce, hubspot = running
    salesforce.control.post("/seed", PROFILES[name](folder))
    environment = {
        "LEGACY_INSTANCE_URL": salesforce.url,
        "LEGACY_CLIENT_ID": "reader-app",
        "LEGACY_CLIENT_SECRET": "sandbox-secret",
        "NEW_TOKEN": "pat-na1-sandbox",
        "NEW_BASE_URL": hubspot.url,
    }
    _line(f"{name}-to-hubspot", root, patch, environment)
    return App(folder, salesforce, hubspot, root, environment)


def agrees(value: Any, held: str | None) -> bool:
    """Whether HubSpot holds a value of a tree file; numbers by what they are, tags in any order."""
    if isinstance(value, (int, Decimal)):
        return held is not None and Decimal(held) == value
    return str(value) == held


def every_field(
    given: list[dict[str, Any]], held: dict[str, dict[str, Any]], fields: Mapping[str, str]
) -> int:
    """Compare every value of the files; how many there were. Each field of a file must be named."""
    compared = 0
    for record in given:
        own = held[str(record.get("Name") or f"{record['FirstName']} {record['LastName']}")]["properties"]
        for name, value in record.items():
            if name == "attributes" or str(value).startswith("@"):
                continue
            assert agrees(value, own.get(fields[name])), (
                record["attributes"],
                name,
                value,
                own.get(fields[name]),
            )
            compared += 1
    return compared


def same(names: str) -> dict[str, str]:
    """Fields whose HubSpot name is their own in small letters."""
    return {f"{name}__c": name.lower() for name in names.split()} | {"Name": "name"}


def test_dreamhouse_moves_whole(move: Callable[[str], App]) -> None:
    app = move("dreamhouse")
    brokers, homes = app.given("brokers-data.json"), app.given("properties-data.json")
    people = app.given("contacts-data.json")
    held = {name: app.held(name) for name in ("p4471203_broker", "p4471203_property", "contacts")}
    assert [len(each) for each in held.values()] == [len(brokers), len(homes), len(people)] == [8, 12, 5]
    assert every_field(brokers, held["p4471203_broker"], same("Title Phone Mobile_Phone Email Picture")) == 48
    fields = same("Address City State Zip Price Beds Baths Picture Thumbnail Tags Description Status")
    fields |= {f"Location__{part}__s": f"location_{part.lower()}" for part in ("Latitude", "Longitude")}
    assert every_field(homes, held["p4471203_property"], fields) == 12 * 15
    plain = {name: name.lower() for name in ("FirstName", "LastName", "Phone", "Email")}
    assert every_field(people, held["contacts"], plain) == 20

    called = {f"@{each['attributes']['referenceId']}": each["Name"] for each in brokers}
    expected = {(home["Name"], called[home["Broker__c"]], "Broker") for home in homes}
    assert app.links("p4471203_property", "p4471203_broker") == expected
    assert len(expected) == 12


def test_ebikes_moves_whole(move: Callable[[str], App]) -> None:
    app = move("ebikes")
    families, bikes = app.given("Product_Family__cs.json"), app.given("Product__cs.json")
    accounts = app.given("Accounts.json")
    held = {name: app.held(name) for name in ("p4471203_product_family", "p4471203_bike", "companies")}
    assert [len(each) for each in held.values()] == [len(families), len(bikes), len(accounts)] == [4, 16, 3]
    assert every_field(families, held["p4471203_product_family"], same("Description Category")) == 12
    fields = same(
        "Description MSRP Level Category Material Picture_URL Battery Charger Motor Fork Front_Brakes "
        "Rear_Brakes"
    )
    assert every_field(bikes, held["p4471203_bike"], fields) == 16 * 13
    address = {
        "Street": "address",
        "City": "city",
        "State": "state",
        "PostalCode": "zip",
        "Country": "country",
    }
    there = {f"Billing{name}": to for name, to in address.items()} | {"Name": "name"}
    assert every_field(accounts, held["companies"], there) == 18

    called = {f"@{each['attributes']['referenceId']}": each["Name"] for each in families}
    expected = {(bike["Name"], called[bike["Product_Family__c"]], "Family") for bike in bikes}
    assert app.links("p4471203_bike", "p4471203_product_family") == expected
    assert len(expected) == 16


def stands_again(
    third: Running, given: list[dict[str, Any]], renamed: Mapping[str, str] | None = None
) -> int:
    """Every record of a tree file stands in an org, every value unchanged; how many values there were."""
    object = str(given[0]["attributes"]["type"])
    rows = {
        row.get("Name") or f"{row['FirstName']} {row['LastName']}": row
        for row in third.control.ndjson(f"/truth/{object}")
        if not row["IsDeleted"]
    }
    assert len(rows) == len(given)
    compared = 0
    for record in given:
        own = rows[str(record.get("Name") or f"{record['FirstName']} {record['LastName']}")]
        for name, value in record.items():
            if name == "attributes":
                continue
            held = own[(renamed or {}).get(name, name)]
            if str(value).startswith("@"):
                assert held  # which one, the links tell
            elif isinstance(value, (int, Decimal)):
                assert Decimal(str(held)) == value, (object, name)
            else:
                assert str(held) == value, (object, name)
            compared += 1
    return compared


def parents(third: Running, object: str, field: str, of: str) -> set[tuple[str, str]]:
    """Names of records and of those that they refer to."""
    names = {row["Id"]: row["Name"] for row in third.control.ndjson(f"/truth/{of}")}
    return {
        (row["Name"], names[row[field]]) for row in third.control.ndjson(f"/truth/{object}") if row[field]
    }


def test_dreamhouse_comes_back_whole(move: Callable[[str], App], move_back: Callable[[str], Running]) -> None:
    app, third = move("dreamhouse"), move_back("dreamhouse")
    brokers, homes = app.given("brokers-data.json"), app.given("properties-data.json")
    assert stands_again(third, brokers) == 48
    place = {f"Location__{part}__s": f"{part}__c" for part in ("Latitude", "Longitude")}
    assert stands_again(third, homes, place) == 12 * 16
    assert stands_again(third, app.given("contacts-data.json")) == 20
    called = {f"@{each['attributes']['referenceId']}": each["Name"] for each in brokers}
    expected = {(home["Name"], called[home["Broker__c"]]) for home in homes}
    assert parents(third, "Property__c", "Broker__c", "Broker__c") == expected


def test_ebikes_comes_back_whole(move: Callable[[str], App], move_back: Callable[[str], Running]) -> None:
    app, third = move("ebikes"), move_back("ebikes")
    families, bikes = app.given("Product_Family__cs.json"), app.given("Product__cs.json")
    assert stands_again(third, families) == 12
    assert stands_again(third, bikes) == 16 * 14
    assert stands_again(third, app.given("Accounts.json")) == 18
    called = {f"@{each['attributes']['referenceId']}": each["Name"] for each in families}
    expected = {(bike["Name"], called[bike["Product_Family__c"]]) for bike in bikes}
    assert parents(third, "Product__c", "Product_Family__c", "Product_Family__c") == expected


def test_records_that_a_user_merged_in_salesforce_lead_to_their_master(
    move: Callable[[str], App], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last one, for it changes the app: two of five contacts become one, in a delta."""
    app = move("dreamhouse")
    for key, value in app.environment.items():
        monkeypatch.setenv(key, value)
    ids = {row["LastName"]: row["Id"] for row in app.salesforce.control.ndjson("/truth/Contact")}
    master, loser = ids["Holmes"], ids["Martin"]
    app.salesforce.control.post(
        "/act",
        {
            "as": "admin@sandbox.example",
            "do": "merge",
            "object": "Contact",
            "master": master,
            "losers": [loser],
        },
    )
    out = tmp_path / "crosswalk.csv"
    for words in ("extract --since-watermark", "transform", "load", f"crosswalk export {out}"):
        assert main(["-w", str(app.root), *words.split()]) in (0, 1), words
    assert set(app.held("contacts")) == {"Brad Holmes", "July Walker", "Anna Jones", "John Connor"}
    rows = {row["old_id"]: row for row in csv.DictReader(out.read_text().splitlines())}
    assert (rows[loser]["outcome"], rows[loser]["survivor"]) == ("merged_at_source", rows[master]["key"])
    assert rows[loser]["target_id"] == rows[master]["target_id"] != ""


def test_custom_records_and_their_links_are_taken_back_and_what_stays_is_named(
    move: Callable[[str], App],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also a last one: E-Bikes out of HubSpot again, all but the objects that `prepare` made."""
    app = move("ebikes")
    for key, value in app.environment.items():
        monkeypatch.setenv(key, value)
    for words in ("rollback run --yes", "rollback verify"):
        assert main(["-w", str(app.root), *words.split()]) == 0, words
    told = capsys.readouterr().out
    assert "pass, 0 held" in told
    assert "p_bike: objects made by prepare (Bike)" in told
    for object in ("p4471203_product_family", "p4471203_bike", "companies"):
        rows = app.hubspot.control.ndjson(f"/truth/{object}")
        assert rows
        assert all(row["archived"] for row in rows)
    live = [row for row in app.hubspot.control.ndjson("/truth/links") if not row["archived"]]
    assert live == []
