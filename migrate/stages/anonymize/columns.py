"""What becomes of each column of a staged artifact? By the catalog's kind, and by what the plan does with it.

Kept: picklists, yes and no, numbers, money, dates and instants, for validators count, sum and group by them,
and none of them names anybody. A date of birth moves within its year, and of a geographic position only whole
degrees stay. Texts and ids get pseudonyms; what the plan maps by a picklist map is a picklist, whatever its
type says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from migrate.plan.models import LabelMap
from migrate.stages.anonymize.pseudonyms import Pseudonyms
from migrate.types import BlobRef, Kind

if TYPE_CHECKING:
    import pyarrow as pa

    from migrate.catalog import Catalog, Field, ObjectSchema
    from migrate.plan import Plan

_BIRTH = re.compile(r"birth", re.IGNORECASE)
_PLACE = re.compile(r"latitude|longitude", re.IGNORECASE)
_IDS = frozenset({"_id", "survivor", "left", "right"})
_KEPT = frozenset({"_stamp", "_source", "_at", "outcome", "label", "left_object", "right_object", "object"})
_TEXTS = frozenset({Kind.STRING, Kind.TEXT, Kind.REFERENCE, Kind.BINARY})

Made = Callable[[Any], Any]


class Columns:
    """What becomes of values, by artifact and column.

    Args:
        blobs: the files that were replaced: old references to new ones, and old MD5s to new ones.
    """

    def __init__(
        self, pseudonyms: Pseudonyms, plan: Plan, catalogs: Mapping[str, Catalog], blobs: Mapping[str, str]
    ) -> None:
        self.pseudonyms, self.catalogs, self.blobs = pseudonyms, catalogs, blobs
        self.picked = _picked(plan, catalogs["source"])

    def change(self, stage: str, object: str, name: str, type: pa.DataType) -> Made | None:
        """What makes a column's new values out of its old ones; None: they stay.

        Args:
            stage, object: of the artifact.
            type: of the column.
        """
        make = self._change(stage, object, name)
        return make if make is None or make in (self._birth, self._position) or _is_text(type) else None

    def _change(self, stage: str, object: str, name: str) -> Made | None:
        if name in _IDS:
            return self.pseudonyms.value
        if name == "_key":
            return self.pseudonyms.key
        if name == "blob":
            return self._blob
        if name == "reason":
            return self._reason
        if name in _KEPT:
            return None
        schema = self.catalogs["target" if stage == "target" else "source"].objects.get(object)
        field = schema.fields.get(name) if schema else None
        if schema is None or field is None:
            return self.pseudonyms.value
        if stage != "target" and (object, name) in self.picked:
            return None
        return self._field(schema, field)

    def _field(self, schema: ObjectSchema, field: Field) -> Made | None:
        if any(other.md5_in == field.name for other in schema.fields.values()):
            return self._blob
        if field.owner or field.kind in _TEXTS:
            return self.pseudonyms.value
        if _BIRTH.search(field.name) and field.kind is Kind.DATE:
            return self._birth
        if _PLACE.search(field.name) and field.kind is Kind.DECIMAL:
            return self._position
        return None

    def _blob(self, text: str) -> str:
        return self.blobs.get(text.lower()) or self.pseudonyms.value(text)

    def _reason(self, text: str) -> str:
        code, colon, words = text.partition(":")
        return code + colon + self.pseudonyms.value(words) if words else text

    def _birth(self, day: date) -> date:
        """Another day of the same year, one to one."""
        first = date(day.year, 1, 1)
        days = (date(day.year, 12, 31) - first).days + 1
        place = (day - first).days
        [made] = self.pseudonyms.cipher.permute([place], [days], b"birth")
        return first + timedelta(days=made)

    def _position(self, degrees: Decimal) -> Decimal:
        whole, point, rest = f"{degrees:f}".partition(".")
        if not rest.strip("0"):
            return degrees
        made = self.pseudonyms.cipher.permute([int(c) for c in rest], [10] * len(rest), b"position")
        return Decimal(whole + point + "".join(map(str, made)))


def _is_text(type: pa.DataType) -> bool:
    import pyarrow as pa

    inner = type.value_type if pa.types.is_list(type) else type
    return bool(pa.types.is_string(inner) or pa.types.is_large_string(inner))


def changed(table: pa.Table | pa.RecordBatch, name: str, make: Made) -> pa.Array:
    """A column with other values, each distinct one asked for once. Lists are changed by their members."""
    import pyarrow as pa

    column = table[name]
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_list(column.type):
        members = _changed(column.values, make)
        return pa.ListArray.from_arrays(column.offsets, members, mask=column.is_null())
    return _changed(column, make)


def _changed(column: pa.Array, make: Made) -> pa.Array:
    import pyarrow as pa

    coded = column.dictionary_encode()
    old = coded.dictionary.to_pylist()
    new = pa.array([None if each is None else make(each) for each in old], column.type)
    return new.take(coded.indices)


def _picked(plan: Plan, source: Catalog) -> frozenset[tuple[str, str]]:
    """Fields of the source that a picklist map reads."""
    found = set()
    for each in plan.model.objects:
        for object, text in [
            *((each.source, f.from_ or f.expression or "") for f in each.fields.values() if f.picklist),
            *(
                (link.through or each.source, link.label.from_)
                for link in each.links
                if isinstance(link.label, LabelMap)
            ),
        ]:
            schema = source.objects.get(object)
            words = set(re.findall(r"\w+", text))
            found |= {(object, name) for name in (schema.fields if schema else ()) if name in words}
    return frozenset(found)


def blob_names(old: BlobRef, new: BlobRef) -> dict[str, str]:
    """How a replaced file is found again: by its reference, and by its MD5."""
    return {str(old): str(new), old.md5: new.md5}
