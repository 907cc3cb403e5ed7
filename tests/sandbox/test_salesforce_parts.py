"""Are ids, SOQL and values read as the vendor reads them?"""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrate.sandbox.salesforce.errors import Refusal
from migrate.sandbox.salesforce.ids import long_id, mint, minted_number, normal_id
from migrate.sandbox.salesforce.schema import Field
from migrate.sandbox.salesforce.soql import parse
from migrate.sandbox.salesforce.syntax import Call, Compare, Junction, Literal, Path
from migrate.sandbox.salesforce.values import accept, cell, shown


def test_ids_get_the_vendors_three_characters() -> None:
    # The master record type's id is the same in every org, suffix and all.
    assert long_id("012000000000000") == "012000000000000AAA"
    assert long_id("01254000001upcK") == "01254000001upcKAAQ"
    assert normal_id("01254000001UPCKAAQ") == "01254000001upcKAAQ"
    assert normal_id("01254000001upcKAAB") is None
    assert normal_id("short") is None


@given(st.integers(1, 62**9 - 1), st.integers(1, 62**9 - 1))
def test_minted_ids_are_distinct_and_sort_as_they_were_minted(first: int, second: int) -> None:
    assert (mint("001", first) < mint("001", second)) == (first < second)
    assert normal_id(mint("001", first)[:15]) == mint("001", first)
    assert minted_number(mint("001", first)) == first


def test_a_query_is_read_into_its_parts() -> None:
    query = parse(
        "select a.Id, Account.Owner.Name, (SELECT Id FROM Contacts) from Opportunity a "
        "where (Amount >= 10.5 and Name like 'A%') or not StageName in ('x', 'it\\'s') "
        "order by CloseDate desc nulls last, Id limit 5 offset 2"
    )

    assert (query.object, query.alias, query.limit, query.offset) == ("Opportunity", "a", 5, 2)
    assert [str(item.what) for item in query.items[:2]] == ["Id", "Account.Owner.Name"]
    assert isinstance(query.where, Junction)
    assert query.where.op == "or"
    both, negated = query.where.parts
    assert isinstance(both, Junction)
    assert both.parts[0] == Compare(Path(("Amount",)), ">=", Literal("number", Decimal("10.5")))
    assert isinstance(negated, Junction)
    inside = negated.parts[0]
    assert isinstance(inside, Compare)
    assert inside.right == (Literal("string", "x"), Literal("string", "it's"))
    assert [(order.descending, order.nulls_last) for order in query.order] == [(True, True), (False, False)]


def test_a_bare_count_and_an_aggregate_are_told_apart() -> None:
    assert parse("SELECT COUNT() FROM Account").bare_count
    assert parse("SELECT COUNT(Id) n FROM Account").aggregate
    assert parse("SELECT COUNT(Id) n FROM Account").items[0].what == Call("COUNT", Path(("Id",)))


@pytest.mark.parametrize(
    "text",
    [
        "SELECT FROM Account",
        "SELECT Id Account",
        "SELECT Id FROM Account WHERE",
        "SELECT Id FROM Account LIMIT x",
        "{}",
    ],
)
def test_what_is_no_query_is_malformed(text: str) -> None:
    with pytest.raises(Refusal) as found:
        parse(text)
    assert found.value.code == "MALFORMED_QUERY"


def field(kind: str, **rest: object) -> Field:
    return Field({"name": "X__c", "type": kind, **rest})


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        ("string", "  trimmed ", "trimmed"),
        ("string", "   ", None),
        ("currency", 12.345, "12.35"),
        ("currency", "1e3", "1000"),
        ("double", 0, "0"),
        ("int", 5.0, 5),
        ("date", "2026-02-28", "2026-02-28"),
        ("datetime", "2026-02-28T10:00:00.123+0200", "2026-02-28T08:00:00.000Z"),
        ("boolean", "true", True),
        ("reference", "001500000000001", "001500000000001AAA"),
    ],
)
def test_values_are_kept_in_one_form(kind: str, given: object, kept: object) -> None:
    assert accept(field(kind), given) == kept


@pytest.mark.parametrize(
    ("kind", "given", "code"),
    [
        ("email", "nobody", "INVALID_EMAIL_ADDRESS"),
        ("string", "x" * 256, "STRING_TOO_LONG"),
        ("date", "2026-02-30", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ("currency", "many", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ("currency", 1e17, "NUMBER_OUTSIDE_VALID_RANGE"),
        ("reference", "nowhere", "MALFORMED_ID"),
        ("boolean", 3, "JSON_PARSER_ERROR"),
    ],
)
def test_values_that_do_not_fit_are_refused_by_code(kind: str, given: object, code: str) -> None:
    with pytest.raises(Refusal) as found:
        accept(field(kind), given)
    assert found.value.code == code


def test_restricted_picklists_take_active_values_only() -> None:
    tier = field(
        "picklist", restrictedPicklist=True, picklistValues=["Gold", {"value": "Tin", "active": False}]
    )

    assert accept(tier, "Gold") == "Gold"
    for value in ("Tin", "Lead"):
        with pytest.raises(Refusal, match="bad value for restricted picklist field"):
            accept(tier, value)


@given(st.decimals(min_value=-(10**15), max_value=10**15, places=2, allow_nan=False))
def test_money_survives_to_the_last_digit(amount: Decimal) -> None:
    money = field("currency", precision=18, scale=2)
    kept = accept(money, str(amount))

    assert Decimal(kept) == amount
    assert Decimal(cell(money)(kept)) == amount


def test_instants_differ_between_rest_and_bulk() -> None:
    moment = accept(field("datetime"), "2026-02-28T10:00:00Z")

    assert shown(field("datetime"), moment) == "2026-02-28T10:00:00.000+0000"
    assert cell(field("datetime"))(moment) == "2026-02-28T10:00:00.000Z"
