"""What do query jobs and ingest jobs of Bulk API 2.0 have in common?

A document with the vendor's keys, a state that only moves forward, and rows of result
text kept in parts. Keys, states and delimiters: Salesforce, Bulk API 2.0 "Create a
Query Job", "Create a Job", "Get Information About a Job", read 2026-11-23.
"""

from typing import Any

import orjson

from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.salesforce.errors import Refusal
from migrate.sandbox.vendor import Reply

DELIMITERS = {"COMMA": ",", "TAB": "\t", "PIPE": "|", "SEMICOLON": ";", "CARET": "^", "BACKQUOTE": "`"}
LINE_ENDINGS = {"LF": "\n", "CRLF": "\r\n"}
ENDED = frozenset({"JobComplete", "Failed", "Aborted"})
PART = 1000

Job = dict[str, Any]


def job_time(call: Call) -> str:
    """Now, as jobs write it."""
    return call.now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{call.now.microsecond // 1000:03d}+0000"


def new_job(call: Call, kind: str, given: dict[str, Any], object: str, first: str) -> Job:
    """Store a new job; `kind` is query or ingest, `first` its first state.

    Raises:
        Refusal: `INVALIDJOB` for a delimiter, line ending or content type that the vendor doesn't know.
    """
    delimiter, ending = given.get("columnDelimiter", "COMMA"), given.get("lineEnding", "LF")
    known = delimiter in tuple(DELIMITERS) and ending in tuple(LINE_ENDINGS)
    if not known or given.get("contentType", "CSV") != "CSV":
        raise Refusal(
            "INVALIDJOB", "InvalidJob : contentType, columnDelimiter or lineEnding is not supported"
        )
    stamp = job_time(call)
    job: Job = {
        "id": call.records.new_id("750"),
        "operation": given["operation"],
        "object": object,
        "createdById": call.actor,
        "createdDate": stamp,
        "systemModstamp": stamp,
        "state": first,
        "concurrencyMode": "Parallel",
        "contentType": "CSV",
        "apiVersion": float(call.version),
        "lineEnding": ending,
        "columnDelimiter": delimiter,
    }
    save(call, kind, job, created=True)
    count_start(call, kind)
    return job


def save(call: Call, kind: str, job: Job, *, created: bool = False) -> None:
    """Write a job's document."""
    if not created:
        job["systemModstamp"] = job_time(call)
    call.tx.sql.execute(
        "INSERT INTO sf_job VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET document = excluded.document",
        (job["id"], kind, call.now.timestamp(), orjson.dumps(job).decode()),
    )


def load(call: Call, kind: str, id: str) -> Job:
    """A job of that kind.

    Raises:
        Refusal: 404 when there is none.
    """
    row = call.tx.sql.execute(
        "SELECT document FROM sf_job WHERE kind = ? AND substr(id, 1, 15) = ?", (kind, id[:15])
    ).fetchone()
    if row is None:
        raise Refusal("NOT_FOUND", "The requested resource does not exist")
    found: Job = orjson.loads(row[0])
    return found


def listed(call: Call, kind: str) -> list[Job]:
    """All jobs of a kind."""
    rows = call.tx.sql.execute("SELECT document FROM sf_job WHERE kind = ? ORDER BY id", (kind,)).fetchall()
    return [orjson.loads(row[0]) for row in rows]


def remove(call: Call, job: Job) -> Reply:
    """`DELETE`: only for a job that has ended."""
    if job["state"] not in ENDED:
        raise Refusal("INVALIDJOBSTATE", "Job can be deleted only when it is in a terminal state")
    for table, column in (("sf_job", "id"), ("sf_job_rows", "job"), ("sf_locator", "job")):
        call.tx.sql.execute(f"DELETE FROM {table} WHERE {column} = ?", (job["id"],))
    return Reply(204)


def public(job: Job) -> Job:
    """A job as its creator sees it: without what the simulator keeps for itself."""
    return {key: value for key, value in job.items() if not key.startswith("_")}


def count_start(call: Call, kind: str) -> None:
    """One more query job, or one more batch of an ingest job: it counts even if its job is deleted."""
    call.tx.sql.execute("INSERT INTO sf_started VALUES (?, ?)", (kind, call.now.timestamp()))


def started_today(call: Call, kind: str) -> int:
    """Query jobs or ingest batches of the last 24 hours."""
    since = call.now.timestamp() - 86_400
    call.tx.sql.execute("DELETE FROM sf_started WHERE kind = ? AND at <= ?", (kind, since))
    row = call.tx.sql.execute("SELECT count(*) FROM sf_started WHERE kind = ?", (kind,)).fetchone()
    return int(row[0])


def add_rows(call: Call, job: Job, part: str, start: int, rows: list[str]) -> None:
    """Keep some lines of a result, without line ends."""
    call.tx.sql.execute(
        "INSERT OR REPLACE INTO sf_job_rows VALUES (?, ?, ?, ?)", (job["id"], part, start, orjson.dumps(rows))
    )


def rows_of(call: Call, job: Job, part: str, start: int = 0, count: int | None = None) -> list[str]:
    """Lines `start` to `start + count` of a result."""
    found: list[str] = []
    cursor = call.tx.sql.execute(
        "SELECT start, rows FROM sf_job_rows WHERE job = ? AND part = ? AND start > ? ORDER BY start",
        (job["id"], part, start - PART),
    )
    for at, blob in cursor:
        rows = orjson.loads(blob)
        found += rows[max(0, start - at) :]
        if count is not None and len(found) >= count:
            return found[:count]
    return found


def line(cells: list[str], delimiter: str) -> str:
    """One CSV line, every cell in quotes, as the vendor writes results."""
    if any('"' in text for text in cells):
        cells = [text.replace('"', '""') for text in cells]
    return '"' + f'"{delimiter}"'.join(cells) + '"'
