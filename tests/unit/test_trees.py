"""Tree files become a seed: references resolved, numbers exact, and what is missing is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from migrate.demo.maven import MissingData
from migrate.demo.trees import dreamhouse


def tree(folder: Path, broker: str = "@AnnRef") -> Path:
    records = {
        "brokers.json": [{"attributes": {"type": "Broker__c", "referenceId": "AnnRef"}, "Name": "@Ann"}],
        "homes.json": [
            {
                "attributes": {"type": "Property__c", "referenceId": "HomeRef"},
                "Name": "Home",
                "Broker__c": broker,
                "Location__Latitude__s": 42.1234567,
            }
        ],
    }
    for name, rows in records.items():
        (folder / name).write_text(json.dumps({"records": rows}))
    plan = [{"sobject": "x", "files": [name]} for name in records]
    (folder / "sample-data-plan.json").write_text(json.dumps(plan))
    return folder


def test_references_become_ids_and_numbers_stay_exact(tmp_path: Path) -> None:
    records = dreamhouse(tree(tmp_path))["records"]
    [broker], [home] = records["Broker__c"], records["Property__c"]
    assert home["Broker__c"] == broker["Id"]
    assert broker["Id"].startswith("a0B")
    assert broker["Name"] == "@Ann"
    assert home["Location__Latitude__s"] == "42.1234567"
    assert "attributes" not in home


def test_a_reference_to_nobody_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"homes.json: `Broker__c` refers to `@BobRef`"):
        dreamhouse(tree(tmp_path, "@BobRef"))


def test_a_missing_or_broken_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"sample-data-plan.json can't be read.*\n.*\n.*SHARED_DATA"):
        dreamhouse(tmp_path)
    (tree(tmp_path) / "homes.json").write_text("{")
    with pytest.raises(MissingData, match=r"homes.json isn't JSON"):
        dreamhouse(tmp_path)
