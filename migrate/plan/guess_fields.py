"""Which field of the source fills which field of the target, and by which expression?

Fields are paired by likeness of names and labels, never twice, and only where the types fit or can be made
to. What is less alike than `SURE`, and what has no like, becomes a comment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from migrate.catalog import Catalog, Field, ObjectSchema
from migrate.plan.guess_links import References, references
from migrate.plan.guess_maps import SURE, likely_homes
from migrate.plan.guess_new import NewGuess, own_names
from migrate.plan.likeness import likeness, words
from migrate.plan.spelling import sql_name, sql_text, yaml_expression, yaml_list, yaml_name
from migrate.types import DEFAULT_SCALE, Kind

Counts = Mapping[tuple[str, str], Mapping[str, int]]

ALIKE = 80.0  # likeness of 100 from which a field is worth a comment
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
class Guess:
    """What fills a target field. `source`: the field. `sql`: the expression. `why`: a remark."""

    source: Field | None
    sql: str
    why: str = ""


@dataclass(frozen=True)
class ObjectGuess:
    """One pair of objects: what fills which target field, and comments on what was left out."""

    source: ObjectSchema
    target: ObjectSchema
    fields: Mapping[str, Guess]
    left_out: Sequence[str]
    referring: References


def guessed(
    old: Catalog,
    new: Catalog,
    source: ObjectSchema,
    target: ObjectSchema,
    wanted: Mapping[str, str],
    counts: Counts,
) -> ObjectGuess:
    """What fills the fields of a target object out of a source object, each used once.

    Args:
        wanted: target object by source object, for all that are moved.
        counts: records by distinct value of (source object, field).
    """
    places = {
        name: field
        for name, field in target.fields.items()
        if field.createable
        and field.updateable
        and not field.calculated
        and name not in own_names(new).values()
    }
    found: dict[str, Guess] = {}
    unsure: dict[str, tuple[str, str]] = {}  # source field and comment, by target field
    used: set[str] = set()
    for score, name, origin in _scored(source, target, places):
        field, place = source.fields[origin], places[name]
        sql = _fitting(field, place)
        if name in found or origin in used:
            continue
        if score >= SURE and sql is not None:
            found[name] = Guess(field, sql, _remark(field, place, score))
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
    return ObjectGuess(source, target, ordered, left, referring)


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


def _hosts(source: ObjectSchema, places: Mapping[str, Field]) -> dict[str, Guess]:
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
        name: Guess(origin, HOST % sql_name(origin.name), f"the host in `{origin.name}`")
        for name, place in places.items()
        if origin is not None and words(name) == "domain" and place.kind is Kind.STRING
    }


def _defaults(
    source: ObjectSchema, places: Mapping[str, Field], found: Mapping[str, Guess], counts: Counts
) -> dict[str, Guess]:
    """Fields that decide which options of a mapped one are valid: the value in which most have a home."""
    made: dict[str, Guess] = {}
    for name, guess in found.items():
        place = places[name]
        outer = places.get(place.within or "")
        if outer is None or outer.name in found or not outer.options or guess.source is None:
            continue
        values = list(seen_values(source, guess.source, counts))
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
        made[outer.name] = Guess(None, sql_text(best.value), " ".join(why.split()))
    return made


def made_whole(
    old: Catalog, new: Catalog, source: ObjectSchema, made: NewGuess, wanted: Mapping[str, str]
) -> ObjectGuess:
    """An object that `prepare` makes has a field for each of the source's that can be written there."""
    fields = {name: Guess(source.fields[origin], sql_name(origin)) for name, origin in made.fields.items()}
    referring = references(old, new, source, made.schema, wanted)
    used = [*made.fields.values(), *referring.used]
    return ObjectGuess(source, made.schema, fields, _nowhere(source, used, wanted), referring)


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
    lines = yaml_list("      ", "Not moved, since nothing in the target is surely like them", plain)
    return lines + yaml_list("      ", "Not moved, since they refer to objects that aren't moved", to)


def _fit(field: Field, place: Field) -> bool:
    if field.owner or place.owner:
        return field.owner and place.owner
    if field.references:
        return False
    if place.kind == Kind.PICKLIST:
        return bool(place.options) and field.kind in (Kind.PICKLIST, Kind.STRING)
    return place.kind in _FITS.get(field.kind, frozenset({field.kind}))


def seen_values(source: ObjectSchema, field: Field, counts: Counts) -> dict[str, int | None]:
    """Records by value of a field, the most first; None where nothing was counted."""
    seen = counts.get((source.name, field.name))
    if seen is not None:
        return {value: seen[value] for value in sorted(seen, key=lambda value: (-seen[value], value))}
    return {option.value: None for option in field.options}
