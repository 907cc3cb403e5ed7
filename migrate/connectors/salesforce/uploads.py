"""How does a file get into Salesforce, in one multipart call with its record, and out again?

A record with a file is created by `POST sobjects/<object>` with two parts: its fields as JSON, and the bytes
under the name of their field (2 GB for a ContentVersion, 500 MB for an Attachment). A first version makes its
document, whose id is read back (`ContentDocumentId`). A version can't be deleted: its document is, with all
its versions and links, and only where all versions are ours. A ContentVersion bears the migration key in a
field that is unique, so a second create of it is refused, however late it lands.

Salesforce, REST API Developer Guide "Insert or Update Blob Data", Object Reference "ContentVersion",
"ContentDocument", read 2026-11-26.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import orjson

from migrate.connector import Batch, Operation, Outcome, ReadBlob, Write
from migrate.connectors.http import Reply
from migrate.connectors.salesforce import soql, writing
from migrate.connectors.salesforce.blobs import VERSION
from migrate.connectors.salesforce.ids import long_id
from migrate.connectors.salesforce.org import Org
from migrate.connectors.salesforce.replies import error
from migrate.connectors.salesforce.written import cell
from migrate.connectors.uploading import TextPart, multipart
from migrate.errors import Defect, Parked
from migrate.types import BlobRef, Kind

OTHERS = "OTHERS_VERSION"
FULL = "STORAGE_LIMIT_EXCEEDED"


class Uploads:
    """Writing records that have a file; thread safe."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self.blobs: ReadBlob = _no_blobs

    def takes(self, object: str) -> bool:
        """Whether records of this object are written here."""
        return object in self._org.limits.records_in

    def send(self, batch: Batch, key_field: str | None) -> list[Outcome]:
        """One call a record, in their order. Raises as `Target.send`; what was done is then found by key."""
        if batch.operation is Operation.DELETE:
            if batch.object != VERSION:
                return writing.send(self._org, batch)
            return [self._delete(index, write, key_field) for index, write in enumerate(batch.writes)]
        return [self._write(batch, index, write) for index, write in enumerate(batch.writes)]

    def _write(self, batch: Batch, index: int, write: Write) -> Outcome:
        fields = self._org.schema(batch.object).fields
        files = [
            name
            for name, value in write.values.items()
            if value is not None and name in fields and fields[name].kind is Kind.BINARY
        ]
        if not files and batch.operation is Operation.UPDATE:
            (outcome,) = writing.send(self._org, Batch(batch.operation, batch.object, (write,)))
            return Outcome(index, outcome.status, outcome.id, outcome.stamp, outcome.code, outcome.reason)
        ref = BlobRef.parse(write.values[files[0]] or "") if len(files) == 1 else None
        if ref is None:
            return Outcome(index, "refused", code="NO_FILE", reason="the record names no staged file")
        record = {name: cell(fields.get(name), v) for name, v in write.values.items() if name not in files}
        part = TextPart("entity_content", orjson.dumps(record).decode(), "application/json")
        headers = {k: v for k, v in writing.headers(self._org).items() if k != "Content-Type"}
        path = f"{self._org.base}/sobjects/{soql.name(batch.object)}"
        method = "POST"
        if batch.operation is Operation.UPDATE:
            method, path = "PATCH", f"{path}/{quote(str(write.id))}"
        reply = self._org.http.call(
            method, path, upload=multipart([part], files[0], ref, self.blobs), headers=headers, write=True,
            ok=writing.REFUSALS,
        )  # fmt: skip
        return self._said(batch.operation, index, write, reply)

    def _said(self, operation: Operation, index: int, write: Write, reply: Reply) -> Outcome:
        if reply.status >= 300:
            code, words = error(reply)
            if code == FULL:  # no fault of this file's: the next one would be refused, too
                raise Parked(
                    self._org.system,
                    f"the org's storage is full ({code}: {words}); free some, or buy more, before you go on",
                )
            return writing.said(operation, index, write, code or str(reply.status), words)
        if not reply.body:  # an update answers with nothing
            return Outcome(index, "done", write.id)
        return writing.outcome(operation, index, write, reply.json())

    def _delete(self, index: int, write: Write, key_field: str | None) -> Outcome:
        """A version goes with its document, which goes only where every version of it bears a key of ours."""
        id = soql.text(str(write.id))
        found = self._org.rest.rows(f"SELECT ContentDocumentId FROM {VERSION} WHERE Id = {id}")
        if not found:
            return Outcome(index, "done", write.id)
        document = long_id(str(found[0]["ContentDocumentId"]))
        wanted = ["Id", *([key_field] if key_field else [])]
        text = soql.select(VERSION, wanted, [f"ContentDocumentId = {soql.text(document)}"])
        theirs = [row for row in self._org.rest.rows(text) if not key_field or not row.get(key_field)]
        if theirs:
            reason = f"document {document} has {len(theirs)} versions of somebody else's"
            return Outcome(index, "refused", code=OTHERS, reason=reason)
        path = f"{self._org.base}/sobjects/ContentDocument/{document}"
        headers = writing.headers(self._org)
        reply = self._org.http.call("DELETE", path, headers=headers, write=True, ok=writing.REFUSALS)
        if reply.status == 404 or reply.status < 300:
            return Outcome(index, "done", write.id)
        code, words = error(reply)
        return writing.said(Operation.DELETE, index, write, code or str(reply.status), words)


def _no_blobs(ref: BlobRef) -> Any:
    raise Defect(f"{ref} is to be sent, and nothing gives its bytes")
