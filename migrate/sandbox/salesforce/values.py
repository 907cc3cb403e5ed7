"""Which values does a field take, how are they kept, and how are they shown?

Kept: texts trimmed, empty as null; numbers as decimal text at the field's scale, so
that no digit is lost; dates as `YYYY-MM-DD`; instants as `YYYY-MM-DDTHH:MM:SS.000Z`,
so that text order is time order. Shown: REST writes instants with `+0000`, Bulk CSV
with `Z` (Salesforce, REST API "Valid Date and DateTime Formats", Bulk API 2.0
"Valid Date Format in Records", read 2026-11-23). Error texts are the vendor's.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

import orjson

from migrate.sandbox.salesforce.errors import Refusal
from migrate.sandbox.salesforce.ids import normal_id
from migrate.sandbox.salesforce.schema import NUMBERS, TEXTS, Field

_BLANKS = "".join(map(chr, range(33)))  # the guides say "whitespace"; here it is what Java's `trim` takes off
_EMAIL = re.compile(r"[^@\s,;<>()\[\]\"']+@[^@\s,;<>()\[\]\"']+\.[^@\s,;<>()\[\]\"'.]{2,}")
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:?\d\d)?")


def instant(moment: datetime) -> str:
    """An aware moment as it is kept: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def read_instant(text: str) -> str | None:
    """Any ISO 8601 instant as it is kept; None when it is none."""
    found = _INSTANT.fullmatch(text.strip())
    if found is None:
        return None
    zone = found[4] or "Z"
    zone = "+00:00" if zone == "Z" else zone
    try:
        moment = datetime.fromisoformat(f"{found[1]}T{found[2]}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    # The platform knows the years 1700 to 4000; text order is time order in four digits alone.
    return instant(moment) if 1700 <= moment.year <= 4000 else None


def accept(field: Field, value: Any, *, csv: bool = False) -> Any:
    """The value as it is kept.

    Args:
        value: JSON, or with `csv` the text of a cell.

    Raises:
        Refusal: with the code and text that the vendor gives for such a value.
    """
    if value is None:
        return None
    if isinstance(value, str):
        whole = value.strip(_BLANKS)
        value = value.rstrip(_BLANKS) if field.kind == "textarea" and whole else whole
        if not value:
            return None
    kind = field.kind
    if kind in TEXTS or kind == "multipicklist":
        return _text(field, value)
    if kind in NUMBERS or kind in ("int", "long"):
        return _number(field, value)
    match kind:
        case "boolean":
            return _boolean(field, value, csv=csv)
        case "reference" | "id":
            found = normal_id(value) if isinstance(value, str) else None
            if found is None:
                raise Refusal(
                    "MALFORMED_ID", f"{field.label}: id value of incorrect type: {value}", [field.name]
                )
            return found
        case "date":
            return _date(field, value)
        case "datetime":
            moment = read_instant(value) if isinstance(value, str) else None
            if moment is None and isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
                moment = read_instant(value + "T00:00:00Z")
            if moment is None:
                raise _unreadable("datetime", value, field)
            return moment
        case "base64" | "time" | "location" | "address":
            return value
    return value


def _text(field: Field, value: Any) -> str:
    if not isinstance(value, str):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _unreadable("string", value, field)
        value = str(value)
    text: str = value
    if field.length and len(value) > field.length:
        raise Refusal(
            "STRING_TOO_LONG",
            f"{field.label}: data value too large: {value[:255]} (max length={field.length})",
            [field.name],
        )
    if field.kind == "email" and not _EMAIL.fullmatch(value):
        raise Refusal("INVALID_EMAIL_ADDRESS", f"{field.label}: invalid email address: {value}", [field.name])
    if field.kind in ("picklist", "multipicklist") and field.describe["restrictedPicklist"]:
        for chosen in value.split(";") if field.kind == "multipicklist" else [value]:
            known = field.values.get(chosen)
            if known is None or not known["active"]:
                raise bad_choice(field, chosen)
    return text


def bad_choice(field: Field, value: str) -> Refusal:
    """A value outside a restricted picklist, or one that the record type doesn't allow."""
    return Refusal(
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        f"{field.label}: bad value for restricted picklist field: {value}",
        [field.name],
    )


def _number(field: Field, value: Any) -> Any:
    if isinstance(value, bool):
        raise _unreadable("double", value, field)
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise _unreadable("int" if field.kind == "int" else "double", value, field) from None
    if not number.is_finite():
        raise _unreadable("double", value, field)
    scale = 0 if field.kind in ("int", "long") else int(field.describe["scale"])
    if field.kind == "int" and number != number.to_integral_value():
        raise _unreadable("int", value, field)
    digits = (
        int(field.describe["digits"]) or 19
        if field.kind in ("int", "long")
        else int(field.describe["precision"])
    )
    rounded = (
        number.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP) if abs(number) < Decimal("1e24") else number
    )
    # Digits of an int are a display width: the column itself takes 32 bits.
    ceiling = Decimal(2**31) if field.kind == "int" else Decimal(10) ** (digits - scale)
    if abs(rounded) >= ceiling:
        raise Refusal(
            "NUMBER_OUTSIDE_VALID_RANGE",
            f"{field.label}: value outside of valid range on numeric field: {value}",
            [field.name],
        )
    if field.kind in ("int", "long"):
        return int(rounded)
    return plain(rounded)


def plain(number: Decimal) -> str:
    """A decimal without exponent and without zeros behind the last digit that counts."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _boolean(field: Field, value: Any, *, csv: bool) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).lower()
    if text in ("true", "false") or (csv and text in ("1", "0", "yes", "no")):
        return text in ("true", "1", "yes")
    raise _unreadable("boolean", value, field)


def _date(field: Field, value: Any) -> str:
    text = value[:10] if isinstance(value, str) and _INSTANT.fullmatch(value) else value
    if not isinstance(text, str) or len(text) != 10:
        raise _unreadable("date", value, field)
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise _unreadable("date", value, field) from None
    if not 1700 <= found.year <= 4000:
        raise Refusal("NUMBER_OUTSIDE_VALID_RANGE", f"{field.label}: invalid date: {value}", [field.name])
    return text


def _unreadable(wanted: str, value: Any, field: Field) -> Refusal:
    shown = f"VALUE_STRING value {value}" if isinstance(value, str) else f"value {value}"
    if isinstance(value, str):
        return Refusal(
            "INVALID_TYPE_ON_FIELD_IN_RECORD",
            f"{field.label}: value not of required type: {value}",
            [field.name],
        )
    return Refusal(
        "JSON_PARSER_ERROR", f"Cannot deserialize instance of {wanted} from {shown} at field {field.name}", []
    )


def number(text: str) -> Any:
    """A kept number for JSON, exact: where a float would lose digits they go out as they are."""
    value = float(text)
    if Decimal(repr(value)) == Decimal(text):
        return value
    return orjson.Fragment(text.encode())


def shown(field: Field, value: Any) -> Any:
    """A kept value for REST."""
    if value is None:
        return None
    if field.kind in NUMBERS:
        return number(value)
    if field.kind == "datetime" or (field.kind == "anyType" and _kept_instant(value)):
        return value[:-1] + "+0000"
    return value


def _kept_instant(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 24 and read_instant(value) == value


def plain_truth(field: Field | None, value: Any) -> Any:
    """A kept value for an oracle: numbers as numbers where exact, else as text; instants with `Z`."""
    if field is not None and field.kind in NUMBERS and isinstance(value, str):
        as_float = float(value)
        if Decimal(repr(as_float)) != Decimal(value):
            return value
        return int(as_float) if as_float.is_integer() else as_float
    return value


def cell(field: Field, *, scientific: bool = False) -> Callable[[Any], str]:
    """How a kept value is written into a bulk CSV cell; `scientific`: large numbers as `1.5E7`."""
    if field.kind in NUMBERS and scientific:
        return lambda value: "" if value is None else _exponent(value)
    if field.kind in NUMBERS:
        return lambda value: "" if value is None else (value if "." in value else value + ".0")
    if field.kind == "boolean":
        return lambda value: "true" if value else "false"
    if field.kind in ("int", "long"):
        return lambda value: "" if value is None else str(value)
    if field.kind == "anyType":
        return lambda value: (
            "" if value is None else str(value).lower() if value is True or value is False else str(value)
        )
    return lambda value: "" if value is None else value


def _exponent(text: str) -> str:
    """A number as Java writes a double: with an exponent from ten million on."""
    value = Decimal(text)
    if abs(value) < 10_000_000:
        return text if "." in text else text + ".0"
    sign, digits, _ = value.normalize().as_tuple()
    shown_digits = "".join(map(str, digits))
    return f"{'-' if sign else ''}{shown_digits[0]}.{shown_digits[1:] or '0'}E{value.adjusted()}"


def initial(field: Field) -> Any:
    """The default of a field on insert, as kept."""
    given = field.describe["defaultValue"]
    if given is not None:
        return accept(field, given)
    if field.kind == "boolean":
        return False
    if field.kind in ("picklist", "multipicklist"):
        for value, entry in field.values.items():
            if entry["defaultValue"]:
                return value
        if field.describe["defaultedOnCreate"] and field.values:
            return next((value for value, entry in field.values.items() if entry["active"]), None)
    return None


def full_name(record: Mapping[str, Any]) -> str:
    """The compound name of a person."""
    return " ".join(part for part in (record.get("FirstName"), record.get("LastName")) if part)
