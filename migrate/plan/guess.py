"""What would a first plan between these two systems look like?

Best guesses, for a person to correct: objects, fields, links and values are paired by likeness of
their names and labels, never twice, and only where the types fit. A value that is only alike says so
in the map's note; what nothing is like stays without a home, for `check` to list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from rapidfuzz import fuzz

from migrate.catalog import Catalog, Field, ObjectSchema, Option
from migrate.plan.maps import OWNER_COLUMNS, PICKLIST_COLUMNS, write_csv
from migrate.types import Kind

Counts = Mapping[tuple[str, str], Mapping[str, int]]

ALIKE = 80.0  # likeness from which names are paired, of 100
NEAR = 78.0  # for values, which are short and misspelt

# Words by which CRMs call the same thing.
_SAME: tuple[frozenset[str], ...] = tuple(
    frozenset(group.split(","))
    for group in (
        "account,company,organization,organisation,business",
        "opportunity,deal,potential",
        "contact,person,people",
        "case,ticket",
        "user,owner",
        "website,domain,url",
        "title,job title,position",
        "stage,deal stage,stage name,status,pipeline stage,ticket status",
        "close date,closing date",
        "billing city,city,mailing city",
        "billing country,country,mailing country",
        "billing state,state,mailing state",
        "billing street,street address,street,mailing street",
        "billing postal code,postal code,zip,mailing postal code",
        "employees,number of employees",
        "annual revenue,revenue",
        "phone,phone number",
        "owner,owner id,account owner,company owner,contact owner,deal owner,opportunity owner",
    )
)
_FITS: dict[Kind, frozenset[Kind]] = {
    Kind.INT: frozenset({Kind.INT, Kind.DECIMAL, Kind.MONEY}),
    Kind.DECIMAL: frozenset({Kind.DECIMAL, Kind.MONEY}),
    Kind.MONEY: frozenset({Kind.DECIMAL, Kind.MONEY}),
    Kind.STRING: frozenset({Kind.STRING, Kind.TEXT}),
    Kind.TEXT: frozenset({Kind.TEXT, Kind.STRING}),
    Kind.PICKLIST: frozenset({Kind.PICKLIST, Kind.STRING, Kind.TEXT}),
}
_OWN = {"migration_key", "old_id", "old_url"}


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
        {name: source.objects[name].label for name in names}, _labels(target.objects.values()), least=88
    )
    files: dict[str, str] = {}
    lines = [
        "# A first plan, guessed from both systems. Read every line; `migrate check` tells what is missing.",
        "version: 1",
        f"source: {source_entry.replace('%s', source.type)}",
        f"target: {target_entry.replace('%s', target.type)}",
        "objects:",
    ]
    for name, found in wanted.items():
        lines += _object(
            source, target, source.objects[name], target.objects[found], wanted, counts or {}, files
        )
    if any("owner: owners.csv" in line for line in lines):
        files["owners.csv"] = _owners(source, target)
    return {"plan.yaml": "\n".join(lines) + "\n", **files}


def _labels(objects: Iterable[ObjectSchema]) -> dict[str, str]:
    return {each.name: each.label for each in objects if each.createable and each.key_by == "unique field"}


def _object(
    source_catalog: Catalog,
    target_catalog: Catalog,
    source: ObjectSchema,
    target: ObjectSchema,
    wanted: Mapping[str, str],
    counts: Counts,
    files: dict[str, str],
) -> list[str]:
    pairs = _fields(source, target)
    lines = [
        f"  - source: {_plain(source.name)}",
        f"    target: {_plain(target.name)}",
        "    key: {field: migration_key, old_id: old_id, old_url: old_url}",
    ]
    match = [name for name in pairs if target.fields[name].unique]
    if match:
        lines.append(f"    match: [{', '.join(map(_plain, match))}]")
    lines.append("    fields:" if pairs else "    fields: {}")
    for name, origin in pairs.items():
        field, place = source.fields[origin], target.fields[name]
        if place.owner:
            lines += [
                "      # `inactive: <e-mail>` names who takes the records of owners who have left",
                f"      {_plain(name)}: {{from: {_sql(origin)}, owner: owners.csv, former: former_owner}}",
            ]
        elif place.options:
            file = f"picklists/{_file(source.name)}-{_file(name)}.csv"
            lines.append(f"      {_plain(name)}: {{from: {_sql(origin)}, picklist: {file}}}")
            files[file] = picklist_csv(_seen(source, field, counts), place.options)
        else:
            lines.append(f"      {_plain(name)}: {_sql(origin)}")
    for name, place in target.fields.items():
        if place.required and name not in pairs:
            lines.append(f"      # {name}: the target takes no record without it")
    links = _links(target_catalog, source, target, wanted)
    links += _junctions(source_catalog, target_catalog, source, wanted)
    return lines + (["    links:", *links] if links else [])


def _fields(source: ObjectSchema, target: ObjectSchema) -> dict[str, str]:
    """Source field by target field."""
    places = {
        name: field
        for name, field in target.fields.items()
        if field.createable and field.updateable and not field.calculated and name not in _OWN
    }
    scored = sorted(
        (
            (-_score(origin, field, place, _own_name(place.label, target.name)), name, origin)
            for name, place in places.items()
            for origin, field in source.fields.items()
            if _fit(field, place)
        )
    )
    found: dict[str, str] = {}
    for score, name, origin in scored:
        if -score >= ALIKE and name not in found and origin not in found.values():
            found[name] = origin
    return {name: found[name] for name in target.fields if name in found}


def _score(origin: str, field: Field, place: Field, label: str) -> float:
    alike = likeness(origin, field.label, place.name, label)
    # Whatever a vendor calls an owner, it is one; likeness only says which of several.
    return ALIKE + alike * (100 - ALIKE) / 100 if place.owner else alike


def _own_name(label: str, object: str) -> str:
    """`Deal Name` of deals is their name; `Company Name` of contacts is somebody else's."""
    first, _, last = label.casefold().rpartition(" ")
    return "name" if last == "name" and _words(first) == _words(object) else label


def _fit(field: Field, place: Field) -> bool:
    if field.owner or place.owner:
        return field.owner and place.owner
    if field.references:
        return False
    if place.kind == Kind.PICKLIST:
        return bool(place.options) and field.kind in (Kind.PICKLIST, Kind.STRING)
    return place.kind in _FITS.get(field.kind, frozenset({field.kind}))


def _links(
    catalog: Catalog, source: ObjectSchema, target: ObjectSchema, wanted: Mapping[str, str]
) -> list[str]:
    lines = []
    for name, field in source.fields.items():
        if field.owner:
            continue
        for to in dict.fromkeys(wanted[each] for each in field.references if each in wanted):
            labels = [kind.label for kind in catalog.links if (kind.left, kind.right) == (target.name, to)]
            if not labels:
                continue
            preferred = ("parent", "default") if to == target.name else ("primary", "default")
            label = next((each for each in preferred if each in labels), labels[0])
            odd = to == target.name and "parent" not in name.casefold()
            mark = "# " if odd else ""  # a record refers to its like for many reasons; most are no link
            lines.append(f"      {mark}- {{to: {_plain(to)}, via: {_plain(name)}, label: {_plain(label)}}}")
    return lines


def _junctions(source: Catalog, target: Catalog, left: ObjectSchema, wanted: Mapping[str, str]) -> list[str]:
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
                f"      - {{to: {_plain(pair[1])}, through: {_plain(name)}, left: {_plain(one)}, "
                f"right: {_plain(other)}}}"
            )
    return lines


def pair(left: Mapping[str, str], right: Mapping[str, str], least: float = ALIKE) -> dict[str, str]:
    """Names of `left` to names of `right` (both: label by name), each at most once, best first."""
    scored = sorted((-likeness(a, left[a], b, right[b]), a, b) for a in left for b in right)
    found: dict[str, str] = {}
    for score, a, b in scored:
        if -score >= least and a not in found and b not in found.values():
            found[a] = b
    return {name: found[name] for name in left if name in found}


def likeness(name: str, label: str, other: str, other_label: str) -> float:
    """How alike two things are by their names and labels, 0 to 100."""
    ours, theirs = {_words(name), _words(label)}, {_words(other), _words(other_label)}
    if ours & theirs:
        return 100.0
    if any(ours & group and theirs & group for group in _SAME):
        return 95.0
    best = max(fuzz.token_sort_ratio(a, b) for a in ours for b in theirs)
    compact = max(fuzz.ratio(a.replace(" ", ""), b.replace(" ", "")) for a in ours for b in theirs)
    return float(max(best, compact)) * 0.94


def _words(text: str) -> str:
    """Lower-case words, singular: `NumberOfEmployees__c` is `number of employee`, as is its label."""
    text = re.sub(r"__c$|^hs_|_id$|Id$", "", text)
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_\-./]+", " ", text).casefold()
    text = " ".join(text.split())
    plain = re.sub(r"ies$", "y", text) if text.endswith("ies") else re.sub(r"(?<=[^s])s$", "", text)
    return next((word for group in _SAME for word in group if word == text), plain)


def _seen(source: ObjectSchema, field: Field, counts: Counts) -> dict[str, int | None]:
    seen = counts.get((source.name, field.name))
    if seen is not None:
        return {value: seen[value] for value in sorted(seen, key=lambda value: (-seen[value], value))}
    return {option.value: None for option in field.options}


def picklist_csv(seen: Mapping[str, int | None], options: Sequence[Option]) -> str:
    """A picklist map with its best guesses.

    Args:
        seen: records by source value; None where nothing was counted.
        options: the target's.
    """
    rows: list[tuple[object, ...]] = []
    for value, count in seen.items():
        home, score = _home(value, options)
        note = "" if not home or score >= 100 else f"guessed, {score:.0f} % alike"
        rows.append((value, "" if count is None else count, home, note))
    return write_csv(PICKLIST_COLUMNS, rows)


def _home(value: str, options: Sequence[Option]) -> tuple[str, float]:
    """The option that a source value most likely means, as a map writes it; "" where none is alike."""
    labels = [option.label for option in options]
    best, home = 0.0, ""
    for option in options:
        for text in (option.value, option.label):
            ours, theirs = (
                " ".join(value.casefold().split()),
                " ".join(text.casefold().replace("_", " ").split()),
            )
            score = 100.0 if ours == theirs else min(fuzz.token_sort_ratio(ours, theirs), 99.0)
            if score > best:
                best, home = score, option.label if labels.count(option.label) == 1 else option.value
    return (home, best) if best >= NEAR else ("", best)


def _owners(source: Catalog, target: Catalog) -> str:
    there = {owner.email.lower(): owner for owner in target.owners if owner.email and owner.active}
    rows: list[tuple[object, ...]] = []
    for owner in source.owners:
        found = there.get((owner.email or "").lower())
        note = "" if found else "no active owner with this e-mail in the target"
        active = str(owner.active).lower()
        rows.append((owner.id, owner.email or "", owner.name, active, found.email if found else "", note))
    return write_csv(OWNER_COLUMNS, rows)


def _file(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).lower()


def _plain(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text) else "'" + text.replace("'", "''") + "'"


def _sql(name: str) -> str:
    """A field's name as an expression; names with special characters go in SQL's double quotes."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        return name
    return "'" + ('"' + name.replace('"', '""') + '"').replace("'", "''") + "'"
