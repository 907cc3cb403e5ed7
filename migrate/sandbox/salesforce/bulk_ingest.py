"""How does a Bulk API 2.0 ingest job take rows, and what does it give back?

Open, one upload, UploadComplete, then batches of 10,000 rows on the sandbox's clock
until JobComplete; each row stands or falls alone. Results come in an order of their
own. A wrong line ending or an unknown column fails the whole job; `#N/A` empties a
field and an empty cell leaves it (Salesforce, Bulk API 2.0 "Create a Job", "Upload
Job Data", "Prepare CSV Files", "Limits", read 2026-11-23).
"""

import csv
import dataclasses
import io
import random
import re
from collections.abc import Callable
from typing import Any

from migrate.sandbox.salesforce import dml, jobs, lifecycle
from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.salesforce.errors import Refusal
from migrate.sandbox.salesforce.schema import SObject
from migrate.sandbox.vendor import Reply

KIND = "ingest"
MOST_BYTES = 150_000_000 * 3 // 4  # 150 MB once the vendor has turned it into base64
MULTIPART_CHARACTERS = 100_000
MOST_CELL, MOST_COLUMNS, MOST_RECORD = 32_000, 5_000, 400_000
OPERATIONS = ("insert", "update", "upsert", "delete", "hardDelete")


def create(call: Call) -> Reply:
    """`POST /jobs/ingest`, as JSON or with the data as multipart."""
    kind = call.header("content-type")
    data: bytes | None = None
    if kind.startswith("multipart/form-data"):
        given, data = _parts(call, kind)
    else:
        given = call.json()
    if jobs.started_today(call, KIND) >= int(call.settings.get("daily_batches", 15_000)):
        raise Refusal("EXCEEDED_MAX_BATCHES", "ExceededQuota : DailyBulkApiBatches limit exceeded")
    operation = given.get("operation")
    if operation not in OPERATIONS:
        raise Refusal("INVALIDJOB", f"InvalidJob : Unsupported operation: {operation}")
    item = call.schema.get(str(given.get("object")))
    act = {"insert": "create", "update": "edit", "upsert": "create"}.get(operation, "delete")
    if item is None or not item.flags.get("createable", True) or not call.rights.may(item.name, act):
        raise Refusal("INVALIDJOB", f"InvalidJob : No create/update access for object:{given.get('object')}")
    if operation == "hardDelete" and not call.rights.has("PermissionsBulkApiHardDelete"):
        raise Refusal(
            "FEATURENOTENABLED", "FeatureNotEnabled : hardDelete permission is not enabled for this user"
        )
    if operation == "upsert":
        name = given.get("externalIdFieldName")
        if not name or not isinstance(name, str):
            raise Refusal("INVALIDJOB", "InvalidJob : External ID was blank for upsert operation")
        if name != "Id":
            dml.upsert_key(call, item, name)
    job = jobs.new_job(call, KIND, given, item.name, "Open")
    job["contentUrl"] = f"services/data/v{call.version}/jobs/ingest/{job['id']}/batches"
    if operation == "upsert":
        job["externalIdFieldName"] = given["externalIdFieldName"]
    if "assignmentRuleId" in given:
        job["assignmentRuleId"] = given["assignmentRuleId"]
    stored = job | {
        "jobType": "V2Ingest",
        "retries": 0,
        "totalProcessingTime": 0,
        "apiActiveProcessingTime": 0,
        "apexProcessingTime": 0,
        "numberRecordsProcessed": 0,
        "numberRecordsFailed": 0,
        "_done": 0,
        "_success": 0,
    }
    if data is not None:
        _keep(call, stored, data)
        _complete(call, stored)
        job["state"] = stored["state"]
    jobs.save(call, KIND, stored, created=True)
    return Reply(200, job)


def _parts(call: Call, kind: str) -> tuple[dict[str, Any], bytes]:
    found = re.search(r'boundary="?([^";]+)"?', kind)
    if found is None:
        raise Refusal("INVALIDJOB", "InvalidJob : the multipart boundary is missing")
    given: dict[str, Any] | None = None
    data: bytes | None = None
    for part in call.request.body.split(b"--" + found[1].encode())[1:]:
        head, gap, body = part.replace(b"\r\n\r\n", b"\n\n", 1).partition(b"\n\n")
        if not gap:
            continue
        name = re.search(rb'name="?(\w+)', head)
        body = body.removesuffix(b"\n").removesuffix(b"\r")
        if name and name[1] == b"job":
            given = _with_body(call, body).json()
        elif name and name[1] == b"content":
            data = body
    if given is None or data is None:
        raise Refusal("INVALIDJOB", "InvalidJob : the parts `job` and `content` are required")
    if len(data) > MULTIPART_CHARACTERS:
        raise Refusal(
            "INVALIDJOB", f"InvalidJob : multipart data is limited to {MULTIPART_CHARACTERS} characters"
        )
    return given, data


def _with_body(call: Call, body: bytes) -> Call:
    headers = {**call.request.headers, "content-type": "application/json"}
    return dataclasses.replace(call, request=dataclasses.replace(call.request, body=body, headers=headers))


def upload(call: Call, id: str) -> Reply:
    """`PUT /jobs/ingest/{id}/batches`: once."""
    job = jobs.load(call, KIND, id)
    if job["state"] != "Open" or job.get("_uploaded"):
        raise Refusal(
            "INVALIDJOBSTATE", "Data was uploaded already, or the job is no longer open", status=409
        )
    if not call.header("content-type").startswith("text/csv"):
        raise Refusal("UNSUPPORTED_MEDIA_TYPE", "The content type of the data must be text/csv")
    _keep(call, job, call.request.body)
    jobs.save(call, KIND, job)
    return Reply(201)


def _keep(call: Call, job: jobs.Job, data: bytes) -> None:
    if len(data) > MOST_BYTES:
        raise Refusal("EXCEEDED_MAX_SIZE", "Request exceeded the maximum size of 150 MB", status=413)
    job["_uploaded"] = True
    call.tx.sql.execute("INSERT OR REPLACE INTO sf_job_rows VALUES (?, 'upload', 0, ?)", (job["id"], data))


def _complete(call: Call, job: jobs.Job) -> None:
    job["state"] = "UploadComplete"
    call.tx.later(float(call.settings.get("bulk_wait", 0.05)), "ingest-start", {"job": job["id"]})


def change(call: Call, id: str) -> Reply:
    """`PATCH /jobs/ingest/{id}`: UploadComplete or Aborted."""
    job = jobs.load(call, KIND, id)
    wanted = call.json().get("state")
    if wanted == "UploadComplete" and job["state"] == "Open":
        if not job.get("_uploaded"):
            raise Refusal("INVALIDJOBSTATE", "No data was uploaded")
        _complete(call, job)
    elif wanted == "Aborted" and job["state"] not in jobs.ENDED:
        if job["createdById"] != call.actor and not call.rights.has("PermissionsManageUsers"):
            raise Refusal("INSUFFICIENT_ACCESS", "only the creator may abort a job")
        job["state"] = "Aborted"
    else:
        raise Refusal("INVALIDJOBSTATE", f"Changing a job from {job['state']} to {wanted} is not allowed")
    jobs.save(call, KIND, job)
    return Reply(200, jobs.public(job))


def advance(call: Call, kind: str, payload: dict[str, Any]) -> None:
    """Scheduled work: check the data, then take batch after batch."""
    try:
        job = jobs.load(call, KIND, payload["job"])
    except Refusal:
        return  # deleted meanwhile
    if kind == "ingest-start" and job["state"] == "UploadComplete":
        job["state"] = "InProgress"
    elif kind != "ingest-batch" or job["state"] != "InProgress":
        return
    try:
        header, rows = _table(call, job)
        _columns(call, job, header)
    except Refusal as refusal:
        job |= {"state": "Failed", "errorMessage": f"{refusal.code} : {refusal.message}"}
        jobs.save(call, KIND, job)
        return
    if kind == "ingest-batch":
        size = int(call.settings.get("bulk_batch", 10_000))
        if job["_done"]:  # the first batch was counted with the job
            jobs.count_start(call, KIND)
        _batch(call, job, header, rows[job["_done"] : job["_done"] + size])
    if job["_done"] >= len(rows):
        job["state"] = "JobComplete"
        job["apiActiveProcessingTime"] = job["totalProcessingTime"] = 100 + len(rows)
    else:
        call.tx.later(float(call.settings.get("bulk_work", 0.1)), "ingest-batch", payload)
    jobs.save(call, KIND, job)


def _table(call: Call, job: jobs.Job) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the upload.

    Raises:
        Refusal: a line ending other than the job's, bytes that are no UTF-8, or no header.
    """
    row = call.tx.sql.execute(
        "SELECT rows FROM sf_job_rows WHERE job = ? AND part = 'upload'", (job["id"],)
    ).fetchone()
    data: bytes = row[0] if row else b""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refusal("ClientInputError", "Data is not UTF-8") from error
    first = re.match(r'(?:[^"\n]|"[^"]*")*?\n', text)
    ends = "CRLF" if first and first[0].endswith("\r\n") else "LF"
    if first and ends != job["lineEnding"]:
        raise Refusal(
            "ClientInputError",
            f"LineEnding is invalid on user data. Current LineEnding setting is {job['lineEnding']}",
        )
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=jobs.DELIMITERS[job["columnDelimiter"]], strict=False
    )
    csv.field_size_limit(MOST_RECORD)
    try:
        rows = [cells for cells in reader if cells]
    except csv.Error as error:
        raise Refusal("InvalidBatch", f"The data cannot be parsed: {error}") from error
    if not rows or not any(rows[0]):
        raise Refusal("InvalidBatch", "The data has no header row")
    return rows[0], rows[1:]


def _columns(call: Call, job: jobs.Job, header: list[str]) -> None:
    item = call.object(job["object"])
    if len(header) > MOST_COLUMNS:
        raise Refusal("InvalidBatch", f"more than {MOST_COLUMNS} fields")
    if job["operation"] in ("delete", "hardDelete") and [name.lower() for name in header] != ["id"]:
        raise Refusal("InvalidBatch", "delete batch must only contain ids")
    for name in header:
        field = item.field(name)
        if field is not None and field.kind == "base64":  # only Bulk API 1.0 takes files, in archives
            raise Refusal("FeatureNotEnabled", "Binary field not supported")
        if item.field(name) is None or not call.rights.sees(item.name, str(name)):
            relation = name.partition(".")[0].split(":")[-1].lower()
            if "." not in name or relation not in item.relations:
                raise Refusal("InvalidBatch", f"Field name not found : {name}")


def _batch(call: Call, job: jobs.Job, header: list[str], rows: list[list[str]]) -> None:
    item = call.object(job["object"])
    act = _action(call, job, item)
    delimiter = jobs.DELIMITERS[job["columnDelimiter"]]
    good: list[str] = []
    bad: list[str] = []
    for cells in rows:
        given = dict(zip(header, cells, strict=False))
        try:
            with call.tx.savepoint():
                _fits(header, cells)
                id, created = act(given)
            good.append(jobs.line([id, "true" if created else "false", *cells], delimiter))
        except Refusal as refusal:
            known = next((cell for name, cell in given.items() if name.lower() == "id"), "")
            text = (
                Refusal("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id").text()
                if refusal.code == "NOT_FOUND"
                else refusal.text()
            )
            bad.append(jobs.line([known, text, *cells], delimiter))
    mix = random.Random(f"{job['id']}:{job['_done']}")  # noqa: S311 - no secret
    for part, lines in (("success", good), ("failed", bad)):
        mix.shuffle(lines)
        start = _count(job, part)
        for at in range(0, len(lines), jobs.PART):
            jobs.add_rows(call, job, part, start + at, lines[at : at + jobs.PART])
    job["_header"] = header
    job["_done"] += len(rows)
    job["_success"] += len(good)
    job["numberRecordsProcessed"] += len(rows)
    job["numberRecordsFailed"] += len(bad)


def _fits(header: list[str], cells: list[str]) -> None:
    if len(cells) != len(header):
        raise Refusal("INVALID_CSV", "the row has another number of cells than the header")
    if any(len(cell) > MOST_CELL for cell in cells):
        raise Refusal("STRING_TOO_LONG", f"a cell holds more than {MOST_CELL} characters")


def _count(job: jobs.Job, part: str) -> int:
    done: int = job["_success"] if part == "success" else job["numberRecordsFailed"]
    return done


def _action(call: Call, job: jobs.Job, item: SObject) -> Callable[[dict[str, str]], tuple[str, bool]]:
    operation = job["operation"]
    if operation == "insert":
        return lambda given: (dml.create(call, item, given, csv=True), True)
    if operation == "upsert" and job["externalIdFieldName"] != "Id":
        key = dml.upsert_key(call, item, job["externalIdFieldName"])
        return lambda given: dml.upsert(call, item, key, _cell(given, key.name), given, csv=True)
    if operation == "upsert":
        return lambda given: _by_id(call, item, given)
    if operation == "update":
        return lambda given: (dml.update(call, item, _cell(given, "Id"), given, csv=True), False)
    hard = operation == "hardDelete"
    return lambda given: (lifecycle.delete(call, item, _cell(given, "Id"), hard=hard), False)


def _by_id(call: Call, item: SObject, given: dict[str, str]) -> tuple[str, bool]:
    id = _cell(given, "Id")
    if id:
        return dml.update(call, item, id, given, csv=True), False
    return dml.create(call, item, given, csv=True, upsert=True), True


def _cell(given: dict[str, str], name: str) -> str:
    return next((cell for column, cell in given.items() if column.lower() == name.lower()), "")


def _result(call: Call, id: str, part: str, extra: list[str]) -> Reply:
    job = jobs.load(call, KIND, id)
    if job["state"] not in jobs.ENDED:
        raise Refusal("INVALIDJOBSTATE", f"Results are not available: the job's state is {job['state']}")
    header = job.get("_header")
    end = jobs.LINE_ENDINGS[job["lineEnding"]]
    delimiter = jobs.DELIMITERS[job["columnDelimiter"]]
    lines = [] if header is None else [jobs.line([*extra, *header], delimiter)]
    if part == "unprocessed":
        header, rows = _unprocessed(call, job)
        lines = (
            [jobs.line(header, delimiter)] + [jobs.line(cells, delimiter) for cells in rows] if header else []
        )
    else:
        lines += jobs.rows_of(call, job, part, 0, None)
    text = end.join(lines) + (end if lines else "")
    return Reply(200, text.encode(), media="text/csv")


def _unprocessed(call: Call, job: jobs.Job) -> tuple[list[str], list[list[str]]]:
    try:
        header, rows = _table(call, job)
    except Refusal:
        return [], []  # data that could not be read has no rows to give back
    return header, rows[job["_done"] :]


def successful(call: Call, id: str) -> Reply:
    """`GET /jobs/ingest/{id}/successfulResults`."""
    return _result(call, id, "success", ["sf__Id", "sf__Created"])


def failed(call: Call, id: str) -> Reply:
    """`GET /jobs/ingest/{id}/failedResults`."""
    return _result(call, id, "failed", ["sf__Id", "sf__Error"])


def unprocessed(call: Call, id: str) -> Reply:
    """`GET /jobs/ingest/{id}/unprocessedrecords`."""
    return _result(call, id, "unprocessed", [])


def one(call: Call, id: str) -> Reply:
    """`GET /jobs/ingest/{id}`."""
    return Reply(200, jobs.public(jobs.load(call, KIND, id)))


def every(call: Call) -> Reply:
    """`GET /jobs/ingest`."""
    return Reply(
        200,
        {
            "done": True,
            "records": [jobs.public(job) for job in jobs.listed(call, KIND)],
            "nextRecordsUrl": None,
        },
    )


def remove(call: Call, id: str) -> Reply:
    """`DELETE /jobs/ingest/{id}`."""
    return jobs.remove(call, jobs.load(call, KIND, id))
