"""What hangs under a record? Children by lookup or master-detail, as links whose label is the child's field.

Salesforce has no link objects: a child names its parent in a field. Before something of ours is
deleted, every kind of record that a person may have hung under it is asked for (`childRelationships` of
the describe; REST guide "sObject Describe", read 2026-11-26). Histories, shares and feeds follow their
record and aren't asked for; nor are an e-mail's relations, which the platform makes of its own addresses
(Object Reference "EmailMessageRelation", read 2026-11-26).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from migrate.connector import Link
from migrate.connectors.salesforce import soql
from migrate.connectors.salesforce.ids import long_id
from migrate.connectors.salesforce.looking import Looking
from migrate.connectors.salesforce.org import Org

_FOLLOWING = ("History", "Share", "Feed", "ChangeEvent", "__Tag", "EmailMessageRelation")
_FILTERED = frozenset(
    {"ContentDocumentLink"}
)  # queried by one of two ids only; SOQL reference, read 2026-11-26
FEW = 200


class Hanging:
    """Children of records."""

    def __init__(self, org: Org, looking: Looking) -> None:
        self._org, self._looking = org, looking

    def linked_objects(self, object: str) -> list[str]:
        """Every object whose records a person may hang under this one's, by name."""
        return sorted({str(each["childSObject"]) for each in self._relations(object)})

    def read(self, left: str, ids: Sequence[str], right: str) -> list[Link]:
        """One link for each child of `right` under these records."""
        found: list[Link] = []
        asked = list(dict.fromkeys(ids))
        for relation in self._relations(left):
            if relation["childSObject"] != right:
                continue
            field, takes = str(relation["field"]), bool(relation.get("cascadeDelete"))
            if len(asked) > FEW and right not in _FILTERED and self._empty(right, field):
                continue
            text = soql.select(right, ["Id", field])
            for listed in self._looking.listed(text, asked):
                rows = self._org.rest.rows(f"{text} WHERE {soql.name(field)} IN ({listed})")
                found += [
                    Link(left, long_id(str(row[field])), right, long_id(str(row["Id"])), field, takes)
                    for row in rows
                ]
        return found

    def _relations(self, object: str) -> list[dict[str, Any]]:
        listed = self._org.listed()
        return [
            each
            for each in self._org.described(object).get("childRelationships") or ()
            if each.get("field")
            and not each.get("deprecatedAndHidden")
            and not str(each["childSObject"]).endswith(_FOLLOWING)
            and (there := listed.get(str(each["childSObject"])))
            and there.get("queryable")
            and there.get("createable")
        ]

    def _empty(self, object: str, field: str) -> bool:
        """Whether no record of the object names any parent there: most kinds of child are never used."""
        text = soql.select(object, ["Id"], [f"{soql.name(field)} != null"], "LIMIT 1")
        return not self._org.rest.rows(text)
