"""Values go to HubSpot as text and come back as the same text, and as the same Arrow."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrate.catalog import Field
from migrate.connectors.hubspot.properties import field_of, label_name
from migrate.connectors.hubspot.values import (
    canonical,
    decimal_text,
    decode_column,
    encode,
    encode_column,
)
from migrate.types import Kind, arrow_type


def field(kind: Kind) -> Field:
    return Field(name="x", label="X", kind=kind, vendor_type="")


VALUES = {
    Kind.DECIMAL: st.decimals(-(10**20), 10**20, places=10),
    Kind.BOOL: st.booleans(),
    Kind.DATE: st.dates(date(1000, 1, 1)),
    Kind.TIMESTAMP: st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)).map(  # noqa: DTZ001
        lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000, tzinfo=UTC)
    ),
    Kind.STRING: st.text(min_size=1),
    Kind.MULTIPICKLIST: st.lists(st.sampled_from(["a", "b c", "ü"]), min_size=1, unique=True).map(sorted),
}


@pytest.mark.parametrize("kind", VALUES, ids=str)
@given(data=st.data())
def test_what_is_sent_comes_back_as_the_same_text_and_the_same_value(kind: Kind, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.none() | VALUES[kind], max_size=5))
    column = pa.array(values, type=arrow_type(kind))

    wire = encode_column(column)

    assert [canonical(kind, text) for text in wire] == wire
    assert decode_column(field(kind), wire) == column


def test_every_type_has_hubspots_own_form() -> None:
    batch = pa.RecordBatch.from_pydict(
        {
            "_key": ["k"],
            "amount": pa.array([Decimal("1500.5000000000")], type=pa.decimal128(38, 10)),
            "whole": pa.array([Decimal("1200.0000000000")], type=pa.decimal128(38, 10)),
            "tiny": pa.array([Decimal("0.0000000001")], type=pa.decimal128(38, 10)),
            "none": pa.array([Decimal("0E-10")], type=pa.decimal128(38, 10)),
            "count": pa.array([7], type=pa.int64()),
            "closed": pa.array([True]),
            "day": pa.array([date(2024, 2, 29)]),
            "at": pa.array(
                [datetime(2024, 2, 29, 23, 1, 2, 5999, tzinfo=UTC)], type=pa.timestamp("us", "UTC")
            ),
            "many": pa.array([["b", "a"]], type=pa.list_(pa.string())),
            "absent": pa.array([None], type=pa.string()),
        }
    )
    assert encode(batch) == [
        {
            "amount": "1500.5",
            "whole": "1200",
            "tiny": "0.0000000001",
            "none": "0",
            "count": "7",
            "closed": "true",
            "day": "2024-02-29",
            "at": "2024-02-29T23:01:02.005Z",
            "many": "a;b",
            "absent": None,
        }
    ]


@pytest.mark.parametrize(
    ("kind", "held", "expected"),
    [
        (Kind.DECIMAL, "15.50", "15.5"),
        (Kind.MONEY, "1.5E3", "1500"),
        (Kind.DECIMAL, "-0.0", "0"),
        (Kind.TIMESTAMP, "1709247662005", "2024-02-29T23:01:02.005Z"),
        (Kind.TIMESTAMP, "2024-02-29T23:01:02Z", "2024-02-29T23:01:02.000Z"),
        (Kind.DATE, "1709164800000", "2024-02-29"),
        (Kind.MULTIPICKLIST, "b;a;;a", "a;b"),
        (Kind.STRING, "", None),
        (Kind.STRING, " a ", " a "),
        (Kind.DECIMAL, "many", "many"),
    ],
)
def test_what_hubspot_holds_is_read_in_the_form_that_is_sent(
    kind: Kind, held: str, expected: str | None
) -> None:
    assert canonical(kind, held) == expected


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30))
def test_a_number_keeps_its_value_and_loses_its_trailing_zeros(value: Decimal) -> None:
    text = decimal_text(value)
    assert Decimal(text) == value
    assert "E" not in text
    assert text == "0" or not ("." in text and text.endswith(("0", ".")))


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ({"type": "number", "fieldType": "number"}, Kind.DECIMAL),
        ({"type": "number", "fieldType": "number", "showCurrencySymbol": True}, Kind.MONEY),
        ({"type": "enumeration", "fieldType": "checkbox"}, Kind.MULTIPICKLIST),
        ({"type": "enumeration", "fieldType": "radio"}, Kind.PICKLIST),
        ({"type": "string", "fieldType": "html"}, Kind.TEXT),
        ({"type": "datetime", "fieldType": "date"}, Kind.TIMESTAMP),
        ({"type": "date", "fieldType": "date"}, Kind.DATE),
        ({"type": "bool", "fieldType": "booleancheckbox"}, Kind.BOOL),
    ],
)
def test_a_propertys_kind_follows_its_type_and_field_type(entry: dict[str, object], kind: Kind) -> None:
    assert field_of({"name": "x", **entry}, False, None).kind is kind


def test_an_owner_property_is_known_and_a_read_only_one_is_not_written() -> None:
    owner = {"name": "hubspot_owner_id", "type": "enumeration", "externalOptions": True}
    assert field_of({**owner, "referencedObjectType": "OWNER"}, False, None).owner
    fixed = field_of(
        {"name": "x", "type": "number", "modificationMetadata": {"readOnlyValue": True}}, False, None
    )
    assert not fixed.createable
    assert not fixed.updateable


def test_link_labels_have_words_that_no_portal_changes() -> None:
    assert label_name("HUBSPOT_DEFINED", 279, None) == "default"
    assert label_name("HUBSPOT_DEFINED", 1, "Primary") == "primary"
    assert label_name("HUBSPOT_DEFINED", 14, "Parent Company") == "parent"
    assert label_name("USER_DEFINED", 36, "Decision maker") == "Decision maker"
