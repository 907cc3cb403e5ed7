"""What does this SOQL text ask for?

A recursive-descent parser of the SOQL that migrations send: field lists with parent
paths, child sub-queries, `TYPEOF`, aggregates, `FIELDS()`, conditions with literals
and semi-joins, grouping, ordering and limits. It resolves no names: that is
`evaluate.py`'s. Grammar: Salesforce, SOQL and SOSL Reference "SOQL SELECT Syntax",
read 2026-11-23.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal

from migrate.sandbox.salesforce.errors import Refusal, malformed
from migrate.sandbox.salesforce.syntax import (
    Call,
    Compare,
    Condition,
    Fields,
    Item,
    Junction,
    Literal,
    Order,
    Path,
    Select,
    TypeOf,
    without,
)

MAX_CHARACTERS = 100_000
MAX_DEPTH = 50  # of parentheses and sub-selects: this parser's own bound

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>'(?:[^'\\]|\\.)*')
    | (?P<instant>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))
    | (?P<date>\d{4}-\d\d-\d\d)
    | (?P<number>[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    | (?P<word>[A-Za-z_][\w.]*(?::\d+)?)
    | (?P<sign><=|>=|!=|<>|[=<>(),])
    )""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_STOP = frozenset(
    {"FROM", "WHERE", "GROUP", "ORDER", "LIMIT", "OFFSET", "HAVING", "FOR", "USING", "ALL", "WITH"}
)


@dataclass
class _Reader:
    text: str
    tokens: list[tuple[str, str, int]] = field(default_factory=list)
    at: int = 0
    depth: int = 0

    def __post_init__(self) -> None:
        self.tokens = list(_tokens(self.text))

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """One level of nesting; too many of them refuse the query."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise malformed("The query is nested too deeply.")
        yield
        self.depth -= 1

    def peek(self, ahead: int = 0) -> tuple[str, str]:
        index = self.at + ahead
        return self.tokens[index][:2] if index < len(self.tokens) else ("end", "")

    def word(self, ahead: int = 0) -> str:
        kind, text = self.peek(ahead)
        return text.upper() if kind in ("word", "sign") else ""

    def take(self) -> tuple[str, str]:
        token = self.peek()
        self.at += 1
        return token

    def accept(self, *words: str) -> bool:
        if all(self.word(n) == word for n, word in enumerate(words)):
            self.at += len(words)
            return True
        return False

    def expect(self, word: str) -> None:
        if not self.accept(word):
            raise self.wrong()

    def wrong(self) -> Refusal:
        kind, text = self.peek()
        at = self.tokens[self.at][2] if self.at < len(self.tokens) else len(self.text)
        excerpt = self.text[max(0, at - 30) : at + 20].replace("\n", " ")
        found = "'<EOF>'" if kind == "end" else f"'{text}'"
        return malformed(f"\n{excerpt}\n^\nERROR at Row:1:Column:{at + 1}\nunexpected token: {found}")

    def name(self) -> str:
        kind, text = self.take()
        if kind != "word":
            self.at -= 1
            raise self.wrong()
        return text

    def number(self) -> int:
        kind, text = self.take()
        if kind != "number" or not re.fullmatch(r"[0-9]{1,9}", text):
            self.at -= 1
            raise self.wrong()
        return int(text)


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    at = 0
    end = len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            raise malformed(
                f"\n{text[max(0, at - 30) : at + 20]}\n^\nERROR at Row:1:Column:{at + 1}\n"
                f"unexpected token: '{text[at]}'"
            )
        kind = str(found.lastgroup)
        yield kind, found[kind], found.start(kind)
        at = found.end()


def parse(text: str) -> Select:
    """Read one query.

    Raises:
        Refusal: `MALFORMED_QUERY`, with the row and column of what was not understood.
    """
    if len(text) > MAX_CHARACTERS:
        raise malformed(f"SOQL statements cannot be longer than {MAX_CHARACTERS} characters.")
    reader = _Reader(text)
    query = _select(reader)
    if reader.peek()[0] != "end":
        raise reader.wrong()
    return query


def _select(reader: _Reader) -> Select:
    with reader.deeper():
        return _selected(reader)


def _selected(reader: _Reader) -> Select:
    reader.expect("SELECT")
    items = [_item(reader)]
    while reader.accept(","):
        items.append(_item(reader))
    reader.expect("FROM")
    object = reader.name()
    alias = None
    reader.accept("AS")
    if reader.peek()[0] == "word" and reader.word() not in _STOP:
        alias = reader.name()
    if reader.accept("USING", "SCOPE"):
        reader.name()
    where = _either(reader) if reader.accept("WHERE") else None
    if reader.accept("WITH"):  # WITH SECURITY_ENFORCED and the like change nothing: rights always apply
        reader.name()
    group: list[Path | Call] = []
    having = None
    if reader.accept("GROUP", "BY"):
        group.append(_operand(reader))
        while reader.accept(","):
            group.append(_operand(reader))
        having = _either(reader) if reader.accept("HAVING") else None
    order: list[Order] = []
    if reader.accept("ORDER", "BY"):
        order.append(_order(reader))
        while reader.accept(","):
            order.append(_order(reader))
    limit = reader.number() if reader.accept("LIMIT") else None
    offset = reader.number() if reader.accept("OFFSET") else None
    all_rows = reader.accept("ALL", "ROWS")
    if reader.accept("FOR"):
        reader.name()
    return Select(
        tuple(_unaliased(item, alias, object) for item in items),
        object,
        alias,
        where,
        tuple(group),
        having,
        tuple(order),
        limit,
        offset,
        all_rows,
    )


def _unaliased(item: Item, alias: str | None, object: str) -> Item:
    """`a.Name` from `Account a` is `Name`; so is `Account.Name` from `Account`."""
    if isinstance(item.what, Path):
        return Item(without(item.what, alias, object), item.alias)
    return item


def _item(reader: _Reader) -> Item:
    if reader.word() == "(":
        reader.take()
        inner = _select(reader)
        reader.expect(")")
        return Item(inner)
    if reader.accept("TYPEOF"):
        return Item(_typeof(reader))
    if reader.word() == "FIELDS" and reader.word(1) == "(":
        reader.at += 2
        which = reader.name().upper()
        reader.expect(")")
        return Item(Fields(which))
    what = _operand(reader)
    alias = None
    if reader.peek()[0] == "word" and reader.word() not in _STOP:
        alias = reader.name()
    return Item(what, alias)


def _typeof(reader: _Reader) -> TypeOf:
    relation = reader.name()
    branches = []
    otherwise: tuple[Path, ...] = ()
    while reader.accept("WHEN"):
        kind = reader.name()
        reader.expect("THEN")
        branches.append((kind, _paths(reader)))
    if reader.accept("ELSE"):
        otherwise = _paths(reader)
    reader.expect("END")
    return TypeOf(relation, tuple(branches), otherwise)


def _paths(reader: _Reader) -> tuple[Path, ...]:
    paths = [Path(tuple(reader.name().split(".")))]
    while reader.accept(","):
        paths.append(Path(tuple(reader.name().split("."))))
    return tuple(paths)


def _operand(reader: _Reader) -> Path | Call:
    name = reader.name()
    if reader.word() != "(":
        return Path(tuple(name.split(".")))
    reader.take()
    path = None
    if reader.word() != ")":
        with reader.deeper():
            inner = _operand(reader)  # convertTimezone(x) inside a date function changes nothing in UTC
        path = inner.path if isinstance(inner, Call) else inner
    reader.expect(")")
    return Call(name.upper(), path)


def _order(reader: _Reader) -> Order:
    what = _operand(reader)
    descending = reader.accept("DESC")
    if not descending:
        reader.accept("ASC")
    nulls_last = False
    if reader.accept("NULLS"):
        nulls_last = reader.name().upper() == "LAST"
    return Order(what, descending, nulls_last)


def _either(reader: _Reader) -> Condition:
    parts = [_both(reader)]
    while reader.accept("OR"):
        parts.append(_both(reader))
    return parts[0] if len(parts) == 1 else Junction("or", tuple(parts))


def _both(reader: _Reader) -> Condition:
    parts = [_one(reader)]
    while reader.accept("AND"):
        parts.append(_one(reader))
    return parts[0] if len(parts) == 1 else Junction("and", tuple(parts))


def _one(reader: _Reader) -> Condition:
    if reader.accept("NOT"):
        with reader.deeper():
            return Junction("not", (_one(reader),))
    if reader.accept("("):
        with reader.deeper():
            inner = _either(reader)
        reader.expect(")")
        return inner
    left = _operand(reader)
    if reader.accept("NOT", "IN"):
        return Compare(left, "not in", _many(reader))
    for word in ("IN", "INCLUDES", "EXCLUDES"):
        if reader.accept(word):
            return Compare(left, word.lower(), _many(reader))
    if reader.accept("LIKE"):
        return Compare(left, "like", _literal(reader))
    kind, sign = reader.take()
    if kind != "sign" or sign not in ("=", "!=", "<>", "<", "<=", ">", ">="):
        reader.at -= 1
        raise reader.wrong()
    return Compare(left, "!=" if sign == "<>" else sign, _literal(reader))


def _many(reader: _Reader) -> "tuple[Literal, ...] | Select":
    reader.expect("(")
    if reader.word() == "SELECT":
        inner = _select(reader)
        reader.expect(")")
        return inner
    values = [_literal(reader)]
    while reader.accept(","):
        values.append(_literal(reader))
    reader.expect(")")
    return tuple(values)


def _literal(reader: _Reader) -> Literal:
    kind, text = reader.take()
    match kind:
        case "string":
            return Literal(
                "string",
                re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text[1:-1], flags=re.S),
            )
        case "number":
            return Literal("number", Decimal(text))
        case "instant" | "date":
            return Literal(kind, text)
        case "word":
            upper = text.upper()
            if upper in ("TRUE", "FALSE"):
                return Literal("boolean", upper == "TRUE")
            if upper == "NULL":
                return Literal("null", None)
            if "." not in text and re.fullmatch(r"[A-Z_]+(?::\d+)?", upper):
                return Literal("word", upper)
    reader.at -= 1
    raise reader.wrong()
