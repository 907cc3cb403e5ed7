"""Why did a group of differences probably come about, and what mends it? Said with the line of the map.

Only likely: a cause is told from the class, the values and the map. What is sure stands in the rows.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from migrate.errors import PlanError
from migrate_validators.classes import Class
from migrate_validators.model import many

if TYPE_CHECKING:
    from migrate.plan.models import ObjectPlan
    from migrate_validators.evidence import Evidence

SENDS = "migrate transform; migrate load"
_CAUSES: dict[str, tuple[str, str, str]] = {
    Class.MISSING: ("The record left the target, or never arrived", "Load it again", "migrate load"),
    Class.TWIN: ("Two records of the target bear one key", "Remove the second one in the target", ""),
    Class.EXTRA: ("A record bears our key and isn't in our journal", "Look at who made it", ""),
    Class.EMPTIED: ("Something emptied the field", "Look at its history, send it again", SENDS),
    Class.FILLED: ("Something filled a field that should be empty", "Look at its history in the target", ""),
    Class.CHANGED: ("Something changed the value after our write", "Look at its history in the target", ""),
    Class.TRUNCATED: ("The value was cut at its end", "Look at the field's length, send it again", SENDS),
    Class.CASE: ("Only upper and lower case differ", "Look for an automation that rewrites names", ""),
    Class.SPACE: ("Only blanks differ", "Trim it in the plan (`trim(…)`), or leave it to a tolerance", SENDS),
    Class.HOURS: ("The instant is off by whole hours: a zone was taken for another one",
                  "Compare the zones of both systems and of the plan", SENDS),
    Class.DAY: ("The date is off by a day: another zone's midnight", "Compare both zones", SENDS),
    Class.AMOUNT: ("The amount was changed after our write, or rounded", "Ask who changed it", ""),
    Class.PRECISION: ("Digits behind the point were lost", "Look at the field's scale in the target", ""),
    Class.CURRENCY: ("The currency is another one", "Compare the currency codes of both systems", SENDS),
    Class.OPTION: ("The value went elsewhere than the map says", "Look at the map's line", SENDS),
    Class.UNMAPPED: ("The value has no line in the map", "Give it a line", SENDS),
    Class.ENCODING: ("The text was decoded with a wrong encoding on its way",
                     "Look at what wrote it last: our staged text is right", SENDS),
    Class.NUMBER: ("A text was taken for a number on its way, as spreadsheets do",
                   "Look at what wrote it last: our staged text is right", SENDS),
    Class.LINK_EXTRA: ("A link is there that nobody asked for", "Look at who made it", ""),
    Class.OWNER: ("Another owner than the map says", "Look at the owner map, or at who reassigned it", SENDS),
    Class.PARENT: ("It hangs under another record", "Look at its history in the target", ""),
    Class.LINK_LOST: ("A link isn't there", "Load again: it makes what is missing", "migrate load"),
    Class.LABEL: ("The link is there, without its label", "Load again: it makes it", "migrate load"),
    Class.FILE_LOST: ("The target doesn't give the file back", "Load again", "migrate load"),
    Class.FILE_DAMAGED: ("The file's bytes aren't those that were read", "Compare both files", ""),
    Class.DUPLICATE: ("The migration made a second record of somebody who was there, or of two of ours",
                      "Merge them in the target, or widen `match` or `dedupe`", ""),
    Class.HIDDEN: ("Our user may not read the field, so that nothing was compared",
                   "Grant it, then extract and validate again", ""),
    Class.SCHEMA: ("Somebody changed the system since `discover`", "Look at it, discover again",
                   "migrate discover; migrate check"),
    Class.COUNT: ("A group holds more or fewer records than it should", "Look at the rows of `counts`", ""),
    Class.SUM: ("A sum differs by records that no other check lists", "Look at both sums by record", ""),
    Class.WEIGHT: ("The target weighs the stage otherwise", "Set its probability there, or accept it", ""),
    Class.RULE: ("A rule of the plan is broken", "Look at its rows", ""),
    Class.TREE: ("Something that hangs on an account differs", "Look at the account, both sides", ""),
    Class.REPORTED: ("A tester says that it isn't right", "Ask, mend, and let it be tested again", ""),
    Class.OPT_OUT: ("Somebody who said no can be written to", "Load again at once", "migrate load"),
    Class.UNEXPLAINED: ("Nothing says what became of it", "Load again, trace one of them", "migrate load"),
    Class.NOT_MOVED: ("It was refused, or waits for a record that was", "Mend it, load again", SENDS),
}  # fmt: skip


@dataclass(frozen=True)
class Group:
    """Differences with one likely cause. `id`: lasts from run to run; `fix`, `command`: what mends them."""

    id: str
    grade: str
    object: str
    field: str | None
    kind: str
    rows: int
    fresh: int
    expected: str | None
    found: str | None
    checks: tuple[str, ...]
    example: str
    cause: str
    fix: str
    command: str

    def document(self) -> dict[str, Any]:
        """As JSON's facts."""
        return asdict(self)


def explain(evidence: Evidence, group: Group) -> Group:
    """The group with its likely cause and what mends it."""
    cause, fix, command = _CAUSES.get(group.kind, ("", "", ""))
    if group.kind in (Class.OPTION, Class.UNMAPPED, Class.OWNER) and (line := _line(evidence, group)):
        fix = line
    return replace(
        group,
        cause=_told(group, cause or group.kind),
        fix=fix or "Look at the rows",
        command=command or f"migrate diff {group.id}",
    )


def _told(group: Group, cause: str) -> str:
    what = many(group.rows, "difference")
    field = f" of `{group.field}`" if group.field else ""
    values = ""
    if group.expected is not None or group.found is not None:
        values = f" ({_value(group.expected)} became {_value(group.found)})"
    return f"{what}{field}: {cause[:1].lower()}{cause[1:]}{values}"


def _value(value: str | None) -> str:
    """A value so that its blanks show; of a long one its beginning."""
    if value is None:
        return "(empty)"
    return f"“{value if len(value) <= 40 else value[:39] + '…'}”"


def _line(evidence: Evidence, group: Group) -> str:
    """The place in a map where the expected value stands, if it is one place."""
    each = next((one for one in evidence.plan.model.objects if one.name == group.object), None)
    if each is None or group.field not in each.fields:
        return ""
    try:
        places = _places(evidence, each, group.field, group.expected)
    except PlanError:
        return ""
    return f"Look at {', '.join(places[:3])}" if places else ""


def _places(evidence: Evidence, each: ObjectPlan, name: str, expected: str | None) -> list[str]:
    field = each.fields[name]
    if field.picklist:
        options = evidence.target_schema(each.target).fields[name].options
        words = {expected, *(option.label for option in options if option.value == expected)}
        found = [row.at for row in evidence.plan.picklist(field.picklist).rows if row.target in words]
    elif field.owner:
        mails = {(owner.email or "").lower() for owner in evidence.target.owners if owner.id == expected}
        found = [
            row.at for row in evidence.plan.owners(field.owner).rows if row.target_email.lower() in mails
        ]
    else:
        return []
    file = field.picklist or field.owner
    return [f"line {at.line} of {file}" for at in found]
