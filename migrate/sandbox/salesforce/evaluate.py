"""Which rows does a query answer with, and how do they look?

An `Execution` checks the whole query against the schema and the user's rights before
it reads anything, as the vendor does: a query with one hidden field fails whole.
Rows come in id order unless the query orders them; REST rows carry `attributes` and
nested parents, bulk rows are flat texts.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import islice
from typing import Any

from migrate.sandbox.salesforce.call import Call, own_permissions
from migrate.sandbox.salesforce.conditions import Source, compile_condition, narrowed, resolve
from migrate.sandbox.salesforce.dates import date_part
from migrate.sandbox.salesforce.describe import child_list
from migrate.sandbox.salesforce.errors import Refusal, malformed
from migrate.sandbox.salesforce.files import own_files
from migrate.sandbox.salesforce.records import Record
from migrate.sandbox.salesforce.schema import COMPOUND, NUMBERS, Field, SObject
from migrate.sandbox.salesforce.syntax import (
    DATE_PARTS,
    Compare,
    Condition,
    Fields,
    Item,
    Junction,
    Literal,
    Path,
    Select,
    TypeOf,
    without,
)
from migrate.sandbox.salesforce.syntax import Call as Function
from migrate.sandbox.salesforce.values import cell, shown

MAX_OFFSET = 2000
MAX_CHILDREN, MAX_LEVELS = 20, 5  # sub-queries; parents above a record
Writer = Callable[[Record, dict[str, Any]], None]


class Execution:
    """One checked query.

    Args:
        every: recycle-bin rows too (`queryAll`).
        by_id: it only shows records that were asked for by their ids.

    Raises:
        Refusal: with the vendor's code for whatever is wrong with the query.
    """

    def __init__(
        self,
        call: Call,
        select: Select,
        *,
        every: bool = False,
        child_of: Field | None = None,
        by_id: bool = False,
    ) -> None:
        self.call, self.select, self.every = call, select, every or select.all_rows
        self.item: SObject = call.object(select.object)
        self._child_of = child_of
        if (select.offset or 0) > MAX_OFFSET:
            raise Refusal("NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {MAX_OFFSET}")
        links = self.item.name == "ContentDocumentLink" and child_of is None and not by_id
        if links and not _filters_by(select.where, ("contentdocumentid", "linkedentityid")):
            raise malformed(
                "Implementation restriction: ContentDocumentLink requires a filter by a single Id on "
                "ContentDocumentId or LinkedEntityId using the equals operator or multiple Id's using the "
                "IN operator."
            )
        self._test = (
            None
            if select.where is None
            else compile_condition(call, self.item, select.where, select.alias, self._semi)
        )
        self._order = (
            []
            if select.aggregate
            else [(self.value(order.what), order.descending, order.nulls_last) for order in select.order]
        )
        self.items = self._expanded()
        if sum(isinstance(item.what, Select) for item in self.items) > MAX_CHILDREN:
            raise malformed(f"A query has at most {MAX_CHILDREN} sub-queries.")
        if not select.aggregate:
            self._writers = [self._writer(item) for item in self.items]

    # reading

    def _semi(self, inner: Select) -> list[Any]:
        run = Execution(self.call, inner, every=self.every)
        what = inner.items[0].what
        if not isinstance(what, Path):
            raise malformed("a semi-join sub-select must select one field")
        source = resolve(self.call, run.item, what)
        if source.field.kind not in ("id", "reference"):
            raise malformed(f"a semi-join sub-select must select an id or a reference, not '{what}'")
        return [source.get(record) for record in run.matching()]

    def _candidates(self) -> Iterator[Record]:
        if self.item.name == "UserPermissionAccess":
            yield own_permissions(self.call.rights)
            return
        clause, values = narrowed(self.item, self.select.where, self.select.alias)
        rows = self.call.records.scan(self.item.name, deleted=self.every, where=clause, values=values)
        if "IsArchived" in self.item.fields and not self.every:  # old activities are queryAll's alone
            rows = (record for record in rows if not record.get("IsArchived"))
        if self.item.name in _FILES and not self._sees_all_files():
            rows = (record for record in rows if own_files(self.call, self.item, record))
        yield from rows

    def _sees_all_files(self) -> bool:
        """With the permission, or in a query that names the files by id."""
        named = _FILES[self.item.name]
        return self.call.rights.has("PermissionsQueryAllFiles") or _filters_by(self.select.where, named)

    def matching(self) -> Iterator[Record]:
        """The records that the query selects, ordered and cut."""
        found: Iterator[Record] = self._candidates()
        if self._test is not None:
            found = filter(self._test, found)
        if self._order and not self._by_id():
            rows = list(found)
            for get, descending, nulls_last in reversed(self._order):
                rows.sort(key=_sort_key(get), reverse=descending)
                rows.sort(key=_nulls_key(get, nulls_last))
            found = iter(rows)
        start = self.select.offset or 0
        stop = None if self.select.limit is None else start + self.select.limit
        return islice(found, start, stop)

    def _by_id(self) -> bool:
        first = self.select.order[0]
        return (
            isinstance(first.what, Path)
            and first.what.parts[-1].lower() == "id"
            and (len(first.what.parts) == 1 and not first.descending)
        )

    def count(self) -> int:
        """How many records the query selects."""
        bare = self.select.where is None and self.select.limit is None and not self.select.offset
        if bare and self.item.name != "UserPermissionAccess" and "IsArchived" not in self.item.fields:
            return self.call.records.count(self.item.name, deleted=self.every)
        return sum(1 for _ in self.matching())

    # selecting

    def _expanded(self) -> list[Item]:
        items: list[Item] = []
        for item in self.select.items:
            if not isinstance(item.what, Fields):
                items.append(item)
                continue
            if self._child_of is None and (self.select.limit is None or self.select.limit > 200):
                raise malformed("The SOQL FIELDS function must have a LIMIT of at most 200")
            which = item.what.which
            if which not in ("ALL", "STANDARD", "CUSTOM"):
                raise malformed(f"unexpected argument of FIELDS: '{which}'")
            items += [
                Item(Path((field.name,)))
                for field in self.item.fields.values()
                if self.call.rights.sees(self.item.name, field.name)
                and (which == "ALL" or field.custom == (which == "CUSTOM"))
            ]
        return items

    def value(self, what: Path | Function) -> Callable[[Record], Any]:
        if isinstance(what, Function):
            if what.path is None:
                raise malformed(f"function {what.name} needs a field")
            source = self.source(what.path)
            return date_part(what.name, source.get) if what.name in DATE_PARTS else source.get
        source = self.source(what)
        if not source.field.describe["sortable"]:
            raise malformed(f"field '{source.field.name}' can not be sorted in a query call")
        if source.field.kind in NUMBERS:
            get = source.get
            return lambda record: None if (found := get(record)) is None else Decimal(found)
        return source.get

    def source(self, path: Path) -> Source:
        own = without(path, self.select.alias, self.item.name)
        if len(own.parts) > MAX_LEVELS + 1:
            raise malformed(f"A field path goes up at most {MAX_LEVELS} levels.")
        return resolve(self.call, self.item, own)

    def _writer(self, item: Item) -> Writer:
        what = item.what
        if isinstance(what, Select):
            return self._child_writer(what)
        if isinstance(what, TypeOf):
            return self._typeof_writer(what)
        if isinstance(what, Function):
            if what.path is None or what.name not in {"TOLABEL", "FORMAT", "CONVERTCURRENCY", *DATE_PARTS}:
                raise malformed(f"unknown function {what.name}")
            source, alias = self.source(what.path), item.alias or what.path.parts[-1]
            get = date_part(what.name, source.get) if what.name in DATE_PARTS else source.get

            def write(record: Record, row: dict[str, Any]) -> None:
                value = get(record)
                row[alias] = value if what.name in DATE_PARTS else shown(source.field, value)

            return write
        if not isinstance(what, Path):
            raise malformed("unexpected entry in the field list")
        return self._path_writer(what)

    def _path_writer(self, path: Path) -> Writer:
        source = self.source(path)
        field, get = source.field, source.get
        if len(path.parts) == 1:
            if field.kind == "base64":
                base, object, name = self.call.base, self.item.name, field.name

                def link(record: Record, row: dict[str, Any]) -> None:
                    row[name] = f"{base}/sobjects/{object}/{record['Id']}/{name}" if get(record) else None

                return link

            def write(record: Record, row: dict[str, Any]) -> None:
                row[field.name] = shown(field, get(record))

            return write
        steps = self._steps(path)

        def write_up(record: Record, row: dict[str, Any]) -> None:
            at: Record | None = record
            for key, name in steps:
                id = at.get(key) if at else None
                at = self.call.parent(id)
                if at is None or id is None:
                    row.setdefault(name, None)
                    return
                if row.get(name) is None:
                    kind = self.call.schema.of_id(id)
                    row[name] = {"attributes": self._attributes(kind.name if kind else "Name", id)}
                row = row[name]
            row[field.name] = shown(field, get(record))

        return write_up

    def _steps(self, path: Path) -> list[tuple[str, str]]:
        steps, item = [], self.item
        for name in without(path, self.select.alias, self.item.name).parts[:-1]:
            reference = item.relations[name.lower()]
            steps.append((reference.name, str(reference.relation)))
            item = next(
                (
                    found
                    for target in reference.targets
                    if (found := self.call.schema.get(target)) is not None
                ),
                item,
            )
        return steps

    def _typeof_writer(self, what: TypeOf) -> Writer:
        reference = self.item.relations.get(what.relation.lower())
        if reference is None:
            raise Refusal("INVALID_FIELD", f"Didn't understand relationship '{what.relation}' in field path.")
        sources = {}
        for kind, paths in what.branches:
            target = self.call.object(kind)
            sources[target.name] = [(path, resolve(self.call, target, path)) for path in paths]

        def write(record: Record, row: dict[str, Any]) -> None:
            id = record.get(reference.name)
            above = self.call.parent(id)
            kind = self.call.schema.of_id(id) if id else None
            if above is None or kind is None or id is None:
                row[what.relation] = None
                return
            chosen = sources.get(kind.name)
            if chosen is None:
                chosen = [(path, resolve(self.call, kind, path)) for path in what.otherwise]
            row[what.relation] = {"attributes": self._attributes(kind.name, id)} | {
                str(path): shown(source.field, source.get(above)) for path, source in chosen
            }

        return write

    def _child_writer(self, inner: Select) -> Writer:
        name = inner.object
        found = [
            (child, field)
            for child, field in self.call.schema.children.get(self.item.name, ())
            if (child_list(field) or "").lower() == name.lower()
        ]
        if not found:
            raise Refusal(
                "INVALID_TYPE", f"Didn't understand relationship '{name}' in FROM part of query call."
            )
        if inner.aggregate or any(isinstance(item.what, Select) for item in inner.items):
            raise malformed("a sub-query selects plain fields of one relationship")
        child, field = found[0]
        key = child_list(field) or name

        def write(record: Record, row: dict[str, Any]) -> None:
            only = Compare(Path((field.name,)), "=", Literal("string", record["Id"]))
            where: Condition = only if inner.where is None else Junction("and", (only, inner.where))
            query = Select(inner.items, child.name, inner.alias, where, order=inner.order, limit=inner.limit)
            run = Execution(self.call, query, every=self.every, child_of=field)
            rows = [run.project(row_of) for row_of in run.matching()]
            row[key] = {"totalSize": len(rows), "done": True, "records": rows} if rows else None

        Execution(self.call, Select(inner.items, child.name, inner.alias, inner.where), child_of=field)
        return write

    def _attributes(self, object: str, id: str) -> dict[str, str]:
        return {"type": object, "url": f"{self.call.base}/sobjects/{object}/{id}"}

    def project(self, record: Record) -> dict[str, Any]:
        """One row as REST shows it."""
        row: dict[str, Any] = {"attributes": self._attributes(self.item.name, record["Id"])}
        for write in self._writers:
            write(record, row)
        return row

    @property
    def long_texts(self) -> int:
        """How many custom long-text fields are selected: two or more make pages of 200."""
        paths = [item.what for item in self.items if isinstance(item.what, Path)]
        found = [self.source(path).field for path in paths]
        return sum(1 for field in found if field.custom and field.long_text)

    def columns(self) -> list[tuple[str, Callable[[Record], str]]]:
        """Header and cell writer of every column, for a bulk result.

        Raises:
            Refusal: a column that bulk queries don't take.
        """
        columns = []
        scientific = bool(self.call.settings.get("scientific_numbers", False))
        for item in self.items:
            if not isinstance(item.what, Path):
                raise Refusal("FEATURENOTENABLED", "this kind of column is not allowed in a bulk query")
            source = self.source(item.what)
            if source.field.kind in COMPOUND or source.field.kind == "base64":
                raise Refusal(
                    "FUNCTIONALITY_NOT_ENABLED",
                    f"Selecting compound data not supported in Bulk Query: {source.field.name}",
                    status=400,
                )
            steps = [name for _, name in self._steps(item.what)]
            header = ".".join([*steps, source.field.name])
            columns.append((header, _cell_of(source, scientific)))
        return columns


def _cell_of(source: Source, scientific: bool) -> Callable[[Record], str]:
    write, get = cell(source.field, scientific=scientific), source.get
    return lambda record: write(get(record))


_FILES = {"ContentVersion": ("id", "contentdocumentid"), "ContentDocument": ("id",), "ContentNote": ("id",)}


def _filters_by(where: Condition | None, names: tuple[str, ...]) -> bool:
    """Does every row that passes have one of a few values in one of these fields?"""
    if isinstance(where, Junction):
        return where.op == "and" and any(_filters_by(part, names) for part in where.parts)
    return (
        where is not None
        and where.op in ("=", "in")
        and isinstance(where.left, Path)
        and where.left.parts[-1].lower() in names
    )


def _nulls_key(get: Callable[[Record], Any], last: bool) -> Callable[[Record], bool]:
    return lambda record: (get(record) is None) == last


def _sort_key(get: Callable[[Record], Any]) -> Callable[[Record], Any]:
    return lambda record: comparable(get(record))


def comparable(value: Any) -> tuple[int, Any]:
    if value is None:
        return (0, 0)
    return (1, value.lower()) if isinstance(value, str) else (1, value)
