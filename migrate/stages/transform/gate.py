"""Which records does an entry of the plan take at all, and why are the others left where they are?

`where` decides first. Of activities, what is later than `mailbox_sync_from` is left to the target's own
mailbox and calendar, which would bring it a second time; and what is still to come is left out, unless the
plan says `future: load`. *Now* is when the extract's reading began, by the source's own clock, so that the
same artifacts always give the same rows. Each record that is left has its reason in `skipped`.
"""

from __future__ import annotations

from datetime import datetime

from migrate.clock import parse_stamp, stamp
from migrate.engine import text
from migrate.errors import Defect
from migrate.stages.transform.work import ObjectWork, Work, attempt
from migrate.store import generation_folder

WHERE, SYNCED, FUTURE = "where", "mailbox_sync", "future"


def gate(work: Work, each: ObjectWork, rows: str) -> str:
    """What the plan lets through; fills `skipped`. Rows for which it raises stay in the table `gate`."""
    skipped = each.table("skipped")
    where, activity = each.checked.where, each.checked.activity
    if where is None and activity is None:
        work.run(f"CREATE TABLE {skipped} (_key VARCHAR, _id VARCHAR, reason VARCHAR)")
        return rows
    passes = attempt(f"CAST(({where.sql}) AS BOOLEAN)") if where else "{'v': true}"
    at = attempt(f"CAST(({activity.at.sql}) AS TIMESTAMPTZ)") if activity else "{'v': NULL::TIMESTAMPTZ}"
    open_ = "{'v': false}"
    if activity and activity.open:
        open_ = attempt(f"CAST(({activity.open.sql}) AS BOOLEAN)")
    cases = []
    if activity and activity.plan.synced and activity.until is not None:
        cases.append(f"WHEN _at.v >= {_instant(activity.until)} THEN {text(SYNCED)}")
    if activity and activity.plan.future == "skip":
        now = _instant(_now(work, each.source))
        cases.append(f"WHEN coalesce(_open.v, false) OR _at.v > {now} THEN {text(FUTURE)}")
    table = each.table("gate")
    work.run(
        f"""CREATE TABLE {table} AS SELECT *, CASE WHEN _pass IS NULL THEN NULL
            WHEN NOT coalesce(_pass.v, false) THEN {text(WHERE)}
            WHEN _at IS NULL OR _open IS NULL THEN NULL {" ".join(cases)} ELSE '' END AS _why
        FROM (SELECT _id, {passes} AS _pass, {at} AS _at, {open_} AS _open FROM {rows})"""
    )
    work.run(
        f"CREATE TABLE {skipped} AS SELECT {each.key('_id')} AS _key, _id, _why AS reason FROM {table} "
        "WHERE _why <> ''"
    )
    return f"(SELECT s.* FROM {rows} AS s JOIN {table} AS g USING (_id) WHERE g._why = '')"


def stopped(work: Work, each: ObjectWork) -> None:
    """Reject the records for which `where` or `activity` raises."""
    if each.checked.where is None and each.checked.activity is None:
        return
    work.run(
        f"""INSERT INTO {each.table("mistakes")}
        SELECT {each.key("_id")}, _id, CASE WHEN _pass IS NULL THEN 'where' ELSE 'activity' END, 'expression',
            NULL, CASE WHEN _pass IS NULL THEN 'the plan''s `where` raises for this record'
                ELSE 'the plan''s `activity` raises for this record' END
        FROM {each.table("gate")} WHERE _why IS NULL"""
    )


def _now(work: Work, object: str) -> datetime:
    """When the newest extract of an object began to be read.

    Raises:
        Defect: no extract says so.
    """
    moments = []
    for number in work.store.generations("source", object):
        manifest = work.manifest(generation_folder("source", object, number))
        if manifest is not None and "watermark" in manifest.facts:
            moments.append(parse_stamp(str(manifest.facts["watermark"])))
    if not moments:
        raise Defect(f"No extract of `{object}` says when it began.")
    return max(moments)


def _instant(moment: datetime) -> str:
    return f"TIMESTAMPTZ {text(stamp(moment))}"
