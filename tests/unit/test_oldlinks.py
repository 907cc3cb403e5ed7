# ruff: noqa: E501 - addresses are read across
"""Old addresses are found wherever they stand in a text, and nothing else of it ever changes."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrate.catalog import Catalog, ObjectSchema
from migrate.engine import Engine
from migrate.engine import text as sql_text
from migrate.oldlinks import OldLinks

ORG = "https://acme.my.salesforce.com"
ID, OTHER = "0015g00000AbCdEAAV", "0035g00000XyZaBAAV"


def catalog(*objects: ObjectSchema) -> Catalog:
    return Catalog(
        type="t", tenant="T", family="f", api="1", discovered=datetime(2026, 1, 1, tzinfo=UTC),
        objects={each.name: each for each in objects},
    )  # fmt: skip


def sobject(name: str, prefix: str) -> ObjectSchema:
    lightning = "https://acme.lightning.force.com"
    return ObjectSchema(
        name=name, label=name, fields={}, url=f"{ORG}/lightning/r/{name}/{{id}}/view", short_id=15, prefix=prefix,
        urls=(f"{lightning}/lightning/r/{name}/{{id}}/view", f"{lightning}/lightning/r/{{id}}/view", f"{ORG}/{{id}}",
              f"{ORG}/servlet/servlet.FileDownload?file={{id}}"),
    )  # fmt: skip


def hub(name: str, type: str) -> ObjectSchema:
    page = "https://app.hubspot.com/contacts/4471"
    return ObjectSchema(
        name=name, label=name, fields={}, url=f"{page}/record/{type}/{{id}}", urls=(f"{page}/{name}/{{id}}",)
    )


SALESFORCE = OldLinks(catalog(sobject("Account", "001"), sobject("Contact", "003")))
HUBSPOT = OldLinks(catalog(hub("company", "0-2"), hub("contact", "0-1")))


def found(text: str, links: OldLinks = SALESFORCE) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    return [(old.url, old.ids) for old in links.find(text)]


@pytest.mark.parametrize(
    "url",
    [
        f"{ORG}/{ID}",
        f"{ORG}/{ID[:15]}",
        f"{ORG}/{ID}/",
        f"{ORG}/{ID}?srPos=0&srKp=001",
        f"{ORG}/lightning/r/Account/{ID}/view",
        f"{ORG}/lightning/r/Account/{ID}",
        f"https://acme.lightning.force.com/lightning/r/{ID}/view?ws=%2Flightning",
        f"HTTPS://ACME.my.salesforce.com:443/{ID}",
        f"http://acme.my.salesforce.com/{ID}#notes",
        f"{ORG}/servlet/servlet.FileDownload?file={ID}",
        f"{ORG}/{ID}?a=1&amp;b=2",
    ],
)
def test_an_address_is_known_in_all_its_forms(url: str) -> None:
    id = ID if ID in url else ID[:15]
    for before, after in (
        ("", ""), ("see ", "."), ('<a href="', '">x</a>'), ("(", ")"), ("<", ">"), ("&lt;", "&gt;"), ("日本", "です"),
        ("'", "'"), ("", ", and"), ("\n", "\r\n"), ("“", "”"), ("", "&quot;"), ("[", "]"), ("", "…"), ("🙂", "🙂"),
    ):  # fmt: skip
        assert found(f"{before}{url}{after}") == [(url, (("Account", id),))], (before, after)


def test_a_host_may_have_a_port() -> None:
    page = "http://127.0.0.1:8080/{id}"
    links = OldLinks(catalog(ObjectSchema(name="a", label="a", fields={}, url=page, short_id=15)))
    assert found(f"http://127.0.0.1:8080/{ID}, http://127.0.0.1:9/{ID}", links) == [
        (f"http://127.0.0.1:8080/{ID}", (("a", ID),))
    ]


def test_an_id_tells_its_object_where_the_vendor_says_so() -> None:
    assert found(f"{ORG}/{OTHER}") == [(f"{ORG}/{OTHER}", (("Contact", OTHER),))]


def test_old_pages_that_are_nobody_s_are_found_and_other_hosts_are_not() -> None:
    report = f"{ORG}/lightning/r/Report/00O5g000005XyZaEAK/view"
    assert found(
        f"{report} {ORG}/home/home.jsp, https://other.my.salesforce.com/{ID} {ORG}.evil.test/{ID}"
    ) == [
        (report, ()),
        (f"{ORG}/home/home.jsp", ()),
    ]
    assert found(f"https://xacme.my.salesforce.com/{ID}") == []


def test_of_a_host_that_many_share_only_our_own_part_is_old() -> None:
    ours, theirs = (
        "https://app.hubspot.com/contacts/4471/record/0-2/55",
        "https://app.hubspot.com/contacts/9/company/5",
    )
    assert found(f"{ours} {theirs} https://app.hubspot.com/contacts/4471/company/77/", HUBSPOT) == [
        (ours, (("company", "55"),)),
        ("https://app.hubspot.com/contacts/4471/company/77/", (("company", "77"),)),
    ]
    assert found("https://app.hubspot.com/contacts/4471/reports/1", HUBSPOT) == [
        ("https://app.hubspot.com/contacts/4471/reports/1", ())
    ]


def test_a_path_alone_is_an_address_only_in_html_and_only_of_a_record() -> None:
    image = f"/servlet/servlet.FileDownload?file={ID}"
    assert found(f'<img alt="x" src="{image}"> <a href=\'/{ID[:15]}\'>') == [
        (image, (("Account", ID),)),
        (f"/{ID[:15]}", (("Account", ID[:15]),)),
    ]
    assert found(f'<a href="/home"> /{ID} src="//elsewhere.test/{ID}"') == []


def test_a_catalog_without_pages_has_no_old_addresses() -> None:
    none = OldLinks(catalog(ObjectSchema(name="a", label="a", fields={})))
    assert found(f"{ORG}/{ID}", none) == []
    assert not re.search(none.pattern, f"{ORG}/{ID}")


pieces = st.one_of(
    st.text(max_size=30),
    st.sampled_from([
        f"{ORG}/{ID}", f"{ORG}/{OTHER[:15]}?x=1", f"{ORG}/home", f"https://acme.lightning.force.com/lightning/r/{ID}/view",
        f"https://elsewhere.test/{ID}", f'<img src="/{ID}">', "&amp;", "&lt;", '"', "'", ">", ").", "http://", "/", "?", "\r\n",
    ]),
)  # fmt: skip
texts = st.lists(pieces, max_size=12).map("".join)


@given(text=texts, which=st.integers(0, 3))
def test_nothing_but_the_addresses_that_are_replaced_changes(text: str, which: int) -> None:
    olds = list(SALESFORCE.find(text))
    assert SALESFORCE.replaced(text, SALESFORCE.find(text), lambda _: None) == text
    assert all(text[old.start : old.end] == old.url for old in olds)
    assert all(first.end <= second.start for first, second in itertools.pairwise(olds))

    chosen = [old for number, old in enumerate(olds) if number % 4 != which and old.ids]
    made = SALESFORCE.replaced(
        text, SALESFORCE.find(text), lambda old: f"<{old.ids[0][1]}>" if old in chosen else None
    )

    rest, place = [], 0
    for old in chosen:
        rest += [text[place : old.start], f"<{old.ids[0][1]}>"]
        place = old.end
    assert made == "".join([*rest, text[place:]])


@settings(deadline=None, max_examples=40)
@given(text=texts)
def test_the_engine_and_arrow_pass_over_no_text_that_holds_an_old_address(text: str) -> None:
    if not list(SALESFORCE.find(text)):
        return
    assert pc.match_substring_regex(pa.array([text]), pattern=SALESFORCE.pattern)[0].as_py()
    with Engine(threads=1) as engine, engine.cursor() as cursor:
        cursor.execute("CREATE TABLE texts (v VARCHAR)")
        cursor.execute("INSERT INTO texts VALUES (?)", [text])
        [row] = cursor.execute(
            f"SELECT regexp_matches(v, {sql_text(SALESFORCE.pattern)}) FROM texts"
        ).fetchall()
    assert row == (True,)
