"""What do people do with files in HubSpot's own pages, and which files are there before the first request?

People upload, replace, change, delete and restore files and folders, and what they attach to a record in a
page is hidden. Seeds are people's too, but leave no line in the log.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any, Final

from migrate.sandbox.hubspot import files, filing, folders, shapes, tables, wishes
from migrate.sandbox.hubspot.call import Call
from migrate.sandbox.hubspot.filing import Body, File
from migrate.sandbox.hubspot.values import instant, iso
from migrate.sandbox.hubspot.wishes import Wishes

OBJECTS: Final = ("files", "folders")
SEED = shapes.many(
    shapes.members(
        id=shapes.whole,
        name=shapes.text,
        folderPath=shapes.text,
        access=shapes.text,
        text=shapes.text,
        base64=shapes.text,
        createdAt=shapes.text,
        archived=shapes.flag,
    )
)


def act(call: Call, action: Mapping[str, Any]) -> dict[str, Any]:
    """Do what a user does: create, update, delete or undelete a file or a folder.

    `fields` of a file: `name`, `folderPath`, `access`, `isUsableInContent`, and its content as `text` or as
    `base64`, which on an update replaces the old one. `fields` of a folder: `name`, `parentPath`.

    Raises:
        ValueError: it can't be done.
    """
    do, fields = action["do"], dict(action.get("fields") or {})
    if action["object"] == "folders":
        return _folder(call, do, action, fields)
    if do == "create":
        return files.render(call, upload(call, fields))
    file = next(filing.files(call.sql, "id = ? AND purged = 0", (action.get("id"),)), None)
    if file is None:
        raise ValueError(f"There is no file {action.get('id')}.")
    if do == "undelete":
        filing.restore(call, file)
    elif file.archived_at is not None:
        raise ValueError(f"File {file.id} is in the trash.")
    elif do == "delete":
        filing.trash(call, file)
    elif do == "update":
        if "text" in fields or "base64" in fields:
            files.swap(call, file, _body(call, fields), None)
        if changes := {name: value for name, value in fields.items() if name not in ("text", "base64")}:
            if "folderPath" in changes:
                changes["parentFolderPath"] = changes.pop("folderPath")
            files.change(call, file, changes)
    else:
        raise ValueError(f"`{do}` is nothing that a user does with files.")
    return files.render(call, file)


def _folder(call: Call, do: str, action: Mapping[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    if do == "create":
        parent = folders.ensure(call, str(fields.get("parentPath") or ""))
        return folders.render(folders.add(call, parent, folders.named(fields.get("name"))))
    folder = folders.find(call, str(action.get("id")))
    if do == "update":
        folders.change(call, folder, fields)
    elif do == "delete":
        folders.remove(call, folder)
    else:
        raise ValueError(f"`{do}` is nothing that a user does with folders.")
    return folders.render(folder)


def upload(call: Call, fields: Mapping[str, Any]) -> File:
    """Make a file as a person does; unlike over the API it may be hidden, and is public by default."""
    access = fields.get("access", "PUBLIC_INDEXABLE")
    if access not in wishes.VISIBLE + wishes.HIDDEN:
        raise ValueError(f"`{access}` is no access; there are {', '.join(wishes.VISIBLE + wishes.HIDDEN)}.")
    body = _body(call, fields)
    name = wishes.name(call, fields.get("name"), None, body.md5)
    folder = folders.ensure(call, str(fields.get("folderPath") or ""))
    return files.add(call, None if folder is None else folder.id, name, body, Wishes(access))


def _body(call: Call, fields: Mapping[str, Any]) -> Body:
    coded = fields.get("base64")
    content = base64.b64decode(coded) if coded is not None else str(fields.get("text", "")).encode()
    wishes.fits(call, len(content))
    digest = call.tx.contents.put(content)
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return Body.at(call.tx.contents.path(digest), len(content), md5, digest)


def load(call: Call, rows: Sequence[Mapping[str, Any]]) -> int:
    """Load a seed's files; gives how many."""
    for row in rows:
        file = upload(call, row)
        made = file.id
        if row.get("id"):
            file.id = int(row["id"])
            last = int(tables.get_meta(call.sql, "last_file", "0") or 0)
            tables.set_meta(call.sql, "last_file", str(max(last, file.id + 7)))
        if row.get("createdAt"):
            file.created = file.updated = iso(instant(str(row["createdAt"])).astimezone(UTC))
        if row.get("archived"):
            file.archived_at = call.stamp
        call.sql.execute("DELETE FROM hs_file WHERE id = ?", (made,))
        filing.put(call.sql, file)
    return len(rows)
