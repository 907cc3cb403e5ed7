"""How is a Python function of the plan called? With Arrow arrays, and so that one bad row costs one row.

It is given the expression's values as one Arrow array and returns as many (an Arrow array or chunked
array, a pandas series or a list). When it raises for an array, it is called again row by row, and
the rows for which it raises become rejects. It must depend on its argument only, since how rows
are cut into arrays is not promised.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa


class Function:
    """A plan's Python function. `type`: the Arrow type that its result is cast to."""

    def __init__(self, name: str, call: Callable[[Any], Any], type: pa.DataType) -> None:
        self.name, self.type = name, type
        self._call = call

    def __call__(self, values: pa.Array, failed: pa.Array) -> tuple[pa.Array, pa.Array]:
        """(results, errors) for an array of values; where `failed`, the expression itself raised."""
        try:
            if not failed.true_count:
                return self._array(values), pa.nulls(len(values), pa.string())
        except Exception:  # noqa: BLE001 - whatever a plan's function raises rejects rows, one by one below
            results: list[object] = []
        else:
            results = []
        errors: list[str | None] = []
        for index in range(len(values)):
            result, error = None, None
            if failed[index].as_py():
                error = "the expression raises for these values"
            else:
                try:
                    result = self._array(values.slice(index, 1))[0].as_py()
                except Exception as raised:  # noqa: BLE001 - as above
                    error = f"{self.name}: {type(raised).__name__}: {raised}"
            results.append(result)
            errors.append(error)
        return pa.array(results, self.type), pa.array(errors, pa.string())

    def _array(self, values: pa.Array) -> pa.Array:
        made: Any = self._call(values)
        if isinstance(made, pa.ChunkedArray):
            made = made.combine_chunks()
        if not isinstance(made, pa.Array):
            made = pa.array(made, from_pandas=True)
        if isinstance(made, pa.ChunkedArray):  # pandas' own Arrow-backed series come in chunks
            made = made.combine_chunks()
        if len(made) != len(values):
            raise ValueError(f"gave {len(made)} values for {len(values)}")
        return made.cast(self.type)
