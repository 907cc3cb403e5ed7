"""What does the way back look like as a plan? Each entry turned round: the old system is its target.

The turned plan is written for the load protocol, which reads from it what each field refers to and how a
record is known; values are not made by its expressions but by SQL that is made here, out of the inverse of
each field, the maps turned round, and the plan's rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlglot
from sqlglot import exp

from migrate.catalog import ANY, Catalog, Field, ObjectSchema
from migrate.cutover.inverting import Inverse
from migrate.engine import identifier, text
from migrate.errors import PlanError, Position, UsageError
from migrate.plan import ObjectPlan, Plan, parse_expression
from migrate.types import Kind, duckdb_type

_NOWHERE = Position("plan.yaml")


@dataclass(frozen=True)
class BackField:
    """One field of an old object. `sql`: its value, typed, over the columns of `n`, the new record; of a
    reference the new record's id at the other end. `inputs`: the new fields that it is made of.

    `keep`: SQL over `n` and `o` (the old record as it was) that is true where the old value still stands for
    the new one. `entries`: of the turned plan, where it is a reference. `far`, `label`: of a link, the new
    object at its other end. `raw`: what a rule's expression gives, before it is fitted into the old field.
    `channel`: of an opt-out that the new system keeps by address; the old field says no.
    """

    name: str
    inverse: Inverse
    sql: str
    inputs: tuple[str, ...] = ()
    keep: str = "false"
    entries: tuple[str, ...] = ()
    far: str = ""
    label: str = ""
    raw: str = ""
    channel: str = ""

    @property
    def link(self) -> bool:
        """Whether a link of the new system is this field of the old one."""
        return bool(self.far)


@dataclass(frozen=True)
class BackLink:
    """Links of the new system that are links of the old one. `labels`: old by new; none: the same.

    `to`: the old object at the other end.
    """

    index: int
    inverse: Inverse
    far: str
    to: str
    label: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class BackEntry:
    """One entry of the plan turned round. `object`: of the new system; `old`: of the old one.

    `first`: new records of `object` come back as this entry's. `alone`: no other entry makes or changes
    records of the same old ones, so that a deletion may go back. `stays`: fields whose changes are only
    listed.
    """

    name: str
    part: str | None
    forward: str
    object: str
    old: str
    key_field: str
    fields: tuple[BackField, ...]
    links: tuple[BackLink, ...]
    stays: tuple[Inverse, ...]
    first: bool
    alone: bool
    title: str | None
    owner: str | None
    address: str | None = None

    @property
    def looked_at(self) -> tuple[str, ...]:
        """Fields of the new object that decide what goes back."""
        named = [each for field in self.fields for each in field.inputs]
        named += [each.field for each in self.stays if not each.field.startswith("links.")]
        named += [each for each in (self.title, self.owner, self.address) if each]
        return tuple(dict.fromkeys(named))


def turned(
    plan: Plan, source: Catalog, target: Catalog, inverses: Sequence[Inverse]
) -> tuple[BackEntry, ...]:
    """The plan turned round.

    Raises:
        UsageError: a rule doesn't say which old field its expression makes, or can't be read.
    """
    entries = [each for each in plan.model.objects if _turns(each, source, target)]
    names = {each.name: _name(each, entries) for each in entries}
    return tuple(_entry(each, entries, names, plan, source, target, inverses) for each in entries)


def _turns(each: ObjectPlan, source: Catalog, target: Catalog) -> bool:
    """Whether records of an entry can come back: files, and links that became records, can't."""
    old, new = source.objects[each.source], target.objects.get(each.target)
    if new is None or not old.updateable:
        return False
    return not any(one.kind is Kind.BINARY for one in new.fields.values())


def _name(each: ObjectPlan, entries: Sequence[ObjectPlan]) -> tuple[str, str | None]:
    """The turned entry's name and part."""
    if sum(one.target == each.target for one in entries) == 1:
        return each.target, None
    part = re.sub(r"[^a-z0-9]+", "-", each.name.lower()).strip("-")[:32]
    return f"{each.target}~{part}", part


def _entry(
    each: ObjectPlan, entries: Sequence[ObjectPlan], names: Mapping[str, tuple[str, str | None]], plan: Plan,
    source: Catalog, target: Catalog, inverses: Sequence[Inverse],
) -> BackEntry:  # fmt: skip
    old, new = source.objects[each.source], target.objects[each.target]
    own = [one for one in inverses if one.entry == each.name]
    turned = {name: name_part[0] for name, name_part in names.items()}
    fields: dict[str, BackField] = {}
    links: list[BackLink] = []
    stays: list[Inverse] = []
    for one in own:
        if not one.flows:
            stays.append(one)
        elif one.form == "association":
            if link := _link(one, len(links), plan):
                links.append(link)
        else:
            for made in _fields(one, old, new, turned):
                fields.setdefault(made.name, made)
    kept = target.preferences.addresses.get(each.target) if target.preferences is not None else None
    for made in _opt_outs(each, plan, old, kept):
        fields.setdefault(made.name, made)
    plain = [entry for entry in entries if entry.target == each.target]
    first = next((entry for entry in plain if entry.part is None), plain[0])
    titles = [one.field for one in own if one.form == "field" and one.field in new.fields]
    named = [name for name in titles if "name" in name.lower() or "subject" in name.lower()] or titles
    return BackEntry(
        *names[each.name], each.name, each.target, each.source, _key_field(old, source),
        tuple(fields.values()), tuple(links), tuple(stays), first is each,
        sum(one.source == each.source for one in entries) == 1,
        named[0] if named else None, next((n for n, f in new.fields.items() if f.owner), None),
        kept if any(field.channel for field in fields.values()) else None,
    )  # fmt: skip


def _opt_outs(each: ObjectPlan, plan: Plan, old: ObjectSchema, kept: str | None) -> Iterator[BackField]:
    """Old fields that say no for a whole channel, where the new system keeps that by address."""
    names = {name.casefold(): name for name in old.fields}
    for index, one in enumerate(plan.model.consent):
        name = names.get(one.opted_out.strip().casefold())
        if kept is None or name is None or one.source != each.source or one.address is None:
            continue
        field = old.fields[name]
        if one.subscription != "all" or field.kind is not Kind.BOOL or not field.updateable:
            continue
        inverse = Inverse(
            each.name, each.target, f"consent.{index}", name, "exact", "opt-out", injective=True, total=True,
            guarded=True,
        )  # fmt: skip
        table = opted_table(one.channel)
        sql = f"CASE WHEN n._id IN (SELECT id FROM {table}) THEN true END"
        yield BackField(name, inverse, sql, channel=one.channel)


def opted_table(channel: str) -> str:
    """The engine's table of the ids of new records whose address is opted out of a channel."""
    return f"opted_{channel.lower()}"


def _key_field(old: ObjectSchema, source: Catalog) -> str:
    if old.key_field is not None:
        return old.key_field
    born = source.new_objects
    return born.field_name.format(small="reverse_key", title="Reverse_Key") if born else "reverse_key"


def _link(one: Inverse, index: int, plan: Plan) -> BackLink | None:
    far = [each for each in plan.model.objects if each.name in one.entries]
    return BackLink(index, one, one.far, far[0].source, one.label, one.labels or {}) if far else None


def _fields(
    one: Inverse, old: ObjectSchema, new: ObjectSchema, turned: Mapping[str, str]
) -> Iterator[BackField]:
    rule = one.rule.sql if one.rule is not None else None
    if rule is not None:
        yield from _ruled(one, rule, old, new)
        return
    there = old.fields.get(one.old or "")
    if there is None:
        return
    if one.reference:
        entries = tuple(turned[name] for name in one.entries if name in turned)
        if not entries:
            return
        if one.field.startswith("links."):
            yield BackField(
                there.name, one, "NULL::VARCHAR", entries=entries, far=one.far, label=one.label or "default"
            )
        else:
            column = f"n.{identifier(one.field)}"
            yield BackField(there.name, one, f"CAST({column} AS VARCHAR)", (one.field,), entries=entries)
        return
    sql, keep = _value(one, there, new.fields[one.field])
    yield BackField(there.name, one, sql, (one.field,), keep)


def _ruled(
    one: Inverse, rule: str | Mapping[str, str], old: ObjectSchema, new: ObjectSchema
) -> Iterator[BackField]:
    made = {one.old or one.made_of: rule} if isinstance(rule, str) else dict(rule)
    for name, written in made.items():
        field = old.fields.get(name or "")
        if field is None or field.calculated or not field.updateable:
            raise UsageError(
                f"`cutover.reverse.rules.{one.name}`: its expression makes no field of `{old.name}` that can "
                f"be written (`{name}`).",
                "Name the old field: `{sql: {Field: expression}}`.",
            )
        try:
            parsed = parse_expression(written, new.fields, _NOWHERE, owner=new.name)
        except PlanError as error:
            raise UsageError(
                f"`cutover.reverse.rules.{one.name}`: {error.mistakes[0].what}", error.mistakes[0].remedy
            ) from error
        sql = _over(parsed.sql)
        yield BackField(field.name, one, _fitted(f"({sql})", field), parsed.inputs, raw=sql)


def _value(one: Inverse, old: Field, new: Field) -> tuple[str, str]:
    """SQL of the old value, and whether the old one may stay as it is."""
    column = f"n.{identifier(one.field)}"
    many = new.kind is Kind.MULTIPICKLIST
    sql, keep = _put(one.sql or "NULL", column), "false"
    if one.home is not None:
        table = _map(one.home)
        if many:
            each = f"map_extract({table}, x)[1]"
            each = f"coalesce({each}, x)" if one.same else each
            made = f"list_transform({column}, x -> {each})"
            sql = f"CASE WHEN len(list_filter({made}, x -> x IS NULL)) = 0 THEN {made} END"
        else:
            sql = f"map_extract({table}, CAST({column} AS VARCHAR))[1]"
            sql = f"coalesce({sql}, CAST({column} AS VARCHAR))" if one.same else sql
        if one.leads and not many:
            cases = " OR ".join(
                f"(CAST({column} AS VARCHAR) = {text(to)} AND CAST(o.{identifier(old.name)} AS VARCHAR) IN "
                f"({', '.join(map(text, values))}))"
                for to, values in one.leads.items()
            )
            keep = f"({cases})"
    elif one.people is not None:
        sql = f"map_extract({_map(one.people)}, CAST({column} AS VARCHAR))[1]"
    if one.guarded and old.consent is None and new.consent is not None:
        said = f"CAST({column} AS VARCHAR)"
        no = (
            f"coalesce({said}, '') <> ''"
            if ANY in new.consent.out
            else f"{said} IN ({', '.join(map(text, new.consent.out))})"
        )
        sql = f"CASE WHEN {no} THEN {sql} END"
    return _fitted(sql, old), keep


def _fitted(sql: str, old: Field) -> str:
    """Typed as the old field is; null where it doesn't fit."""
    kind = duckdb_type(old.kind, old.precision, old.scale)
    typed = f"TRY_CAST({sql} AS {kind})"
    if old.length and kind == "VARCHAR" and old.kind in (Kind.STRING, Kind.TEXT):
        return f"CASE WHEN length({typed}) <= {old.length} THEN {typed} END"
    if old.kind in (Kind.DECIMAL, Kind.MONEY, Kind.INT):
        # A cast rounds without a word; what the old field can't hold whole has no way back.
        return f"CASE WHEN {typed} = TRY_CAST({sql} AS DECIMAL(38,10)) THEN {typed} END"
    return typed


def shown(new: Field, column: str) -> str:
    """SQL of a new value as people read it."""
    words = f"CAST({column} AS VARCHAR)"
    if new.kind in (Kind.DECIMAL, Kind.MONEY):
        return f"CASE WHEN contains({words}, '.') THEN rtrim(rtrim({words}, '0'), '.') ELSE {words} END"
    return words


def _map(pairs: Mapping[str, str]) -> str:
    keys, values = ", ".join(map(text, pairs)), ", ".join(map(text, pairs.values()))
    return f"MAP([{keys}]::VARCHAR[], [{values}]::VARCHAR[])"


def _put(sql: str, column: str) -> str:
    """An inverse's SQL with the new record's column where it says `value`."""
    tree = sqlglot.parse_one(sql, read="duckdb")
    put = sqlglot.parse_one(column, read="duckdb")
    made = tree.transform(
        lambda node: put.copy() if isinstance(node, exp.Column) and node.name == "value" else node
    )
    return made.sql(dialect="duckdb")


def _over(sql: str) -> str:
    """An expression over fields, over the columns of `n`."""
    tree = sqlglot.parse_one(sql, read="duckdb")
    for node in tree.find_all(exp.Column):
        node.set("table", exp.to_identifier("n"))
    return tree.sql(dialect="duckdb")


def document(
    plan: Plan, entries: Sequence[BackEntry], systems: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    """The turned plan as it is written for the load.

    Args:
        systems: the entries of `source` and `target` as they stand in the plan turned round.
    """
    why = {
        "by": "the plan's cutover",
        "reason": "the old system's own automations were in use until the switch; a canary went through then",
    }
    return {
        "version": 1,
        **systems,
        "calendar": plan.model.calendar.model_dump(mode="json"),
        "cutover": {"window": plan.model.cutover.window},
        "objects": [
            {
                "source": each.object,
                **({"part": each.part} if each.part else {}),
                "target": each.old,
                "key": {"field": each.key_field},
                "fields": {field.name: _written(each, field) for field in each.fields},
                "links": [
                    {"to": link.to, "through": link.inverse.far, "left": "left", "right": "right"}
                    for link in each.links
                ],
                "automations": {"waive": why},
            }
            for each in entries
        ],
    }


def _written(each: BackEntry, field: BackField) -> dict[str, Any]:
    origin = field.inputs[0] if field.inputs else each.title or "id"
    if field.entries:
        return {"from": origin, "reference": list(field.entries), "wins": "source"}
    return {"from": origin, "wins": "source"}
