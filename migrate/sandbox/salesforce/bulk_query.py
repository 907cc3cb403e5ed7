"""How does a Bulk API 2.0 query run and hand out its result?

The job waits, runs, and completes on the sandbox's clock; its rows are fixed when it
runs. Result pages are CSV, always gzip, and name the next page by an opaque locator;
the last one says `null`. A seed may also bring finished jobs whose pages are files
(Salesforce, Bulk API 2.0 "Query Jobs", "Get Results for a Query Job", "Get Parallel
Results", read 2026-11-23).
"""

import gzip
import hashlib
import re
from pathlib import Path as FilePath
from typing import Any
from urllib.parse import quote

from migrate.sandbox.salesforce import jobs
from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.salesforce.errors import Refusal
from migrate.sandbox.salesforce.evaluate import Execution
from migrate.sandbox.salesforce.soql import parse
from migrate.sandbox.salesforce.syntax import Call as Function
from migrate.sandbox.salesforce.syntax import Path, Select, TypeOf
from migrate.sandbox.vendor import Reply

KIND = "query"
DAILY_JOBS = 10_000
PAGES_AT_ONCE = 5


def create(call: Call) -> Reply:
    """`POST /jobs/query`."""
    given = call.json()
    if given.get("operation") not in ("query", "queryAll"):
        raise Refusal("INVALIDJOB", f"InvalidJob : Unsupported operation: {given.get('operation')}")
    if jobs.started_today(call, KIND) >= int(call.settings.get("daily_query_jobs", DAILY_JOBS)):
        raise Refusal("EXCEEDED_MAX_QUERY_JOBS", "ExceededQuota : DailyBulkV2QueryJobs limit exceeded")
    select = parse(str(given.get("query") or ""))
    _allowed(select)
    run = Execution(call, select, every=given["operation"] == "queryAll")
    run.columns()
    job = jobs.new_job(call, KIND, given, run.item.name, "UploadComplete")
    answer = dict(job)
    job |= {
        "jobType": "V2Query",
        "_query": given["query"],
        "_user": call.actor,
        "numberRecordsProcessed": 0,
        "retries": 0,
        "totalProcessingTime": 0,
        "isPkChunkingSupported": not (select.order or select.limit),
    }
    jobs.save(call, KIND, job, created=True)
    call.tx.later(float(call.settings.get("bulk_wait", 0.05)), "query-start", {"job": job["id"]})
    return Reply(200, answer)


def _allowed(select: Select) -> None:
    """Refuse what bulk queries don't take."""
    refused = None
    if select.group:
        refused = "GROUP BY"
    elif select.offset is not None:
        refused = "OFFSET"
    elif select.aggregate:
        refused = "Aggregate functions"
    else:
        for item in select.items:
            if isinstance(item.what, Select):
                refused = "Aggregate Relationships"
            elif isinstance(item.what, TypeOf):
                refused = "TYPEOF"
            elif not isinstance(item.what, Path):
                refused = f"{item.what.name}()" if isinstance(item.what, Function) else "FIELDS()"
    if refused:
        raise Refusal("API_ERROR", f"FeatureNotEnabled : {refused} not supported in Bulk Query")


def advance(call: Call, kind: str, payload: dict[str, Any]) -> None:
    """Scheduled work: start a job, then finish it."""
    try:
        job = jobs.load(call, KIND, payload["job"])
    except Refusal:
        return  # deleted meanwhile
    if kind == "query-start" and job["state"] == "UploadComplete":
        job["state"] = "InProgress"
        jobs.save(call, KIND, job)
        call.tx.later(float(call.settings.get("bulk_work", 0.1)), "query-finish", payload)
    elif kind == "query-finish" and job["state"] == "InProgress":
        _finish(call, job)


def _finish(call: Call, job: jobs.Job) -> None:
    delimiter = jobs.DELIMITERS[job["columnDelimiter"]]
    try:
        run = Execution(call, parse(job["_query"]), every=job["operation"] == "queryAll")
        columns = run.columns()
    except Refusal as refusal:  # the schema or the user's rights changed while the job waited
        job |= {"state": "Failed", "errorMessage": f"{refusal.code} : {refusal.message}"}
        jobs.save(call, KIND, job)
        return
    writers = [write for _, write in columns]
    job["_header"] = jobs.line([name for name, _ in columns], delimiter)
    lines: list[str] = []
    total = 0
    for record in run.matching():
        lines.append(jobs.line([write(record) for write in writers], delimiter))
        if len(lines) == jobs.PART:
            jobs.add_rows(call, job, "result", total, lines)
            total += len(lines)
            lines = []
    if lines:
        jobs.add_rows(call, job, "result", total, lines)
        total += len(lines)
    job |= {
        "state": "JobComplete",
        "numberRecordsProcessed": total,
        "totalProcessingTime": 100 + total // 100,
    }
    jobs.save(call, KIND, job)


def results(call: Call, id: str) -> Reply:
    """`GET /jobs/query/{id}/results`."""
    job = _complete(call, id)
    start = _start(call, job, call.request.arg("locator"))
    if "_pages" in job:
        return _rendered(call, job, start)
    size = _size(call)
    rows = jobs.rows_of(call, job, "result", start, size)
    end = jobs.LINE_ENDINGS[job["lineEnding"]]
    text = end.join([job["_header"], *rows]) + end
    following = start + len(rows)
    last = following >= job["numberRecordsProcessed"]
    return _page(
        gzip.compress(text.encode(), 1), len(rows), "null" if last else _locator(call, job, following)
    )


def _size(call: Call) -> int:
    page = int(call.settings.get("bulk_page", 50_000))
    wanted = call.request.arg("maxRecords")
    if wanted is None:
        return page
    if not re.fullmatch(r"0*[1-9][0-9]{0,8}", wanted):
        raise Refusal("INVALID_PARAMETER", "maxRecords must be a positive number")
    return int(wanted)


def _rendered(call: Call, job: jobs.Job, page: int) -> Reply:
    """A page that lies on disk, already compressed."""
    last = page + 1 >= len(job["_pages"])
    body = FilePath(job["_pages"][page]).read_bytes()
    return _page(body, job["_rows"][page], "null" if last else _locator(call, job, page + 1))


def _page(body: bytes, rows: int, locator: str) -> Reply:
    headers = {"Content-Encoding": "gzip", "Sforce-NumberOfRecords": str(rows), "Sforce-Locator": locator}
    return Reply(200, body, headers, "text/csv")


def result_pages(call: Call, id: str) -> Reply:
    """`GET /jobs/query/{id}/resultPages`: up to five pages' addresses at once."""
    job = _complete(call, id)
    start = _start(call, job, call.request.arg("locator"))
    step = 1 if "_pages" in job else int(call.settings.get("bulk_page", 50_000))
    total = len(job["_pages"]) if "_pages" in job else job["numberRecordsProcessed"]
    starts = list(range(start, max(total, 1), step))
    base = f"{call.base}/jobs/query/{job['id']}"
    answer: dict[str, Any] = {
        "resultPages": [
            {"resultUrl": f"{base}/results?locator={quote(_locator(call, job, at))}"}
            for at in starts[:PAGES_AT_ONCE]
        ],
        "done": len(starts) <= PAGES_AT_ONCE,
    }
    if not answer["done"]:
        answer["nextRecordsUrl"] = (
            f"{base}/resultPages?locator={quote(_locator(call, job, starts[PAGES_AT_ONCE]))}"
        )
    return Reply(200, answer)


def _complete(call: Call, id: str) -> jobs.Job:
    job = jobs.load(call, KIND, id)
    if job["state"] != "JobComplete":
        raise Refusal("INVALIDJOBSTATE", f"Results are not available: the job's state is {job['state']}")
    return job


def _locator(call: Call, job: jobs.Job, start: int) -> str:
    locator = hashlib.blake2s(f"{job['id']}:{start}".encode(), digest_size=12).hexdigest()
    call.tx.sql.execute("INSERT OR IGNORE INTO sf_locator VALUES (?, ?, ?)", (locator, job["id"], start))
    return locator


def _start(call: Call, job: jobs.Job, locator: str | None) -> int:
    if not locator:
        return 0
    row = call.tx.sql.execute(
        "SELECT start FROM sf_locator WHERE locator = ? AND job = ?", (locator, job["id"])
    ).fetchone()
    if row is None:
        raise Refusal("INVALID_LOCATOR", f"Invalid locator: {locator}")
    return int(row[0])


def one(call: Call, id: str) -> Reply:
    """`GET /jobs/query/{id}`."""
    return Reply(200, jobs.public(jobs.load(call, KIND, id)))


def every(call: Call) -> Reply:
    """`GET /jobs/query`: query jobs, and ingest jobs unless `jobType` asks for one kind."""
    wanted = call.request.arg("jobType")
    found = [job for kind in (KIND, "ingest") for job in jobs.listed(call, kind)]
    keys = (
        "id",
        "operation",
        "object",
        "createdById",
        "createdDate",
        "systemModstamp",
        "state",
        "concurrencyMode",
        "contentType",
        "apiVersion",
        "jobType",
        "lineEnding",
        "columnDelimiter",
    )
    records = [
        {key: job[key] for key in keys if key in job} for job in found if wanted in (None, job.get("jobType"))
    ]
    return Reply(200, {"done": True, "records": records, "nextRecordsUrl": None})


def change(call: Call, id: str) -> Reply:
    """`PATCH /jobs/query/{id}`: only aborting."""
    job = jobs.load(call, KIND, id)
    if call.json().get("state") != "Aborted":
        raise Refusal("INVALIDJOBSTATE", "A query job can only be changed to Aborted")
    if job["state"] in jobs.ENDED:
        raise Refusal("INVALIDJOBSTATE", f"Aborting already {job['state']} job not allowed")
    job["state"] = "Aborted"
    jobs.save(call, KIND, job)
    return Reply(200, jobs.public(job))


def remove(call: Call, id: str) -> Reply:
    """`DELETE /jobs/query/{id}`."""
    return jobs.remove(call, jobs.load(call, KIND, id))
