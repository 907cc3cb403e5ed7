"""What are HubSpot's files, as an object like any other? Fields, where they lie, and how each is read.

A file has no property of ours and no unique key. Its migration key is the name of the folder that it lies
in, alone: `/<folder>/<source object>/<key>/<name>`; so a file is found by its key through its folder's path,
and a file that somebody moves elsewhere has left us. The folder is the connector's option `files_folder`.

Files are listed by `files/search` in the order of their ids (`idGte`; offsets end at 10,000). Hidden ones,
as attachments made in HubSpot's own pages are, are in no list. They are found by the ids in the activities'
`hs_attachment_ids`, with the scope `files.ui_hidden.read`. HubSpot counts no files: a count is a listing.

HubSpot, "Files" guide and API reference, "Folders", read 2026-11-26.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from migrate.catalog import Field, FileTarget, ObjectSchema, Option
from migrate.connector import BlobRefused, Held, Page, Query
from migrate.connectors.hubspot.paths import FILES
from migrate.connectors.hubspot.portal import Portal, next_after
from migrate.connectors.hubspot.replies import results
from migrate.connectors.hubspot.values import decode, instant, instant_text
from migrate.errors import CursorLost, SystemRefused
from migrate.types import Kind

KEY, NAME, ACCESS, CONTENT = "migration_key", "name", "access", "content"
ROOT = "migrated"
PAGE = 100
ATTACHED = ("notes", "emails", "calls", "meetings", "tasks")  # whose records have `hs_attachment_ids`
CHUNK = 1 << 18
LARGEST = 2_000_000_000  # bytes; accounts of the free tools take 20 MB, which nothing tells
_ACCESS = {
    "PRIVATE": "Private: only with a signed URL",
    "PUBLIC_NOT_INDEXABLE": "Anybody who has the URL",
    "PUBLIC_INDEXABLE": "Anybody, search engines too",
    "SENSITIVE": "Sensitive data",
}
_HIDDEN = {
    "HIDDEN_PRIVATE": "PRIVATE",
    "HIDDEN_SENSITIVE": "SENSITIVE",
    "HIDDEN_INDEXABLE": "PUBLIC_INDEXABLE",
    "HIDDEN_NOT_INDEXABLE": "PUBLIC_NOT_INDEXABLE",
}
_READ_ONLY = {
    "path": Kind.STRING,
    "size": Kind.INT,
    "fileMd5": Kind.STRING,
    "extension": Kind.STRING,
    "type": Kind.STRING,
    "url": Kind.STRING,
    "hidden": Kind.BOOL,
    "createdAt": Kind.TIMESTAMP,
    "updatedAt": Kind.TIMESTAMP,
    "expiresAt": Kind.TIMESTAMP,
}
STAMP = "updatedAt"
File = Mapping[str, Any]


def schema(portal: str, domain: str) -> ObjectSchema:
    """The object `files`."""
    fields = {
        KEY: Field(name=KEY, label="Migration key", kind=Kind.STRING, vendor_type="folder", length=255,
                   unique=True, external_id=True, updateable=False),
        NAME: Field(name=NAME, label="Name, with its ending", kind=Kind.STRING, vendor_type="name",
                    required=True, nullable=False, held=("file_name",)),
        ACCESS: Field(name=ACCESS, label="Access", kind=Kind.PICKLIST, vendor_type="access", restricted=True,
                      default="PRIVATE",
                      options=tuple(Option(value=value, label=label) for value, label in _ACCESS.items())),
        CONTENT: Field(name=CONTENT, label="Content", kind=Kind.BINARY, vendor_type="file", required=True,
                       nullable=False, held=("file_md5",), size_in="size", md5_in="fileMd5", name_in=NAME,
                       max_bytes=LARGEST),
    }  # fmt: skip
    for name, kind in _READ_ONLY.items():
        fields[name] = Field(
            name=name, label=name, kind=kind, vendor_type="file", createable=False, updateable=False
        )
    return ObjectSchema(
        name=FILES,
        label="Files",
        fields=fields,
        key_by="unique field",
        key_field=KEY,
        stamp=STAMP,
        created="createdAt",
        url=f"https://{domain or 'app.hubspot.com'}/files/{portal}/?showDetails={{id}}",
        url_field="url",
    )


# Files are brought to records by activities that name them; a note is the one that says nothing else.
# HubSpot, "Notes" guide, read 2026-11-26.
HANGING = FileTarget(
    object=FILES,
    content=CONTENT,
    name=NAME,
    fields={ACCESS: "'PRIVATE'"},
    carrier="notes",
    carries="hs_attachment_ids",
    at="hs_timestamp",
    body="hs_note_body",
    owner="hubspot_owner_id",
)


class Filing:
    """Reading files."""

    def __init__(self, portal: Portal, root: str) -> None:
        self.portal = portal
        self.root = f"/{root.strip('/')}"
        self._fields = schema("", "").fields

    def readable(self) -> bool:
        """Whether the token may list files."""
        path = f"{self._base}/search"
        return self.portal.get_or_none(path, 403, limit=1, properties="id") is not None

    # -- where ----------------------------------------------------------------------------------

    def folder(self, key: str) -> str:
        """The folder of a key's file."""
        parts = key.split(".")
        return f"{self.root}/{parts[1] if len(parts) > 2 else 'other'}/{key}"

    def key(self, path: str) -> str | None:
        """The key of a file that lies at this path; None where it isn't in a folder of ours."""
        inside = path.removeprefix(f"{self.root}/").split("/") if path.startswith(f"{self.root}/") else []
        return inside[1] if len(inside) == 3 and self.folder(inside[1]) == path.rpartition("/")[0] else None

    # -- one by one -----------------------------------------------------------------------------

    def by_id(self, id: str) -> File | None:
        """A live file; None where there is none, or not for this token."""
        found = self.portal.get_or_none(f"{self._base}/{quote(id, safe='')}", 404)
        return found if found and not found.get("archived") else None

    def in_folder(self, path: str) -> list[File]:
        """Live files in a folder, oldest first."""
        folder = self.portal.get_or_none(f"{self._folders}/{quote(path.strip('/'))}", 404)
        if folder is None or folder.get("archived"):
            return []
        return [file for page in self._pages(parentFolderIds=str(folder["id"])) for file in page]

    def held(self, names: Sequence[str], file: File, asked: str) -> Held:
        row = self._row(file)
        return Held(
            id=str(file["id"]),
            asked=asked,
            values={name: row.get(name) for name in names},
            stamp=str(row[STAMP] or ""),
            archived=bool(file.get("archived")),
        )

    # -- all ------------------------------------------------------------------------------------

    def sweep(self, names: Sequence[str]) -> Iterator[Held]:
        for files in self._pages():
            for file in files:
                yield self.held(names, file, str(file["id"]))

    def count(self, query: Query) -> int:
        return sum(page.batch.num_rows for page in self.read(query, None))

    def read(self, query: Query, after: str | None) -> Iterator[Page]:
        """Listed files, then hidden ones that are attached. Deleted files are in no list: none is ever told.

        Cursor: `listed:<id>`, then `attached:<object>:<after>`.
        """
        if query.deleted:
            yield Page(self._batch(query, []), None)
            return
        how, _, place = (after or "listed:").partition(":")
        if how == "listed":
            for files in self._pages(start=place):
                last = str(files[-1]["id"]) if files else place
                yield Page(self._batch(query, files), f"listed:{last}")
            place = f"{ATTACHED[0]}:"
        elif how != "attached":
            raise CursorLost(self.portal.system, FILES, f"`{after}` is no cursor")
        object, _, place = place.partition(":")
        if object not in ATTACHED:
            raise CursorLost(self.portal.system, FILES, f"`{after}` is no cursor")
        yield from self._attached(query, object, place)

    def _attached(self, query: Query, object: str, place: str) -> Iterator[Page]:
        for each in ATTACHED[ATTACHED.index(object) :]:
            path = self.portal.paths.objects(each)
            while True:
                more = {"after": place} if place else {}
                reply = self.portal.get_or_none(
                    path, 403, 404, limit=PAGE, properties="hs_attachment_ids", archived="false", **more
                )
                told = reply if reply is not None else {"results": []}
                ids = {
                    id.strip()
                    for record in told["results"]
                    for id in str((record.get("properties") or {}).get("hs_attachment_ids") or "").split(";")
                    if id.strip()
                }
                hidden = [f for f in self.portal.each(self._hidden, sorted(ids)) if f is not None]
                place = next_after(told) or ""
                ended = not place and each == ATTACHED[-1]
                following = each if place or ended else ATTACHED[ATTACHED.index(each) + 1]
                yield Page(self._batch(query, hidden), None if ended else f"attached:{following}:{place}")
                if not place:
                    break

    def _hidden(self, id: str) -> File | None:
        found = self.portal.get_or_none(f"{self._base}/{quote(id, safe='')}", 403, 404)
        return found if found and str(found.get("access") or "").startswith("HIDDEN_") else None

    # -- bytes ----------------------------------------------------------------------------------

    def read_blob(self, id: str) -> Iterator[bytes]:
        """A file's bytes, by a signed URL made for this one reading.

        Raises:
            BlobRefused: there is no such file, or not for this token.
            Retriable, Parked: as of any other call; an expired URL is asked for anew by the caller.
        """
        path = f"{self._base}/{quote(id, safe='')}/signed-url"
        reply = self.portal.http.call("GET", path, write=False, ok=(400, 404))
        if reply.status >= 300:
            raise BlobRefused(self.portal.system, FILES, id, str(reply.status), "HubSpot has no such file")
        for attempt in range(3):
            url = str(
                (reply if not attempt else self.portal.http.call("GET", path, write=False)).json()["url"]
            )
            try:
                with self.portal.http.stream(url) as body:
                    yield from body.bytes(CHUNK)
                    return
            except SystemRefused as error:
                # The content network's own refusal: expired before we came, or the file went meanwhile.
                last = error
        raise BlobRefused(self.portal.system, FILES, id, last.code, "its signed URL is refused")

    # -- small things ---------------------------------------------------------------------------

    @property
    def _base(self) -> str:
        return self.portal.paths.files("/files")

    @property
    def _folders(self) -> str:
        return self.portal.paths.files("/folders")

    def _pages(self, start: str = "", **filters: str) -> Iterator[list[File]]:
        last = start
        while True:
            place = {"idGte": str(int(last) + 1)} if last else {}
            told = self.portal.again(
                partial(self._page, {"sort": "id", "limit": PAGE, **filters, **place})
            )  # fmt: skip
            files = sorted(told["results"], key=lambda file: int(file["id"]))
            yield [file for file in files if not file.get("archived")]
            if not files or not next_after(told):
                return
            last = str(files[-1]["id"])

    def _page(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        return results(self.portal.http.call("GET", f"{self._base}/search", params=params, write=False))

    def _row(self, file: File) -> dict[str, str | None]:
        """A file's fields as wire values."""
        extension, name = str(file.get("extension") or ""), str(file.get("name") or "")
        row: dict[str, str | None] = {each: _text(file.get(each)) for each in _READ_ONLY}
        for each, kind in _READ_ONLY.items():
            if kind is Kind.TIMESTAMP:
                at = instant(str(file.get(each) or ""))
                row[each] = instant_text(at) if at else None
        access = str(file.get("access") or "")
        md5, size = file.get("fileMd5"), file.get("size")
        return row | {
            "hidden": "true" if access.startswith("HIDDEN_") else "false",
            KEY: self.key(str(file.get("path") or "")),
            NAME: f"{name}.{extension}" if extension else name,
            ACCESS: _HIDDEN.get(access, access) or None,
            CONTENT: f"md5:{str(md5).lower()}:{size}" if md5 and size is not None else None,
        }

    def _batch(self, query: Query, files: Sequence[File]) -> pa.RecordBatch:
        rows = [
            row
            for row in (self._row(file) | {"_id": str(file["id"])} for file in files)
            if _within(query, str(row[STAMP] or ""))
        ]
        names = [name for name in query.fields if name != "_source"]
        columns = dict(zip(names, decode(self._fields, names, rows), strict=True))
        if "_source" in query.fields:
            columns["_source"] = pa.nulls(len(rows), pa.string())
        ids = pa.array([row["_id"] for row in rows], pa.string())
        return pa.RecordBatch.from_arrays(
            [ids, *(columns[name] for name in query.fields)], names=["_id", *query.fields]
        )


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)


def _within(query: Query, stamp: str) -> bool:
    at = instant(stamp)
    if at is None:
        return True
    return (query.since is None or at >= query.since) and (query.until is None or at < query.until)
