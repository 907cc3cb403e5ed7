"""Are the accounts that matter the same, with all that hangs under them, as one sees in two browser tabs?

The most valuable accounts and some at random are looked at whole (`choosing.py`, `trees.py`): the account,
its people, sales, activities, files and records of own objects. What was not moved stands in its place with
its reason, counted and not hidden. What the random ones prove of all the others stands in the annex.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from migrate.engine import text
from migrate.plan.needs import always_written
from migrate.storage import sha256_of
from migrate_validators.bounds import bound
from migrate_validators.choosing import LISTED, SAMPLE, STRATUM, TOP, Chosen, choose
from migrate_validators.classes import FAIL, KNOWN, WARN, Class
from migrate_validators.classing import class_sql
from migrate_validators.evidence import Evidence
from migrate_validators.leading import leading
from migrate_validators.model import Decision, Drawn, Result, Section, Table, Verdict, many
from migrate_validators.naming import WIDE, named
from migrate_validators.rows import differing
from migrate_validators.sums import exact
from migrate_validators.trees import GONE, HOME, LOST, Node, trees
from migrate_validators.wording import label, why

if TYPE_CHECKING:
    from migrate.plan.models import ObjectPlan
    from migrate_validators.screen import Seen

ID = "spot"
TITLE = "Accounts looked at whole"
SHOWN, BYTES = 40, 1_200_000  # records of an account on the page; of all accounts
_WHY = {TOP: "value", LISTED: "on the list", SAMPLE: "at random", STRATUM: "for its group"}
_ORDER = {"differs": 0, GONE: 0, "equal": 2}


@dataclass(frozen=True)
class Account:
    """One account that was looked at: its figures, and its records."""

    key: str
    name: str
    value: Decimal
    why: str
    nodes: tuple[Node, ...]
    left: int

    @property
    def wrong(self) -> list[Node]:
        """Records that differ or are gone."""
        return [node for node in self.nodes if node.state in ("differs", GONE)]

    @property
    def not_moved(self) -> list[Node]:
        """Records that were never made in the target; merged ones are in another record."""
        return [node for node in self.nodes if not node.moved and node.outcome != "merged"]

    @property
    def state(self) -> str:
        """`equal`, `differs`, or `not whole` where something of it was not moved or not looked at."""
        return "differs" if self.wrong else "not whole" if self.not_moved or self.left else "equal"


@dataclass(frozen=True)
class Spots:
    """What was chosen, and what was seen of it."""

    chosen: Chosen
    accounts: tuple[Account, ...]


def check(evidence: Evidence) -> Iterator[Result]:
    """One result, of the plan's accounts; none where it has none."""
    found = spots(evidence)
    if found is not None:
        yield _result(evidence, found)


def spots(evidence: Evidence) -> Spots | None:
    """The accounts that are looked at whole; made once a validation."""
    return evidence.once(("spots",), lambda: _spots(evidence))


def _spots(evidence: Evidence) -> Spots | None:
    chosen = choose(evidence)
    if chosen is None:
        return None
    seen = trees(evidence, chosen)
    named(evidence, [node for nodes in seen.nodes.values() for node in nodes])
    rows = evidence.rows(f"SELECT key, value, why FROM {chosen.table} ORDER BY nth")
    return Spots(
        chosen,
        tuple(
            Account(key, seen.nodes[key][0].name, row["value"], str(row["why"]),
                    tuple(seen.nodes[key]), seen.left[key])
            for row in rows
            if (key := str(row["key"])) in seen.nodes
        ),
    )  # fmt: skip


def _result(evidence: Evidence, found: Spots) -> Result:
    chosen, accounts = found.chosen, found.accounts
    each = chosen.entry
    kept = evidence.keep(f"{ID}.{each.name}", _differences(evidence, found))
    _aside(evidence, found)
    wrong = [one for one in accounts if one.wrong]
    partly = [one for one in accounts if one.state == "not whole"]
    if not accounts:
        verdict = Verdict.WARN if chosen.home else Verdict.EMPTY
    elif kept.grades.get(FAIL):
        verdict = Verdict.FAIL
    else:
        verdict = Verdict.WARN if kept.grades.get(WARN) or chosen.unknown else Verdict.PASS
    part = len(accounts) < chosen.population
    home = {node.key for one in accounts for node in one.nodes if node.state == HOME}
    theirs = {"at home in the target, not compared": chosen.home + len(home)} if chosen.home or home else {}
    return kept.on(
        Result(
            id=f"{ID}.{each.name}", check=ID, object=each.name, title=TITLE, verdict=verdict,
            summary=_summary(found), compared=len(accounts),
            figures={
                "accounts": chosen.population, "looked at whole": len(accounts),
                "equal": sum(one.state == "equal" for one in accounts), "different": len(wrong),
                "not whole": len(partly), "records": sum(len(one.nodes) for one in accounts),
                "records that differ": len({node.key for one in accounts for node in one.wrong}),
                "records not moved": len({node.key for one in accounts for node in one.not_moved}),
                **theirs,
            },
            tables=(_table(found),), decisions=tuple(_decisions(evidence, found, kept.grades)),
            population=chosen.population if part else None,
            because=_because(accounts) if part else "", drawn=_drawn(evidence, found) if part else None,
        )
    )  # fmt: skip


def _summary(found: Spots) -> str:
    accounts = found.accounts
    if not accounts:
        if found.chosen.home:
            return f"All {many(found.chosen.home, 'account')} are at home in the target."
        return "No account was looked at."
    equal = sum(one.state == "equal" for one in accounts)
    told = f"{many(len(accounts), 'account')} checked whole, {equal:,} equal"
    for state, words in (
        ("differs", "differ"),
        ("not whole", "not whole, for something of them wasn't moved"),
    ):
        some = [one for one in accounts if one.state == state]
        if some:
            worth = f" (worth {exact(sum(one.value for one in some))} {found.chosen.currency})".replace(
                " )", ")"
            )
            told += f"; {len(some):,} {words}{worth if found.chosen.worth else ''}"
    return f"{told}."


def _because(accounts: Sequence[Account]) -> str:
    counts = {word: sum(one.why == kind for one in accounts) for kind, word in _WHY.items()}
    words = {"value": "by value", "on the list": "of the plan's list", "at random": "at random",
             "for its group": "so that no group is without"}  # fmt: skip
    return ", ".join(f"{n:,} {words[word]}" for word, n in counts.items() if n)


def _drawn(evidence: Evidence, found: Spots) -> Drawn | None:
    """The random part: of all accounts that neither value nor list chose."""
    random = [one for one in found.accounts if one.why == SAMPLE]
    surely = sum(one.why in (TOP, LISTED) for one in found.accounts)
    population = found.chosen.population - surely
    if not random:
        return None
    differing = sum(bool(one.wrong) for one in random)
    most = bound(population, len(random), differing).most
    worst = None
    if found.chosen.worth:
        # Whatever differs among those that weren't looked at can't be worth more than the dearest so many.
        worst = exact(
            evidence.one(
                f"""SELECT coalesce(sum(value), 0) FROM (SELECT value FROM {found.chosen.all}
                ANTI JOIN {found.chosen.table} USING (key) ORDER BY value DESC LIMIT {most - differing})"""
            )
        )
    return Drawn(
        population, len(random), differing, "accounts", worst, found.chosen.currency,
        "A simple random sample, by a seed, of the accounts that neither value nor list chose. Money: "
        f"{found.chosen.worth or 'none'} of the source, if the dearest of those not looked at differ.",
    )  # fmt: skip


def _differences(evidence: Evidence, found: Spots) -> str:
    """A query of what differs, record by record, classed as the row check would; and of what wasn't moved."""
    lines = [
        {"key": node.key, "id": node.id, "field": name, "expected": old, "found": new, "entry": node.entry,
         "account": one.name, "state": node.state}
        for one, node in _each_once(found)
        for name, old, new in (
            node.changes if node.state == "differs"
            else [(None, None, None)] if node.state == GONE or node in one.not_moved
            else ()
        )
    ]  # fmt: skip
    names = ["key", "id", "field", "expected", "found", "entry", "account", "state"]
    table = evidence.texts("spot lines", lines, names)
    entries = dict.fromkeys(str(line["entry"]) for line in lines)
    parts = [_classed(evidence, evidence.plan.object(name), table) for name in entries]
    parts = parts or [_classed(evidence, found.chosen.entry, table)]
    weight = f"CASE grade WHEN '{FAIL}' THEN 0 WHEN '{WARN}' THEN 1 ELSE 2 END"
    return f"SELECT * FROM ({' UNION ALL '.join(parts)}) ORDER BY {weight}, account, key, field"


def _each_once(found: Spots) -> Iterator[tuple[Account, Node]]:
    """Every record, with the first account under which it hangs."""
    seen: set[tuple[str, str]] = set()
    for one in found.accounts:
        for node in one.nodes:
            if (node.entry, node.key) not in seen:
                seen.add((node.entry, node.key))
                yield one, node


def _classed(evidence: Evidence, each: ObjectPlan, table: str) -> str:
    fields = evidence.target_schema(each.target).fields
    mapped = {name: fields[name] for name in each.fields if name in fields}
    of_value = class_sql(mapped, leading(each), "s.field", "s.expected", "s.found")
    moving = each.name in {one.name for one in evidence.moving}
    known = (
        f"{differing(evidence, each)}"
        if moving
        else "(SELECT '' AS key, '' AS field, '' AS grade WHERE false)"
    )
    return f"""SELECT s.key, s.id, CASE WHEN s.field = {text(LOST)} THEN s.expected ELSE s.field END AS field,
        CASE WHEN s.state = {text(GONE)} THEN '{Class.MISSING}'
            WHEN s.state <> 'differs' THEN '{Class.NOT_MOVED}'
            WHEN s.field = {text(LOST)} THEN '{Class.LINK_LOST}' ELSE {of_value} END AS class,
        CASE WHEN s.state NOT IN ({text(GONE)}, 'differs') THEN '{KNOWN}'
            ELSE coalesce(d.grade, '{FAIL}') END AS grade,
        s.expected, s.found, s.entry, s.account, s.state
        FROM (SELECT * FROM {table} WHERE entry = {text(each.name)}) AS s
        LEFT JOIN {known} AS d ON d.key = s.key AND d.field = s.field"""


def _aside(evidence: Evidence, found: Spots) -> None:
    """Every record that was looked at, with both sides as JSON, beside the report."""
    lines = [
        {"account": one.key, "key": node.key, "id": node.id, "entry": node.entry, "level": str(node.level),
         "under": node.under, "state": node.state, "reason": node.reason,
         "expected": json.dumps(node.expected, ensure_ascii=False),
         "found": json.dumps(node.found, ensure_ascii=False),
         "links": json.dumps(node.links, ensure_ascii=False)}
        for one in found.accounts
        for node in one.nodes
    ]  # fmt: skip
    if not lines:
        return
    table = evidence.texts("spot records", lines, list(lines[0]))
    name = f"rows/{ID}-records.parquet"
    aside = evidence.folder.aside(name)
    evidence.engine.run(f"COPY {table} TO {text(str(aside))} (FORMAT parquet, COMPRESSION zstd)")
    evidence.folder.keep(name, aside, sha256_of(aside))


def _table(found: Spots) -> Table:
    worth = f"{found.chosen.worth or 'value'}{f' ({found.chosen.currency})' if found.chosen.currency else ''}"
    columns = ("account", worth, "chosen", "records", "equal", "different", "not moved", "not looked at")
    ranked = sorted(found.accounts, key=lambda one: ("differs", "not whole", "equal").index(one.state))
    return Table(
        "Accounts, those that differ first", columns,
        tuple(
            (one.name, exact(one.value), _WHY[one.why], len(one.nodes),
             sum(node.state == "equal" for node in one.nodes), len(one.wrong), len(one.not_moved), one.left)
            for one in ranked[:200]
        ),
        (worth, *columns[3:]),
        f"The first 200 of {len(ranked):,}." if len(ranked) > 200 else "",
    )  # fmt: skip


def _decisions(evidence: Evidence, found: Spots, grades: Mapping[str, int]) -> Iterator[Decision]:
    show = f"migrate diff {ID}.{found.chosen.entry.name}"
    wrong = [one for one in found.accounts if one.wrong]
    if grades.get(FAIL):
        names = ", ".join(f"“{one.name}”" for one in wrong[:3]) + (" and others" if len(wrong) > 3 else "")
        yield Decision(
            Verdict.FAIL,
            f"{many(len(wrong), 'account')} not as before: {names}",
            "Sales operations",
            command=show,
        )
    elif grades.get(WARN):
        yield Decision(
            Verdict.WARN, f"Automations wrote to {many(len(wrong), 'account')} that were looked at whole",
            "Sales operations", command=show,
        )  # fmt: skip
    if found.chosen.unknown:
        file = evidence.plan.model.validate_.high_value.list_
        first = ", ".join(found.chosen.unknown[:5])
        yield Decision(
            Verdict.WARN,
            f"{many(len(found.chosen.unknown), 'id')} of the list aren't there: {first}",
            "Migration engineer", f"`{file}`",
        )  # fmt: skip


def section(seen: Seen) -> Section | None:
    """Of the report's first screen, with every account's records side by side, as far as they fit."""
    result = next((one for one in seen.results if one.check == ID), None)
    found = spots(seen.evidence) if result is not None and result.verdict is not Verdict.ERROR else None
    if result is None or found is None:
        return None
    facts = {"result": result.id, "records": f"rows/{ID}-records.parquet", "worth": found.chosen.worth,
             "currency": found.chosen.currency, "accounts": _pages(seen.evidence, found)}  # fmt: skip
    return Section(
        "accounts", "Top accounts", result.verdict, result.summary, dict(result.figures), result.tables, facts
    )


def _pages(evidence: Evidence, found: Spots) -> list[dict[str, Any]]:
    """Each account as the page shows it; records that differ first, and as many as `BYTES` hold."""
    left, told = BYTES, []
    for one in found.accounts:
        ranked = sorted(one.nodes, key=lambda node: (node.level > 0, _ORDER.get(node.state, 1)))
        nodes = []
        for node in ranked[:SHOWN]:
            line = _shown(evidence, node)
            left -= len(json.dumps(line, ensure_ascii=False).encode("utf-8", "replace"))
            if left < 0:
                line["fields"] = []
            nodes.append(line)
        told.append(
            {"key": one.key, "name": one.name, "value": exact(one.value), "chosen": _WHY[one.why],
             "state": one.state, "records": len(one.nodes), "differ": len(one.wrong),
             "not_moved": len(one.not_moved), "not_looked_at": one.left,
             "not_shown": len(ranked) - len(nodes), "nodes": nodes}
        )  # fmt: skip
    return told


def _shown(evidence: Evidence, node: Node) -> dict[str, Any]:
    each = evidence.plan.object(node.entry)
    fields = evidence.target_schema(each.target).fields
    changed = {name for name, _, _ in node.changes}
    people = {owner.id: owner.name for owner in evidence.target.owners}
    ours = always_written(each) if not changed else []  # marks of the migration, which nobody looks for

    def said(name: str, value: str | None) -> str | None:
        options = people if fields[name].owner else {one.value: one.label for one in fields[name].options}
        return None if value is None else options.get(value, value)[:WIDE]

    return {
        "entry": node.entry, "object": each.target, "key": node.key, "id": node.id,
        "source_id": node.source_id, "level": node.level, "under": node.under, "name": node.name,
        "called_by": node.called_by, "state": node.state,
        "reason": why(evidence, each, node.reason) if not node.moved else "",
        "fields": [
            {"field": name, "label": label(fields, name), "expected": said(name, node.expected.get(name)),
             "found": said(name, node.found.get(name)), "differs": name in changed}
            for name in node.expected
            if name not in ours and (node.expected[name] is not None or node.found.get(name) is not None)
        ],
        "links": [{"link": words, "there": there} for words, there in node.links.items()],
    }  # fmt: skip
