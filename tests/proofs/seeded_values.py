"""What is made of a value: which properties a kind of damage may be done to, and what comes of them.

Nothing of the product is imported. A maker gives None where the damage can't be done to a value, or where it
couldn't be told from another kind.
"""

from __future__ import annotations

import html
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

OWNER, CURRENCY = "hubspot_owner_id", "deal_currency_code"
# The mapped properties that a kind of damage may be done to. None is one that HubSpot fills by itself when it
# is empty, nor one that names a record (e-mail, domain): changing those makes HubSpot act.
TEXTS: Mapping[str, tuple[str, ...]] = {
    "companies": ("name", "phone"),
    "contacts": ("firstname", "lastname", "jobtitle", "phone"),
    "deals": ("dealname",),
    "p_installation": ("site_name",),
    "emails": ("hs_email_subject", "hs_email_text"),
}
NUMBERS: Mapping[str, tuple[str, ...]] = {"p_installation": ("seats",)}
TIMES = {"emails": ("hs_timestamp",), "deals": ("source_created",)}
DATES = {"p_installation": ("installed_on",), "deals": ("closedate",)}
MONEY = {"deals": ("amount",), "p_installation": ("yearly_fee",)}
CHOICES = {"deals": ("dealstage", "product"), "contacts": ("lead_source",), "p_installation": ("state",)}
HOURS = (1.0, -1.0, 2.0, 5.0, -7.0, 5.5, -9.5, 5.75, 12.0)


@dataclass
class Known:
    """To draw from. `stages`: those of the same pipeline, by stage; `options`: by object and name."""

    rng: random.Random
    stages: dict[str, list[str]]
    options: dict[tuple[str, str], list[str]]
    owners: list[str]


Make = Callable[[Known, str, str, str], "str | None"]


@dataclass(frozen=True)
class Change:
    """`pool`: properties by object. `make`: of object, property and value the new value."""

    pool: Mapping[str, Sequence[str]]
    make: Make


def same(one: Any, other: str) -> bool:
    """Whether HubSpot spells a value otherwise: numbers and moments."""
    try:
        return Decimal(str(one)) == Decimal(other)
    except ArithmeticError:
        pass
    try:
        return datetime.fromisoformat(str(one)) == datetime.fromisoformat(other)
    except ValueError:
        return False


def _changed(by: Known, object: str, name: str, value: str) -> str | None:
    if name in NUMBERS.get(object, ()):
        return str(int(Decimal(value)) + by.rng.randrange(1, 40))
    return f"Not what was here {by.rng.randrange(10**6)}"


def _truncated(by: Known, _object: str, _name: str, value: str) -> str | None:
    cut = value[: max(3, len(value) * 2 // 3)].rstrip(" .…\n")
    if len(value) < 6 or len(cut) >= len(value.rstrip()) or len(cut) < 3:
        return None
    return cut + "…" if by.rng.random() < 0.3 and len(cut) + 1 < len(value) else cut


def _recased(by: Known, _object: str, _name: str, value: str) -> str | None:
    new = by.rng.choice((value.upper(), value.lower(), value.swapcase()))
    return new if new != value and new.lower() == value.lower() else None


def _spaced(by: Known, _object: str, _name: str, value: str) -> str | None:
    if len(value) < 3:
        return None
    place = by.rng.randrange(1, len(value) - 1)
    return value[:place] + by.rng.choice((" ", "\u00a0", "\u2003", "  ")) + value[place:]


def _moved(by: Known, _object: str, _name: str, value: str) -> str | None:
    return _stamp(datetime.fromisoformat(value) + timedelta(hours=by.rng.choice(HOURS)))


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def _next_day(by: Known, _object: str, name: str, value: str) -> str | None:
    step = timedelta(days=by.rng.choice((1, -1)))
    moment = datetime.fromisoformat(value) + step
    return moment.strftime("%Y-%m-%d") if name == "installed_on" else _stamp(moment)


def _cent(by: Known, _object: str, _name: str, value: str) -> str | None:
    return str(Decimal(value) + by.rng.choice((Decimal("0.01"), Decimal("-0.01"))))


def _option(by: Known, object: str, name: str, value: str) -> str | None:
    if name == "dealstage":
        options = by.stages[value]
    elif name == "lifecyclestage":
        options = ["evangelist", "other"]  # further on: HubSpot lets nobody go back over the API
    else:
        options = by.options[object, name]
    return by.rng.choice([one for one in options if one != value])


def _owner(by: Known, _object: str, _name: str, value: str) -> str | None:
    return by.rng.choice([one for one in by.owners if one != value])


def _damaged(by: Known, _object: str, _name: str, value: str) -> str | None:
    """Read in another encoding, once or twice; what the encoding lacks replaced; escaped for a page."""
    ways = [
        value.encode().decode("cp1252", "replace"),
        value.encode().decode("latin-1"),
        value.encode().decode("cp1252", "replace").encode().decode("cp1252", "replace"),
        value.encode("ascii", "replace").decode(),
        value.encode("ascii", "replace").decode().replace("?", "\N{REPLACEMENT CHARACTER}"),
        html.escape(value),
    ]
    ways = [way for way in ways if way != value and way.isprintable()]
    return by.rng.choice(ways) if ways else None


CHANGES: Mapping[str, Change] = {
    "value changed": Change({**TEXTS, "p_installation": ("site_name", "seats")}, _changed),
    "value emptied": Change(
        {"contacts": ("jobtitle", "phone"), "companies": ("phone",), "p_installation": ("seats",),
         "emails": ("hs_email_text",)},
        lambda *_: "",
    ),
    "value truncated": Change(TEXTS, _truncated),
    "case changed": Change(TEXTS, _recased),
    "white space added": Change(TEXTS, _spaced),
    "time shifted by hours": Change(TIMES, _moved),
    "date by a day": Change(DATES, _next_day),
    "money by a cent": Change(MONEY, _cent),
    "currency swapped": Change({"deals": (CURRENCY,)}, _option),
    "picklist value swapped": Change(CHOICES, _option),
    "encoding damaged": Change(TEXTS, _damaged),
    "owner swapped": Change(
        {"deals": (OWNER,), "companies": (OWNER,), "contacts": (OWNER,), "p_installation": (OWNER,)}, _owner
    ),
}  # fmt: skip
