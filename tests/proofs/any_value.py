"""Does any value that a type allows get through, there and back, or is it rejected with a reason?

Hypothesis draws the values; each batch of them is one custom object of a Salesforce org that goes to HubSpot
and into another org. What isn't there afterwards must stand in a list of what didn't move, with its reason.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from migrate.sandbox.salesforce.ids import mint
from tests.harness.roundtrip import Compared
from tests.proofs.roundtrip import journey

CHOICES = ("Red", "Green", "Dark Blue", "Blau/Grün", "1", "ja, nein")
TEXT = st.text(st.characters(codec="utf-8"), max_size=255)
LONG = st.text(st.characters(codec="utf-8"), max_size=2_000)
FIELDS: tuple[dict[str, Any], ...] = (
    {"name": "Text__c", "type": "string", "length": 255},
    {"name": "Long__c", "type": "textarea", "length": 32_768},
    {"name": "Whole__c", "type": "double", "precision": 18, "scale": 0},
    {"name": "Fine__c", "type": "double", "precision": 18, "scale": 6},
    {"name": "Money__c", "type": "currency", "precision": 18, "scale": 2},
    {"name": "Day__c", "type": "date"},
    {"name": "Moment__c", "type": "datetime"},
    {"name": "Flag__c", "type": "boolean"},
    {"name": "Choice__c", "type": "picklist", "picklistValues": [{"value": v} for v in CHOICES]},
    {"name": "Choices__c", "type": "multipicklist", "picklistValues": [{"value": v} for v in CHOICES]},
)


def _number(digits: int, scale: int) -> st.SearchStrategy[str]:
    most = 10**digits - 1
    return st.integers(-most, most).map(lambda n: format(Decimal(n).scaleb(-scale), "f"))


def _moment(seconds: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


ROW = st.fixed_dictionaries(
    {},
    optional={
        "Text__c": TEXT,
        "Long__c": LONG,
        "Whole__c": _number(18, 0),
        "Fine__c": _number(18, 6),
        "Money__c": _number(18, 2),
        "Day__c": st.dates(date(1700, 1, 1), date(4000, 12, 31)).map(date.isoformat),
        # From 1700 to 4000, in seconds.
        "Moment__c": st.integers(-8_520_336_000, 64_060_588_799).map(_moment),
        "Flag__c": st.booleans(),
        "Choice__c": st.sampled_from(CHOICES),
        "Choices__c": st.lists(st.sampled_from(CHOICES), min_size=1, unique=True).map(";".join),
    },
)


def document(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A seed: one account, and the rows as records of a custom object."""
    records = [
        {"Id": mint("aV1", 1_000 + number), "Name": f"Value {number:04d}", **row}
        for number, row in enumerate(rows)
    ]
    # One more, which has every field filled, so that all of them are moved.
    full = {"Text__c": "x", "Long__c": "x", "Whole__c": "1", "Fine__c": "1", "Money__c": "1", "Flag__c": True,
            "Day__c": "2020-01-01", "Moment__c": "2020-01-01T00:00:00.000Z", "Choice__c": "Red",
            "Choices__c": "Red"}  # fmt: skip
    records.append({"Id": mint("aV1", 999), "Name": "Value", **full})
    return {
        "metadata": {"Value__c": {"keyPrefix": "aV1", "label": "Value", "labelPlural": "Values",
                                  "fields": list(FIELDS)}},
        "records": {"User": [], "Account": [{"Id": mint("001", 999), "Name": "Firm"}], "Value__c": records},
    }  # fmt: skip


def rejected(folder: Path) -> dict[str, str]:
    """Reasons by source id, of what a workspace says that it didn't move."""
    with (folder / "crosswalk.csv").open(newline="", encoding="utf-8") as file:
        return {
            row["old_id"]: row["reason"]
            for row in csv.DictReader(file)
            if row["outcome"] in ("rejected", "dead_letter") and row["reason"]
        }


def travelled(root: Path, rows: Sequence[dict[str, Any]]) -> tuple[Compared, Counter[str]]:
    """Send the rows there and back; what was compared, and the reasons of those that were rejected."""
    with journey(root, document(rows)) as trip:
        trip.there()
        trip.run("there", f"crosswalk export {root / 'there' / 'crosswalk.csv'}")
        trip.back()
        trip.run("back", f"crosswalk export {root / 'back' / 'crosswalk.csv'}")
        refused = rejected(root / "there")
        middle = {id: first for (_, id), first in trip.keys().items()}
        refused |= {middle[id]: reason for id, reason in rejected(root / "back").items()}
        return trip.compare(gone=dict.fromkeys(refused, "rejected")), Counter(refused.values())


def draw(count: int, batches: int, run: Callable[[list[dict[str, Any]]], None]) -> None:
    """Call `run` with so many batches of so many drawn rows.

    Each row is an example of its own: an example of many rows would be larger than what hypothesis draws, and
    all that came would be the simplest one.
    """
    rows: list[dict[str, Any]] = []

    @settings(max_examples=count * batches, deadline=None, phases=(Phase.generate,), database=None,
              derandomize=True, suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(ROW)
    def drawn(row: dict[str, Any]) -> None:
        rows.append(row)

    drawn()
    for start in range(0, len(rows), count):
        run(rows[start : start + count])
