# ruff: noqa: E501 - tables are read across
"""Dependent picklists and record types, out of what a describe call says."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from migrate.catalog import Catalog
from migrate.connectors.salesforce.describe import object_schema
from migrate.connectors.salesforce.picklists import valid_for
from migrate.plan import load_plan
from migrate.stages.check import check
from migrate.types import Kind
from tests.unit.transform_case import SOURCE
from tests.unit.transform_case import TARGET as KNOWN

HEAD = "version: 1\nsource: {system: a, type: salesforce, credentials: 'env:A_'}\n"
HEAD += "target: {system: b, type: hubspot, credentials: 'env:B_'}\nobjects:\n"


def bits(*places: int, size: int = 8) -> str:
    raw = bytearray(size)
    for place in places:
        raw[place >> 3] |= 0x80 >> (place & 7)
    return base64.b64encode(bytes(raw)).decode()


def value(name: str, **more: Any) -> dict[str, Any]:
    return {"value": name, "label": name, "active": True, **more}


def described(**more: Any) -> dict[str, Any]:
    country = {"name": "Country__c", "type": "picklist", "createable": True, "nillable": True,
               "picklistValues": [value("France"), value("Germany"), value("Spain", active=False)]}  # fmt: skip
    city = {
        "name": "City__c", "type": "picklist", "createable": True, "nillable": True,
        "dependentPicklist": True, "controllerName": "Country__c",
        "picklistValues": [
            value("Paris", validFor=bits(0)), value("Berlin", validFor=bits(1)),
            value("Border", validFor=bits(0, 1, 2)), value("Nowhere", validFor=bits()),
        ],
    }  # fmt: skip
    return {"name": "Place__c", "createable": True, "fields": [country, city], **more}


def test_a_dependent_value_says_with_which_controlling_values_it_goes() -> None:
    field = object_schema(described(), "https://x.example", {}).fields["City__c"]
    assert (field.within, field.lenient) == ("Country__c", True)
    assert {option.value: sorted(option.beside or ()) for option in field.options} == {
        "Paris": ["France"],
        "Berlin": ["Germany"],
        "Border": ["France", "Germany", "Spain"],
        "Nowhere": [],
    }
    assert all(option.beside is not None for option in field.options)


def test_a_catalog_keeps_that_a_value_goes_with_none() -> None:
    schema = object_schema(described(), "https://x.example", {})
    again = type(schema).model_validate_json(schema.model_dump_json())
    assert again == schema
    assert again.fields["City__c"].options[3].beside == frozenset()


@given(st.sets(st.integers(0, 40)), st.integers(1, 41))
def test_every_bit_means_its_controlling_value(chosen: set[int], size: int) -> None:
    outer = [f"v{n}" for n in range(size)]
    assert set(valid_for(bits(*chosen), outer)) == {f"v{n}" for n in chosen if n < size}


@given(st.text(max_size=20))
def test_what_is_no_bit_set_means_nothing(text: str) -> None:
    assert set(valid_for(text, ["a", "b"])) <= {"a", "b"}


def test_record_types_are_a_picklist_by_developer_name() -> None:
    infos = [
        {"master": True, "recordTypeId": "012000000000000AAA", "developerName": "Master", "name": "Master"},
        {"master": False, "recordTypeId": "0125g0000001AAA", "developerName": "Partner", "name": "Partner!",
         "available": True, "active": True},
        {"master": False, "recordTypeId": "0125g0000001BBB", "developerName": "Old", "name": "Old",
         "available": False, "active": True},
    ]  # fmt: skip
    reference = {"name": "RecordTypeId", "type": "reference", "referenceTo": ["RecordType"], "createable": True,
                 "nillable": True}  # fmt: skip
    whole = described(recordTypeInfos=infos)
    whole["fields"].append(reference)
    field = object_schema(whole, "https://x.example", {}).fields["RecordTypeId"]
    assert field.kind is Kind.PICKLIST
    assert [(each.value, each.label, each.active) for each in field.options] == [
        ("0125g0000001AAA", "Partner", True), ("0125g0000001BBB", "Old", False),
    ]  # fmt: skip


def warnings(tmp_path: Path, cities: Sequence[str], pairs: dict[tuple[str, str | None], int]) -> list[str]:
    place = object_schema(described(), "https://x.example", {})
    fields = {**KNOWN.objects["companies"].fields, **place.fields}
    target = KNOWN.model_copy(
        update={"objects": {"companies": KNOWN.objects["companies"].model_copy(update={"fields": fields})}}
    )
    rows = "".join(f"{city},,{city},\n" for city in cities)
    (tmp_path / "city.csv").write_text(f"source,count,target,note\n{rows}")
    (tmp_path / "country.csv").write_text("source,count,target,note\nF,,France,\nG,,Germany,\n")
    (tmp_path / "plan.yaml").write_text(
        HEAD + "  - source: Account\n    target: companies\n    fields:\n      name: Name\n"
        "      Country__c: {from: Industry, picklist: country.csv}\n"
        "      City__c: {from: Website, picklist: city.csv}\n"
    )
    checked = check(
        load_plan(tmp_path / "plan.yaml"), SOURCE, target, {}, combinations={("Account", "City__c"): pairs}
    )
    return [f"{each.what} {each.remedy}" for each in checked.warnings if "valid only" in each.what]


def test_combinations_that_the_pages_refuse_are_counted(tmp_path: Path) -> None:
    pairs: dict[tuple[str, str | None], int] = {("Paris", "F"): 9, ("Paris", "G"): 3, ("Border", "G"): 1}
    [told] = warnings(tmp_path, ["Paris", "Border"], pairs)
    assert "`Paris` of `City__c` is valid only with `France` in `Country__c`" in told
    assert "(3 records)" in told
    assert "whoever edits one of them must choose again" in told


def test_a_catalog_without_dependent_lists_keeps_its_digest() -> None:
    assert isinstance(SOURCE, Catalog)
    assert '"parents"' not in SOURCE.model_dump_json()
    assert '"lenient"' not in SOURCE.model_dump_json()
