"""How are very many records created? By a Bulk API 2.0 ingest job: made and filled, then released, then
polled.

A job that isn't released changes nothing, so making one may be repeated; once released it is polled to
its end, and each record's fate comes from three lists, successful, failed and unprocessed, which name
records by the columns that we sent: here by the migration key, since the order is no order. Rows stand
by their parents, so that two batches of the vendor's seldom want the same parent's lock. Rows that CSV
can't carry as they are (`#N/A`, texts of more than 32,000 characters) are left to sObject Collections,
and so is what an alerting duplicate rule refused, since a job takes no header that passes it over.
Salesforce, Bulk API 2.0 guide "Create a Job", "Upload Job Data", "Job States", "Limits", "Get Job
Successful Record Results", read 2026-11-26.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from migrate.connector import Batch, BatchRefused, JobLimits, Operation, Outcome, Write
from migrate.connectors.http import Reply
from migrate.connectors.salesforce.describe import KEYLESS
from migrate.connectors.salesforce.org import Org
from migrate.connectors.salesforce.replies import error
from migrate.connectors.salesforce.writing import said
from migrate.types import Kind

LEAST = 5_000  # records from which on a job is worth its eight calls
MOST, MOST_BYTES = 10_000, 10 << 20  # one batch of the vendor's; of the 150 MB allowed, what fits our memory
LONGEST_CELL, LONGEST_RECORD = 32_000, 400_000  # characters
NULL = "#N/A"
ENDED = frozenset({"JobComplete", "Failed", "Aborted"})
_ERRORS = (400, 404, 409)


class Ingest:
    """Ingest jobs of one org."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._jobs = f"{org.base}/jobs/ingest"
        self._least = int(str(org.options.get("jobs_from", LEAST)))

    def limits(self, object: str, key_field: str | None) -> JobLimits | None:
        """None where the object isn't loaded by jobs: without a key nothing would tell its results apart."""
        fields = self._org.schema(object).fields
        files = any(field.kind is Kind.BINARY for field in fields.values())
        if not self._least or object in KEYLESS or files or key_field not in fields:
            return None
        return JobLimits(self._least, max(self._least, MOST), MOST_BYTES)

    def create(self, batch: Batch, key_field: str) -> str:
        """Make a job and give it its rows.

        Raises:
            BatchRefused: the org takes no job of this kind.
            InDoubt: perhaps there is such a job; it will never run.
        """
        body = {
            "object": batch.object,
            "operation": "insert",
            "contentType": "CSV",
            "lineEnding": "LF",
            "columnDelimiter": "COMMA",
        }
        reply = self._org.http.call("POST", self._jobs, json=body, write=True, ok=_ERRORS)
        job = str(self._good(reply)["id"])
        content = rows_csv(self._sorted(batch), key_field)
        uploaded = self._org.http.call(
            "PUT", f"{self._jobs}/{job}/batches", content=content,
            headers={"Content-Type": "text/csv; charset=UTF-8"}, write=True, ok=(*_ERRORS, 413), raw=True,
        )  # fmt: skip
        if uploaded.status >= 300:
            code, words = error(uploaded)
            raise BatchRefused(self._org.system, code or str(uploaded.status), words)
        return job

    def release(self, job: str) -> None:
        """Let it run. A job that runs or has run already isn't touched."""
        self._org.http.call(
            "PATCH", f"{self._jobs}/{job}", json={"state": "UploadComplete"}, write=True, ok=_ERRORS
        )

    def outcomes(self, job: str, batch: Batch, key_field: str) -> list[Outcome] | None:
        """What became of the records; None while the job runs.

        A job that was never released is aborted. Records that no list names are `unsaid`.
        """
        reply = self._org.http.call("GET", f"{self._jobs}/{job}", write=False, ok=_ERRORS)
        if reply.status != 200:
            return [Outcome(index, "unsaid", code="JOB_GONE") for index in range(len(batch.writes))]
        state = str(reply.json().get("state"))
        if state == "Open":
            self._org.http.call(
                "PATCH", f"{self._jobs}/{job}", json={"state": "Aborted"}, write=True, ok=_ERRORS
            )
            return None  # asked again: perhaps it was released a moment before
        if state not in ENDED:
            return None
        told: dict[str, Outcome] = {}
        index = {write.key: number for number, write in enumerate(batch.writes)}
        for row in self._list(job, "successfulResults"):
            key = row.get(key_field, "")
            if key in index:
                told[key] = Outcome(index[key], "done", row.get("sf__Id"))
        for row in self._list(job, "failedResults"):
            key = row.get(key_field, "")
            if key in index and key not in told:
                told[key] = failed(index[key], batch.writes[index[key]], row.get("sf__Error", ""))
        return [
            told.get(write.key) or Outcome(number, "unsaid", code="UNPROCESSED")
            for number, write in enumerate(batch.writes)
        ]

    def _sorted(self, batch: Batch) -> list[Write]:
        """Records of one parent stand together."""
        fields = self._org.schema(batch.object).fields
        parents = [name for name, each in fields.items() if each.references and not each.owner]
        return sorted(batch.writes, key=lambda write: [write.values.get(name) or "" for name in parents])

    def _list(self, job: str, name: str) -> Iterator[Mapping[str, str]]:
        """Rows of one list of a job's results."""
        path = f"{self._jobs}/{job}/{name}/"
        reply = self._org.http.call("GET", path, headers={"Accept": "text/csv"}, write=False, raw=True)
        text = reply.body.decode("utf-8-sig", "replace")
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST_RECORD))
        yield from csv.DictReader(io.StringIO(text, newline=""))

    def _good(self, reply: Reply) -> Mapping[str, Any]:
        if reply.status >= 300:
            code, words = error(reply)
            raise BatchRefused(self._org.system, code or str(reply.status), words)
        found: Mapping[str, Any] = reply.json()
        return found


def rows_csv(writes: Sequence[Write], key_field: str) -> bytes:
    """The records that CSV can carry; the others aren't in it."""
    names = dict.fromkeys([key_field, *(name for write in writes for name in write.values)])
    out = io.StringIO(newline="")
    table = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    table.writerow(names)
    for write in writes:
        cells = [write.values.get(name) or "" for name in names]
        if fits(cells):
            table.writerow(cells)
    return out.getvalue().encode()


def fits(cells: Sequence[str]) -> bool:
    """Whether a row means in CSV what it means in JSON."""
    longest = max(map(len, cells))
    return NULL not in cells and longest <= LONGEST_CELL and sum(map(len, cells)) <= LONGEST_RECORD


def failed(index: int, write: Write, text: str) -> Outcome:
    """The outcome that a cell `CODE:message:Fields --` tells."""
    code, _, rest = text.partition(":")
    words, _, fields = rest.rpartition(":")
    fields = fields.removesuffix("--").strip()
    reason = f"{words} ({fields})" if words and fields and fields not in words else words or rest
    if code == "DUPLICATES_DETECTED":
        return Outcome(index, "unsaid", code=code, reason=reason)
    return said(Operation.CREATE, index, write, code, reason)
