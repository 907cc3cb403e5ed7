"""How are folders of the files tool made, found, renamed, moved and deleted?

A folder's path is its name after its parent's path; renaming or moving it moves all that is in it. The
synchronous update does so at once, the asynchronous one after a while, and tells how far it is. Deleting a
folder puts it and all that is in it into the trash.

Facts: HubSpot, "Folders" of the API reference, read 2026-11-26. Undocumented, and so our choice: a second
folder of the same path is refused, and a folder is deleted with what is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from migrate.sandbox.hubspot import filing, finding, shapes, tasks
from migrate.sandbox.hubspot.call import Call
from migrate.sandbox.hubspot.errors import ApiError
from migrate.sandbox.hubspot.filing import Folder
from migrate.sandbox.vendor import Reply

MOVE = "file:move-folder"
NEW = shapes.members(
    name=shapes.text, parentFolderId=shapes.text, parentPath=shapes.text, parentFolderPath=shapes.text
)
CHANGE = shapes.members(id=shapes.text, name=shapes.text, parentFolderId=shapes.text)


def render(folder: Folder) -> dict[str, Any]:
    """A folder as replies carry it."""
    body: dict[str, Any] = {
        "id": str(folder.id),
        "createdAt": folder.created,
        "updatedAt": folder.updated,
        "archived": folder.archived_at is not None,
        "name": folder.name,
        "path": folder.path,
    }
    if folder.parent is not None:
        body["parentFolderId"] = str(folder.parent)
    if folder.archived_at is not None:
        body["archivedAt"] = folder.archived_at
    return body


def create(call: Call, _path: Mapping[str, str]) -> Reply:
    """`POST /files/v3/folders`; the reference says `parentPath`, the guide `parentFolderPath`."""
    body = call.mapping()
    path = body.get("parentPath") or body.get("parentFolderPath")
    parent = target(call, body.get("parentFolderId"), path, required=False)
    return Reply(201, render(add(call, parent, named(body.get("name")))))


def add(call: Call, parent: Folder | None, name: str) -> Folder:
    """Make a folder.

    Raises:
        ApiError: 409, there is one with this path.
    """
    path = f"{parent.path if parent else ''}/{name}"
    _free(call, path)
    id = filing.new_id(call.sql)
    folder = Folder(id, parent.id if parent else None, name, path, call.stamp, call.stamp)
    filing.put(call.sql, folder)
    call.log("create", "folders", str(id), None, filing.folder_told(folder))
    return folder


def _free(call: Call, path: str) -> None:
    if (held := filing.folder_at(call.sql, path)) is not None:
        raise ApiError(
            409,
            f"A folder with the path {path} already exists",
            "OBJECT_ALREADY_EXISTS",
            context={"id": [str(held.id)]},
        )


def named(name: Any) -> str:
    """A folder's name.

    Raises:
        ApiError: 400, there is none or it can't be one.
    """
    text = str(name or "").strip()
    if not text:
        raise ApiError(400, "Some required fields were not set: [name]")
    if text in (".", "..") or "/" in text or "\\" in text or any(ord(sign) < 32 for sign in text):
        raise ApiError(400, f"Folder name `{text}` has characters that names can't have")
    return text


def target(call: Call, id: Any, path: Any, *, required: bool = True) -> Folder | None:
    """The folder that a request names by id or by path, which is made if need be; None is the root.

    Raises:
        ApiError: 400, both or (where required) neither; 404, no such id.
    """
    if id and path:
        raise ApiError(400, "Only one of folderId and folderPath can be set")
    if id:
        found = filing.folder(call.sql, finding.number(id))
        if found is None:
            raise missing(id)
        return found
    if not path:
        if required:
            raise ApiError(400, "Either folderId or folderPath is required")
        return None
    return ensure(call, str(path))


def ensure(call: Call, path: str) -> Folder | None:
    """The folder of a path, made with all above it; None is the root."""
    place: Folder | None = None
    for name in filing.normal(path).split("/")[1:]:
        place = filing.folder_at(call.sql, f"{place.path if place else ''}/{name}") or add(
            call, place, named(name)
        )
    return place


def missing(id: Any) -> ApiError:
    """No folder of this id or path."""
    return ApiError(404, f"Folder {id} does not exist", "OBJECT_NOT_FOUND", context={"id": [str(id)]})


def find(call: Call, text: str) -> Folder:
    """The live folder of an id, which is all digits, or of a path.

    Raises:
        ApiError: 404.
    """
    number = finding.number(text)
    found = filing.folder_at(call.sql, text) if number is None else filing.folder(call.sql, number)
    if found is None:
        raise missing(text)
    return found


def get(call: Call, path: Mapping[str, str]) -> Reply:
    """`GET /files/v3/folders/{folderId}` or `/{folderPath}`."""
    return Reply(200, finding.chosen(call, render(find(call, path["what"]))))


def archive(call: Call, path: Mapping[str, str]) -> Reply:
    """`DELETE /files/v3/folders/{folderId}` or `/{folderPath}`."""
    remove(call, find(call, path["what"]))
    return Reply(204)


def remove(call: Call, folder: Folder) -> None:
    """Put a folder into the trash with all that is in it."""
    for inner in list(filing.folders(call.sql, "parent = ? AND archived_at IS NULL", (folder.id,))):
        remove(call, inner)
    inside = "folder = ? AND archived_at IS NULL AND purged = 0"
    for file in list(filing.files(call.sql, inside, (folder.id,))):
        filing.trash(call, file)
    before = filing.folder_told(folder)
    folder.archived_at = folder.updated = call.stamp
    filing.put(call.sql, folder)
    call.log("delete", "folders", str(folder.id), before, filing.folder_told(folder))


def update(call: Call, path: Mapping[str, str]) -> Reply:
    """`PATCH /files/v3/folders/{folderId}`."""
    return Reply(200, render(change(call, find(call, path["what"]), call.mapping())))


def change(call: Call, folder: Folder, body: Mapping[str, Any]) -> Folder:
    """Rename or move a folder, and move what is in it.

    Raises:
        ApiError: 400, into itself; 404, no such parent; 409, the path is taken.
    """
    before, old = filing.folder_told(folder), folder.path
    parent = filing.folder(call.sql, folder.parent)
    if body.get("parentFolderId"):
        parent = target(call, body["parentFolderId"], None)
    if parent is not None and f"{parent.path}/".startswith(f"{old}/"):
        raise ApiError(400, "A folder can't be moved into itself")
    name = named(body["name"]) if "name" in body else folder.name
    path = f"{parent.path if parent else ''}/{name}"
    if path != old:
        _free(call, path)
    folder.name, folder.parent, folder.path = name, parent.id if parent else None, path
    folder.updated = call.stamp
    filing.put(call.sql, folder)
    call.sql.execute(
        "UPDATE hs_folder SET path = ? || substr(path, ?)"
        " WHERE archived_at IS NULL AND substr(path, 1, ?) = ?",
        (path, len(old) + 1, len(old) + 1, f"{old}/"),
    )
    call.log("update", "folders", str(folder.id), before, filing.folder_told(folder))
    return folder


def update_later(call: Call, _path: Mapping[str, str]) -> Reply:
    """`POST /files/v3/folders/update/async`: 202, and the work is done after a while."""
    body = call.mapping()
    if not body.get("id"):
        raise ApiError(400, "Some required fields were not set: [id]")
    find(call, body["id"])
    return tasks.begin(call, MOVE, "folders/update/async", body)


def update_done(call: Call, task: tasks.Task) -> None:
    """What an asynchronous update does when its time has come."""
    try:
        with call.tx.savepoint():
            folder = change(call, find(call, str(task.given["id"])), task.given)
    except ApiError as refusal:
        tasks.fail(call, task, refusal)
    else:
        tasks.end(call, task, str(folder.id))


def update_status(call: Call, path: Mapping[str, str]) -> Reply:
    """`GET /files/v3/folders/update/async/tasks/{taskId}/status`."""
    task = tasks.get(call, path["id"], MOVE)
    found = next(filing.folders(call.sql, "id = ?", (task.result,)), None) if task.result else None
    return Reply(200, tasks.render(task, render(found) if found else None))


def search(call: Call, _path: Mapping[str, str]) -> Reply:
    """`GET /files/v3/folders/search`: live folders."""
    where, values = finding.narrowed(call, "parent")
    if (place := finding.by_rows(call)) is not None:
        start, limit = place
        found = filing.folders(call.sql, f"{where} ORDER BY id LIMIT {limit + 1} OFFSET {start}", values)
        return finding.cut(call, [render(folder) for folder in found], start, limit)
    rows = [(folder.id, folder, render(folder)) for folder in filing.folders(call.sql, where, values)]
    return finding.page(call, rows, {"parentFolderIds": lambda folder: folder.parent})
