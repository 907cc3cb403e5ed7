"""To which records of the target does a ready row lead? Migration keys become target ids, a part at a time.

One join of the part with the crosswalk tells every reference of all its rows. A record that isn't in the
target yet makes its row wait, or, where the field may be filled later, leaves the field out of the row.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from migrate.engine import identifier, text
from migrate.plan.models import ObjectPlan

if TYPE_CHECKING:
    import pyarrow as pa

    from migrate.load.context import Loading


@dataclass(frozen=True)
class Lead:
    """A target field that holds the id of another record, or (`many`) a list of them.

    `later`: a row loads without it, and it is filled when the other record is there. `id`: the field of the
    other record that is taken instead of its id.
    """

    name: str
    many: bool = False
    later: bool = False
    id: str | None = None


def leads_of(plan: ObjectPlan, later: Collection[str] = ()) -> tuple[Lead, ...]:
    """The fields of an entry that lead to other records.

    Args:
        later: those of them that wait for a second pass, said or by the order of the entries.
    """
    return tuple(
        Lead(name, each.gather is not None, name in later, each.id)
        for name, each in plan.fields.items()
        if each.entries
    )


@dataclass
class Resolved:
    """A part's references, a row's at its number in the part.

    `values`: by field, target ids (or lists of them) as an Arrow array; null, or an item less, where a record
    isn't in the target. `absent`: by field, the rows of which one is missing.
    """

    values: dict[str, pa.Array] = field(default_factory=dict)
    absent: dict[str, set[int]] = field(default_factory=dict)


def resolve(loading: Loading, path: str, leads: Sequence[Lead]) -> Resolved:
    """Ask the crosswalk for every reference of a part. Needs the table `crosswalk`.

    Args:
        path: of the ready part.
        leads: fields that the part has.
    """
    found = Resolved()
    if not leads:
        return found
    table = loading.workspace.engine.stream(_query(path, leads)).read_all().combine_chunks()
    for number, lead in enumerate(leads):
        values = table[f"v{number}"].combine_chunks()
        absent = table[f"absent{number}"].to_pylist()
        if lead.id is not None:
            values, absent = _their_field(loading, lead, values, table[f"o{number}"].to_pylist(), absent)
        found.values[lead.name] = values
        found.absent[lead.name] = {row for row, gone in enumerate(absent) if gone}
    return found


def _query(path: str, leads: Sequence[Lead]) -> str:
    """A row for each of the part's, in order: `v<n>`, `o<n>` (objects) and `absent<n>` of each lead."""
    part = f"read_parquet({text(path)}, file_row_number=true)"
    items, joins = [], []
    for number, lead in enumerate(leads):
        x, name, row = f"x{number}", identifier(lead.name), "p.file_row_number"
        if lead.many:
            joins.append(
                f"""LEFT JOIN (SELECT row, list(c.target_id ORDER BY u.key) FILTER (c.key IS NOT NULL) AS ids,
                  list(c.object ORDER BY u.key) FILTER (c.key IS NOT NULL) AS objects,
                  count(*) FILTER (c.key IS NULL) AS absent
                FROM (SELECT file_row_number AS row, unnest({name}) AS key FROM {part}) AS u
                LEFT JOIN crosswalk AS c ON c.key = u.key GROUP BY row) AS {x} ON {x}.row = {row}"""
            )
            items += [f"{x}.ids AS v{number}", f"{x}.objects AS o{number}",
                      f"coalesce({x}.absent, 0) > 0 AS absent{number}"]  # fmt: skip
        else:
            joins.append(f"LEFT JOIN crosswalk AS {x} ON {x}.key = p.{name}")
            items += [f"{x}.target_id AS v{number}", f"{x}.object AS o{number}",
                      f"p.{name} IS NOT NULL AND {x}.key IS NULL AS absent{number}"]  # fmt: skip
    return f"SELECT {', '.join(items)} FROM {part} AS p {' '.join(joins)} ORDER BY p.file_row_number"


def _their_field(
    loading: Loading, lead: Lead, values: pa.Array, objects: list[Any], absent: list[bool]
) -> tuple[pa.Array, list[bool]]:
    """Another field of the records instead of their ids, read from the target now."""
    import pyarrow as pa

    name = str(lead.id)
    rows: list[list[tuple[str, str]]] = []
    for id, of in zip(values.to_pylist(), objects, strict=True):
        many = list(zip(of, id, strict=True)) if lead.many and id is not None else []
        rows.append(many if lead.many or id is None else [(of, id)])
    asked: dict[str, dict[str, None]] = {}
    for of, id in (pair for row in rows for pair in row):
        asked.setdefault(of, {})[id] = None
    held = {
        (of, record.asked): record.values.get(name)
        for of, ids in asked.items()
        for record in loading.target.read_back(of, [name], ids=list(ids))
    }
    taken = [[held.get(each) for each in row] for row in rows]
    absent = [gone or None in row for gone, row in zip(absent, taken, strict=True)]
    if lead.many:
        there = [[each for each in row if each is not None] or None for row in taken]
        return pa.array(there, pa.list_(pa.string())), absent
    return pa.array([row[0] if row else None for row in taken], pa.string()), absent
