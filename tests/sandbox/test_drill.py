"""Twins look like the systems that they were made from, and a drill on them needs no real system."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from migrate.catalog import Catalog
from migrate.clock import SandboxClock
from migrate.connector import NewField, NewLabel, NewObject, NewOption, SchemaChange, Settings
from migrate.connectors.hubspot import HubSpotConnector
from migrate.connectors.salesforce import SalesforceConnector
from migrate.demo.generated import generated
from migrate.demo.run import SETTINGS, environment, prepare_folder
from migrate.demo.shape import Sizes
from migrate.errors import UsageError
from migrate.sandbox.server import Running, launch
from migrate.stages.discover import drift_between
from migrate.twins import Twin, stand
from tests.sandbox.test_rollback import Line

SMALL = Sizes(accounts=8, parents=2, opportunities=20, companies=10, known=3, contacts=6)
HOUSE = NewObject("p_house", "House", "Houses", "street", fields=(
    NewField("p_house", "street", "Street", "string", required=True),
    NewField("p_house", "style", "Style", "picklist", options=(
        NewOption("p_house", "style", "barn", "Barn"), NewOption("p_house", "style", "villa", "Villa"))),
), searchable=("street",), links=("companies",))  # fmt: skip
MADE: list[SchemaChange] = [
    HOUSE, *HOUSE.fields, *HOUSE.fields[1].options,
    NewField("companies", "migration_key", "Key", "string", unique=True),
    NewField("deals", "fee", "Fee", "money"),
    NewOption("companies", "industry", "BEES", "Bees"),
    NewLabel("contacts", "companies", "Boss", "Bossed by"),
    NewLabel("companies", "p_house", "Seat"),
]  # fmt: skip
ORG_FIELDS: dict[str, Any] = {
    "Account": {"fields": [
        {"name": "Key__c", "type": "string", "length": 255, "unique": True, "externalId": True},
        {"name": "Land__c", "type": "picklist", "restrictedPicklist": True,
         "picklistValues": ["DE", {"value": "AT", "active": False}]},
        {"name": "Town__c", "type": "picklist", "controllerName": "Land__c", "dependentPicklist": True,
         "picklistValues": [{"value": "Graz", "validFor": "QA=="}, {"value": "Bonn", "validFor": "gA=="}]},
    ]},
    "House__c": {"label": "House", "fields": [
        {"name": "Firm__c", "type": "reference", "referenceTo": ["Account"], "relationshipOrder": 0,
         "cascadeDelete": True, "nillable": False},
        {"name": "Area__c", "type": "double", "precision": 12, "scale": 4, "nillable": False},
    ]},
}  # fmt: skip


def hubspot(url: str, clock: SandboxClock) -> HubSpotConnector:
    return HubSpotConnector(Settings("new", {"token": "pat-na1-sandbox", "base_url": url}, {}, clock))


def salesforce(url: str, clock: SandboxClock) -> SalesforceConnector:
    credentials = {"instance_url": url, "client_id": "admin-app", "client_secret": "sandbox-secret"}
    return SalesforceConnector(Settings("old", credentials, {}, clock))


def clock(running: Any, speed: float = 20.0) -> SandboxClock:
    return SandboxClock(datetime.fromisoformat(running.control.get("/clock")["now"]), speed)


def catalog_of(connector: HubSpotConnector | SalesforceConnector) -> Catalog:
    found = connector.discover()
    connector.close()
    return found


def options(catalog: Catalog) -> dict[str, list[tuple[str, str, bool, object]]]:
    return {
        f"{object}.{name}": [(o.value, o.label, o.active, o.beside) for o in field.options]
        for object, schema in catalog.objects.items()
        for name, field in schema.fields.items()
    }


def test_the_twin_of_a_portal_has_its_objects_fields_stages_and_labels(tmp_path: Path) -> None:
    with launch("hubspot", tmp_path / "real", speed=20.0) as running:
        running.control.post("/seed", {
            "portal": {"portalId": 9911, "accountType": "STANDARD", "companyCurrency": "EUR"},
            "owners": [{"id": 71, "userId": 5, "email": "a@x.test", "firstName": "Ann", "lastName": "Lee"}],
            "pipelines": {"deals": [{"id": "p2", "label": "Other", "displayOrder": 1, "stages": [
                {"id": "s1", "label": "Open", "displayOrder": 0},
                {"id": "s2", "label": "Won it", "displayOrder": 1, "probability": "1.0"}]}]},
        })  # fmt: skip
        connector = hubspot(running.url, clock(running))
        assert {outcome for _, outcome in connector.prepare(MADE)} == {"made"}
        real = catalog_of(connector)
    with stand(Twin(real, speed=20.0), tmp_path / "twin") as standing:
        standing.hide(catalog_of(hubspot(standing.url, clock(standing))))
        twin = catalog_of(hubspot(standing.url, clock(standing)))
    assert drift_between(real, twin) == ()
    assert options(twin) == options(real)
    assert set(twin.links) == set(real.links)
    assert (twin.tenant, twin.family, twin.currency, twin.production) == (
        real.tenant, real.family, real.currency, True
    )  # fmt: skip
    assert {each.id: (each.email, each.active, each.user) for each in twin.owners} == {
        each.id: (each.email, each.active, each.user) for each in real.owners
    }
    assert "p_house" in twin.objects


def test_the_twin_of_an_org_has_its_objects_fields_and_values(tmp_path: Path) -> None:
    hidden = {"*": {"hidden": {"Contact": ["Fax"]}, "objects": {"Lead": {"read": False}}}}
    with launch("salesforce", tmp_path / "real", speed=20.0) as running:
        seed = generated(SMALL).salesforce
        running.control.post("/seed", seed)
        running.control.post("/seed", {"metadata": ORG_FIELDS, "permissions": hidden})
        real = catalog_of(salesforce(running.url, clock(running)))
    assert "Lead" not in real.objects
    with stand(Twin(real, speed=20.0), tmp_path / "twin") as standing:
        standing.hide(catalog_of(salesforce(standing.url, clock(standing))))
        twin = catalog_of(salesforce(standing.url, clock(standing)))
    assert drift_between(real, twin) == ()
    assert options(twin) == options(real)
    assert (twin.tenant, twin.family) == (real.tenant, real.family)
    for object, schema in real.objects.items():
        assert twin.objects[object].prefix == schema.prefix
        for name, field in schema.fields.items():
            assert twin.objects[object].fields[name].references == field.references, (object, name)


def test_without_the_simulators_a_twin_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "migrate.sandbox.server", None)
    catalog = Catalog(
        type="hubspot", tenant="1", family="hs1", api="v3", objects={}, discovered=datetime.now(UTC)
    )
    with pytest.raises(UsageError, match=r"crm-migrate\[sandbox\]"), stand(Twin(catalog), tmp_path):
        pass
    mime = catalog.model_copy(update={"type": "mime"})
    with pytest.raises(UsageError, match="no simulator of `mime`"), stand(Twin(mime), tmp_path):
        pass


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Line]]:
    """Workspaces whose real systems are switched off: as they were after the extract, and after the load."""
    root = tmp_path_factory.mktemp("drill") / "loaded"
    seed = generated(SMALL)
    prepare_folder(root, "salesforce-to-hubspot")
    with ExitStack() as stack:
        running: list[Running] = [
            stack.enter_context(launch(name, root.parent / name, settings=SETTINGS[name]))
            for name in ("salesforce", "hubspot")
        ]
        for each, document in zip(running, (seed.salesforce, seed.hubspot), strict=True):
            each.control.post("/seed", document)
        loaded = Line(root, running[1], environment(running[0], running[1]))
        for words in ("discover", "prepare", "extract"):
            loaded.run(words, codes=(0, 1))
        shutil.copytree(root, root.parent / "extracted")
        for words in ("transform", "load"):
            loaded.run(words, codes=(0, 1))
    yield {"loaded": loaded, "extracted": Line(root.parent / "extracted", running[1], loaded.variables)}


@pytest.mark.long
@pytest.mark.parametrize("after", ["extracted", "loaded"])
def test_a_drill_loads_and_rolls_back_without_any_real_system(lines: dict[str, Line], after: str) -> None:
    line = lines[after]
    told = line.run("rollback", "drill", "--whole", "--speed", "10")

    assert told["verdict"] == "pass", told["failures"]
    assert told["unlike"] == {"source": [], "target": []}
    assert (told["records"], told["enough"]) == (told["of"], True)
    assert (told["planted"], told["left_out"]) == (SMALL.companies + SMALL.contacts, 0)
    assert ("before-load-1" in told["baseline"]) == (after == "loaded")
    phases = {each["name"]: each for each in told["phases"]}
    assert phases["load"]["calls"]["updates"] > 0, "what stood in the target is adopted, not made anew"
    assert phases["rollback"]["calls"]["deletes"] > 0
    assert not (line.root / ".migrate" / "drill").exists(), "people's data don't stay behind"
    with sqlite3.connect(line.root / ".migrate" / "ledger.db") as ledger:
        measured = dict(ledger.execute("SELECT name, value FROM measures").fetchall())
    assert measured["rollback drill"] == pytest.approx(phases["rollback"]["whole"])
    assert measured["rollback verify"] == pytest.approx(phases["verify"]["whole"])
    assert measured["rollback plan"] == pytest.approx(phases["plan"]["whole"])


@pytest.mark.long
def test_a_sample_is_scaled_to_the_whole_and_has_no_way_to_the_real_systems(lines: dict[str, Line]) -> None:
    told = lines["extracted"].run("rollback", "drill", "--rows", "12", "--speed", "10", "--keep")
    assert 0 < told["records"] < told["of"]
    for phase in told["phases"]:
        assert phase["whole"] == pytest.approx(phase["seconds"] * told["of"] / told["records"])
    plan = (Path(told["folder"]) / "workspace" / "plan.yaml").read_text()
    assert "TWIN_TARGET_" in plan
    assert "env:NEW_" not in plan
