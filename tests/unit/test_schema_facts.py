"""What the journal holds of a change of the schema is enough to take it back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from migrate.connector import NewField, NewHelper, NewLabel, NewObject, NewOption, SchemaChange
from migrate.ledger import BatchRow
from migrate.stages.prepare import entry, of_facts, words

OPTION = NewOption("deals", "stage", "a=b", "A; b")
CHANGES: list[SchemaChange] = [
    OPTION,
    NewField("deals", "fee", "Fee", "money", required=True),
    NewField("deals", "key", "Key", "string", unique=True, options=(OPTION,)),
    NewField("Room__c", "House__c", "House", "reference", reference="House__c", detail=True),
    NewObject("House__c", "House", "Houses", "Name", fields=(NewField("House__c", "x", "X", "bool"),)),
    NewLabel("contacts", "companies", "Boss", "Bossed by"),
    NewLabel("contacts", "companies", "Boss"),
    NewHelper("companies", "property group", "migration"),
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda each: words(each))
def test_a_change_comes_out_of_the_journal_as_it_went_in(change: SchemaChange) -> None:
    batch = BatchRow("b", 1, "new", "prepare", "prepare", "-", (), "-", "schema", "-", "-")
    loading: Any = SimpleNamespace(attempt=1, system="new")
    row = entry(loading, batch, change, "create", "done", "made")
    back = of_facts(row.after)
    assert type(back) is type(change)
    assert words(back) == words(change)
    for name in ("object", "name", "field", "value", "kind", "unique", "reference", "required", "detail",
                 "left", "right", "label", "inverse", "name_field"):  # fmt: skip
        assert getattr(back, name, None) == getattr(change, name, None)
