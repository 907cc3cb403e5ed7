"""Is each kind of damage told by its own name, and nothing else by it?"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterator
from urllib.parse import quote

import duckdb
import pytest
from migrate_validators.classes import Class
from migrate_validators.classing import class_sql

from migrate.catalog import Field, Option
from migrate.types import Kind


def _field(name: str, kind: Kind, *options: str, **more: object) -> Field:
    listed = tuple(Option(value=one, label=one) for one in options)
    return Field(name=name, label=name, kind=kind, vendor_type=kind, options=listed, **more)  # type: ignore[arg-type]


FIELDS = {
    field.name: field
    for field in (
        _field("text", Kind.TEXT), _field("amount", Kind.MONEY), _field("seats", Kind.DECIMAL),
        _field("count", Kind.INT), _field("day", Kind.DATE), _field("at", Kind.TIMESTAMP),
        _field("stage", Kind.PICKLIST, "won", "lost"), _field("tags", Kind.MULTIPICKLIST, "a", "b", "c"),
        _field("owner_id", Kind.STRING, owner=True), _field("parent", Kind.REFERENCE),
        _field("files", Kind.STRING), _field("deal_currency_code", Kind.PICKLIST, "USD", "EUR"),
        _field("active", Kind.BOOL, "true", "false"),
    )
}  # fmt: skip
MUELLER = "Müller & Söhne – Größe 7"
JAPANESE = "記録 1"


def _latin(value: str) -> str:
    return value.encode().decode("latin-1")


def _windows(value: str) -> str:
    return value.encode().decode("cp1252", "replace")


CASES: tuple[tuple[str, str | None, str | None, Class], ...] = (
    ("text", "Ada", None, Class.EMPTIED),
    ("text", None, "Ada", Class.FILLED),
    ("text", "Ada Lovelace", "Grace Hopper", Class.CHANGED),
    ("text", "Ada", "Adam", Class.CHANGED),
    ("text", "Ada Lovelace", "Ada Love", Class.TRUNCATED),
    ("text", "Ada Lovelace", "Ada Lo…", Class.TRUNCATED),
    ("text", "Ada Lovelace", "Ada L...", Class.TRUNCATED),
    ("text", JAPANESE, "記", Class.TRUNCATED),
    ("text", "Ada Lovelace", "Ada lovelace", Class.CASE),
    ("text", "ÅNGSTRÖM", "ångström", Class.CASE),
    ("text", "Ada Lovelace", " Ada  Lovelace ", Class.SPACE),
    ("text", "Ada Lovelace", "Ada\u00a0Lovelace", Class.SPACE),
    ("text", "Ada Lovelace", "Ada\u200b Lovelace", Class.SPACE),
    ("text", "one\r\ntwo", "one\ntwo", Class.SPACE),
    ("text", "one\ntwo", "one two", Class.SPACE),
    ("text", MUELLER, _latin(MUELLER), Class.ENCODING),
    ("text", MUELLER, _windows(MUELLER), Class.ENCODING),
    ("text", MUELLER, _latin(_latin(MUELLER)), Class.ENCODING),
    ("text", _latin(MUELLER), _latin(_latin(MUELLER)), Class.ENCODING),
    ("text", JAPANESE, _latin(JAPANESE), Class.ENCODING),
    ("text", MUELLER, MUELLER.encode("ascii", "replace").decode(), Class.ENCODING),
    ("text", MUELLER, MUELLER.encode("latin-1", "replace").decode("latin-1"), Class.ENCODING),
    ("text", MUELLER, MUELLER.encode("latin-1", "replace").decode("utf-8", "replace"), Class.ENCODING),
    ("text", "Kraków", "Krakw", Class.ENCODING),
    ("text", "Zoë", "Zoe", Class.ENCODING),
    ("text", "hi 🙂 there Zoë", "hi  there Zoë", Class.ENCODING),
    ("text", "Zoë", unicodedata.normalize("NFD", "Zoë"), Class.ENCODING),
    ("text", MUELLER, html.escape(MUELLER), Class.ENCODING),
    ("text", "Zoë", "Zo&euml;", Class.ENCODING),
    ("text", "Zoë", r"Zo\u00eb", Class.ENCODING),
    ("text", "Zoë & Söhne", quote("Zoë & Söhne"), Class.ENCODING),
    ("text", "記録", "記録帳", Class.CHANGED),
    ("text", "Zoë", "Zoë und Äla", Class.CHANGED),
    ("text", "Zoe", "Zoë", Class.CHANGED),
    ("text", "Is it so?", "It is so", Class.CHANGED),
    ("text", "00007919", "7919", Class.NUMBER),
    ("text", "4915112345678", "4.91511E+12", Class.NUMBER),
    ("text", "00007919", "7920", Class.CHANGED),
    ("amount", "100.10", "100.11", Class.AMOUNT),
    ("amount", "100.01", "100", Class.AMOUNT),
    ("amount", "100.10", "10010", Class.AMOUNT),
    ("amount", "100.45", "100", Class.PRECISION),
    ("amount", "100.55", "101", Class.PRECISION),
    ("amount", "100.55", "100.5", Class.PRECISION),
    ("amount", "16777217", "16777216", Class.PRECISION),
    ("count", "9007199254740993", "9007199254740992", Class.PRECISION),
    ("seats", "7.125", "7.13", Class.PRECISION),
    ("seats", "7.125", "8", Class.CHANGED),
    ("count", "7", "8", Class.CHANGED),
    ("day", "2024-02-29", "2024-03-01", Class.DAY),
    ("day", "2024-02-29", "2024-02-28", Class.DAY),
    ("day", "2024-02-29", "2024-03-29", Class.CHANGED),
    ("at", "2024-02-29 23:00:00+00", "2024-03-01 01:00:00+00", Class.HOURS),
    ("at", "2024-02-29 23:17:05.25+00", "2024-02-29 17:32:05.25+00", Class.HOURS),
    ("at", "2024-02-29 23:17:05+00", "2024-03-01 04:47:05+00", Class.HOURS),
    ("at", "2024-02-29 23:00:00+00", "2024-03-01 23:00:00+00", Class.DAY),
    ("at", "2024-02-29 23:17:05.25+00", "2024-02-29 23:17:05+00", Class.PRECISION),
    ("at", "2024-02-29 23:17:05+00", "2024-02-29 00:00:00+00", Class.PRECISION),
    ("at", "2024-02-29 23:00:00+00", "2024-02-29 23:30:00+00", Class.CHANGED),
    ("at", "2024-02-29 23:00:00+00", "2024-02-12 23:00:00+00", Class.CHANGED),
    ("stage", "won", "lost", Class.OPTION),
    ("stage", "won", "Gewonnen", Class.UNMAPPED),
    ("stage", "won", "WON", Class.CASE),
    ("tags", "[a, b]", "[a, c]", Class.OPTION),
    ("tags", "[a, b]", "[a, x]", Class.UNMAPPED),
    ("active", "true", "false", Class.CHANGED),
    ("owner_id", "7", "8", Class.OWNER),
    ("owner_id", "7", None, Class.EMPTIED),
    ("parent", "sf.Account.1", "sf.Account.2", Class.PARENT),
    ("parent", "sf.Account.1", None, Class.LINK_LOST),
    ("parent", None, "sf.Account.1", Class.LINK_EXTRA),
    ("files", "[sf.A.1, sf.A.2]", "[sf.A.2]", Class.LINK_LOST),
    ("files", "[sf.A.1]", "[sf.A.1, 99]", Class.LINK_EXTRA),
    ("files", "[sf.A.1, sf.A.2]", "[sf.A.3, sf.A.2]", Class.PARENT),
    ("deal_currency_code", "USD", "EUR", Class.CURRENCY),
)  # fmt: skip


@pytest.fixture(scope="module")
def told() -> Iterator[dict[int, str]]:
    """The class of each case, all of them in one query, as a validation asks it."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute('CREATE TABLE d (n INT, field VARCHAR, "left" VARCHAR, "right" VARCHAR)')
        connection.executemany(
            "INSERT INTO d VALUES (?, ?, ?, ?)", [(n, *case[:3]) for n, case in enumerate(CASES)]
        )
        query = class_sql(FIELDS, ["parent", "files"], "d.field", 'd."left"', 'd."right"')
        yield dict(connection.execute(f"SELECT n, {query} FROM d").fetchall())


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{c[0]}: {c[1]} -> {c[2]}" for c in CASES])
def test_a_difference_is_in_the_class_of_what_happened(told: dict[int, str], number: int) -> None:
    assert told[number] == CASES[number][3]
