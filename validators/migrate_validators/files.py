"""Is every file there, whole? By what the target gives back: its bytes are downloaded and digested anew.

Each file that the crosswalk knows is fetched through the target's own API, streamed, and its SHA-256 compared
with the one of the staged bytes. What differs or isn't given is fetched again before it counts. Files that
were not moved (too large, refused by the source) are counted with their reasons: they have their end in
`counts`, and stand here so that nobody has to look for them there.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from migrate.connector import BlobRefused, ReadsBlobs
from migrate.engine import identifier, parquet, text
from migrate.errors import Retriable
from migrate.held import held_sql
from migrate.stages.crosswalk import latest, latest_ready, rows_of
from migrate.store import Manifest
from migrate.types import Kind
from migrate_validators.classes import Class
from migrate_validators.evidence import Evidence
from migrate_validators.model import Decision, Result, Verdict, many

if TYPE_CHECKING:
    import pyarrow as pa

    from migrate.catalog import Field
    from migrate.plan.models import ObjectPlan

ID = "files"
TITLE = "Files: count, bytes and SHA-256"
AHEAD = 4
TRIES = 3
Told = dict[str, "str | int | None"]  # what one download came to: id, sha256, bytes, reason
OUTCOMES = ("oversize", "linked", "file")  # reasons of skips and rejects that are about a file


def check(evidence: Evidence) -> Iterator[Result]:
    """One result for each entry that moves files."""
    for each in evidence.present:
        schema = evidence.target_schema(each.target).fields
        for name in each.fields:
            if name in schema and schema[name].kind is Kind.BINARY:
                yield _entry(evidence, each, schema[name])


def _entry(evidence: Evidence, each: ObjectPlan, field: Field) -> Result:
    named = field.name_in if field.name_in in each.fields else None
    columns = {field.name: "VARCHAR"} | ({named: "VARCHAR"} if named else {})
    column = identifier(field.name)
    wanted = evidence.table(
        f"files {each.name}",
        f"""SELECT r._key AS key, c.target_id AS id, split_part(r.{column}, ':', 2) AS sha256,
          CAST(split_part(r.{column}, ':', 3) AS BIGINT) AS bytes,
          {_renamed(evidence, each, named)} AS renamed
        FROM {latest_ready(evidence.store, each.name, columns)} AS r
        JOIN {evidence.crosswalk} AS c ON c.key = r._key WHERE r.{column} IS NOT NULL""",
    )
    files = _fetched(evidence, each, field.name, wanted)
    found = evidence.table(
        f"files found {each.name}",
        f"SELECT * FROM {parquet(files)}" if files else f"SELECT {_EMPTY} WHERE false",
    )
    odd = evidence.table(
        f"files odd {each.name}",
        f"""SELECT w.key, w.id, w.sha256 AS expected, w.bytes AS expected_bytes, f.sha256 AS found,
          f.bytes AS found_bytes, CASE WHEN f.sha256 IS NULL THEN 'not given by the target'
            ELSE 'other bytes' END AS what, f.reason
        FROM {wanted} AS w LEFT JOIN {found} AS f USING (id)
        WHERE f.sha256 IS DISTINCT FROM w.sha256 OR f.bytes IS DISTINCT FROM w.bytes""",
    )
    totals = evidence.rows(
        f"""SELECT count(*) AS n, coalesce(sum(bytes), 0)::BIGINT AS bytes,
        count(DISTINCT sha256) AS contents, count(*) FILTER (renamed) AS renamed FROM {wanted}"""
    )[0]
    kinds = {
        str(row["what"]): int(row["n"])
        for row in evidence.rows(f"SELECT what, count(*) AS n FROM {odd} GROUP BY what ORDER BY what")
    }
    kept = evidence.keep(
        f"{ID}.{each.name}",
        f"""SELECT key, id, expected, found,
        CASE WHEN found IS NULL THEN '{Class.FILE_LOST}' ELSE '{Class.FILE_DAMAGED}' END AS class,
        expected_bytes, found_bytes, what, reason FROM {odd} ORDER BY key""",
    )
    left = _left(evidence, each)
    compared, wrong = int(totals["n"]), sum(kinds.values())
    said = f"{many(compared, 'file')} with {int(totals['bytes']):,} bytes downloaded from the target: "
    if not compared:
        verdict, summary = Verdict.EMPTY, "No file was moved."
    elif wrong:
        what = ", ".join(f"{n:,} {name}" for name, n in kinds.items())
        verdict, summary = Verdict.FAIL, f"{said}{what}."
    else:
        verdict = Verdict.WARN if left else Verdict.PASS
        summary = f"{said}every digest is the staged one's."
    if left and compared:
        summary += f" Not moved: {', '.join(f'{n:,} {name}' for name, n in left.items())}."
    decisions = []
    if wrong:
        decisions.append(
            Decision(
                Verdict.FAIL, f"{many(wrong, 'file')} of {each.name} not as staged in the target",
                owner="Migration engineer", command=f"migrate diff {ID}.{each.name}",
            )
        )  # fmt: skip
    if left:
        decisions.append(
            Decision(
                Verdict.WARN, f"{many(sum(left.values()), 'file')} of {each.name} not moved",
                owner="Migration engineer", where="`files` of the entry, or the source's rights",
                command="migrate extract --refused" if "refused by the source" in left else "",
            )
        )  # fmt: skip
    return kept.on(
        Result(
            id=f"{ID}.{each.name}",
            check=ID,
            object=each.name,
            title=TITLE,
            verdict=verdict,
            summary=summary,
            compared=compared,
            figures={
                "files": compared,
                "bytes": int(totals["bytes"]),
                "contents": int(totals["contents"]),
                "names made to fit": int(totals["renamed"]),
                **kinds,
                **left,
            },
            decisions=tuple(decisions),
        )
    )


_EMPTY = "NULL::VARCHAR AS id, NULL::VARCHAR AS sha256, NULL::BIGINT AS bytes, NULL::VARCHAR AS reason"
_WORDS = {"oversize": "too large", "linked": "linked to the archive", "file": "refused by the source"}


def _renamed(evidence: Evidence, each: ObjectPlan, name: str | None) -> str:
    if name is None:
        return "false"
    rules = evidence.target_schema(each.target).fields[name].held
    value = f"r.{identifier(name)}"
    return f"coalesce({held_sql(rules, value)} <> {value}, false)"


def _left(evidence: Evidence, each: ObjectPlan) -> dict[str, int]:
    """Files that the plan didn't move, by why."""
    shape = {"_key": "VARCHAR", "reason": "VARCHAR"}
    listed = ", ".join(map(text, OUTCOMES))
    staged = [
        rows_of(evidence.store, latest(evidence.store, stage, each.name), shape)
        for stage in ("rejects", "skipped")
    ]
    query = " UNION ALL ".join(
        f"SELECT DISTINCT _key, reason FROM {rows} WHERE reason IN ({listed})" for rows in staged
    )
    rows = evidence.rows(f"SELECT reason, count(*) AS n FROM ({query}) GROUP BY reason ORDER BY reason")
    return {_WORDS[str(row["reason"])]: int(row["n"]) for row in rows}


def _fetched(evidence: Evidence, each: ObjectPlan, field: str, wanted: str) -> list[str]:
    """Download what the target has; gives the artifact's files: `id`, `sha256`, `bytes`, `reason`."""
    import pyarrow as pa

    folder = f"target/{each.target}/validate-files-{each.name}"
    evidence.store.discard(folder)
    schema = pa.schema(
        [("id", pa.string()), ("sha256", pa.string()), ("bytes", pa.int64()), ("reason", pa.string())]
    )
    total = int(evidence.one(f"SELECT count(*) AS n FROM {wanted}"))
    with evidence.store.writer(folder, schema) as writer:
        rows: list[Told] = []
        for done, row in enumerate(_downloads(evidence, each.target, field, wanted), 1):
            rows.append(row)
            evidence.progress(f"files of {each.target}", done, total)
            if len(rows) >= 1_000:
                writer.write(_table(rows, schema))
                rows = []
        if rows:
            writer.write(_table(rows, schema))
    count = sum(part.rows for part in writer.parts)
    manifest = Manifest(folder, "target", each.target, 0, count, tuple(writer.parts))
    return evidence.store.files(evidence.store.publish(manifest))


def _table(rows: list[Told], schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_pylist(rows, schema=schema)


def _downloads(evidence: Evidence, object: str, field: str, wanted: str) -> Iterator[Told]:
    most = max(1, evidence.connector.limits.concurrency)
    waiting: deque[Future[Told]] = deque()
    ids = (
        (str(row["id"]), str(row["sha256"]))
        for batch in evidence.engine.stream(f"SELECT id, sha256 FROM {wanted} ORDER BY id")
        for row in batch.to_pylist()
    )
    with ThreadPoolExecutor(most, thread_name_prefix="files") as pool:
        for id, sha256 in ids:
            if len(waiting) >= AHEAD * most:
                yield waiting.popleft().result()
            waiting.append(pool.submit(_download, evidence, object, field, id, sha256))
        while waiting:
            yield waiting.popleft().result()


def _download(evidence: Evidence, object: str, field: str, id: str, sha256: str) -> Told:
    """One file's digest; looked at again where it isn't the wanted one."""
    source = evidence.connector
    if not isinstance(source, ReadsBlobs):
        return {"id": id, "sha256": None, "bytes": None, "reason": "the target gives no files back"}
    told: Told = {}
    for attempt in range(TRIES):
        if attempt:
            evidence.clock.sleep(max(1.0, source.limits.settle))
        digest, size = hashlib.sha256(), 0
        try:
            for chunk in source.read_blob(object, id, field):
                digest.update(chunk)
                size += len(chunk)
        except BlobRefused as error:
            told = {"id": id, "sha256": None, "bytes": None, "reason": f"{error.code}: {error.reason}"}
            continue
        except Retriable as error:
            told = {"id": id, "sha256": None, "bytes": None, "reason": error.what}
            continue
        told = {"id": id, "sha256": digest.hexdigest(), "bytes": size, "reason": ""}
        if told["sha256"] == sha256:
            break
    return told
