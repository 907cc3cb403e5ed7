"""How would records be linked in a first plan? By links where the target has them, else by fields.

Where the source's links are objects of their own (two references and a label), a field that refers takes the
other end of the likeliest label: `primary`, to its like `parent`, else the unlabelled one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from migrate.catalog import Catalog, Field, ObjectSchema
from migrate.plan.guess_maps import SURE
from migrate.plan.likeness import likeness, words
from migrate.plan.spelling import sql_name, sql_text, yaml_expression, yaml_name
from migrate.types import Kind

Wanted = Mapping[str, str]  # source object to target object


def links(catalog: Catalog, source: ObjectSchema, target: ObjectSchema, wanted: Wanted) -> list[str]:
    """Links that references of the source become."""
    lines: list[str] = []
    for name, field in source.fields.items():
        if field.owner:
            continue
        for to in dict.fromkeys(wanted[each] for each in field.references if each in wanted):
            labels = [kind.label for kind in catalog.links if (kind.left, kind.right) == (target.name, to)]
            if not labels:
                continue
            usual = "parent" if to == target.name else "primary"
            label = next((each for each in (field.label, usual, "default") if each in labels), labels[0])
            odd = to == target.name and "parent" not in name.casefold()
            mark = "# " if odd else ""  # a record refers to its like for many reasons; most are no link
            lines.append(
                f"      {mark}- {{to: {yaml_name(to)}, via: {yaml_name(name)}, label: {yaml_name(label)}}}"
            )
    return lines


def junctions(source: Catalog, target: Catalog, left: ObjectSchema, wanted: Wanted) -> list[str]:
    """Links through objects that only join two others: those that refer to exactly two moved ones."""
    lines = []
    for name, schema in source.objects.items():
        ends = {
            each: field.name
            for field in schema.fields.values()
            for each in field.references
            if each in wanted and not field.owner
        }
        if name in wanted or len(ends) != 2 or next(iter(ends)) != left.name:
            continue
        (_, one), (right, other) = ends.items()
        pair = (wanted[left.name], wanted[right])
        if any((kind.left, kind.right) == pair for kind in target.links):
            lines.append(
                f"      - {{to: {yaml_name(pair[1])}, through: {yaml_name(name)}, left: {yaml_name(one)}, "
                f"right: {yaml_name(other)}}}"
            )
    return lines


@dataclass(frozen=True)
class References:
    """Lines of an entry: under `related`, under `fields`, and remarks."""

    related: list[str]
    fields: list[str]
    remarks: list[str]
    used: list[str]  # source fields


@dataclass(frozen=True)
class _Between:
    """An object whose records are links of this one's: its fields for either end, and its labels."""

    name: str
    mine: str
    other: str
    to: str
    label: Field | None


def references(
    source: Catalog, target: Catalog, of: ObjectSchema, to: ObjectSchema, wanted: Wanted
) -> References:
    """Fields of the target that refer to other moved objects, and what fills them."""
    found = References([], [], [], [])
    if target.links:
        return found
    taken: set[tuple[str, str]] = set()
    between = list(_between(source, of, wanted))
    for name, place in to.fields.items():
        if place.owner or not place.createable or len(place.references) != 1:
            continue
        ends = [each for each, there in wanted.items() if there == place.references[0]]
        direct = _direct(of, place, ends)
        if direct is not None:
            end = next(each for each in ends if each in direct.references)
            found.fields.append(_filled(name, sql_name(direct.name), end))
            found.used.append(direct.name)
            continue
        for each in between:
            label = _label(each, of.name)
            if each.to not in ends or label is None or (each.name, label) in taken:
                continue
            taken.add((each.name, label))
            own = f"to_{words(name).replace(' ', '_')}"
            where = f", where: {yaml_expression(f'label = {sql_text(label)}', inside=True)}" if label else ""
            ends_by = f"of: {yaml_name(each.name)}, by: {each.mine}"
            found.related.append(f"      {own}: {{{ends_by}{where}, take: min({each.other})}}")
            found.fields.append(_filled(name, own, each.to))
            break
    left = [
        f"{each.name} (label {', '.join(f'`{option.value}`' for option in each.label.options)})"
        for each in between
        if each.label is not None and each.name not in {name for name, _ in taken}
    ]
    if left:
        found.remarks.append(
            "Links that no field takes; `related` makes a lookup of one, an entry of its own a junction: "
            + ", ".join(left)
        )
    return found


def _filled(name: str, origin: str, entry: str) -> str:
    from_ = yaml_expression(origin, inside=True)
    return f"      {yaml_name(name)}: {{from: {from_}, reference: {yaml_name(entry)}}}"


def _direct(of: ObjectSchema, place: Field, ends: list[str]) -> Field | None:
    """The source's own reference that is surely like this one."""
    scored = [
        (likeness(name, field.label, place.name, place.label), name)
        for name, field in of.fields.items()
        if not field.owner and set(field.references) & set(ends)
    ]
    best = max(scored, default=(0.0, ""))
    return of.fields[best[1]] if best[0] >= SURE else None


def _between(source: Catalog, of: ObjectSchema, wanted: Wanted) -> Iterator[_Between]:
    for name, schema in source.objects.items():
        ends = [field for field in schema.fields.values() if len(field.references) == 1 and not field.owner]
        if name in wanted or schema.stamp is not None or len(ends) != 2:
            continue
        label = next((field for field in schema.fields.values() if field.kind is Kind.PICKLIST), None)
        left, right = ends
        for mine, other in ((left, right), (right, left)):
            if mine.references[0] == of.name and other.references[0] in wanted:
                yield _Between(name, mine.name, other.name, other.references[0], label)
                break


def _label(each: _Between, own: str) -> str | None:
    """The label to take; "" where there are none; None where none of them tells one record from others."""
    if each.label is None:
        return ""
    labels = [option.value for option in each.label.options]
    usual = ("parent",) if each.to == own else ("primary", "default")
    return next((label for label in usual if label in labels), None)
