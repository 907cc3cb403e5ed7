"""How much of the org's allowance is used?

API requests of the last 24 hours, by minute; other limits are constant here
(Salesforce, REST API "Limits", "API Request Limits and Allocations", read 2026-11-23).
"""

from datetime import datetime
from typing import Any

from migrate.sandbox.salesforce import jobs, org_rules
from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.store import Tx
from migrate.sandbox.vendor import Reply

_DAY = 24 * 60


def count_call(call: Call) -> None:
    """One more API request."""
    minute = int(call.now.timestamp() // 60)
    call.tx.sql.execute(
        "INSERT INTO sf_usage VALUES (?, 1) ON CONFLICT (minute) DO UPDATE SET calls = calls + 1", (minute,)
    )
    call.tx.sql.execute("DELETE FROM sf_usage WHERE minute < ?", (minute - _DAY,))


def usage(tx: Tx, now: datetime) -> int:
    """API requests in the last 24 hours."""
    since = int(now.timestamp() // 60) - _DAY
    row = tx.sql.execute("SELECT coalesce(sum(calls), 0) FROM sf_usage WHERE minute > ?", (since,)).fetchone()
    return int(row[0])


def limits(call: Call) -> Reply:
    """`GET /limits`."""
    day = int(call.settings["daily_limit"])
    rows = org_rules.rows(call)
    files = int(call.settings.get("file_storage_mb") or 1073)
    storage = int(call.settings.get("storage_mb") or 1073)
    queries = int(call.settings["daily_query_jobs"])
    batches = int(call.settings["daily_batches"])

    def entry(most: int, used: int = 0) -> dict[str, Any]:
        return {"Max": most, "Remaining": max(0, most - used)}

    return Reply(200, {
        "DailyApiRequests": entry(day, usage(call.tx, call.now)),
        "DailyBulkApiBatches": entry(batches, jobs.started_today(call, "ingest")),
        "DailyBulkV2QueryFileStorageMB": entry(976_562),
        "DailyBulkV2QueryJobs": entry(queries, jobs.started_today(call, "query")),
        "DailyAsyncApexExecutions": entry(250_000),
        "DataStorageMB": entry(storage, rows * 2 // 1024),
        "FileStorageMB": entry(files, org_rules.file_bytes(call) // 1_048_576),
        "HourlyPublishedPlatformEvents": entry(50_000),
        "SingleEmail": entry(15),
    })  # fmt: skip
