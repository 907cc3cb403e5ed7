"""Where could the opt-outs of a first plan go? By address, where the target keeps them so; the rest is asked.

What isn't surely right stands in a comment: `check` insists on an answer as soon as an extract holds a no.
"""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterator

from migrate.catalog import ANY, Catalog, Field, ObjectSchema
from migrate.plan.expressions import nearest
from migrate.plan.spelling import sql_name, sql_text
from migrate.types import Kind


def consent_lines(source: Catalog, target: Catalog, names: Collection[str]) -> list[str]:
    """The lines of `consent` for these source objects; none where none of them keeps opt-outs."""
    entries, asked = [], []
    for name in names:
        schema = source.objects[name]
        address = _address(schema)
        for field in schema.fields.values():
            if field.consent is None:
                continue
            entry = f"source: {name}, opted_out: {_says_no(field)}"
            keeps = target.preferences
            if keeps and address and field.consent.channel in keeps.channels:
                entries.append(f"  - {{{entry}, address: {sql_name(address)}}}")
            else:
                asked.append(f"{{{entry}, channel: {field.consent.channel}, …}}")
    return [
        *(["consent:  # opted out of everything, by address, before anybody is created"] if entries else []),
        *entries,
        *_asked(asked),
    ]


def _asked(entries: Collection[str]) -> Iterator[str]:
    if not entries:
        return
    words = (
        "# More opt-outs, for whose home the plan has no guess: give each `field: …` (a mapped field of the "
        "record), or `leave: <why>`."
    )
    yield from textwrap.wrap(words, 110, subsequent_indent="# ")
    yield from (f"#  - {entry}" for entry in entries)


def _address(schema: ObjectSchema) -> str | None:
    """The field that holds a person's address."""
    texts = [each.name for each in schema.fields.values() if each.kind is Kind.STRING]
    return nearest("Email", texts, least=90)


def _says_no(field: Field) -> str:
    assert field.consent is not None  # noqa: S101 - the caller's condition
    if ANY in field.consent.out:
        return f"{sql_name(field.name)} IS NOT NULL"
    if field.kind is Kind.BOOL:
        return sql_name(field.name)
    return " OR ".join(f"{sql_name(field.name)} = {sql_text(value)}" for value in field.consent.out)
