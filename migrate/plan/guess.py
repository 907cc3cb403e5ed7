"""What would a first plan between these two systems look like?

Best guesses, for a person to correct: objects, fields, links and values are paired by likeness of
their names and labels, never twice, and only where the types fit or can be made to. What is less than
`SURE` of a hundred alike isn't taken: it stands in a comment, as does everything else that was left
out, with the reason. Nothing is left out in silence.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from migrate.catalog import Catalog, Field, ObjectSchema, Option
from migrate.plan.guess_consent import consent_lines
from migrate.plan.guess_links import References, junctions, links, references
from migrate.plan.guess_maps import SURE, likely_homes, owners_csv, picklist_csv
from migrate.plan.guess_new import NewGuess, create_lines, new_objects, own_names, with_new
from migrate.plan.likeness import likeness, pair, words
from migrate.plan.spelling import sql_name, sql_text, yaml_expression, yaml_name
from migrate.types import DEFAULT_SCALE, Kind

Counts = Mapping[tuple[str, str], Mapping[str, int]]

ALIKE = 80.0  # likeness of 100 from which a field is worth a comment
USERS_OR_QUEUES = 2  # objects that an owner field refers to; one of more refers to anything
HOST = "split_part(regexp_replace(lower(trim(%s)), '^(https?://)?(www\\.)?', ''), '/', 1)"

_FITS: dict[Kind, frozenset[Kind]] = {
    Kind.INT: frozenset({Kind.INT, Kind.DECIMAL, Kind.MONEY}),
    Kind.DECIMAL: frozenset({Kind.DECIMAL, Kind.MONEY, Kind.INT}),
    Kind.MONEY: frozenset({Kind.DECIMAL, Kind.MONEY, Kind.INT}),
    Kind.STRING: frozenset({Kind.STRING, Kind.TEXT}),
    Kind.TEXT: frozenset({Kind.TEXT, Kind.STRING}),
    Kind.PICKLIST: frozenset({Kind.PICKLIST, Kind.STRING, Kind.TEXT}),
}
_NUMBERS = (Kind.INT, Kind.DECIMAL, Kind.MONEY)
# Between days and instants a plan must say whose day it is.
_DAYS = {
    (Kind.DATE, Kind.TIMESTAMP): "CAST(%s AS TIMESTAMP) AT TIME ZONE 'UTC'",
    (Kind.TIMESTAMP, Kind.DATE): "CAST(%s AT TIME ZONE 'UTC' AS DATE)",
}


@dataclass(frozen=True)
class _Guess:
    """What fills a target field. `source`: the field. `sql`: the expression. `why`: a remark."""

    source: Field | None
    sql: str
    why: str = ""


@dataclass(frozen=True)
class _Object:
    """One pair of objects: what fills which target field, and comments on what was left out."""

    source: ObjectSchema
    target: ObjectSchema
    fields: Mapping[str, _Guess]
    left_out: Sequence[str]
    referring: References


def first_plan(
    source: Catalog,
    target: Catalog,
    counts: Counts | None = None,
    *,
    objects: Sequence[str] = (),
    source_entry: str = "{system: legacy, type: %s, credentials: 'env:LEGACY_'}",
    target_entry: str = "{system: new, type: %s, credentials: 'env:NEW_'}",
) -> dict[str, str]:
    """A first plan and its maps, as texts by file name.

    Args:
        counts: records by distinct value of (source object, field), for the maps; without it the
            source picklists' own values stand there.
        objects: source objects to move; none means all that are like an object of the target.
        source_entry, target_entry: the systems as the plan shall have them; `%s` becomes the type.
    """
    names = [name for name in source.objects if not objects or name in objects]
    wanted = pair(
        {name: source.objects[name].label for name in names}, _labels(target.objects.values()), least=SURE
    )
    made = new_objects(source, target, names, wanted)
    wanted |= {name: each.schema.name for name, each in made.items()}
    target = with_new(target, source, made, wanted)
    files: dict[str, str] = {}
    lines = [
        "# A first plan, guessed from both systems. Read every line; `migrate check` tells what is missing.",
        f"# What is less than {SURE:.0f} % alike is left to you: fields stand in comments, values have no",
        "# home in their map, and the guess stands beside them.",
        "version: 1",
        f"source: {source_entry.replace('%s', source.type)}",
        f"target: {target_entry.replace('%s', target.type)}",
        "objects:",
    ]
    for name, found in wanted.items():
        if name in made:
            each = _made(source, target, source.objects[name], made[name], wanted)
        else:
            each = _guess(source, target, source.objects[name], target.objects[found], wanted, counts or {})
        lines += _object(source, target, each, wanted, counts or {}, files)
        lines += create_lines(made[name]) if name in made else []
    left = [
        name
        for name in names
        if name not in wanted
        and not any(f"through: {name}," in line or f"of: {name}," in line for line in lines)
    ]
    lines += _comment("  ", "Not moved, since no object of the target is like them", left)
    lines += consent_lines(source, target, names)
    if any("owner: owners.csv" in line for line in lines):
        files["owners.csv"] = owners_csv(source, target)
    return {"plan.yaml": "\n".join(lines) + "\n", **files}


def _made(
    old: Catalog, new: Catalog, source: ObjectSchema, made: NewGuess, wanted: Mapping[str, str]
) -> _Object:
    """An object that `prepare` makes has a field for each of the source's that can be written there."""
    fields = {name: _Guess(source.fields[origin], sql_name(origin)) for name, origin in made.fields.items()}
    referring = references(old, new, source, made.schema, wanted)
    used = [*made.fields.values(), *referring.used]
    return _Object(source, made.schema, fields, _nowhere(source, used, wanted), referring)


def _labels(objects: Iterable[ObjectSchema]) -> dict[str, str]:
    """Objects that records may go to; users aren't made by a migration, but mapped."""
    objects = list(objects)
    fields = (field for each in objects for field in each.fields.values() if field.owner)
    users = {to for field in fields if len(field.references) <= USERS_OR_QUEUES for to in field.references}
    return {
        each.name: each.label
        for each in objects
        if each.createable and each.key_by == "unique field" and each.name not in users
    }


def _object(
    source_catalog: Catalog,
    target_catalog: Catalog,
    each: _Object,
    wanted: Mapping[str, str],
    counts: Counts,
    files: dict[str, str],
) -> list[str]:
    source, target = each.source, each.target
    key = own_names(target_catalog)
    lines = [
        f"  - source: {yaml_name(source.name)}",
        f"    target: {yaml_name(target.name)}",
        f"    key: {{field: {key['migration_key']}, old_id: {key['old_id']}, old_url: {key['old_url']}}}",
    ]
    unique = [name for name in each.fields if target.fields[name].unique]
    for name in unique:
        on = yaml_expression(each.fields[name].sql, inside=True)
        lines += [
            f"    # The target holds one record for each `{name}`. Records that share it are rejected, or",
            "    # become one:",
            f"    # dedupe: {{on: [{on}], keep: fullest, losers: merge}}",
        ]
    match = [*unique, *(name for name in each.fields if name not in unique and words(name) == "domain")]
    if match:
        lines.append("    # Records that the target has already are adopted by these, not made again.")
        lines.append(f"    match: [{', '.join(map(yaml_name, match))}]")
    lines.append("    fields:" if each.fields or each.referring.fields else "    fields: {}")
    for name, guess in each.fields.items():
        lines += _field(each, name, guess, counts, files, key)
    lines += each.referring.fields
    lines += each.left_out
    for remark in each.referring.remarks:
        lines += _wrapped("      ", f"{remark}.")
    if each.referring.related:
        lines += ["    related:", *each.referring.related]
    found = links(target_catalog, source, target, wanted)
    found += junctions(source_catalog, target_catalog, source, wanted)
    return lines + (["    links:", *found] if found else [])


def _field(
    each: _Object,
    name: str,
    guess: _Guess,
    counts: Counts,
    files: dict[str, str],
    own: Mapping[str, str],
) -> Iterator[str]:
    place, why = each.target.fields[name], f"  # {guess.why}" if guess.why else ""
    key, origin = yaml_name(name), yaml_expression(guess.sql, inside=True)
    if guess.source is not None and place.owner:
        yield "      # `inactive: <e-mail>` names who takes the records of owners who have left"
        yield f"      {key}: {{from: {origin}, owner: owners.csv, former: {own['former_owner']}}}{why}"
    elif guess.source is not None and place.options:
        file = f"picklists/{_file(each.source.name)}-{_file(name)}.csv"
        yield f"      {key}: {{from: {origin}, picklist: {file}}}{why}"
        options = _within(each, place)
        seen = _seen(each.source, guess.source, counts)
        files[file] = picklist_csv(seen, options, place.options)
    else:
        yield f"      {key}: {yaml_expression(guess.sql)}{why}"


def _within(each: _Object, place: Field) -> Sequence[Option]:
    """The options that are valid with what the plan says of the field that decides; else all."""
    outer = each.fields.get(place.within or "")
    if outer is None or outer.source is not None:
        return place.options
    return [
        option
        for option in place.options
        if option.beside is None or any(outer.sql == sql_text(value) for value in option.beside)
    ]


def _guess(
    old: Catalog,
    new: Catalog,
    source: ObjectSchema,
    target: ObjectSchema,
    wanted: Mapping[str, str],
    counts: Counts,
) -> _Object:
    places = {
        name: field
        for name, field in target.fields.items()
        if field.createable
        and field.updateable
        and not field.calculated
        and name not in own_names(new).values()
    }
    found: dict[str, _Guess] = {}
    unsure: dict[str, tuple[str, str]] = {}  # source field and comment, by target field
    used: set[str] = set()
    for score, name, origin in _scored(source, target, places):
        field, place = source.fields[origin], places[name]
        sql = _fitting(field, place)
        if name in found or origin in used:
            continue
        if score >= SURE and sql is not None:
            found[name] = _Guess(field, sql, _remark(field, place, score))
            used.add(origin)
        elif name not in unsure:
            why = (
                f"only {int(score)} % alike"
                if sql is not None
                else f"alike, but of another type ({field.kind})"
            )
            line = f"{yaml_name(name)}: {yaml_expression(sql or sql_name(origin))}"
            unsure[name] = (origin, f"      # {line}  # {why}")
    found |= _hosts(source, {name: field for name, field in places.items() if name not in found})
    found |= _defaults(source, places, found, counts)
    left = [line for name, (origin, line) in unsure.items() if name not in found and origin not in used]
    used |= {origin for name, (origin, _) in unsure.items() if name not in found}
    left += [
        f"      # {yaml_name(name)}:  # the target takes no record without it, and nothing here is like it"
        for name, place in places.items()
        if place.required and name not in found and name not in unsure
    ]
    if left:
        left.insert(0, "      # Left out. Where one is right all the same, take its first # away.")
    referring = references(old, new, source, target, wanted)
    left += _nowhere(source, {*used, *referring.used}, wanted)
    ordered = {name: found[name] for name in target.fields if name in found}
    return _Object(source, target, ordered, left, referring)


def _scored(
    source: ObjectSchema, target: ObjectSchema, places: Mapping[str, Field]
) -> list[tuple[float, str, str]]:
    """(likeness, target field, source field) of all that are alike, the most alike first."""
    scored = sorted(
        (
            -_score(
                origin, field, _own_name(field.label, source.name), place, _own_name(place.label, target.name)
            ),
            name,
            origin,
        )
        for name, place in places.items()
        for origin, field in source.fields.items()
        if (not field.references or field.owner) and not _is_id(field)
    )
    return [(-score, name, origin) for score, name, origin in scored if -score >= ALIKE]


def _is_id(field: Field) -> bool:
    """The record's own id, which `key` keeps."""
    return words(field.name) in ("", "id")


def _score(origin: str, field: Field, own: str, place: Field, label: str) -> float:
    if field.owner != place.owner:
        return 0.0
    alike = likeness(origin, own, place.name, label)
    # Whatever a vendor calls an owner, it is one; likeness only says which of several.
    return SURE + alike * (100 - SURE) / 100 if place.owner else alike


def _own_name(label: str, object: str) -> str:
    """`Deal Name` of deals is their name; `Company Name` of contacts is somebody else's."""
    first, _, last = label.partition(" ")
    return last if last and words(first) == words(object) else label


def _fitting(field: Field, place: Field) -> str | None:
    """The expression that brings a field's value into the target's type; None where there is no plain one."""
    sql = sql_name(field.name)
    if (field.kind, place.kind) in _DAYS:
        return _DAYS[field.kind, place.kind] % sql
    if not _fit(field, place):
        return None
    if place.kind in _NUMBERS and field.kind in _NUMBERS and _behind(field) > (place.scale or 0):
        digits = f"DECIMAL({place.precision},{place.scale or 0})" if place.precision else ""
        digits = "BIGINT" if place.kind is Kind.INT else digits
        return f"CAST(round({sql}, {place.scale or 0}) AS {digits})" if digits else sql
    plain = place.kind in (Kind.STRING, Kind.TEXT) and "lower" in place.held
    return f"lower(trim({sql}))" if plain else sql


def _behind(field: Field) -> int:
    """Digits behind the point that a field's values may have."""
    return 0 if field.kind is Kind.INT else DEFAULT_SCALE if field.scale is None else field.scale


def _remark(field: Field, place: Field, score: float) -> str:
    if (field.kind, place.kind) in _DAYS:
        return "midnight in UTC, or name your zone"
    # Words that mean the same count 95; anything else below a hundred is a likeness of letters.
    return f"guessed, {int(score)} % alike" if score < 94 and not place.owner else ""


def _hosts(source: ObjectSchema, places: Mapping[str, Field]) -> dict[str, _Guess]:
    """A domain out of an address of the web, for targets that know a firm by its domain."""
    origin = next(
        (
            field
            for name, field in source.fields.items()
            if field.kind is Kind.STRING and {words(name), words(field.label)} & {"website", "url"}
        ),
        None,
    )
    return {
        name: _Guess(origin, HOST % sql_name(origin.name), f"the host in `{origin.name}`")
        for name, place in places.items()
        if origin is not None and words(name) == "domain" and place.kind is Kind.STRING
    }


def _defaults(
    source: ObjectSchema, places: Mapping[str, Field], found: Mapping[str, _Guess], counts: Counts
) -> dict[str, _Guess]:
    """Fields that decide which options of a mapped one are valid: the value in which most have a home."""
    made: dict[str, _Guess] = {}
    for name, guess in found.items():
        place = places[name]
        outer = places.get(place.within or "")
        if outer is None or outer.name in found or not outer.options or guess.source is None:
            continue
        values = list(_seen(source, guess.source, counts))
        homes = {
            option.value: likely_homes(
                values, [each for each in place.options if each.beside is None or option.value in each.beside]
            )
            for option in outer.options
        }
        best = max(outer.options, key=lambda option: (homes[option.value], option.value == outer.default))
        others = [option.label for option in outer.options if option is not best]
        why = f"{best.label}, where {homes[best.value]} of {len(values)} values of `{guess.source.name}` "
        why += f"have a home; others are {', '.join(others)}" if others else "have a home; it is the only one"
        made[outer.name] = _Guess(None, sql_text(best.value), " ".join(why.split()))
    return made


def _nowhere(source: ObjectSchema, used: Iterable[str], wanted: Mapping[str, str]) -> list[str]:
    """Comments on source fields that the plan doesn't move."""
    left = [
        field
        for name, field in source.fields.items()
        if name not in used and not field.owner and not _is_id(field)
    ]
    plain = [field.name for field in left if not field.references]
    to = [
        f"{field.name} (to {' or '.join(field.references)})"
        for field in left
        if field.references and not set(field.references) & set(wanted)
    ]
    lines = _comment("      ", "Not moved, since nothing in the target is surely like them", plain)
    return lines + _comment("      ", "Not moved, since they refer to objects that aren't moved", to)


def _comment(indent: str, what: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    return _wrapped(indent, f"{what}: {', '.join(names)}.")


def _wrapped(indent: str, text: str) -> list[str]:
    return textwrap.wrap(text, 110, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}#   ")


def _fit(field: Field, place: Field) -> bool:
    if field.owner or place.owner:
        return field.owner and place.owner
    if field.references:
        return False
    if place.kind == Kind.PICKLIST:
        return bool(place.options) and field.kind in (Kind.PICKLIST, Kind.STRING)
    return place.kind in _FITS.get(field.kind, frozenset({field.kind}))


def _seen(source: ObjectSchema, field: Field, counts: Counts) -> dict[str, int | None]:
    seen = counts.get((source.name, field.name))
    if seen is not None:
        return {value: seen[value] for value in sorted(seen, key=lambda value: (-seen[value], value))}
    return {option.value: None for option in field.options}


def _file(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).lower()
