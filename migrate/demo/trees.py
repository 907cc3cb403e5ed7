"""How do Salesforce's sample apps stand in an org? Their tree files, every value unchanged.

Reads the folders `dreamhouse` (trailheadapps/dreamhouse-lwc) and `ebikes` (trailheadapps/ebikes-lwc):
`sample-data-plan.json` names the files in order, a record's `referenceId` is what later ones refer to as
`@…`. The objects and fields are described as the apps' own metadata describe them (field definitions of
both repositories, read 2026-11-26), as far as the data use them. Nothing is made up but ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from migrate.demo.maven import MissingData
from migrate.demo.shape import PREFIXES, Row, picklist
from migrate.sandbox.salesforce.ids import mint

FIRST = 41_000_000  # ids apart from those of the other seeds
PLAN = "sample-data-plan.json"


def _text(name: str, length: int, label: str = "", kind: str = "string") -> Row:
    return {"name": name, "type": kind, "length": length, **({"label": label} if label else {})}


def _number(name: str, kind: str, precision: int, scale: int, label: str = "", **more: Any) -> Row:
    named = {"label": label} if label else {}
    return {"name": name, "type": kind, "precision": precision, "scale": scale, **named, **more}


def _restricted(name: str, *values: str) -> Row:
    return {**picklist(name, values), "restrictedPicklist": True}


def _lookup(name: str, to: str, children: str) -> Row:
    return {
        "name": name, "type": "reference", "referenceTo": [to], "childRelationshipName": children,
        "relationshipName": name.removesuffix("__c") + "__r",
    }  # fmt: skip


_DREAMHOUSE: dict[str, Row] = {
    "Broker__c": {
        "keyPrefix": "a0B",
        "label": "Broker",
        "fields": [
            _text("Title__c", 255),
            _text("Phone__c", 40, kind="phone"),
            _text("Mobile_Phone__c", 40, kind="phone"),
            _text("Email__c", 80, kind="email"),
            _text("Picture__c", 255, kind="url"),
        ],
    },
    "Property__c": {
        "keyPrefix": "a0P",
        "label": "Property",
        "labelPlural": "Properties",
        "fields": [
            _text("Address__c", 100),
            _text("City__c", 50),
            _text("State__c", 20),
            _text("Zip__c", 10),
            _number("Price__c", "currency", 8, 0, "Asking Price"),
            _number("Beds__c", "double", 2, 0),
            _number("Baths__c", "double", 2, 0),
            {"name": "Location__c", "type": "location", "displayLocationInDecimal": True},
            *(
                _number(
                    f"Location__{part}__s",
                    "double",
                    10,
                    7,
                    f"Location ({part})",
                    custom=True,
                    compoundFieldName="Location__c",
                )
                for part in ("Latitude", "Longitude")
            ),
            _text("Picture__c", 255, kind="url"),
            _text("Thumbnail__c", 255, kind="url"),
            _text("Tags__c", 255),
            _text("Description__c", 500, kind="textarea"),
            picklist("Status__c", ("Contracted", "Pre Market", "Available", "Under Agreement", "Closed")),
            _lookup("Broker__c", "Broker__c", "Properties__r"),
        ],
    },
}
_PARTS = ("Battery__c", "Charger__c", "Motor__c", "Fork__c", "Front_Brakes__c", "Rear_Brakes__c")
_EBIKES: dict[str, Row] = {
    "Product_Family__c": {
        "keyPrefix": "a0F",
        "label": "Product Family",
        "labelPlural": "Product Families",
        "fields": [
            _text("Description__c", 1000, kind="textarea"),
            _restricted("Category__c", "Commuter", "Hybrid", "Mountain"),
        ],
    },
    "Product__c": {
        "keyPrefix": "a0R",
        "label": "Product",
        "fields": [
            _lookup("Product_Family__c", "Product_Family__c", "Products__r"),
            _text("Description__c", 1000, kind="textarea"),
            _number("MSRP__c", "currency", 6, 0, "MSRP"),
            _restricted("Level__c", "Beginner", "Enthusiast", "Racer"),
            _restricted("Category__c", "Mountain", "Commuter"),
            _restricted("Material__c", "Aluminum", "Carbon"),
            _text("Picture_URL__c", 255, "Picture URL", kind="url"),
            *(_text(name, 100) for name in _PARTS),
        ],
    },
}


def dreamhouse(folder: Path) -> dict[str, Any]:
    """A seed of brokers, their properties, and contacts.

    Raises:
        MissingData: a file isn't there; the text says where the data come from.
    """
    return _document("DreamHouse (sandbox)", folder, _DREAMHOUSE)


def ebikes(folder: Path) -> dict[str, Any]:
    """A seed of resellers, product families and their products.

    Raises:
        MissingData: a file isn't there; the text says where the data come from.
    """
    return _document("E-Bikes (sandbox)", folder, _EBIKES)


PROFILES = {"dreamhouse": dreamhouse, "ebikes": ebikes}


def _document(name: str, folder: Path, metadata: Mapping[str, Row]) -> dict[str, Any]:
    prefixes = PREFIXES | {object: str(given["keyPrefix"]) for object, given in metadata.items()}
    records: dict[str, list[Row]] = {}
    ids: dict[str, str] = {}
    for entry in _json(folder / PLAN):
        for file in entry["files"]:
            for given in _json(folder / file)["records"]:
                object = str(given["attributes"]["type"])
                rows = records.setdefault(object, [])
                id = mint(prefixes[object], FIRST + len(rows))
                ids["@" + str(given["attributes"]["referenceId"])] = id
                rows.append({"Id": id, **dict(_resolved(given, ids, folder / file))})
    return {"org": {"Name": name}, "metadata": dict(metadata), "records": records}


def _resolved(given: Mapping[str, Any], ids: Mapping[str, str], file: Path) -> Iterable[tuple[str, Any]]:
    for name, value in given.items():
        if name == "attributes":
            continue
        if isinstance(value, str) and value.startswith("@") and value.endswith("Ref"):
            if value not in ids:
                raise MissingData(f"{file}: `{name}` refers to `{value}`, and no record before is called so.")
            value = ids[value]
        yield name, str(value) if isinstance(value, Decimal) else value


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise MissingData(
            f"{path} can't be read ({error.strerror}).\n"
            "  It belongs to the sample data of Salesforce's apps dreamhouse-lwc and ebikes-lwc. Set\n"
            "  SHARED_DATA to the folder that holds `dreamhouse` and `ebikes`."
        ) from error
    except ValueError as error:
        raise MissingData(f"{path} isn't JSON: {error}.") from error
