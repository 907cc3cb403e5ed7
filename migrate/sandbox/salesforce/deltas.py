"""What changed, and what was deleted, between two moments?

`updated` looks at `SystemModstamp` and reaches back 30 days, `deleted` 15; seconds are
dropped from both ends, which must be more than a minute apart (Salesforce, REST API
"sObject Get Updated", "sObject Get Deleted", read 2026-11-23).
"""

from datetime import datetime, timedelta

from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.salesforce.errors import Refusal
from migrate.sandbox.salesforce.lifecycle import BIN_DAYS
from migrate.sandbox.salesforce.schema import SObject
from migrate.sandbox.salesforce.values import instant, read_instant
from migrate.sandbox.vendor import Reply

UPDATED_DAYS = 30
MOST = 600_000


def _window(call: Call, item: SObject, days: int) -> tuple[str, str]:
    if not item.flags.get("replicateable", True):
        raise Refusal("INVALID_TYPE", f"object is not replicateable: {item.name}")
    ends = []
    for name in ("start", "end"):
        text = (call.request.arg(name) or "").replace(" ", "+")
        found = read_instant(text)
        if found is None:
            raise Refusal("INVALID_REPLICATION_DATE", f"{name} is missing or no dateTime")
        ends.append(datetime.fromisoformat(found).replace(second=0, microsecond=0))
    start, end = ends
    if end - start <= timedelta(minutes=1):
        raise Refusal(
            "INVALID_REPLICATION_DATE", "startDate before endDate by more than one minute is required"
        )
    if start < call.now - timedelta(days=days):
        raise Refusal("INVALID_REPLICATION_DATE", f"startDate cannot be more than {days} days ago")
    if end > call.now + timedelta(minutes=5):
        raise Refusal("INVALID_REPLICATION_DATE", "endDate cannot be in the future")
    return instant(start), instant(end)


def _rest(text: str) -> str:
    return text[:-1] + "+0000"


def updated(call: Call, item: SObject) -> Reply:
    """`GET /sobjects/{object}/updated/?start=&end=`."""
    start, end = _window(call, item, UPDATED_DAYS)
    rows = call.tx.sql.execute(
        "SELECT id FROM sf_record WHERE object = ? AND stamp >= ? AND stamp < ? AND deleted_at IS NULL"
        " ORDER BY id",
        (item.name, start, end),
    ).fetchall()
    if len(rows) > MOST:
        raise Refusal("EXCEEDED_ID_LIMIT", "Too many ids")
    return Reply(200, {"ids": [row[0] for row in rows], "latestDateCovered": _rest(end)})


def deleted(call: Call, item: SObject) -> Reply:
    """`GET /sobjects/{object}/deleted/?start=&end=`."""
    start, end = _window(call, item, BIN_DAYS)
    rows = call.tx.sql.execute(
        "SELECT id, deleted_at FROM sf_record WHERE object = ? AND deleted_at >= ? AND deleted_at < ?"
        " ORDER BY id",
        (item.name, start, end),
    ).fetchall()
    if len(rows) > MOST:
        raise Refusal("EXCEEDED_ID_LIMIT", "Too many ids")
    earliest = instant(call.now - timedelta(days=BIN_DAYS))
    return Reply(
        200,
        {
            "deletedRecords": [{"id": row[0], "deletedDate": _rest(row[1])} for row in rows],
            "earliestDateAvailable": _rest(earliest),
            "latestDateCovered": _rest(end),
        },
    )
