"""Is it said of each activity when it happened, and from when on the target brings its like by itself?"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from migrate.catalog import ObjectSchema
from migrate.errors import PlanMistake
from migrate.plan import ObjectPlan, Plan
from migrate.plan.terms import instant_of
from migrate.stages.check_expressions import ExpressionCheck
from migrate.stages.check_types import INSTANT, NULL
from migrate.stages.checked import CheckedActivity, Findings


def check_activity(
    index: int, each: ObjectPlan, source: ObjectSchema, fields: ExpressionCheck
) -> CheckedActivity | None:
    """An entry's `activity`, resolved; None where it has none, or where it is wrong, which is noted."""
    if each.activity is None:
        return None
    keys = ("objects", index, "activity")
    at = fields.expression(each.activity.at, (*keys, "at"), source.fields, source.name)
    kind = fields.type_of(at, source.fields) if at else None
    if at is not None and kind not in (INSTANT, NULL, None):
        fields.tell(
            at.at,
            f"`at` gives {kind}; it must be an instant (a timestamp with a zone).",
            f"Say whose day it is: `CAST({at.text.strip()} AS TIMESTAMP) AT TIME ZONE '{fields.zone}'`.",
        )
        return None
    open_ = None
    if each.activity.open is not None:
        open_ = fields.condition(each.activity.open, (*keys, "open"), source.fields, source.name)
    if at is None or kind is None:
        return None
    try:
        until = _sync_from(fields.plan)
    except (ValueError, KeyError):  # told once for the plan: no moment, or no zone
        until = None
    return CheckedActivity(each.activity, at, open_, until)


def check_sync(plan: Plan, findings: Findings) -> None:
    """Whether `mailbox_sync_from` is a day or an instant, and bounds anything."""
    at = plan.at("mailbox_sync_from")
    bounded = [each for each in plan.model.objects if each.activity is not None and each.activity.synced]
    if plan.model.mailbox_sync_from is None:
        for index, each in enumerate(plan.model.objects):
            if each in bounded:
                findings.warnings.append(
                    PlanMistake(
                        plan.at_key("objects", index, "activity"),
                        f"Nothing says from when on the target's own mailbox or calendar brings "
                        f"records like those of `{each.name}`.",
                        "Write `mailbox_sync_from: <day>`, or `synced: false` where nothing does.",
                    )
                )
        return
    try:
        _sync_from(plan)
    except KeyError:
        return  # the zone is wrong, and told
    except ValueError:
        findings.mistakes.append(
            PlanMistake(
                at,
                f"`{plan.model.mailbox_sync_from}` is neither a day nor an instant.",
                "Write `2026-12-01`, or `2026-12-01T08:00:00Z`.",
            )
        )
        return
    if not bounded:
        findings.mistakes.append(
            PlanMistake(
                at,
                "No entry of the plan says when its activities happened, so nothing is bounded.",
                "Write `activity: {at: <instant>}` for e-mails and meetings.",
            )
        )


def _sync_from(plan: Plan) -> datetime | None:
    """The moment; a day begins in the calendar's zone.

    Raises:
        ValueError: it is neither a day nor an instant.
    """
    text = plan.model.mailbox_sync_from
    if text is None:
        return None
    zone = plan.model.calendar.zone
    moment = instant_of(text, zone)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=ZoneInfo(zone))
