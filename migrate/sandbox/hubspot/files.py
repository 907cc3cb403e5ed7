"""How are files uploaded, read, changed and deleted over the API, and how does one look in a reply?

A new file whose name is taken in its folder gets another name, unless `overwrite` puts the old one into the
trash. Hidden files, as attachments made in HubSpot's own pages are, aren't found without the scope for them.

Facts: HubSpot, "Files" guide and API reference, read 2026-11-26; members as in hubspot-api-client 12.0.0; a
404 for hidden files without the scope, HubSpot's legacy page "Get a signed URL for a private file", read
2026-11-26. What is undocumented has a setting (`file_…`) or is said in the function.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from migrate.sandbox.hubspot import filing, finding, folders, media, wishes
from migrate.sandbox.hubspot.call import Call
from migrate.sandbox.hubspot.errors import ApiError
from migrate.sandbox.hubspot.filing import Body, File
from migrate.sandbox.hubspot.wishes import Wishes
from migrate.sandbox.parts import Part
from migrate.sandbox.vendor import Reply

HIDDEN_SCOPE = "files.ui_hidden.read"


def render(call: Call, file: File, path: str | None = None) -> dict[str, Any]:
    """A file as replies carry it; members without a value are left out."""
    path = path or filing.path_of(call.sql, file)
    url = address(call, path)
    body: dict[str, Any] = {
        "id": str(file.id),
        "createdAt": file.created,
        "updatedAt": file.updated,
        "archived": file.archived_at is not None,
        "archivedAt": file.archived_at,
        "parentFolderId": None if file.folder is None else str(file.folder),
        "name": file.name,
        "path": path,
        "size": file.size,
        "height": file.height,
        "width": file.width,
        "encoding": file.encoding,
        "type": file.type,
        "extension": file.extension,
        "defaultHostingUrl": url,
        "url": url,
        "isUsableInContent": file.usable,
        "access": file.access,
        "fileMd5": file.md5,
        "sourceGroup": "CONTENT",
        "expiresAt": file.expires,
    }
    return {name: value for name, value in body.items() if value is not None}


def address(call: Call, path: str) -> str:
    """Where a file of this path is served: by the sandbox itself."""
    portal, request = call.catalog.portal_id, call.request
    base = (
        f"{request.scheme}://{request.host}"
        if request
        else f"https://{portal}.fs1.hubspotusercontent-na1.net"
    )
    return f"{base}/hubfs/{portal}{quote(path)}"


def find(call: Call, text: str, *, trashed: bool = False) -> File:
    """The live file of an id, that the caller may see.

    Raises:
        ApiError: 404.
    """
    id = finding.number(text)
    file = filing.live(call.sql, id)
    if file is None and trashed:
        file = next(filing.files(call.sql, "id = ? AND purged = 0", (id,)), None)
    if file is None or not visible(call, file):
        raise ApiError(404, f"File {text} does not exist", "OBJECT_NOT_FOUND", context={"id": [text]})
    return file


def visible(call: Call, file: File) -> bool:
    """Whether the caller sees this file."""
    return not file.hidden or call.scopes is None or HIDDEN_SCOPE in call.scopes


def _form(call: Call) -> tuple[dict[str, str], Part]:
    request = call.request
    media_type = request.headers.get("content-type", "") if request else ""
    if request is None or not media_type.startswith("multipart/form-data"):
        raise ApiError(415, "Unsupported Media Type", "BAD_REQUEST")
    if request.trouble:
        raise ApiError(400, f"The multipart body can't be read: {request.trouble}", "BAD_REQUEST")
    contents = [part for part in request.parts if part.name == "file"]
    if len(contents) > 1:
        raise ApiError(400, "Only one file can be uploaded")
    if not contents or contents[0].path is None:
        raise ApiError(400, "file parameter is required")
    return {part.name: part.text() for part in request.parts if part.path is None}, contents[0]


def _taken(call: Call, part: Part) -> Body:
    wishes.fits(call, part.size)
    if part.path is None:
        raise ApiError(400, "file parameter is required")
    body = Body.at(part.path, part.size, part.md5, part.sha256)
    call.tx.contents.keep(part.path, part.sha256)
    return body


def upload(call: Call, _path: Mapping[str, str]) -> Reply:
    """`POST /files/v3/files`, as multipart."""
    fields, part = _form(call)
    wanted = wishes.of_form(call, fields.get("options"))
    name = wishes.name(call, fields.get("fileName"), part.filename, part.md5)
    wishes.fits(call, part.size)
    folder = folders.target(call, fields.get("folderId"), fields.get("folderPath"))
    where = None if folder is None else folder.id
    file = add(call, where, name, _taken(call, part), wanted, fields.get("charsetHunch"))
    return Reply(201, render(call, file))


def add(
    call: Call,
    folder: int | None,
    name: tuple[str, str],
    body: Body,
    wanted: Wishes,
    charset: str | None = None,
) -> File:
    """Make a file of a content that the store has, or give the one that is there already.

    Raises:
        ApiError: 409, there is one already, and the wish was to refuse then.
    """
    if wanted.strategy != "NONE" and (held := _duplicate(call, folder, name, body, wanted)) is not None:
        if wanted.strategy == "RETURN_EXISTING":
            return held
        raise ApiError(
            409,
            f"A duplicate of the file already exists. Existing ID: {held.id}",
            "OBJECT_ALREADY_EXISTS",
            context={"id": [str(held.id)]},
        )
    if wanted.overwrite and (held := filing.named(call.sql, folder, *name)) is not None:
        filing.trash(call, held)
    seen = media.look(name[1], body.head, charset)
    file = File(
        id=filing.new_id(call.sql),
        folder=folder,
        name=filing.free_name(call.sql, folder, *name),
        extension=name[1],
        access=wanted.access,
        size=body.size,
        md5=body.md5,
        sha256=body.sha256,
        type=seen.type,
        encoding=seen.encoding,
        width=seen.width,
        height=seen.height,
        usable=True,
        expires=wanted.expires,
        created=call.stamp,
        updated=call.stamp,
        source=call.actor.source,
        source_id=call.actor.source_id,
    )
    filing.write(call, file, None, "create")
    return file


def _duplicate(
    call: Call, folder: int | None, name: tuple[str, str], body: Body, wanted: Wishes
) -> File | None:
    """Which file is the same? That of the same content; the setting `file_duplicate_by` adds the name."""
    where, values = "md5 = ? AND size = ? AND archived_at IS NULL AND purged = 0", [body.md5, body.size]
    if wanted.place == "EXACT_FOLDER":
        where, values = f"{where} AND folder IS ?", [*values, folder]
    if call.settings["file_duplicate_by"] == "content_and_name":
        where, values = f"{where} AND name = ? AND extension = ?", [*values, *name]
    return next(
        (file for file in filing.files(call.sql, f"{where} ORDER BY id", values) if not file.hidden), None
    )


def replace(call: Call, path: Mapping[str, str]) -> Reply:
    """`PUT /files/v3/files/{fileId}`: another content under the same id, name and extension."""
    file = find(call, path["id"])
    fields, part = _form(call)
    wanted = wishes.of_form(call, fields.get("options"))
    swap(call, file, _taken(call, part), wanted, fields.get("charsetHunch"))
    return Reply(200, render(call, file))


def swap(call: Call, file: File, body: Body, wanted: Wishes | None, charset: str | None = None) -> None:
    """Give a file another content."""
    before, old = filing.told(call.sql, file), file.sha256
    seen = media.look(file.extension, body.head, charset)
    file.size, file.md5, file.sha256 = body.size, body.md5, body.sha256
    file.type, file.encoding, file.width, file.height = seen.type, seen.encoding, seen.width, seen.height
    if wanted is not None:
        file.access, file.expires = wanted.access, wanted.expires or file.expires
    filing.write(call, file, before, "file")
    call.tx.later(0.0, filing.DROP, {"sha256": old})


def get(call: Call, path: Mapping[str, str]) -> Reply:
    """`GET /files/v3/files/{fileId}`."""
    return Reply(200, finding.chosen(call, render(call, find(call, path["id"]))))


def stat(call: Call, path: Mapping[str, str]) -> Reply:
    """`GET /files/v3/files/stat/{path}`: a file or a folder."""
    file = filing.file_at(call.sql, path["what"])
    if file is not None and visible(call, file):
        return Reply(200, {"file": finding.chosen(call, render(call, file))})
    folder = filing.folder_at(call.sql, path["what"])
    if folder is not None:
        return Reply(200, {"folder": finding.chosen(call, folders.render(folder))})
    raise ApiError(404, f"Nothing exists at the path {path['what']}", "OBJECT_NOT_FOUND")


def search(call: Call, _path: Mapping[str, str]) -> Reply:
    """`GET /files/v3/files/search`: live files that aren't hidden."""
    where, values = finding.narrowed(call, "folder")
    where += " AND purged = 0 AND access NOT LIKE 'HIDDEN%'"
    if (place := finding.by_rows(call)) is not None:
        start, limit = place
        found = list(filing.files(call.sql, f"{where} ORDER BY id LIMIT {limit + 1} OFFSET {start}", values))
        return finding.cut(call, [render(call, file) for file in found], start, limit)
    paths = {folder.id: folder.path for folder in filing.folders(call.sql)}
    rows = [
        (file.id, file, render(call, file, f"{paths.get(file.folder or 0, '')}/{file.whole_name}"))
        for file in filing.files(call.sql, where, values)
    ]
    anonymous = call.names("allowsAnonymousAccess")[:1]
    usable = call.names("isUsableInContent")[:1]

    def more(file: File, _body: dict[str, Any]) -> bool:
        if anonymous and (file.access in filing.PUBLIC) != (anonymous == ["true"]):
            return False
        return not usable or file.usable == (usable == ["true"])

    return finding.page(call, rows, {"parentFolderIds": lambda file: file.folder}, more)


def update(call: Call, path: Mapping[str, str]) -> Reply:
    """`PATCH /files/v3/files/{fileId}`."""
    file, body = find(call, path["id"]), call.mapping()
    if "access" in body:
        wishes.access(body["access"])
    change(call, file, body)
    return Reply(200, render(call, file))


def change(call: Call, file: File, body: Mapping[str, Any]) -> None:
    """Rename, move or restrict a file, or change how long it lives.

    Raises:
        ApiError: 400, a folder twice or a wrong value; 404, no such folder; 409, the name is taken there.
    """
    before = filing.told(call.sql, file)
    name, folder = file.name, file.folder
    if body.get("parentFolderId") or body.get("parentFolderPath"):
        place = folders.target(call, body.get("parentFolderId"), body.get("parentFolderPath"))
        folder = None if place is None else place.id
    if body.get("name"):
        name = wishes.renamed(body["name"], file.extension)
    held = filing.named(call.sql, folder, name, file.extension)
    if held is not None and held.id != file.id:
        raise ApiError(
            409,
            f"A file named {held.whole_name} already exists in the folder",
            "OBJECT_ALREADY_EXISTS",
            context={"id": [str(held.id)]},
        )
    file.name, file.folder = name, folder
    file.access = body.get("access", file.access)
    file.usable = body.get("isUsableInContent", file.usable)
    if body.get("clearExpires"):
        file.expires = None
    elif body.get("expiresAt"):
        file.expires = wishes.expiry(call, body)
    filing.write(call, file, before, "update")


def archive(call: Call, path: Mapping[str, str]) -> Reply:
    """`DELETE /files/v3/files/{fileId}`: into the trash; `file_delete_missing` is the status for none."""
    status = int(call.settings["file_delete_missing"])
    try:
        file = find(call, path["id"])
    except ApiError:
        if status == 204:
            return Reply(204)
        raise
    filing.trash(call, file)
    return Reply(204)


def gdpr_delete(call: Call, path: Mapping[str, str]) -> Reply:
    """`DELETE /files/v3/files/{fileId}/gdpr-delete`: at once and for good, out of the trash too."""
    filing.purge(call, find(call, path["id"], trashed=True), "gdpr")
    return Reply(204)
