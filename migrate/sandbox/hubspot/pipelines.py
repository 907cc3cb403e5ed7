"""Which pipelines and stages are there, and how do they change?

Ids that HubSpot makes are numbers as text and differ between portals. A pipeline or stage in use can be
kept from deletion by `validateReferencesBeforeDelete`.

Facts: HubSpot, "Pipelines", read 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from migrate.sandbox.hubspot import standards, tables
from migrate.sandbox.hubspot.call import Call
from migrate.sandbox.hubspot.errors import ApiError
from migrate.sandbox.vendor import Reply

MOST_STAGES: Final = 100


def _kind(call: Call, path: Mapping[str, str]) -> str:
    kind = call.catalog.kind(path["type"]).name
    if kind not in standards.PIPED and kind not in call.catalog.schemas:
        raise ApiError(400, f"Object type {kind} has no pipelines")
    return kind


def _live(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted((row for row in rows if not row["archived"]), key=lambda row: int(row["displayOrder"]))


def shown(pipeline: Mapping[str, Any]) -> dict[str, Any]:
    """A pipeline as replies carry it: live stages in their order."""
    return {**pipeline, "stages": _live(pipeline["stages"])}


def _find(call: Call, kind: str, id: str) -> dict[str, Any]:
    found = call.catalog.pipelines.get(kind, {}).get(id)
    if found is None or found["archived"]:
        raise ApiError(404, f"Pipeline {id} does not exist", "OBJECT_NOT_FOUND", context={"pipelineId": [id]})
    return dict(found)


def _stage(pipeline: Mapping[str, Any], id: str) -> dict[str, Any]:
    found = next((stage for stage in _live(pipeline["stages"]) if stage["id"] == id), None)
    if found is None:
        raise ApiError(404, f"Stage {id} does not exist", "OBJECT_NOT_FOUND", context={"stageId": [id]})
    return found


def _new_id(call: Call, body: Mapping[str, Any], key: str) -> str:
    return str(
        body.get(key)
        or body.get("id")
        or tables.take_number(call.sql, "pipeline", 90_117 + call.catalog.portal_id % 1000, 3)
    )


def make_stage(call: Call, kind: str, body: Mapping[str, Any], order: int) -> dict[str, Any]:
    """A stage from its input.

    Raises:
        ApiError: 400, no label, or what its type needs in `metadata` is missing.
    """
    metadata = {name: str(value) for name, value in (body.get("metadata") or {}).items()}
    if not body.get("label"):
        raise ApiError(400, "Some required fields were not set: [label]")
    if kind == "deals":
        try:
            good = 0.0 <= float(metadata.get("probability", "")) <= 1.0
        except ValueError:
            good = False
        if not good:
            raise ApiError(400, "metadata.probability from 0.0 to 1.0 is required for deal stages")
    if kind == "tickets" and metadata.get("ticketState", "OPEN") not in ("OPEN", "CLOSED"):
        raise ApiError(400, "metadata.ticketState must be OPEN or CLOSED")
    row = standards.stage(
        kind,
        _new_id(call, body, "stageId"),
        str(body["label"]),
        int(body.get("displayOrder", order)),
        metadata,
    )
    return row | {"createdAt": call.stamp, "updatedAt": call.stamp}


def _stages(call: Call, kind: str, given: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    if len(given) > MOST_STAGES:
        raise ApiError(400, f"A pipeline has at most {MOST_STAGES} stages")
    made = [make_stage(call, kind, stage, order) for order, stage in enumerate(given)]
    if len({stage["id"] for stage in made}) < len(made):
        raise ApiError(400, "Stage ids must be unique", sub="STAGE_ID_IN_USE")
    return made


def make(call: Call, kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Store a pipeline with its stages.

    Raises:
        ApiError: 400 for missing parts, 409 for a taken id or label.
    """
    stages = body.get("stages")
    if not body.get("label") or not isinstance(stages, list):
        raise ApiError(400, "Some required fields were not set: [label, stages]")
    id = _new_id(call, body, "pipelineId")
    known = call.catalog.pipelines.get(kind, {})
    if id in known or any(p["label"] == body["label"] and not p["archived"] for p in known.values()):
        raise ApiError(
            409,
            f"Pipeline {id} or its label `{body['label']}` is in use",
            "CONFLICT",
            sub="PIPELINE_ID_IN_USE",
        )
    row: dict[str, Any] = {
        "id": id,
        "label": str(body["label"]),
        "displayOrder": int(body.get("displayOrder", len(known))),
        "archived": False,
        "createdAt": call.stamp,
        "updatedAt": call.stamp,
        "stages": _stages(call, kind, stages),
    }
    tables.put(call.sql, "pipeline", kind, id, row)
    call.log("schema", kind, f"pipeline:{id}", None, row)
    return row


def _keep(call: Call, kind: str, pipeline: dict[str, Any]) -> None:
    pipeline["updatedAt"] = call.stamp
    tables.put(call.sql, "pipeline", kind, pipeline["id"], pipeline)
    call.log(
        "schema", kind, f"pipeline:{pipeline['id']}", call.catalog.pipelines[kind][pipeline["id"]], pipeline
    )


def listing(call: Call, path: Mapping[str, str]) -> Reply:
    """`GET .../pipelines/{type}`."""
    rows = _live(list(call.catalog.pipelines.get(_kind(call, path), {}).values()))
    return Reply(200, {"results": [shown(row) for row in rows]})


def create(call: Call, path: Mapping[str, str]) -> Reply:
    """`POST .../pipelines/{type}`."""
    return Reply(201, shown(make(call, _kind(call, path), call.mapping())))


def _used(call: Call, kind: str, position: int, id: str) -> bool:
    name = standards.PIPED.get(kind, ("hs_pipeline", "hs_pipeline_stage"))[position]
    query = (
        "SELECT 1 FROM hs_record WHERE kind = ? AND archived = 0 AND json_extract(properties, ?) = ? LIMIT 1"
    )
    return call.sql.execute(query, (kind, f"$.{name}", id)).fetchone() is not None


def one(call: Call, path: Mapping[str, str]) -> Reply:
    """`GET|PUT|PATCH|DELETE .../pipelines/{type}/{pipeline}`."""
    kind = _kind(call, path)
    row = _find(call, kind, path["pipeline"])
    method = call.request.method if call.request else "GET"
    checked = call.flag("validateReferencesBeforeDelete") or call.flag("validateDealStageUsagesBeforeDelete")
    if method == "DELETE":
        if checked and _used(call, kind, 0, row["id"]):
            raise ApiError(400, f"Pipeline {row['id']} is in use by records")
        _keep(call, kind, row | {"archived": True, "archivedAt": call.stamp})
        return Reply(204)
    if method in ("PUT", "PATCH"):
        body = call.mapping()
        row |= {name: body[name] for name in ("label", "displayOrder", "archived") if name in body}
        if method == "PUT" and isinstance(body.get("stages"), list):
            kept = {stage["id"]: stage for stage in row["stages"]}
            made = _stages(call, kind, body["stages"])
            row["stages"] = [
                stage | {"createdAt": kept.get(stage["id"], stage)["createdAt"]} for stage in made
            ]
        _keep(call, kind, row)
    return Reply(200, shown(row))


def stages(call: Call, path: Mapping[str, str]) -> Reply:
    """`GET|POST .../pipelines/{type}/{pipeline}/stages`."""
    kind = _kind(call, path)
    row = _find(call, kind, path["pipeline"])
    if call.request is not None and call.request.method == "POST":
        made = make_stage(call, kind, call.mapping(), len(row["stages"]))
        if len(_live(row["stages"])) >= MOST_STAGES:
            raise ApiError(400, f"A pipeline has at most {MOST_STAGES} stages")
        if any(stage["id"] == made["id"] for stage in row["stages"]):
            raise ApiError(409, f"Stage {made['id']} exists already", "CONFLICT", sub="STAGE_ID_IN_USE")
        if any(stage["label"] == made["label"] for stage in _live(row["stages"])):
            raise ApiError(409, f"A stage labelled `{made['label']}` exists already", "CONFLICT")
        _keep(call, kind, row | {"stages": [*row["stages"], made]})
        return Reply(201, made)
    return Reply(200, {"results": _live(row["stages"])})


def stage(call: Call, path: Mapping[str, str]) -> Reply:
    """`GET|PUT|PATCH|DELETE .../pipelines/{type}/{pipeline}/stages/{stage}`."""
    kind = _kind(call, path)
    row = _find(call, kind, path["pipeline"])
    held = _stage(row, path["stage"])
    method = call.request.method if call.request else "GET"
    if method == "GET":
        return Reply(200, held)
    if method == "DELETE":
        if _used(call, kind, 1, held["id"]):
            raise ApiError(400, f"Stage {held['id']} is in use by records")
        changed = held | {"archived": True, "archivedAt": call.stamp}
    else:
        body = call.mapping()
        merged = dict(held)
        merged |= {name: body[name] for name in ("label", "displayOrder") if name in body}
        metadata = {**held["metadata"], **(body.get("metadata") or {})}
        metadata.pop("isClosed", None)
        changed = make_stage(call, kind, {**merged, "metadata": metadata}, 0) | {
            "createdAt": held["createdAt"]
        }
    _keep(call, kind, row | {"stages": [changed if s["id"] == held["id"] else s for s in row["stages"]]})
    return Reply(204) if method == "DELETE" else Reply(200, changed)


def audit(call: Call, path: Mapping[str, str]) -> Reply:
    """`GET .../pipelines/{type}/{pipeline}[/stages/{stage}]/audit`: the creation only."""
    kind = _kind(call, path)
    row: Mapping[str, Any] = _find(call, kind, path["pipeline"])
    if "stage" in path:
        row = _stage(row, path["stage"])
    entry = {
        "portalId": call.catalog.portal_id,
        "identifier": row["id"],
        "action": "CREATE",
        "timestamp": row["createdAt"],
        "message": "Created",
        "rawObject": dict(row),
    }
    return Reply(200, {"results": [entry]})
