"""Is an expression one scalar expression over known fields, and does it mean the same as it was written?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from migrate.catalog import Field
from migrate.engine import Engine, text
from migrate.errors import PlanError, Position
from migrate.plan import parse_expression
from migrate.plan.functions import FUNCTIONS
from migrate.types import Kind
from tests.unit.planning import field

GOLDEN: list[dict[str, Any]] = YAML(typ="safe").load(Path(__file__).with_name("expressions.yaml").read_text())

COLUMNS = {
    "s": "VARCHAR", "t": "VARCHAR", "u": "VARCHAR", "n": "BIGINT", "m": "BIGINT", "d": "DECIMAL(18,2)",
    "b": "BOOLEAN", "day": "DATE", "moment": "TIMESTAMPTZ", "tags": "VARCHAR[]",
}  # fmt: skip

AT = Position("plan.yaml", 7, 12)


def fields(*names: str) -> dict[str, Field]:
    return {name: field(name, Kind.STRING) for name in names}


def row(values: dict[str, Any]) -> str:
    def literal(name: str) -> str:
        value = values.get(name)
        if value is None:
            return "NULL"
        if isinstance(value, list):
            return f"[{', '.join(text(each) for each in value)}]"
        return text(str(value))

    return ", ".join(f"CAST({literal(name)} AS {kind}) AS {name}" for name, kind in COLUMNS.items())


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden["sql"])
def test_golden_rows_agree_before_and_after_parsing(golden: dict[str, Any]) -> None:
    expression = parse_expression(golden["sql"], fields(*COLUMNS), AT)
    with Engine(threads=1) as engine:
        for values, expected in golden["rows"]:
            for sql in (golden["sql"], expression.sql):
                found = engine.rows(f"SELECT CAST({sql} AS VARCHAR) AS v FROM (SELECT {row(values)})")[0]["v"]
                assert found == expected, sql


def test_every_allowed_function_has_golden_rows() -> None:
    assert {golden["call"] for golden in GOLDEN} - {""} == set(FUNCTIONS)


REFUSED = {
    "": "is empty",
    "lower(Name": "isn't an SQL expression",
    "'abc": "isn't an SQL expression",
    "Name; DROP TABLE x": "several statements",
    "DROP TABLE x": "can't stand",
    "INSERT INTO x VALUES (1)": "can't stand",
    "ATTACH 'x.db'": "can't stand",
    "COPY x TO 'y'": "can't stand",
    "SELECT 1": "a sub-query",
    "FROM x": "a sub-query",
    "(SELECT 1)": "a sub-query",
    "Name IN (SELECT 1)": "a sub-query",
    "EXISTS (SELECT 1)": "a sub-query",
    "sum(Name)": "an aggregate",
    "MAX(Name)": "an aggregate",
    "count(*)": "an aggregate",
    "row_number() OVER ()": "a window function",
    "sum(Name) OVER ()": "a window function",
    "read_csv('/etc/passwd')": "`read_csv` isn't allowed",
    "read_text('/etc/passwd')": "`read_text` isn't allowed",
    "glob('/*')": "isn't allowed",
    "getenv('HOME')": "`getenv` isn't allowed",
    "query('SELECT 1')": "`query` isn't allowed",
    "current_setting('x')": "isn't allowed",
    "now()": "`now` isn't allowed",
    "current_date": "isn't allowed",
    "random()": "isn't allowed",
    "uuid()": "isn't allowed",
    "hash(Name)": "`hash` isn't allowed",
    "list_transform([Name], x -> x)": "isn't allowed",
    "list_filter([Name], lambda x: x = 'a')": "isn't allowed",
    "unnest([Name])": "isn't allowed",
    "*": "all fields",
    "COLUMNS(*)": "can't stand",
    "Name AS x": "an alias",
    "$1": "a parameter",
    "?": "a parameter",
    "{'a': Name}": "a struct",
    "Name COLLATE NOCASE": "a collation",
    "Name ~ '[0-9]+'": "`~`",
    "Name !~ '[0-9]+'": "`~`",
    "Name SIMILAR TO '[0-9]+'": "can't stand",
    "Name::JSON": "isn't a type",
    "Name::foo": "isn't a type",
    "Account.Name": "is qualified",
    "a.b.Name": "is qualified",
    "Nam": "`Nam` isn't a field of `Account`",
    "((Name).x)": "can't stand",
    "(" * 5000 + "Name" + ")" * 5000: "most",
    "(" * 3000 + "Name" + ")" * 3000: "nested too deeply",
}


@pytest.mark.parametrize("written", REFUSED, ids=lambda written: written[:40] or "empty")
def test_what_is_no_scalar_expression_is_refused(written: str) -> None:
    with pytest.raises(PlanError, match=r".+") as caught:
        parse_expression(written, fields("Name", "Website"), AT, owner="Account")
    assert REFUSED[written] in str(caught.value)
    assert all(mistake.at.file == "plan.yaml" for mistake in caught.value.mistakes)


def test_all_that_is_wrong_in_one_expression_is_told() -> None:
    with pytest.raises(PlanError) as caught:
        parse_expression("Nmae || Websit || Name", fields("Name", "Website"), AT, owner="Account")
    assert [(each.at.column, each.remedy) for each in caught.value.mistakes] == [
        (12, "Did you mean `Name`?"),
        (20, "Did you mean `Website`?"),
    ]


def test_fields_are_matched_without_case_and_reported_as_they_are() -> None:
    found = parse_expression("lower(WEBSITE) || name", fields("Name", "Website", "Phone"), AT)
    assert found.inputs == ("Website", "Name")
    assert found.sql == 'LOWER("Website") || "Name"'


def test_a_field_with_a_strange_name_is_quoted() -> None:
    found = parse_expression('"Weird ""Name"""', fields('Weird "Name"'), AT)
    assert found.sql == '"Weird ""Name"""'
    assert found.column == 'Weird "Name"'


def test_two_fields_that_differ_by_case_must_be_spelt_exactly() -> None:
    both = fields("Name", "NAME")
    assert parse_expression("NAME", both, AT).inputs == ("NAME",)
    with pytest.raises(PlanError, match="several fields"):
        parse_expression("name", both, AT)


def test_a_rule_says_which_side_it_means() -> None:
    found = parse_expression(
        "coalesce(Source.phone, target.PHONE)", fields("phone"), AT, tables=("source", "target")
    )
    assert found.sql == 'COALESCE("source"."phone", "target"."phone")'
    assert found.inputs == ("source.phone", "target.phone")
    with pytest.raises(PlanError, match="which side"):
        parse_expression("phone", fields("phone"), AT, tables=("source", "target"))


def test_what_a_case_over_literals_can_give_is_known() -> None:
    found = parse_expression(
        "CASE WHEN Name = 'x' THEN 'a' ELSE (CASE WHEN true THEN 'b' END) END", fields("Name"), AT
    )
    assert found.outcomes == ("a", None, "b")
    assert parse_expression("CASE WHEN true THEN Name END", fields("Name"), AT).outcomes is None


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(threads=1) as made:
        yield made


@settings(max_examples=25, deadline=None)
@given(
    name=st.text(
        st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"], blacklist_characters="<>"), min_size=1
    ).map(lambda name: " ".join(name.split())).filter(bool)
)  # fmt: skip
def test_a_name_survives_its_way_into_mail_headers_and_back(engine: Engine, name: str) -> None:
    headers = f"email_headers('a@b.test', {text(name)}, NULL, NULL, NULL)"
    row = engine.rows(
        f"SELECT person_name(header_people({headers}, 'from')[1]) AS name, "
        f"person_email(header_people({headers}, 'from')[1]) AS email"
    )[0]
    assert (row["name"], row["email"]) == (name, "a@b.test")
