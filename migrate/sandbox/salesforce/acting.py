"""What can users of the org do while a migration runs?

Everything that the user interface offers, through the same code as the API, but
logged under the user's own id. Some writes come late: long transactions commit rows
with stamps earlier than rows that are visible already.
"""

from typing import Any

from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.salesforce.dml import create, update
from migrate.sandbox.salesforce.lifecycle import delete, merge, undelete


def act(call: Call, action: dict[str, Any], *, stamp: str | None = None) -> dict[str, Any]:
    """Do one action; returns the ids it touched.

    Args:
        stamp: the `SystemModstamp` to write, for an action that became visible late.

    Raises:
        Refusal: the platform refuses. ValueError: no such action.
    """
    call.forced_stamp = stamp
    item = call.object(action["object"])
    fields = action.get("fields", {})
    match action["do"]:
        case "create" | "link":
            return {"id": create(call, item, fields)}
        case "update":
            return {"id": update(call, item, action["id"], fields)}
        case "delete" | "unlink":
            return {"id": delete(call, item, action["id"])}
        case "undelete":
            return {"id": undelete(call, item, action["id"])}
        case "merge":
            master = action.get("master") or action["id"]
            losers = action.get("losers") or [action["loser"]]
            return {"id": merge(call, item, master, losers, fields), "losers": losers}
    raise ValueError(f"`{action['do']}` is nothing that a user can do here")


def lateness(call: Call) -> float:
    """Seconds by which this write comes late: every `late_every`-th does."""
    every = int(call.settings.get("late_every", 0))
    if every > 0 and call.records.next("acts") % every == 0:
        return float(call.settings.get("late_seconds", 5))
    return 0.0
