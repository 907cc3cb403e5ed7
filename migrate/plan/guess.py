"""What would a first plan between these two systems look like?

Best guesses, for a person to correct: objects, fields, links and values are paired by likeness of
their names and labels, never twice, and only where the types fit or can be made to. What is less than
`SURE` of a hundred alike isn't taken: it stands in a comment, as does everything else that was left
out, with the reason. Nothing is left out in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from migrate.catalog import Catalog, Field, ObjectSchema, Option
from migrate.plan.guess_consent import consent_lines
from migrate.plan.guess_fields import Counts, Guess, ObjectGuess, guessed, made_whole, seen_values
from migrate.plan.guess_links import junctions, links
from migrate.plan.guess_maps import SURE, owners_csv, picklist_csv
from migrate.plan.guess_new import create_lines, new_objects, own_names, with_new
from migrate.plan.likeness import pair, words
from migrate.plan.spelling import sql_text, yaml_comment, yaml_expression, yaml_list, yaml_name

USERS_OR_QUEUES = 2  # objects that an owner field refers to; one of more refers to anything


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
            each = made_whole(source, target, source.objects[name], made[name], wanted)
        else:
            each = guessed(source, target, source.objects[name], target.objects[found], wanted, counts or {})
        lines += _object(source, target, each, wanted, counts or {}, files)
        lines += create_lines(made[name]) if name in made else []
    left = [
        name
        for name in names
        if name not in wanted
        and not any(f"through: {name}," in line or f"of: {name}," in line for line in lines)
    ]
    lines += yaml_list("  ", "Not moved, since no object of the target is like them", left)
    lines += consent_lines(source, target, names)
    if any("owner: owners.csv" in line for line in lines):
        files["owners.csv"] = owners_csv(source, target)
    return {"plan.yaml": "\n".join(lines) + "\n", **files}


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
    each: ObjectGuess,
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
        lines += yaml_comment("      ", f"{remark}.")
    if each.referring.related:
        lines += ["    related:", *each.referring.related]
    found = links(target_catalog, source, target, wanted)
    found += junctions(source_catalog, target_catalog, source, wanted)
    return lines + (["    links:", *found] if found else [])


def _field(
    each: ObjectGuess,
    name: str,
    guess: Guess,
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
        seen = seen_values(each.source, guess.source, counts)
        files[file] = picklist_csv(seen, options, place.options)
    else:
        yield f"      {key}: {yaml_expression(guess.sql)}{why}"


def _within(each: ObjectGuess, place: Field) -> Sequence[Option]:
    """The options that are valid with what the plan says of the field that decides; else all."""
    outer = each.fields.get(place.within or "")
    if outer is None or outer.source is not None:
        return place.options
    return [
        option
        for option in place.options
        if option.beside is None or any(outer.sql == sql_text(value) for value in option.beside)
    ]


def _file(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).lower()
