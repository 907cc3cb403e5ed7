"""What stands side by side in a tester's sheet? The old value and the new one of each field, as people say.

Old: what the source held, where a field is one field of the source unchanged, else what should be there. New:
what the target holds, read by id just now. Options, owners and the records that a field leads to go by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from migrate.engine import identifier, text
from migrate.stages.crosswalk import latest_extracted, latest_ready
from migrate.types import NUMERIC, Kind
from migrate_validators.evidence import Evidence, sql_type
from migrate_validators.expected import columns_of, sides
from migrate_validators.naming import called_by
from migrate_validators.uat.choosing import Choice

if TYPE_CHECKING:
    from migrate.catalog import Catalog, Field
    from migrate.plan.models import ObjectPlan

SIGNS = 1_000  # of a value in a sheet
GONE, EMPTY = "(the record isn't there)", ""


@dataclass(frozen=True)
class Line:
    """One line of a sheet. `field` "" is the record as a whole; `label`: what people call it."""

    entry: str
    key: str
    title: str
    why: str
    field: str
    label: str
    old: str
    new: str
    old_url: str
    new_url: str


def lines(evidence: Evidence, choices: Sequence[Choice]) -> dict[str, list[Line]]:
    """By owner the lines of their sheet, record by record: the whole first, then each field."""
    by_entry: dict[str, list[Choice]] = {}
    for one in choices:
        by_entry.setdefault(one.entry, []).append(one)
    told: dict[tuple[str, str], list[Line]] = {}
    for each in evidence.objects:
        if each.name in by_entry:
            for key, found in _entry(evidence, each, by_entry[each.name]):
                told[each.name, key] = found
    sheets: dict[str, list[Line]] = {}
    for one in choices:
        sheets.setdefault(one.owner, []).extend(told[one.entry, one.key])
    return sheets


def _entry(
    evidence: Evidence, each: ObjectPlan, choices: Sequence[Choice]
) -> Iterator[tuple[str, list[Line]]]:
    two = sides(evidence, each)
    kept = (each.key.field, each.key.old_id, each.key.old_url)
    names = [name for name in columns_of(evidence, each) if name in two.columns and name not in kept]
    expected, found = (_values(evidence, table, names) for table in (two.expected, two.found))
    old = _old(evidence, each, names, choices)
    fields = evidence.target_schema(each.target).fields
    leads = {name for name in names if name in each.fields and each.fields[name].entries}
    titles = _titles(evidence, {
        key for rows in (expected, found) for row in rows.values() for name in leads
        for key in str(row[name] or "").split("; ")
    })  # fmt: skip
    own = _titles(evidence, {one.key for one in choices})
    source, target = evidence.source, evidence.target
    for one in choices:
        title = own.get(one.key) or one.source_id
        links = (_url(source, each.source, one.source_id), _url(target, each.target, one.target_id))
        now = found.get(one.key)
        whole = "" if now is not None else GONE
        made = [Line(each.name, one.key, title, one.why, "", "The record as a whole", "", whole, *links)]
        for name in names:
            should = _said(fields[name], target, (expected.get(one.key) or {}).get(name))
            new = GONE if now is None else _said(fields[name], target, now[name])
            if name in leads:
                should, new = _by_name(should, titles), _by_name(new, titles)
            was = should if name not in old else old[name].get(one.source_id, EMPTY)
            if was or new:
                made.append(
                    Line(each.name, one.key, title, one.why, name, fields[name].label, was, new, *links)
                )
        yield one.key, made


def _values(evidence: Evidence, table: str, names: Sequence[str]) -> dict[str, dict[str, str | None]]:
    """By key the values of one side, as texts."""
    kinds = {str(row["column_name"]): str(row["column_type"]) for row in evidence.rows(f"DESCRIBE {table}")}
    listed = "".join(f", {_text(identifier(name), kinds[name])} AS {identifier(name)}" for name in names)
    return {str(row["_key"]): row for row in evidence.rows(f"SELECT _key{listed} FROM {table}")}


def _text(column: str, kind: str) -> str:
    if kind.endswith("[]"):
        return f"array_to_string({column}, '; ')"
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime({column} AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S UTC')"
    return f"CAST({column} AS VARCHAR)"


def _old(
    evidence: Evidence, each: ObjectPlan, names: Sequence[str], choices: Sequence[Choice]
) -> dict[str, dict[str, str]]:
    """By target field, of those that are one field of the source: by source id what the source held."""
    schema = evidence.source.objects.get(each.source)
    origins = {
        name: schema.fields[plan.origin.strip()]
        for name in names
        if schema is not None
        and (plan := each.fields.get(name)) is not None
        and not plan.entries
        and plan.origin.strip() in schema.fields
    }
    if not origins:
        return {}
    types = {field.name: sql_type(field) for field in origins.values()}
    ids = ", ".join(text(one.source_id) for one in choices)
    listed = "".join(
        f", {_text(identifier(name), _long(kind))} AS {identifier(name)}" for name, kind in types.items()
    )  # fmt: skip
    rows = evidence.rows(
        f"""SELECT _id{listed} FROM {latest_extracted(evidence.store, each.source, types)}
        WHERE _id IN ({ids})"""
    )
    return {
        name: {str(row["_id"]): _said(field, evidence.source, row[field.name]) for row in rows}
        for name, field in origins.items()
    }


def _long(kind: str) -> str:
    return "TIMESTAMP WITH TIME ZONE" if kind == "TIMESTAMPTZ" else kind


def _said(field: Field, catalog: Catalog, value: Any) -> str:
    """A value as people know it."""
    if value is None or value == "":
        return EMPTY
    said = str(value)
    if field.kind is Kind.BOOL:
        return {"true": "yes", "false": "no"}.get(said, said)
    if field.kind in NUMERIC and "." in said:
        said = said.rstrip("0").rstrip(".")
    if field.owner:
        said = next((owner.name or owner.email or said for owner in catalog.owners if owner.id == said), said)
    elif field.options:
        names = {option.value: option.label for option in field.options}
        said = "; ".join(names.get(one, one) for one in said.split("; "))
    return said


def _by_name(said: str, titles: Mapping[str, str]) -> str:
    return "; ".join(titles.get(one, one) for one in said.split("; ")) if said else said


def _titles(evidence: Evidence, keys: set[str]) -> dict[str, str]:
    """What records of ours are called: their first texts, as staged."""
    found: dict[str, str] = {}
    listed = ", ".join(text(key) for key in sorted(keys) if key)
    if not listed:
        return {}
    for each in evidence.plan.model.objects:
        fields = evidence.target_schema(each.target).fields
        kept = (each.key.field, each.key.old_id, each.key.old_url)
        texts = [
            name for name in columns_of(evidence, each)
            if fields[name].kind is Kind.STRING and name not in kept
            and not (name in each.fields and each.fields[name].entries)
        ]  # fmt: skip
        if not texts:
            continue
        name = called_by(texts) or next((one for one in texts if "mail" in one.lower()), texts[0])
        staged = latest_ready(evidence.store, each.name, {name: "VARCHAR"})
        for row in evidence.rows(
            f"SELECT _key, {identifier(name)} AS title FROM {staged} WHERE _key IN ({listed})"
        ):
            found[str(row["_key"])] = str(row["title"] or "")
    return {key: title for key, title in found.items() if title}


def _url(catalog: Catalog, object: str, id: str) -> str:
    schema = catalog.objects.get(object)
    return schema.url.replace("{id}", id) if schema is not None and schema.url else ""
