"""What is in report.json? Its models, and the JSON Schema that is made from them, never by hand.

`python -m migrate_validators.document` prints the schema; a test compares report.schema.json with it and a
real report with both. Keys may be added within a format; none changes its meaning or goes away.
"""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from migrate_validators.causes import Group
from migrate_validators.model import Result, Section, Verdict


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow")


class System(_Part):
    """One of the two systems."""

    system: Annotated[str, Field(description="Its name in the plan.")]
    type: Annotated[str, Field(description="Its connector.")]
    tenant: Annotated[str, Field(description="The vendor's id of the organisation or portal.")]
    name: str | None
    production: bool | None


class PlanFacts(_Part):
    """Which plan was validated."""

    digest: Annotated[str, Field(description="SHA-256 of everything in the plan that moves data.")]
    file: str


class Reason(_Part):
    """Why records have an end other than loaded."""

    end: str
    reason: str
    records: int


class Flow(_Part):
    """The sum of one entry: extracted = loaded + merged + skipped + rejected + unexplained, in records."""

    source: Annotated[str, Field(description="The entry: a source object, or one of its parts.")]
    target: str
    extracted: int
    loaded: int
    merged: int
    skipped: int
    rejected: int
    unexplained: Annotated[int, Field(description="More than 0 is always red.")]
    ends: Annotated[dict[str, int], Field(description="Records by end; loaded: created, updated, adopted.")]
    reasons: list[Reason]


class DecisionFacts(_Part):
    """A red or amber line: what a person must decide or mend."""

    verdict: Verdict
    what: str
    owner: str
    where: str
    command: str


class Sample(_Part):
    """Some rows of every group of differences, red ones first."""

    columns: list[str]
    rows: Annotated[list[list[Any]], Field(description="Values in the order of `columns`.")]


class Differences(_Part):
    """All checks' differences, each once."""

    rows: Annotated[str | None, Field(description="Parquet file with all of them, below the folder.")]
    total: int
    new: Annotated[int, Field(description="Not there in the former whole validation.")]
    known: Annotated[int, Field(description="There in the former one, too.")]
    gone: Annotated[int, Field(description="There in the former one, and no more.")]
    groups: Annotated[list[Group], Field(description="By likely cause, at most 200.")]
    sample: Sample
    addresses: Annotated[
        dict[str, dict[str, str]],
        Field(description="By entry, `old` and `new`: the pattern of a record's page, with `{id}`."),
    ]


class WaiverFacts(_Part):
    """A difference that somebody lets stand."""

    difference: str
    who: str
    reason: str
    until: str
    at: str
    expired: bool
    used: Annotated[bool, Field(description="The difference is there, and the waiver holds.")]


class AnnexFacts(_Part):
    """What a result that looked at a sample proves of the rest, with 95% confidence."""

    result: str
    population: Annotated[int, Field(description="From which was drawn.")]
    looked: Annotated[int, Field(description="Drawn at random and looked at.")]
    differing: int
    most: Annotated[
        int | None, Field(description="So many of the population differ at most; null: nothing is proved.")
    ]
    share: Annotated[str | None, Field(description="The same in per cent, rounded up.")]
    confidence: str
    law: str | None
    money: Annotated[
        dict[str, str] | None, Field(description="`most` that can hang on them, and its `currency`.")
    ]
    words: str
    rests_on: str


class ScopeFacts(_Part):
    """What of the migration was looked at; only the whole is evidence for a decision."""

    only: list[str]
    objects: list[str]
    since: Annotated[str, Field(description="An instant; empty: not by time.")]
    sample: Annotated[int, Field(description="Records an entry; 0: no sample.")]
    part: bool


class WayBack(_Part):
    """What a rollback would return to and undo."""

    checkpoint: str | None
    taken: str | None
    window_end: str | None
    delete: int
    restore: int
    unlink: int
    side_records: int
    by_object: list[dict[str, Any]]
    residue: list[str]


class Document(_Part):
    """report.json. Moments are ISO-8601 in UTC; decimals are texts, so that they stay exact."""

    format: Literal[1]
    masked: Annotated[bool, Field(description="Persons' names, e-mails, phones and long texts are masked.")]
    verdict: Verdict
    title: Annotated[str, Field(description="The verdict in words.")]
    summary: str
    plan: PlanFacts
    attempt: int
    version: Annotated[str, Field(description="Of the program.")]
    source: System
    target: System
    read: Annotated[dict[str, Any], Field(description="By target object: when it was read, how many rows.")]
    flows: list[Flow]
    names: Annotated[
        dict[str, Any],
        Field(description="By result and field: what people call it, its owners and its options."),
    ]
    decisions: Annotated[list[DecisionFacts], Field(description="The gravest first.")]
    automations: Annotated[dict[str, Any], Field(description="What the target does by itself.")]
    way_back: WayBack
    differences: Differences
    waivers: list[WaiverFacts]
    annex: Annotated[list[AnnexFacts], Field(description="What samples prove.")]
    scope: ScopeFacts
    started: str
    ended: str
    screen: Annotated[list[Section], Field(description="The first screen's sections, in order.")]
    trend: Annotated[dict[str, Any], Field(description="The validations before this one, and this one.")]
    results: Annotated[list[Result], Field(description="Every check of every entry.")]


def report_schema() -> str:
    """The JSON Schema of report.json (draft 2020-12), as text with a newline at its end."""
    schema = TypeAdapter(Document).json_schema(mode="serialization")
    draft = "https://json-schema.org/draft/2020-12/schema"
    whole = {"$schema": draft, **schema, "title": "Validation report"}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(report_schema())
