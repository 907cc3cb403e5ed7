"""Which records does Salesforce itself make with one that is inserted?

With Enhanced Email it makes a completed task for each e-mail message that belongs to no case, stamped with
the time of the insert; `ActivityId` names it (Salesforce, Object Reference "EmailMessage", help
"Considerations for Using Enhanced Email", read 2026-11-26).
"""

from __future__ import annotations

from collections.abc import Sequence

from migrate.connector import Companion
from migrate.connectors.salesforce import soql
from migrate.connectors.salesforce.ids import long_id
from migrate.connectors.salesforce.org import Org

COMPANIONS = (Companion("EmailMessage", "Task", "ActivityId", "Enhanced Email"),)
LOT = 200  # ids in one query, so that it fits into a URI


def made_with(org: Org, rule: Companion, ids: Sequence[str]) -> dict[str, str]:
    """Of these records those that a record of the rule's object names, with its id."""
    found: dict[str, str] = {}
    for first in range(0, len(ids), LOT):
        listed = ", ".join(soql.text(id) for id in ids[first : first + LOT])
        rows = org.rest.rows(f"SELECT Id, {rule.field} FROM {rule.object} WHERE {rule.field} IN ({listed})")
        found |= {long_id(str(row[rule.field])): long_id(str(row["Id"])) for row in rows}
    return found
