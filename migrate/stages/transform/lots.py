"""In which lots of keys is an object's work small enough to be sorted in memory?

Whole records are wide, for bodies are in them, and to sort all of them at once takes memory that grows with
their number, spilled or not. So the keys alone are sorted as a whole, and the records lot by lot.
"""

from __future__ import annotations

from dataclasses import dataclass

from migrate.engine import text
from migrate.stages.transform.work import ObjectWork, Work

SHARE = 6  # of the engine's memory that a lot may have; sorting takes more than what is sorted
ROW = 200  # bytes of a record besides its texts
BATCH = 20_000  # keys read at once


@dataclass(frozen=True)
class Lot:
    """Keys from `first` (None: from the lowest) to just before `end` (None: to the highest)."""

    first: str | None
    end: str | None

    def holds(self, key: str) -> str:
        """A condition: the key (in SQL) is one of the lot's."""
        parts = [f"{key} >= {text(self.first)}"] if self.first is not None else []
        parts += [f"{key} < {text(self.end)}"] if self.end is not None else []
        return " AND ".join(parts) or "true"


def lots(work: Work, each: ObjectWork) -> list[Lot]:
    """Lots of the live records, in order; together they hold every key there can be."""
    import pyarrow as pa
    import pyarrow.compute as pc

    room = work.engine.memory // SHARE
    texts = [f"coalesce(strlen({column.sql}), 0)" for column in each.columns if column.type == "VARCHAR"]
    sizes = f"SELECT _key, {' + '.join([str(ROW), *texts])} AS size FROM {each.live} ORDER BY _key"
    bounds: list[str] = []
    before = number = 0
    for batch in work.engine.stream(sizes, rows=BATCH):
        if not batch.num_rows:
            continue
        sums = pc.add(pc.cumulative_sum(batch.column("size").cast(pa.int64())), before)
        before = sums[-1].as_py()
        numbers = pc.divide(sums, room)
        for each_number in pc.unique(numbers).to_pylist():
            if each_number > number:
                number = each_number
                bounds.append(batch.column("_key")[pc.index(numbers, number).as_py()].as_py())
    return [Lot(first, end) for first, end in zip([None, *bounds], [*bounds, None], strict=True)]
