"""What does a value look like on Salesforce's wire, and how does what comes back compare with it?

`cell` makes JSON of a wire value; `canonical` brings a value of a reply into the form that `encode`
gives, so that equal values are equal texts. Numbers of more than 15 digits travel as JSON text, since
whatever parses them on the way may hold a number as a double (REST guide "Valid Date and DateTime
Formats"; RFC 8259 section 6, read 2026-11-26). Salesforce gives the values of a multi-select in the
picklist's order; here they are sorted.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from migrate.catalog import Field
from migrate.connectors.salesforce.ids import long_id
from migrate.connectors.wire import decimal_text, instant_text, join_options
from migrate.types import NUMERIC, Kind

DOUBLE_DIGITS = 15  # decimal digits that a double always holds


def cell(field: Field | None, value: str | None) -> Any:
    """A wire value as orjson writes it."""
    if value is None or field is None:
        return value
    if field.kind is Kind.BOOL:
        return value == "true"
    if field.kind in NUMERIC:
        digits = sum(character.isdigit() for character in value.lstrip("-0."))
        return value if digits > DOUBLE_DIGITS else orjson.Fragment(value)
    return value


def canonical(field: Field | None, value: Any) -> str | None:
    """A value of a reply (numbers as text) in the form that `encode` would have sent."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    text, kind = str(value), field.kind if field is not None else None
    if kind in NUMERIC:
        try:
            return decimal_text(Decimal(text))
        except InvalidOperation:
            return text
    if kind is Kind.TIMESTAMP:
        return instant_text(datetime.fromisoformat(text))
    if kind is Kind.MULTIPICKLIST:
        return join_options(text.split(";"))
    if kind is Kind.REFERENCE or (field is not None and field.vendor_type == "id"):
        return long_id(text)
    return text
