"""Which fields does the plan read of the source, and which does it fill in the target?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from migrate.plan import SubscriptionMap
from migrate.plan.figures import is_file
from migrate.plan.needs import written_fields

if TYPE_CHECKING:
    from migrate.catalog import Catalog, ObjectSchema
    from migrate.plan import Plan
    from migrate.plan.models import ObjectPlan

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def fields_read(plan: Plan, source: Catalog) -> dict[str, list[str]]:
    """By source object, every field that the plan names: of values, conditions, merges, links and opt-outs.

    Told by the names in the expressions, so that a text literal which is called like a field counts as one.
    """
    found: dict[str, dict[str, None]] = {}
    for object, texts in _texts(plan):
        fields = source.objects[object].fields if object in source.objects else {}
        folded = {name.casefold(): name for name in fields}
        named = (folded.get(word.casefold()) for one in texts for word in _WORD.findall(one))
        found.setdefault(object, {}).update(dict.fromkeys(name for name in named if name))
    return {object: list(names) for object, names in found.items()}


def _texts(plan: Plan) -> Iterator[tuple[str, Iterable[str]]]:
    for each in plan.model.objects:
        yield each.source, _of_entry(each)
        for link in each.links:
            if link.through:
                label = [] if isinstance(link.label, str) else [link.label.from_]
                yield link.through, [one for one in (link.left, link.right, link.where, *label) if one]
        for one in each.related.values():
            spans = [] if one.spans is None else [str(value) for value in one.spans.model_dump().values()]
            yield one.of, [text for text in (one.by, one.where, one.take, *spans) if text]
    for consent in plan.model.consent:
        topic = [consent.subscription.from_] if isinstance(consent.subscription, SubscriptionMap) else []
        yield (
            consent.source,
            [
                text
                for text in (consent.opted_out, consent.address, consent.explanation, consent.at, *topic)
                if text
            ],
        )


def _of_entry(each: ObjectPlan) -> Iterator[str]:
    yield from (field.origin for field in each.fields.values())
    yield from (text for field in each.fields.values() if field.eml for text in field.eml.parts.values())
    yield from each.dedupe.on if each.dedupe else ()
    yield from (text for text in (each.where, *(one.equals for one in each.related.values())) if text)
    for link in each.links:
        label = None if isinstance(link.label, str) or link.through else link.label.from_
        yield from (text for text in (link.via, link.where if not link.through else None, label) if text)


def fields_filled(plan: Plan, object: str) -> list[str]:
    """Every field of a target object that some entry fills, keys included."""
    names = (name for each in plan.model.objects if each.target == object for name in written_fields(each))
    return list(dict.fromkeys(names))


def fields_asked(plan: Plan, schema: ObjectSchema) -> list[str]:
    """Fields of a target object that the plan's own SQL names: its questions and its rules.

    Told by names, as above; a field too many costs little.
    """
    asked = [one.target for one in plan.model.validate_.questions]
    texts = [_beside(plan, text) if is_file(text) else text for text in asked]
    texts += [_beside(plan, file) for file in plan.model.validate_.checks]
    words = {word.casefold() for text in texts for word in _WORD.findall(text)}
    return [name for name in schema.fields if name.casefold() in words]


def _beside(plan: Plan, file: str) -> str:
    """A file beside the plan; empty where it can't be read, which whoever asks it tells."""
    try:
        return plan.beside(file.strip()).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
