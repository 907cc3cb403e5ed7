"""Which rows does a quick look take? Those that changed since a moment, or a sample that keeps small groups.

The target is then read by id and not whole, for its quota. A look at a part is never green, and each result
says of how many things it is a part, and why. What can only be known of the whole isn't guessed from a part:
such a check is `empty`, with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from migrate.clock import parse_stamp, stamp
from migrate.engine import identifier, parquet, text
from migrate.errors import GapTooLong, UsageError
from migrate.ledger.validations import whole_validations
from migrate.plan.terms import instant_of
from migrate.stages.crosswalk import LOADED, latest_ready
from migrate.stages.readback import read_part
from migrate.stages.snapshot import asked_of
from migrate_validators.books import old_side
from migrate_validators.bounds import bound
from migrate_validators.classes import FAIL
from migrate_validators.evidence import Evidence, Looked
from migrate_validators.model import SEVERITY, Decision, Drawn, Result, Verdict
from migrate_validators.sums import exact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from migrate.ledger import Ledger
    from migrate.plan.models import ObjectPlan
    from migrate.store import Manifest

SEED = "migrate"  # of the hash that chooses a sample: the same records at each look
LAST = "last"
# What compares records one by one; `counts` goes without the target's number, and says so.
BY_RECORD = ("counts", "rows", "sums", "links", "picklists", "timeline", "completeness", "people")
LEFT_OUT = ("money", "accounts", "notices", "consent")  # sections that speak of the whole


@dataclass(frozen=True)
class Part:
    """Which records are looked at: changed on either side since an instant (UTC stamp), or n an entry."""

    since: str = ""
    sample: int = 0

    @property
    def because(self) -> str:
        """Why these, in words."""
        if self.since:
            return f"only records that changed on either side since {self.since} were looked at"
        return (
            f"a sample of {self.sample:,} records an entry was looked at, chosen by a fixed hash of the key"
        )

    def look_at(self, evidence: Evidence, wanted: Mapping[str, tuple[str, Sequence[str]]]) -> Looked:
        """Choose the records and read them.

        Args:
            wanted: by target object its key field and the fields to read.
        """
        stirred = {object: _Stirred(evidence, object, *asked) for object, asked in wanted.items()}
        if self.since:
            for each in stirred.values():
                each.read(parse_stamp(self.since))
            selects = [_changed(evidence, each, self, stirred[each.target]) for each in evidence.objects]
        else:
            selects = [_sampled(evidence, each, self.sample) for each in evidence.objects]
        table = evidence.table("looked at", " UNION ALL ".join(f"({each})" for each in selects))
        return Looked(table, {object: each.staged(table, self.because) for object, each in stirred.items()})


def part_of(since: str, sample: int, ledger: Ledger, zone: str) -> Part | None:
    """The part that a command asks for; None: everything.

    Args:
        since: an instant with its zone, a day (its beginning in `zone`), or `last`: the start of the last
            whole validation.

    Raises:
        UsageError: both are asked for, or there is no such instant.
    """
    if since and sample:
        raise UsageError("`--since` and `--sample` don't go together.", "Ask for one of them.")
    if sample:
        return Part(sample=sample)
    if not since:
        return None
    if since == LAST:
        done = whole_validations(ledger, ledger.attempt(), 1)
        if not done:
            raise UsageError(
                "No whole validation of this attempt has ended yet.",
                "Run `migrate validate`, or name an instant: `--since 2026-03-14T08:00:00Z`.",
            )
        return Part(since=done[-1].started)
    return Part(since=stamp(_instant(since, zone)))


def _instant(words: str, zone: str) -> datetime:
    try:
        found = instant_of(words, zone)
    except ValueError as error:
        raise UsageError(
            f"`{words}` is no instant.", "Write `2026-03-14T08:00:00Z`, a day, or `last`."
        ) from error
    if found.tzinfo is None:
        raise UsageError(f"`{words}` has no zone.", "Write `2026-03-14T08:00:00Z`, or a day.")
    return found.astimezone(UTC)


# -- choosing ---------------------------------------------------------------------------------


def look_at_these(
    evidence: Evidence, table: str, wanted: Mapping[str, tuple[str, Sequence[str]]], because: str
) -> Looked:
    """Read records that somebody has chosen: `table` has the columns of `Looked.table`."""
    stirred = {object: _Stirred(evidence, object, *asked) for object, asked in wanted.items()}
    return Looked(table, {object: each.staged(table, because) for object, each in stirred.items()})


class _Stirred:
    """One target object: what changed in it, and the rows of it that are looked at."""

    def __init__(self, evidence: Evidence, object: str, key_field: str, fields: Sequence[str]) -> None:
        self.evidence, self.object = evidence, object
        self.asked = asked_of(evidence.connector, evidence.target_schema(object), key_field, fields)
        self.folder = f"target/{object}/validate-part"
        self.changed: Manifest | None = None
        self.gone: Manifest | None = None
        self.note = ""

    @property
    def stamped(self) -> bool:
        """Whether its records tell when they changed."""
        return self.asked.schema.stamp is not None

    def read(self, since: datetime) -> None:
        """Ask the target what changed since."""
        look = self.evidence.look
        if not self.stamped:
            self.note = "its records bear no time of their last change: all of them are looked at"
            return
        try:
            self.gone = look.gone(self.folder, self.object, since)
        except GapTooLong:
            self.note = "the vendor has forgotten some deletions since then"
        self.changed = look.changed(self.folder, self.asked, since)

    def ids(self) -> str:
        """A query of the ids that changed or are gone."""
        store = self.evidence.store
        found = [
            f"SELECT _id FROM {parquet(store.files(each))}"
            for each in (self.changed, self.gone)
            if each is not None and each.parts
        ]
        return " UNION ALL ".join(found) or "SELECT NULL::VARCHAR AS _id WHERE false"

    def staged(self, table: str, because: str) -> Manifest:
        """The snapshot of what is looked at."""
        facts = {"why": because + (f"; {self.note}" if self.note else "")}
        return read_part(
            self.evidence.look, self.asked, self.folder,
            f"SELECT target_id AS _id FROM {table} WHERE object = {text(self.object)}",
            beside=self.changed, facts=facts,
            progress=lambda rows: self.evidence.progress(f"read {self.object}", rows, 0),
        )  # fmt: skip


def _changed(evidence: Evidence, each: ObjectPlan, part: Part, stirred: _Stirred) -> str:
    """A query of an entry's loaded records that changed on either side."""
    staged = latest_ready(evidence.store, each.name, {"_version": "TIMESTAMPTZ"})
    theirs = f"c.target_id IN ({stirred.ids()})" if stirred.stamped else "true"
    # A record without a time of its last change is looked at rather once too often.
    ours = f"""c.key IN (SELECT _key FROM {staged}
        WHERE coalesce(_version >= TIMESTAMPTZ {text(part.since)}, true))"""
    return f"""SELECT {text(each.name)} AS entry, c.key, c.target_id, c.object FROM {evidence.crosswalk} AS c
        WHERE {evidence.owns(each, "c.key")} AND ({ours} OR {theirs})"""


def _sampled(evidence: Evidence, each: ObjectPlan, size: int) -> str:
    """A query of a sample of an entry's loaded records.

    One of each end, each year of the last change at the source and each value of a mapped picklist comes
    first, as far as the size reaches; then whichever the hash brings.
    """
    return f"""SELECT {text(each.name)} AS entry, key, target_id, object FROM {_ranked(evidence, each)}
        QUALIFY row_number() OVER (ORDER BY rank = 1 DESC, h) <= {int(size)}"""


def _ranked(evidence: Evidence, each: ObjectPlan) -> str:
    """A query of an entry's loaded records with their hash `h`; `rank` 1: the first of some group."""
    fields = evidence.target_schema(each.target).fields
    picks = [name for name, field in each.fields.items() if field.picklist and name in fields]
    staged = latest_ready(
        evidence.store, each.name, {"_version": "TIMESTAMPTZ"} | dict.fromkeys(picks, "VARCHAR")
    )
    groups = ["outcome", "year(_version)", *(identifier(name) for name in picks)]
    ranks = ", ".join(f"row_number() OVER (PARTITION BY {group} ORDER BY h)" for group in groups)
    listed = ", ".join(text(name) for name in LOADED)
    return f"""(SELECT *, least({ranks}) AS rank FROM (
            SELECT c.key, c.target_id, c.object, e.outcome, r.*, md5({text(SEED)} || c.key) AS h
            FROM {evidence.ends} AS e JOIN {evidence.crosswalk} AS c ON c.key = e.key
            LEFT JOIN {staged} AS r ON r._key = c.key
            WHERE e.entry = {text(each.name)} AND e.outcome IN ({listed})))"""


def _drawn(evidence: Evidence, each: ObjectPlan, result: Result) -> Drawn | None:
    """The random part of a sample: whichever the hash brought, of the records that stand for no group."""
    looked = f"SELECT key FROM {evidence.looked} WHERE entry = {text(each.name)}"
    others = evidence.table(
        f"drawn {each.name}",
        f"SELECT key, key IN ({looked}) AS looked FROM {_ranked(evidence, each)} WHERE rank <> 1",
    )
    count = evidence.rows(f"SELECT count(*) AS n, count(*) FILTER (looked) AS looked FROM {others}")[0]
    population, random = int(count["n"]), int(count["looked"])
    if not random:
        return None
    odd = f"SELECT key FROM {evidence.kept_rows(result)} WHERE grade = {text(FAIL)}" if result.rows else ""
    differing = (
        int(evidence.one(f"SELECT count(*) AS n FROM {others} WHERE looked AND key IN ({odd})")) if odd else 0
    )
    most = bound(population, random, differing).most
    money, worst, currency = evidence.money, None, ""
    if money is not None and money.entry.name == each.name:
        currency = evidence.source.currency or evidence.target.currency or ""
        worst = exact(
            evidence.one(
                f"""SELECT coalesce(sum(amount), 0) AS n FROM (SELECT abs(s.amount) AS amount
                FROM {others} AS o JOIN {evidence.ends} AS e ON e.entry = {text(each.name)} AND e.key = o.key
                JOIN ({old_side(evidence, money)}) AS s ON s._id = e.source_id
                WHERE NOT o.looked ORDER BY amount DESC NULLS LAST LIMIT {most - differing})"""
            )
        )
    return Drawn(
        population, random, differing, "records", worst, currency,
        "By a fixed hash of the key, among the records that weren't taken as the first of a group. Money: "
        "amounts at the source, if the dearest of those not looked at differ.",
    )  # fmt: skip


# -- telling ----------------------------------------------------------------------------------


def left_out(name: str, because: str) -> Result:
    """What a check says that needs the whole target."""
    return Result(
        id=name, check=name, object="", title=f"Check `{name}`", verdict=Verdict.EMPTY,
        summary=f"Not looked at: it needs the whole target, and {because}.", compared=0,
        because=because,
        decisions=(
            Decision(Verdict.EMPTY, f"`{name}` needs the whole target", "Migration engineer",
                     command="migrate validate"),
        ),
    )  # fmt: skip


def told(evidence: Evidence, results: Sequence[Result]) -> list[Result]:
    """Results of a part, each with the number of things of which it compared some, and why."""
    part = evidence.part
    if part is None:
        return list(results)
    entries = {each.name: each for each in evidence.objects}
    found = []
    for result in results:
        number = result.population
        if result.check == "counts" and result.id == f"counts.{result.object}":
            result = _uncounted(result, part.because)
        each = entries.get(result.object)
        if number is None and each is not None and result.check not in ("counts", "links", "people"):
            loaded = int(
                evidence.one(
                    f"SELECT count(*) AS n FROM {evidence.crosswalk} WHERE {evidence.owns(each, 'key')}"
                )
            )
            number = loaded * (len(result.tables) if result.check == "picklists" else 1)
        if isinstance(part, Part) and part.sample and each is not None and result.check == "rows":
            result = replace(result, drawn=_drawn(evidence, each, result))
        summary = result.summary
        if number is not None and result.compared:
            summary = f"{summary} Of {number:,} in all: {part.because}."
        why = result.because or part.because
        found.append(replace(result, population=number, because=why, summary=summary))
    return found


def _uncounted(result: Result, because: str) -> Result:
    """A sum of ends, of which the target's own number is missing: never better than `empty`."""
    verdict = max(result.verdict, Verdict.EMPTY, key=SEVERITY.index)
    why = "the target's records with our key weren't counted"
    return replace(
        result, verdict=verdict, summary=f"{result.summary} But {why}: {because}.", because=because
    )
