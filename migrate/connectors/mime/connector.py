"""A folder of raw messages as the core's `Source`: what is there, how many, each message, its files.

Nothing is ever written into the folder. Messages are read one at a time; what is kept of them are the rows
of a page. Counts come from a listing of files; those of attachments and addresses, which no listing tells,
from a reading of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from migrate.catalog import Catalog, ObjectSchema
from migrate.connector import BlobRefused, Limits, Page, Query, Rights, Settings
from migrate.connectors.mime.folder import CHUNK, SUFFIXES, Folder, Index, Place
from migrate.connectors.mime.parsing import Mail, parse
from migrate.connectors.mime.schema import MESSAGES, OBJECTS, Row, rows
from migrate.errors import GapTooLong, UsageError
from migrate.types import Kind, arrow_type

PAGE_ROWS = 500
PAGE_TEXT = 8 << 20  # characters of a page's bodies and headers
LARGEST = 50_000_000  # bytes of a message that is understood whole; parsing takes several times as much
HEAD = 1 << 20  # bytes that are read of a larger one
_NAME = re.compile(r"[A-Za-z0-9_-]{1,48}")


class MimeConnector:
    """One folder.

    Credentials: `folder`, the path.

    Options: `archive` (required: what this archive is called for ever; it stands in every migration key),
    `own` (the company's addresses and domains, for the direction of a message), `largest` (bytes of a message
    from which on only its headers are read, 50,000,000), `suffixes` (of files that hold messages: `.eml`,
    `.txt`, `.mbox`), `page_rows` (records handed over at once, 500).
    """

    type = "mime"

    def __init__(self, settings: Settings) -> None:
        options = settings.options
        self.system, self.clock = settings.system, settings.clock
        self.limits = Limits(
            write_records=1, read_back_records=1, link_writes=1, link_reads=1, calls_per_second=None,
            concurrency=1, longest_call=1.0,
        )  # fmt: skip
        archive = str(options.get("archive") or "")
        if not _NAME.fullmatch(archive):
            raise UsageError(
                f"system `{self.system}`: `archive` must say what this archive is called for ever.",
                "A folder has no id of its own. Write `archive: mail-until-2026` (letters, digits, `-`, `_`; "
                "at most 48).",
            )
        self._archive = archive
        self._own = [each.strip().lower().lstrip("@") for each in self._texts(options.get("own"), "own", ())]
        self._largest = int(str(options.get("largest", LARGEST)))
        self._page_rows = int(str(options.get("page_rows", PAGE_ROWS)))
        given = self._texts(options.get("suffixes"), "suffixes", SUFFIXES)
        suffixes = [each if each.startswith(".") else f".{each}" for each in given]
        self._folder = Folder(self.system, Path(str(settings.credentials.get("folder") or "")), suffixes)
        self._index = Index(self._folder)

    def _texts(self, value: object, name: str, otherwise: Sequence[str]) -> list[str]:
        if value is None:
            return list(otherwise)
        if not isinstance(value, (list, tuple)):
            raise UsageError(f"`{name}` of system `{self.system}` is a list of texts.")
        return [str(each) for each in value]

    def discover(self) -> Catalog:
        """The three objects; a folder has no owners and no link types."""
        return Catalog(
            type=self.type, tenant=self._archive, tenant_name=self._archive, production=True,
            family=f"mime-{self._archive}", api="files", objects=OBJECTS, discovered=self.clock.now(),
        )  # fmt: skip

    def tenant(self) -> str:
        """What the plan calls the archive."""
        return self._archive

    def rights(self, objects: Sequence[str], *, write: bool) -> Rights:  # noqa: ARG002 - the protocol's
        """Whether there is a message that can be opened."""
        missing: tuple[str, ...] = ()
        first = next(self._folder.places(), None)
        if first is None:
            missing = ("There is no message in the folder; see `suffixes`.",)
        else:
            try:
                self._folder.read(first, 1)
            except OSError as error:
                missing = (f"{first.name} can't be opened: {error.strerror}.",)
        return Rights(user="", granted=("read files",), missing=missing, excess=())

    def now(self) -> datetime:
        """This machine's time, which stamps the files."""
        return self.clock.now()

    def close(self) -> None:
        """Give back the index."""
        self._index.close()

    def count(self, query: Query) -> int:
        """Messages by listing, attachments and addresses by reading the messages once more."""
        self._schema(query)
        if query.deleted:
            return 0
        if query.object == MESSAGES and query.until is None:
            return self._folder.count(query.since)
        return sum(len(found) for _, found in self._read(query, None))

    def read(self, query: Query, *, after: str | None) -> Iterator[Page]:
        """Records of the messages after the cursor; a message's records are never torn apart.

        Raises:
            GapTooLong: deletions are asked for; a folder remembers none.
            UsageError: the object or a field isn't there, or the cursor is none.
        """
        schema = self._schema(query)
        if query.deleted:
            raise GapTooLong(self.system, query.object, query.since or self.now())
        gathered: list[Row] = []
        size, last = 0, after
        for place, found in self._read(query, after):
            if gathered and (len(gathered) + len(found) > self._page_rows or size > PAGE_TEXT):
                yield Page(_batch(gathered, schema, query.fields), last)
                gathered, size = [], 0
            gathered += found
            size += sum(len(value) for row in found for value in row.values() if isinstance(value, str))
            last = place.cursor
        yield Page(_batch(gathered, schema, query.fields), None)

    def read_blob(self, object: str, id: str, field: str) -> Iterator[bytes]:
        """A message as it is, or an attachment's content.

        Raises:
            BlobRefused: there is no such message or attachment any more, or it can't be opened.
        """
        name, _, number = id.partition("-")
        place = self._index.find(name)
        if place is None:
            raise BlobRefused(self.system, object, id, "GONE", "its file isn't there any more")
        try:
            if object == MESSAGES and field == "raw":
                yield from self._folder.chunks(place)
                return
            mail = self._mail(place)
        except OSError as error:
            raise BlobRefused(self.system, object, id, "UNREADABLE", error.strerror or str(error)) from error
        position = int(number) if number.isdigit() else 0
        if not 0 < position <= len(mail.attachments):
            raise BlobRefused(self.system, object, id, "GONE", "the message has no such attachment")
        content = mail.attachments[position - 1].content
        for start in range(0, len(content), CHUNK):
            yield content[start : start + CHUNK]

    def _schema(self, query: Query) -> ObjectSchema:
        schema = OBJECTS.get(query.object)
        if schema is None:
            there = f"It has {', '.join(OBJECTS)}."
            raise UsageError(f"A folder of messages has no `{query.object}`.", there)
        for name in query.fields:
            if name not in schema.fields:
                raise UsageError(f"`{query.object}` has no field `{name}`.", "Run `migrate discover` again.")
        return schema

    def _read(self, query: Query, after: str | None) -> Iterator[tuple[Place, list[Row]]]:
        for place in self._folder.places(after):
            if query.since is not None and place.modified < query.since:
                continue
            if query.until is not None and place.modified >= query.until:
                continue
            mail = self._seen(place)
            yield place, list(rows(query.object, place, mail, self._own))

    def _seen(self, place: Place) -> Mail:
        """A message; one that can't be opened is one with nothing but a defect."""
        try:
            return self._mail(place)
        except OSError as error:
            return Mail(defects=[f"can't be opened: {error.strerror or error}"])

    def _mail(self, place: Place) -> Mail:
        most = self._largest if place.size <= self._largest else HEAD
        raw, cut = self._folder.read(place, most)
        mail = parse(raw, cut=cut)
        if cut:
            mail.defects.append(f"larger than {self._largest:,} bytes: only its headers were read")
        return mail


def _batch(found: Sequence[Row], schema: ObjectSchema, fields: Sequence[str]) -> pa.RecordBatch:
    whole = pa.schema([
        ("_id", pa.string()),
        *((name, arrow_type(schema.fields[name].kind)) for name in fields),
    ])  # fmt: skip
    arrays = [
        pa.nulls(len(found), column.type)
        if column.name != "_id" and schema.fields[column.name].kind is Kind.BINARY
        else pa.array([row[column.name] for row in found], column.type)
        for column in whole
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=whole)
