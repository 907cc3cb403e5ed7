"""How does HubSpot tell about work on files that it does later?

The request is answered at once with a task's id and the link to its status. The work itself is put off on
the sandbox's clock; what it came to is kept with the task. A work that fails ends as CANCELED and lists why.

Facts: HubSpot, "Files" guide ("Check a file's upload status": PENDING, PROCESSING, CANCELED, COMPLETE), read
2026-11-26; members as in hubspot-api-client 12.0.0, which requires `startedAt` and `completedAt` always:
before its start and end a task tells the moment of the request in their place.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from migrate.sandbox.hubspot.call import Call
from migrate.sandbox.hubspot.errors import ApiError
from migrate.sandbox.vendor import Reply


@dataclass
class Task:
    """Work that was put off; `given` is what the request asked for, `by` who asked."""

    id: str
    kind: str
    link: str
    given: dict[str, Any]
    requested: str
    by: tuple[str, str, str]
    status: str = "PENDING"
    started: str | None = None
    completed: str | None = None
    result: str | None = None
    errors: list[dict[str, Any]] = field(default_factory=list)


def begin(call: Call, kind: str, path: str, given: dict[str, Any]) -> Reply:
    """Put work off; its reply."""
    request = call.request
    id = f"{call.rng.getrandbits(128):032x}"
    base = f"{request.scheme}://{request.host}" if request else ""
    link = f"{base}/files/{call.family or 'v3'}/{path}/tasks/{id}/status"
    actor = call.actor
    task = Task(id, kind, link, given, call.stamp, (actor.name, actor.source, actor.source_id))
    put(call, task)
    call.tx.later(call.rng.uniform(*call.settings["file_task_delay"]), kind, {"task": id})
    return Reply(202, {"id": id, "links": {"status": link}})


def put(call: Call, task: Task) -> None:
    """Keep a task."""
    call.sql.execute(
        "INSERT OR REPLACE INTO hs_task VALUES (?, ?)", (task.id, orjson.dumps(asdict(task)).decode())
    )


def get(call: Call, id: str, kind: str) -> Task:
    """A task by its id.

    Raises:
        ApiError: 404.
    """
    row = call.sql.execute("SELECT body FROM hs_task WHERE id = ?", (id,)).fetchone()
    task = Task(**orjson.loads(row[0])) if row else None
    if task is None or task.kind != kind:
        raise ApiError(404, f"Task {id} does not exist", "OBJECT_NOT_FOUND", context={"id": [id]})
    return task


def end(call: Call, task: Task, result: str) -> None:
    """Note that the work is done."""
    task.status, task.result = "COMPLETE", result
    task.started, task.completed = task.started or call.stamp, call.stamp
    put(call, task)


def fail(call: Call, task: Task, refusal: ApiError) -> None:
    """Note why the work can't be done."""
    row = refusal.row()
    row["context"] = row.get("context") or {}
    task.status, task.errors = "CANCELED", [row]
    task.started, task.completed = task.started or call.stamp, call.stamp
    put(call, task)


def render(task: Task, result: dict[str, Any] | None) -> dict[str, Any]:
    """A task as replies carry it."""
    body: dict[str, Any] = {
        "taskId": task.id,
        "status": task.status,
        "requestedAt": task.requested,
        "startedAt": task.started or task.requested,
        "completedAt": task.completed or task.requested,
        "links": {"status": task.link},
    }
    if result is not None:
        body["result"] = result
    if task.errors:
        body |= {"errors": task.errors, "numErrors": len(task.errors)}
    return body
