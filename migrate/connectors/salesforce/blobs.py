"""Where are the bytes of Salesforce's files, and what does it tell of them?

A field of type base64 comes as a URL in a query and is refused by bulk jobs; its bytes are had by
`GET sobjects/<object>/<id>/<field>`, raw and streamed. A file's size stands beside it, and of a
ContentVersion its MD5 too (`Checksum`). A version that only points to a file elsewhere (`ContentUrl`,
`ContentLocation` other than `S`) has no bytes here.

Salesforce, REST API Developer Guide "sObject Blob Get" and "Insert or Update Blob Data" (2 GB by multipart
for a ContentVersion, 500 MB for other objects), Object Reference "ContentVersion", "Attachment", read
2026-11-26.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from migrate.catalog import Field, FileSource
from migrate.connector import BlobRefused
from migrate.connectors.http import Http
from migrate.connectors.salesforce import soql
from migrate.errors import SystemRefused
from migrate.types import Kind

CHUNK = 1 << 18
VERSION, ATTACHMENT, LINK = "ContentVersion", "Attachment", "ContentDocumentLink"
AT_ONCE = 8  # files that share an intent and a settlement; a call each
_MB = 1 << 20


@dataclass(frozen=True)
class _File:
    """What stands beside a file's bytes."""

    size: str
    name: str
    md5: str | None
    most: int  # bytes


_FILES = {
    (VERSION, "VersionData"): _File("ContentSize", "PathOnClient", "Checksum", 2048 * _MB),
    (ATTACHMENT, "Body"): _File("BodyLength", "Name", None, 500 * _MB),
    ("ContentNote", "Content"): _File("ContentSize", "Title", None, 50 * _MB),
}
# How files hang on records: Object Reference "Attachment", "ContentDocumentLink", "ContentVersion" (read
# 2026-11-26). A note (`SNOTE`) is a document too, and no file; a version that lies elsewhere has no bytes.
HANGING = (
    FileSource(
        object="Attachment", content="Body", name="Name", at="CreatedDate", owner="OwnerId", parent="ParentId"
    ),
    FileSource(
        object="ContentVersion", content="VersionData", name=r"regexp_extract(PathOnClient, '[^/\\]*$')",
        at="CreatedDate", owner="OwnerId",
        where="IsLatest AND ContentLocation = 'S' AND coalesce(FileType, '') <> 'SNOTE'",
        document="ContentDocument", title="Title", documents="coalesce(FileType, '') <> 'SNOTE'",
        by="ContentDocumentId", through="ContentDocumentLink", left="ContentDocumentId",
        right="LinkedEntityId",
    ),
)  # fmt: skip
# Codes of a refusal that is about the org and not about one file.
_WHOLE = frozenset(
    {"API_DISABLED_FOR_ORG", "API_CURRENTLY_DISABLED", "UNSUPPORTED_API_VERSION", "INVALID_SESSION_ID", "401"}
)


NOT_KEPT = "not kept"  # the vendor's type of a field that is ours alone
KEY = "migration_key"


def key_field() -> Field:
    """Where a record can bear no key: a field that nothing holds but our journal."""
    return Field(
        name=KEY, label="Migration key", kind=Kind.STRING, vendor_type=NOT_KEPT, length=255, unique=True,
        external_id=True, updateable=False, held=("not_kept",),
    )  # fmt: skip


def files(object: str, fields: Mapping[str, Field]) -> dict[str, Field]:
    """An object's fields that hold files, with where their sizes and digests stand."""
    found = {}
    for name, field in fields.items():
        told = _FILES.get((object, name))
        if told is not None and told.size in fields:
            md5 = told.md5 if told.md5 in fields else None
            found[name] = field.model_copy(
                update={
                    "size_in": told.size,
                    "name_in": told.name if told.name in fields else None,
                    "md5_in": md5,
                    "max_bytes": told.most,
                    "held": ("file_md5",) if md5 else ("file_size",),
                }
            )
    return found


def told_by(fields: Mapping[str, Field], names: Sequence[str]) -> list[str]:
    """The fields to ask for, in place of files: what stands beside them."""
    asked: list[str] = []
    for name in names:
        field = fields[name]
        if field.vendor_type != NOT_KEPT:
            asked += [e for e in (field.size_in, field.md5_in) if e] if _is_file(field) else [name]
    return list(dict.fromkeys(asked))


def with_files(fields: Mapping[str, Field], names: Sequence[str], batch: pa.RecordBatch) -> pa.RecordBatch:
    """Rows of what `told_by` asked for, as the columns that were wanted; a file as its `held` rule has it."""
    if not any(_is_file(fields[name]) or fields[name].vendor_type == NOT_KEPT for name in names):
        return batch
    arrays = [batch.column(0), *(_told(fields[name], batch) for name in names)]
    return pa.RecordBatch.from_arrays(arrays, names=[batch.schema.names[0], *names])


def _is_file(field: Field) -> bool:
    return field.kind is Kind.BINARY


def _told(field: Field, batch: pa.RecordBatch) -> pa.Array:
    if field.vendor_type == NOT_KEPT:
        return pa.nulls(batch.num_rows, pa.string())
    if not _is_file(field):
        return batch.column(field.name)
    if field.size_in is None:
        return pa.nulls(batch.num_rows, pa.string())
    size = batch.column(field.size_in).cast(pa.string())
    if field.md5_in is None:
        return pc.binary_join_element_wise("bytes", size, ":")
    return pc.binary_join_element_wise("md5", pc.utf8_lower(batch.column(field.md5_in)), size, ":")


def read(http: Http, base: str, object: str, id: str, field: str) -> Iterator[bytes]:
    """A file's bytes.

    Raises:
        BlobRefused: Salesforce won't give this one.
        Retriable, Parked, SystemRefused: as of any other call.
    """
    path = f"{base}/sobjects/{soql.name(object)}/{id}/{soql.name(field)}"
    try:
        with http.stream(path) as body:
            yield from body.bytes(CHUNK)
    except SystemRefused as error:
        if error.code in _WHOLE:
            raise
        raise BlobRefused(error.system, object, id, error.code, error.what) from error
