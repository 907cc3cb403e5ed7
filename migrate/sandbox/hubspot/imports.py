"""How does an import run that a person began, and how are imports listed?

A person imports rows of one object; they are written some seconds later under the source IMPORT, and until
then the import is STARTED, PROCESSING, or DEFERRED while three others run. No list says who began it.

Facts: HubSpot, "Imports" (`GET /crm/imports/2026-03`, states, cancel; scope `crm.import`), read 2026-11-27.
How fast rows are written is a setting here; that a cancelled import keeps what it wrote is an assumption.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from migrate.sandbox.hubspot import writes
from migrate.sandbox.hubspot.call import Actor, Call
from migrate.sandbox.hubspot.errors import ApiError, not_found
from migrate.sandbox.vendor import Reply

DDL: Final = (
    """CREATE TABLE IF NOT EXISTS hs_import (
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL,
        created TEXT NOT NULL, updated TEXT NOT NULL, user INTEGER, rows TEXT NOT NULL,
        seconds REAL NOT NULL)""",
)
KIND: Final = "crm-import"  # of work that was put off
AT_ONCE: Final = 3
_RUNNING: Final = ("STARTED", "PROCESSING")
_COLUMNS: Final = "id, name, kind, state, created, updated, user, rows, seconds"


def begin(call: Call, kind: str, action: Mapping[str, Any]) -> dict[str, Any]:
    """A person imports `rows` (properties; those with an `id` change that record), done in `seconds`."""
    cursor = call.sql.execute(
        f"INSERT INTO hs_import ({_COLUMNS[4:]}) VALUES (?, ?, 'DEFERRED', ?, ?, ?, ?, ?)",
        (
            str(action.get("name") or "import.csv"), kind, call.stamp, call.stamp, call.actor.user,
            orjson.dumps(list(action.get("rows") or ())).decode(), float(action.get("seconds", 5)),
        ),
    )  # fmt: skip
    _start(call)
    return {"import": str(cursor.lastrowid)}


def _start(call: Call) -> None:
    """Let the next deferred ones run."""
    running = call.sql.execute("SELECT count(*) FROM hs_import WHERE state IN ('STARTED', 'PROCESSING')")
    room = AT_ONCE - int(running.fetchone()[0])
    waiting = call.sql.execute(
        "SELECT id, seconds FROM hs_import WHERE state = 'DEFERRED' ORDER BY id LIMIT ?", (max(0, room),)
    ).fetchall()
    for id, seconds in waiting:
        _set(call, id, "STARTED")
        call.tx.later(seconds / 2, KIND, {"id": id, "to": "PROCESSING"})


def advance(call: Call, payload: Mapping[str, Any]) -> None:
    """Go on with an import: its work begins, or its rows are written."""
    id = int(payload["id"])
    row = call.sql.execute(f"SELECT {_COLUMNS} FROM hs_import WHERE id = ?", (id,)).fetchone()
    if row is None or row[3] not in _RUNNING:
        return
    if payload["to"] == "PROCESSING":
        _set(call, id, "PROCESSING")
        call.tx.later(row[8] / 2, KIND, {"id": id, "to": "DONE"})
        return
    call.actor = Actor(f"user:{row[6]}", "IMPORT", str(id), row[6])
    rows, refused = orjson.loads(row[7]), 0
    for given in rows:
        properties = {name: value for name, value in given.items() if name != "id"}
        try:
            with call.tx.savepoint():
                if given.get("id"):
                    writes.update(call, row[2], [{"id": str(given["id"]), "properties": properties}])
                else:
                    writes.create(call, row[2], [{"properties": properties}])
        except ApiError:
            refused += 1
    _set(call, id, "DONE" if refused < len(rows) or not rows else "FAILED")
    _start(call)


def _set(call: Call, id: int, state: str) -> None:
    call.sql.execute("UPDATE hs_import SET state = ?, updated = ? WHERE id = ?", (state, call.stamp, id))


def listing(call: Call, _path: Mapping[str, str]) -> Reply:
    """`GET /crm/v3/imports`: the newest first."""
    limit = call.number("limit", 100, 100)
    before = (call.request.arg("after") if call.request is not None else None) or str(1 << 62)
    rows = call.sql.execute(
        f"SELECT {_COLUMNS} FROM hs_import WHERE id < ? ORDER BY id DESC LIMIT ?", (int(before), limit + 1)
    ).fetchall()
    told: dict[str, Any] = {"results": [_told(call, row) for row in rows[:limit]]}
    if len(rows) > limit:
        told["paging"] = {"next": {"after": str(rows[limit - 1][0])}}
    return Reply(200, told)


def get(call: Call, path: Mapping[str, str]) -> Reply:
    """`GET /crm/v3/imports/{id}`."""
    return Reply(200, _told(call, _one(call, path["id"])))


def cancel(call: Call, path: Mapping[str, str]) -> Reply:
    """`POST /crm/v3/imports/{id}/cancel`."""
    row = _one(call, path["id"])
    if row[3] not in (*_RUNNING, "DEFERRED"):
        raise ApiError(400, f"Import {row[0]} is {row[3]} and can't be canceled")
    _set(call, row[0], "CANCELED")
    _start(call)
    return Reply(200, {"status": "COMPLETE", "startedAt": call.stamp, "completedAt": call.stamp})


def _one(call: Call, id: str) -> Any:
    row = call.sql.execute(f"SELECT {_COLUMNS} FROM hs_import WHERE id = ?", (id,)).fetchone()
    if row is None:
        raise not_found("import", [id])
    return row


def _told(call: Call, row: Any) -> dict[str, Any]:
    count = len(orjson.loads(row[7]))
    done = count if row[3] == "DONE" else 0
    return {
        "id": str(row[0]),
        "importName": row[1],
        "state": row[3],
        "createdAt": row[4],
        "updatedAt": row[5],
        "importSource": "IMPORT",
        "optOutImport": False,
        "mappedObjectTypeIds": [call.catalog.kinds[row[2]].id],
        "metadata": {"counters": {"TOTAL_ROWS": done}, "objectLists": [], "fileIds": []},
    }
