"""Which objects of the source would have to be made in the target, and how would they look there?

A custom object that is like no object of the target is made, with a field for each of its own that can be
written: of the same kind, length, digits and options. What it refers to becomes a link with the field's label
where the target links records, else a field that refers. An object that only joins two others is a link, not
an object.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from migrate.catalog import Catalog, Field, LinkType, NewObjects, ObjectSchema
from migrate.plan.spelling import yaml_name
from migrate.types import Kind

OWN = ("migration_key", "old_id", "old_url", "former_owner")
_DIGITS = (Kind.DECIMAL, Kind.MONEY)


@dataclass(frozen=True)
class NewGuess:
    """An object to be made. `fields`: target field to source field. `created`: what it isn't born with."""

    schema: ObjectSchema
    singular: str
    name_field: str
    fields: Mapping[str, str]
    created: Sequence[str]


def new_objects(
    source: Catalog, target: Catalog, names: Sequence[str], wanted: Mapping[str, str]
) -> dict[str, NewGuess]:
    """What has to be made, by source object.

    Args:
        names: source objects that may be moved.
        wanted: those that go to an object that is there.
    """
    born = target.new_objects
    if born is None:
        return {}
    found: dict[str, NewGuess] = {}
    custom = [
        name for name in names if name not in wanted and source.objects[name].custom and _whole(source, name)
    ]
    moved = {*wanted, *custom}
    taken = set(target.objects)
    for name in custom:
        if target.links and _joins(source.objects[name], moved):
            continue
        made = _new_object(source.objects[name], born, taken)
        if made is not None:
            found[name] = made
            taken.add(made.schema.name)
    return found


def with_new(
    target: Catalog, source: Catalog, made: Mapping[str, NewGuess], wanted: Mapping[str, str]
) -> Catalog:
    """The target's catalog with what is to be made, and the labels by which its records are linked."""
    objects = {each.schema.name: each.schema for each in made.values()}
    links: dict[tuple[str, str, str], None] = {}
    for name in wanted if target.links else ():
        for field in source.objects[name].fields.values():
            for to in () if field.owner else field.references:
                if to in wanted and (name in made or to in made):
                    links[wanted[name], wanted[to], field.label] = None
                    links[wanted[to], wanted[name], "default"] = None
    for left in objects:
        for right in wanted.values() if target.links else ():
            links[left, right, "default"] = links[right, left, "default"] = None
    new = tuple(LinkType(left=left, right=right, label=label, wire="") for left, right, label in links)
    return target.model_copy(update={"objects": target.objects | objects, "links": (*target.links, *new)})


def own_names(target: Catalog) -> dict[str, str]:
    """What the fields that a plan makes by itself are called in this target, by their usual names."""
    born = target.new_objects
    return {name: born.field_name.format(**_words(name)) if born is not None else name for name in OWN}


def create_lines(made: NewGuess) -> Iterator[str]:
    """The plan's lines that have it made."""
    plural, singular = _scalar(made.schema.label), _scalar(made.singular)
    named = yaml_name(made.name_field)
    yield f"    create_object: {{label: {singular}, plural: {plural}, name_field: {named}}}"
    if made.created:
        yield "    create:"
    for name in made.created:
        field = made.schema.fields[name]
        facts = [f"kind: {field.kind}", f"label: {_scalar(field.label)}"]
        facts += (
            [f"length: {field.length}"] if field.length and field.kind in (Kind.STRING, Kind.TEXT) else []
        )
        if field.precision is not None and field.kind in _DIGITS:
            facts.append(f"precision: {field.precision}")
            facts.append(f"scale: {field.scale or 0}")
        facts += ["required: true"] if field.required else []
        facts += ["unique: true"] if field.unique else []
        if field.options:
            facts.append(f"options: [{', '.join(_scalar(option.value) for option in field.options)}]")
        yield f"      {yaml_name(name)}: {{{', '.join(facts)}}}"


def _new_object(source: ObjectSchema, born: NewObjects, taken: set[str]) -> NewGuess | None:
    name = _free(born.object_name.format(**_words(source.name)), taken)
    if not re.fullmatch(born.pattern, name):
        return None
    fields: dict[str, str] = {}
    made: dict[str, Field] = dict(born.fields)
    created: list[str] = []
    naming = _naming(source)
    reserved = [born.field_name.format(**_words(name)) for name in OWN]
    for origin, field in source.fields.items():
        if field.owner and not field.custom and "owner" in origin.casefold():
            owner = next((each.name for each in born.fields.values() if each.owner), None)
            if owner is not None and owner not in fields:
                fields[owner] = origin
            continue
        if field.references or field.owner or not (_own(field) or origin == naming):
            continue
        if origin == naming and born.name_field is not None:
            fields[born.name_field] = origin
            continue
        own = _free(born.field_name.format(**_words(origin)), {*made, *reserved})
        made[own] = _new_field(own, field)
        fields[own] = origin
        created.append(own)
    name_field = born.name_field or next((own for own, origin in fields.items() if origin == naming), None)
    if name_field is None:
        return None
    singular, plural = _numbers(source.label)
    schema = ObjectSchema(
        name=name, label=plural, fields=made, key_by=born.key_by, stamp=born.stamp, created=born.created,
        custom=True,
    )  # fmt: skip
    return NewGuess(schema, singular, name_field, fields, created)


def _new_field(name: str, field: Field) -> Field:
    digits = field.kind in _DIGITS
    return Field(
        name=name,
        label=field.label,
        kind=field.kind,
        vendor_type="made by prepare",
        length=field.length if field.kind in (Kind.STRING, Kind.TEXT) else None,
        precision=field.precision if digits else None,
        scale=field.scale if digits else None,
        required=field.required,
        unique=field.unique and field.kind is Kind.STRING,
        custom=True,
        options=field.options,
    )


def _own(field: Field) -> bool:
    """Whether a field's values are the object's own. Who may only read is told that no field can be written,
    so what isn't custom counts only where it can."""
    return (field.custom or field.createable) and not field.calculated and field.kind is not Kind.BINARY


def _whole(source: Catalog, name: str) -> bool:
    """Whether it holds records, and not only links."""
    schema = source.objects[name]
    naming = _naming(schema)
    return naming is not None and (
        naming.casefold() == "name" or any(field.custom for field in schema.fields.values())
    )


def _joins(schema: ObjectSchema, moved: set[str]) -> bool:
    """Whether an object only joins two moved ones: nothing of its own but a name and perhaps a role."""
    ends = [
        field
        for field in schema.fields.values()
        if not field.owner and set(field.references) & moved and (field.custom or field.createable)
    ]
    own = [
        field
        for field in schema.fields.values()
        if _own(field) and not field.references and field.name != _naming(schema)
    ]
    roles = [field for field in own if field.kind is Kind.PICKLIST]
    to = {name for field in ends for name in field.references}
    return len(ends) == 2 and len(to) == 2 and len(own) == len(roles) <= 1


def _naming(schema: ObjectSchema) -> str | None:
    """The field that names a record for people: `Name`, or the first text that a record must have."""
    named = [field for field in schema.fields.values() if field.name.casefold() == "name"]
    texts = [field for field in schema.fields.values() if field.kind is Kind.STRING and _own(field)]
    named += [field for field in texts if field.name.endswith("_name")]
    needed = [field for field in texts if field.required]
    first = next(iter([*named, *needed, *texts]), None)
    return first.name if first is not None else None


def _words(name: str) -> dict[str, str]:
    """A name's words, joined by `_`: `small` in small letters, `title` with capitals."""
    plain = re.sub(r"__[cs]$|^p_", "", name)
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plain)
    parts = [part for part in re.split(r"[^A-Za-z0-9]+", plain) if part]
    small = "_".join(part.lower() for part in parts)
    small = small if small[:1].isalpha() and not small.startswith("hs_") else f"x_{small}"
    return {"small": small, "title": "_".join(part[:1].upper() + part[1:] for part in small.split("_"))}


def _free(name: str, taken: set[str]) -> str:
    number, found = 2, name
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    return found


def _numbers(label: str) -> tuple[str, str]:
    """A label in the singular and in the plural, as plain English has it."""
    if label.endswith("ies"):
        return f"{label[:-3]}y", label
    if label.endswith("s") and not label.endswith("ss"):
        return label[:-1], label
    return label, f"{label[:-1]}ies" if label.endswith("y") else f"{label}s"


def _scalar(text: str) -> str:
    """A text inside braces; quoted unless it can only be text."""
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9 _-]*[A-Za-z0-9]|[A-Za-z]", text)
    word = text.casefold() in ("true", "false", "null", "yes", "no", "on", "off", "y", "n")
    return text if plain and not word else "'" + text.replace("'", "''") + "'"
