"""How does a REST query answer, page by page?

A result longer than one page leaves a cursor: the ids as they were, read anew page by
page, alive for two days (Salesforce, REST API "Query", "Query Options Header", "API
Query Cursor Limits", read 2026-11-23).
"""

import re
from datetime import timedelta
from typing import Any

import orjson

from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.salesforce.errors import Refusal
from migrate.sandbox.salesforce.evaluate import Execution
from migrate.sandbox.salesforce.grouping import groups
from migrate.sandbox.salesforce.soql import parse
from migrate.sandbox.vendor import Reply

PAGE = 2000
CURSOR_LIFE = timedelta(days=2)


def query(call: Call, *, every: bool) -> Reply:
    """`GET /query?q=` or `/queryAll?q=`."""
    text = call.request.arg("q")
    if not text:
        raise Refusal("MALFORMED_QUERY", "A query string has to be specified")
    run = Execution(call, parse(text), every=every)
    if run.select.bare_count:
        return Reply(200, {"totalSize": run.count(), "done": True, "records": []})
    if run.select.aggregate:
        rows = groups(run)
        return Reply(200, orjson.dumps({"totalSize": len(rows), "done": True, "records": rows}))
    found = list(run.matching())
    batch = _batch(call, run)
    answer: dict[str, Any] = {"totalSize": len(found), "done": len(found) <= batch}
    if len(found) > batch:
        cursor = call.records.new_id("01g")
        call.tx.sql.execute(
            "INSERT INTO sf_cursor VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                cursor,
                call.actor,
                call.now.timestamp(),
                text,
                int(every),
                batch,
                orjson.dumps([record["Id"] for record in found]),
            ),
        )
        answer["nextRecordsUrl"] = f"{call.base}/{'queryAll' if every else 'query'}/{cursor}-{batch}"
    answer["records"] = [run.project(record) for record in found[:batch]]
    return Reply(200, orjson.dumps(answer))


def _batch(call: Call, run: Execution) -> int:
    wanted = re.search(r"batchSize=([0-9]{1,9})", call.header("sforce-query-options"), re.IGNORECASE)
    size = int(wanted[1]) if wanted else PAGE
    smallest = int(call.settings.get("smallest_page", 200))
    size = min(max(size, smallest), int(call.settings.get("query_page", PAGE)))
    return min(size, 200) if run.long_texts >= 2 else size


def more(call: Call, locator: str) -> Reply:
    """`GET /query/{cursor}-{offset}`."""
    cursor, _, place = locator.rpartition("-")
    row = call.tx.sql.execute(
        "SELECT user, created, query, every, batch, ids FROM sf_cursor WHERE id = ?", (cursor,)
    ).fetchone()
    oldest = (call.now - CURSOR_LIFE).timestamp()
    if row is None or row[0] != call.actor or row[1] < oldest or not re.fullmatch(r"[0-9]{1,9}", place):
        raise Refusal("INVALID_QUERY_LOCATOR", "invalid query locator")
    every, batch, ids, start = bool(row[3]), int(row[4]), orjson.loads(row[5]), int(place)
    if start >= len(ids):
        raise Refusal("INVALID_QUERY_LOCATOR", "invalid query locator")
    run = Execution(call, parse(row[2]), every=every)
    page = ids[start : start + batch]
    records = [record for id in page if (record := call.records.get(run.item.name, id)) is not None]
    end = start + batch
    answer: dict[str, Any] = {"totalSize": len(ids), "done": end >= len(ids)}
    if end < len(ids):
        answer["nextRecordsUrl"] = f"{call.base}/{'queryAll' if every else 'query'}/{cursor}-{end}"
    answer["records"] = [run.project(record) for record in records]
    return Reply(200, orjson.dumps(answer))
