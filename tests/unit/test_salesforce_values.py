"""What Salesforce writes as text is staged as exact, typed columns."""

from __future__ import annotations

import datetime
import gzip
import io
import json
from decimal import Decimal

import pyarrow as pa
import pytest

from migrate.catalog import Field
from migrate.connectors.salesforce.ids import long_id, long_ids
from migrate.connectors.salesforce.rest import to_batch
from migrate.connectors.salesforce.results import batches
from migrate.connectors.salesforce.values import BadValue, Column, column
from migrate.types import Kind

NAME = column(Field(name="Name", label="Name", kind=Kind.STRING, vendor_type="string"))
NOTE = column(Field(name="Note", label="Note", kind=Kind.TEXT, vendor_type="textarea"))
AMOUNT = column(
    Field(name="Amount", label="Amount", kind=Kind.MONEY, vendor_type="currency", precision=18, scale=2)
)
STAFF = column(Field(name="Staff", label="Staff", kind=Kind.INT, vendor_type="int"))
CLOSE = column(Field(name="CloseDate", label="Close", kind=Kind.DATE, vendor_type="date"))
STAMP = column(Field(name="SystemModstamp", label="Stamp", kind=Kind.TIMESTAMP, vendor_type="datetime"))
TAGS = column(Field(name="Tags__c", label="Tags", kind=Kind.MULTIPICKLIST, vendor_type="multipicklist"))
OWNER = column(Field(name="OwnerId", label="Owner", kind=Kind.REFERENCE, vendor_type="reference"))
WON = column(Field(name="IsWon", label="Won", kind=Kind.BOOL, vendor_type="boolean"))
ALL = [NAME, NOTE, AMOUNT, STAFF, CLOSE, STAMP, TAGS, OWNER, WON]

SHORT, LONG = "0015g00000AbCdE", "0015g00000AbCdEAAV"


def page(text: str, columns: list[Column], **options: int) -> pa.Table:
    return pa.Table.from_batches(
        list(batches(io.BytesIO(text.encode()), columns, **options)),
        schema=pa.schema([("_id", pa.string()), *((each.name, each.type) for each in columns)]),
    )


def test_a_short_id_gets_the_suffix_that_makes_it_safe_from_case() -> None:
    assert long_id("012000000000000") == "012000000000000AAA"  # the master record type's, as published
    assert long_id("a0B000000000001") == "a0B000000000001EAA"
    assert long_id("AAAAAAAAAAAAAAA") == "AAAAAAAAAAAAAAA555"
    assert long_id("aaaaaaaaaaaaaaa") == "aaaaaaaaaaaaaaaAAA"
    assert long_id(long_id(SHORT)) == long_id(SHORT)


def test_ids_that_differ_in_case_only_differ_in_their_suffix_too() -> None:
    assert long_id("0015g00000AbCdE").lower() != long_id("0015g00000AbCde").lower()


def test_what_is_no_id_is_refused() -> None:
    with pytest.raises(ValueError, match="no Salesforce id"):
        long_id("0015g")


def test_a_column_of_long_ids_is_not_touched_and_nulls_stay() -> None:
    long = pa.array([LONG, None])
    assert long_ids(long) is long
    assert long_ids(pa.array([SHORT, None])).to_pylist() == [long_id(SHORT), None]


def test_a_page_of_csv_becomes_the_catalogs_types() -> None:
    text = (
        '"Name","Id","Note","Amount","Staff","CloseDate","SystemModstamp","Tags__c","OwnerId","IsWon"\n'
        '"Grün & ""Co"", Ltd","0015g00000AbCdE","line 1\nline 2, ""quoted""","1234567890123456.78","12",'
        '"2017-12-31","2024-05-01T10:11:12.000Z","a;b","0055g00000AbCdE","true"\n'
        '"","0015g00000AbCdF","","1.5E7","","","","","","false"\n'
    )
    first, second = page(text, ALL).to_pylist()
    assert first == {
        "_id": long_id(SHORT),
        "Name": 'Grün & "Co", Ltd',
        "Note": 'line 1\nline 2, "quoted"',
        "Amount": Decimal("1234567890123456.78"),
        "Staff": 12,
        "CloseDate": datetime.date(2017, 12, 31),
        "SystemModstamp": datetime.datetime(2024, 5, 1, 10, 11, 12, tzinfo=datetime.UTC),
        "Tags__c": ["a", "b"],
        "OwnerId": long_id("0055g00000AbCdE"),
        "IsWon": True,
    }
    assert second["Amount"] == Decimal("15000000.00")
    assert {second[name] for name in ("Name", "Note", "Staff", "CloseDate", "OwnerId")} == {None}
    assert second["Tags__c"] is None


@pytest.mark.parametrize("text", ["", '"Id","Name"\n', '"Id","Name"'])
def test_no_rows_are_a_header_alone_or_nothing_at_all(text: str) -> None:
    assert page(text, [NAME]).num_rows == 0


def test_a_body_still_packed_is_unpacked() -> None:
    body = io.BytesIO(gzip.compress(b'"Id","Name"\n"0015g00000AbCdE","x"\n'))
    assert [each["Name"] for batch in batches(body, [NAME]) for each in batch.to_pylist()] == ["x"]


def test_a_packed_body_that_ends_early_is_damaged_and_never_a_shorter_page() -> None:
    packed = gzip.compress(
        b'"Id","Name"\n' + b"".join(b'"%s","%d"\n' % (LONG.encode(), n) for n in range(9999))
    )
    for size in (len(packed) - 1, len(packed) - 9, len(packed) // 2, 100):
        with pytest.raises((pa.ArrowException, EOFError, OSError)):
            list(batches(io.BytesIO(packed[:size]), [NAME], block=4096))


def test_many_blocks_keep_every_row_and_their_order() -> None:
    rows = 5000
    text = '"Id","Name"\n' + "".join(f'"{LONG}","row\n{number}"\n' for number in range(rows))
    table = page(text, [NAME], block=4096)
    assert table["Name"].to_pylist() == [f"row\n{number}" for number in range(rows)]


def test_a_row_longer_than_a_block_is_read_with_wider_blocks_and_no_row_twice() -> None:
    names = [*(f"n{number}" for number in range(500)), "x" * 50_000, "last"]
    text = '"Id","Name"\n' + "".join(f'"{LONG}","{name}"\n' for name in names)
    assert page(text, [NAME], block=4096)["Name"].to_pylist() == names


def test_a_missing_column_is_an_error_and_not_a_column_of_nulls() -> None:
    with pytest.raises(pa.ArrowException):
        page(f'"Id"\n"{LONG}"\n', [NAME])


def test_a_value_that_would_lose_digits_is_named_and_never_rounded() -> None:
    with pytest.raises(BadValue) as caught:
        page(f'"Id","Amount"\n"{LONG}","1.00"\n"{LONG}","1.234"\n', [AMOUNT])
    assert (caught.value.field, caught.value.value) == ("Amount", "1.234")
    assert "scales: {Opportunity.Amount: 6}" in str(caught.value.refusal("legacy", "Opportunity"))


def test_unusual_spellings_of_a_number_keep_its_value() -> None:
    text = f'"Id","Staff","Amount"\n"{LONG}","12.0","1.500"\n"{LONG}","7","-0.10"\n'
    table = page(text, [STAFF, AMOUNT])
    assert table["Staff"].to_pylist() == [12, 7]
    assert table["Amount"].to_pylist() == [Decimal("1.50"), Decimal("-0.10")]


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(BadValue):
        page(f'"Id","SystemModstamp"\n"{LONG}","2024-05-01T10:11:12"\n', [STAMP])


def test_records_of_a_reply_become_the_same_page_as_csv() -> None:
    records = json.loads(
        '[{"Id": "0015g00000AbCdE", "Name": "x", "Note": null, "Amount": 1234567890123456.78, "Staff": 12,'
        '  "CloseDate": "2017-12-31", "SystemModstamp": "2024-05-01T10:11:12.000+0000", "Tags__c": "a;b",'
        '  "OwnerId": null, "IsWon": true}]',
        parse_float=str,
        parse_int=str,
    )
    (record,) = to_batch(records, ALL).to_pylist()
    assert record["Amount"] == Decimal("1234567890123456.78")
    assert record["SystemModstamp"] == datetime.datetime(2024, 5, 1, 10, 11, 12, tzinfo=datetime.UTC)
    assert (record["Tags__c"], record["IsWon"], record["Staff"]) == (["a", "b"], True, 12)
