"""How do staged records get into a twin? In lots, as the vendor's own text for each value.

What a twin refuses (a value that no rule of today allows, a unique value twice) is left out and counted:
a lot that is refused is halved until the bad record stands alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from migrate.errors import UsageError
from migrate.twins.standing import Standing
from migrate.twins.twin import Link, Record

if TYPE_CHECKING:
    from migrate.catalog import ObjectSchema
    from migrate.connector import Target
    from migrate.store import Manifest, Store

T = TypeVar("T")
LOT = 500


@dataclass
class Planted:
    """Records or links that the twin took, those that it refused, and the first of its reasons."""

    taken: int = 0
    refused: int = 0
    why: str = ""


def plant(
    standing: Standing, target: Target, schema: ObjectSchema, store: Store, records: Manifest
) -> Planted:
    """Put a snapshot of an object in.

    Args:
        target: a connector to the twin, which turns staged values into the vendor's own.
        records: with `_id` and the object's fields, as `snapshot` stages them.
    """
    done = Planted()
    for lot in _records(target, schema, store, records):
        _put(standing, lot, partial(standing.mirror.records, standing.twin.catalog, schema), done)
    return done


def plant_links(standing: Standing, store: Store, links: Manifest, objects: Collection[str]) -> Planted:
    """Put the links of a snapshot in that lead from and to these objects, once all records are there."""
    columns, done = ["left_object", "left", "right_object", "right", "label"], Planted()
    for batch in store.read(links, columns):
        lists = [batch.column(name).to_pylist() for name in columns]
        pairs: Iterator[Link] = zip(*lists, strict=True)
        rows = [each for each in pairs if each[0] in objects and each[2] in objects]
        for first in range(0, len(rows), LOT):
            lot = rows[first : first + LOT]
            _put(standing, lot, partial(standing.mirror.links, standing.twin.catalog), done)
    return done


def _records(target: Target, schema: ObjectSchema, store: Store, records: Manifest) -> Iterator[list[Record]]:
    names = [name for name in records.schema if name in schema.fields]
    for batch in store.read(records, ["_id", *names]):
        for first in range(0, batch.num_rows, LOT):  # as text a batch of 65,536 would be large
            lot = batch.slice(first, LOT)
            ids = lot.column("_id").to_pylist()
            values = target.encode(schema.name, lot.select(names))
            yield [{**each, "_id": id} for id, each in zip(ids, values, strict=True)]


def _put(
    standing: Standing,
    rows: Sequence[T],
    document: Callable[[Sequence[T]], dict[str, Any] | None],
    done: Planted,
) -> None:
    from migrate.sandbox.control import ControlError

    seed = document(rows)
    if seed is None:
        return  # the vendor keeps these within the records
    try:
        standing.seed(seed)
        done.taken += len(rows)
    except ControlError as error:
        if error.status >= 500:
            raise UsageError(f"The twin failed: {error}", "See its messages beside its store.") from error
        if len(rows) == 1:
            done.refused += 1
            done.why = done.why or error.text
            return
        middle = len(rows) // 2
        _put(standing, rows[:middle], document, done)
        _put(standing, rows[middle:], document, done)
