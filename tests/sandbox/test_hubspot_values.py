"""What HubSpot's sandbox makes of a written value."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrate.sandbox.hubspot.values import BadValue, canonical, iso


def definition(type: str, name: str = "field", **more: Any) -> dict[str, Any]:
    return {"name": name, "label": name, "type": type, "fieldType": "text", **more}


@pytest.mark.parametrize(
    ("type", "sent", "held"),
    [
        ("string", "  as it is ", "  as it is "),
        ("string", "", None),
        ("string", None, None),
        ("string", 12, "12"),
        ("number", "15.50", "15.5"),
        ("number", "-0.0", "0"),
        ("number", 1e3, "1000"),
        ("number", "100", "100"),
        ("number", "+.50", "0.5"),
        ("bool", True, "true"),
        ("bool", "FALSE", "false"),
        ("date", "2024-02-29", "2024-02-29"),
        ("date", "1709164800000", "2024-02-29"),
        ("date", "2024-02-29T00:00:00Z", "2024-02-29"),
        ("datetime", "2024-02-29", "2024-02-29T00:00:00.000Z"),
        ("datetime", "2024-02-29T01:02:03.456789+01:00", "2024-02-29T00:02:03.456Z"),
        ("datetime", 1709164800123, "2024-02-29T00:00:00.123Z"),
    ],
)
def test_a_value_is_held_in_hubspots_own_form(type: str, sent: Any, held: str | None) -> None:
    assert canonical(definition(type), sent) == held


@pytest.mark.parametrize(
    ("type", "sent", "code"),
    [
        ("number", "1,000", "INVALID_DOUBLE"),
        ("number", "many", "INVALID_DOUBLE"),
        ("bool", "yes", "INVALID_OPTION"),
        ("date", "1709164800001", "INVALID_DATE"),
        ("date", "2024-02-29T01:00:00Z", "INVALID_DATE"),
        ("date", "29.02.2024", "INVALID_DATE"),
        ("datetime", "soon", "INVALID_DATE"),
        ("datetime", "9" * 15, "INVALID_DATE"),
        ("string", "x" * 65_537, "VALUE_TOO_LONG"),
        ("string", ["a"], "INVALID_JSON"),
    ],
)
def test_a_bad_value_is_named_by_hubspots_code(type: str, sent: Any, code: str) -> None:
    with pytest.raises(BadValue) as refused:
        canonical(definition(type), sent)
    assert refused.value.code == code


def test_addresses_and_domains_are_trimmed_and_lower_cased() -> None:
    assert canonical(definition("string", "email"), " Ada@Acme.Test ") == "ada@acme.test"
    assert canonical(definition("string", "domain"), " Acme.Test") == "acme.test"
    with pytest.raises(BadValue, match="INVALID_EMAIL"):
        canonical(definition("string", "email"), "ada at acme")


def test_a_leading_separator_appends_to_a_multi_checkbox() -> None:
    boxes = definition("enumeration", fieldType="checkbox")
    assert canonical(boxes, ";b;a", held="a", allowed={"a", "b"}) == "a;b"
    assert canonical(boxes, "b", held="a", allowed={"a", "b"}) == "b"
    with pytest.raises(BadValue, match="INVALID_OPTION"):
        canonical(boxes, "a;c", allowed={"a", "b"})


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**12), max_value=10**12))
def test_a_number_keeps_its_value_and_its_form_is_final(value: Decimal) -> None:
    held = canonical(definition("number"), str(value))
    assert held is not None
    assert Decimal(held) == value
    assert canonical(definition("number"), held) == held


@given(st.datetimes(min_value=datetime(1, 1, 2)))  # noqa: DTZ001 - the strategy wants it naive
def test_an_instants_form_is_final(moment: datetime) -> None:
    held = canonical(definition("datetime"), moment.isoformat())
    assert held is not None
    assert canonical(definition("datetime"), held) == held
    assert held == iso(moment.replace(tzinfo=UTC))
