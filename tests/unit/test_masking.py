"""Does a report that is masked tell nobody who a person is, and still say what differs and who decides?"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from migrate_validators.masking import Masking, masking
from migrate_validators.personal import Holds, holds, is_of_persons

from migrate.catalog import Catalog, Field, ObjectSchema, Owner
from migrate.connector import Version, Who
from migrate.engine import Engine
from migrate.storage import FolderStorage
from migrate.store import Store
from migrate.types import Kind
from tests.unit.moved import Moved, moved, publish

MAILS = re.compile(r"[\w.+-]+@[\w-]+\.\w+")


@pytest.fixture
def migration(tmp_path: Path) -> Iterator[Moved]:
    made = moved(tmp_path)
    yield made
    made.engine.close()


def _field(name: str, kind: Kind = Kind.STRING, **more: Any) -> Field:
    return Field(name=name, label=name, kind=kind, vendor_type="x", **more)


def _schema(name: str, *fields: Field) -> ObjectSchema:
    return ObjectSchema(name=name, label=name, fields={each.name: each for each in fields})


PEOPLE = _schema(
    "Contact", _field("FirstName"), _field("LastName"), _field("Email"), _field("MobilePhone"),
    _field("Description", Kind.TEXT), _field("Birthdate", Kind.DATE),
)  # fmt: skip
FIRMS = _schema("Account", _field("Name"), _field("Phone"), _field("Website"))
ROWS: list[dict[str, Any]] = [
    {"FirstName": "Ada", "LastName": "Lovelace", "Email": "ada@eng.example", "MobilePhone": "(030) 555-0199"},
    {"FirstName": "José", "LastName": "O'Neill Ruiz", "Email": "jose@x.example", "MobilePhone": None},
]


@pytest.fixture
def masks(tmp_path: Path) -> Iterator[Masking]:
    """Masks a report of two persons; Grace Hopper owns records, Mary Jackson accepted something."""
    store, engine = Store(tmp_path / "stage"), Engine(folders=[tmp_path])
    schema = pa.schema([(name, pa.string()) for name in ("FirstName", "LastName", "Email", "MobilePhone")])
    publish(store, "source/Contact/g0001", ROWS, schema)
    publish(store, "source/Account/g0001", [{"Phone": "030 777 888"}], pa.schema([("Phone", pa.string())]))
    source = Catalog(
        type="salesforce", tenant="00D", family="sf", api="v67", discovered=datetime(2026, 1, 1, tzinfo=UTC),
        objects={"Contact": PEOPLE, "Account": FIRMS},
        owners=(
            Owner(id="1", email="grace@navy.example", name="Grace Hopper"),
            Owner(id="2", email=None, name="Margaret"), Owner(id="3", email=None, name="Support", queue=True),
        ),
    )  # fmt: skip
    waive = SimpleNamespace(by="Mary Jackson")
    entries = [
        SimpleNamespace(name=name, source=name, target=name, automations=SimpleNamespace(waive=by))
        for name, by in (("Contact", None), ("Account", waive))
    ]
    decision = SimpleNamespace(asked_of=["Katherine Johnson"])
    validate = SimpleNamespace(notices=[], tolerances=[], decision=decision)
    evidence = SimpleNamespace(
        plan=SimpleNamespace(model=SimpleNamespace(objects=entries, validate_=validate)),
        source=source, target=source, store=store, engine=engine, read_anew=dict,
    )  # fmt: skip
    yield masking(cast("Any", evidence))
    engine.close()


def masked(masks: Masking, **more: Any) -> dict[str, Any]:
    return masks.document({"results": [], "decisions": [], "screen": [], **more})


def test_full_names_mails_and_phones_of_the_data_leave_every_text(masks: Masking) -> None:
    found = masked(
        masks,
        summary="Ada Lovelace (ada@eng.example), lovelace, ada and JOSÉ O'NEILL RUIZ: call 030 5550199.",
        title="Firm 030-777-888; Grace Hopper owns it; D-4F1C0A9B22 of 14 Mar 2026 costs 4,182,940.00",
    )

    said = json.dumps(found, ensure_ascii=False)
    for word in ("Lovelace", "lovelace", "NEILL", "Hopper", "ada@", "5550199", "777-888"):
        assert word not in said
    assert "A. L." in said
    assert "D-4F1C0A9B22 of 14 Mar 2026 costs 4,182,940.00" in said


def test_who_decides_is_told(masks: Masking) -> None:
    words = "Katherine Johnson is asked; Mary Jackson waived it; Grace Hopper (grace@navy.example) let D-1 be"
    waivers = [{"who": "Grace Hopper (grace@navy.example)", "difference": "D-1", "reason": "", "used": True}]

    assert masked(masks, summary=words, waivers=waivers)["summary"] == words


def test_owners_of_records_are_initials_even_with_one_name_and_queues_are_no_persons(masks: Masking) -> None:
    table = {"title": "by owner", "columns": ["Owner", "n"], "rows": [["Margaret", 1], ["Support", 2]]}
    names = {"rows.Account": {"owner": {"label": "Owner", "values": {"2": "Margaret", "1": "Grace Hopper"}}}}

    found = masked(masks, results=[{"object": "Account", "sample": [], "tables": [table]}], names=names)

    assert found["results"][0]["tables"][0]["rows"] == [["M.", 1], ["Support", 2]]
    assert found["names"]["rows.Account"]["owner"]["values"] == {"2": "M.", "1": "G. H."}


def test_an_account_looked_at_whole_tells_its_fields_and_no_person(masks: Masking) -> None:
    field = {"field": "LastName", "label": "Last Name", "expected": "Hamilton", "found": "Hamilton"}
    owner = {"field": "owner", "label": "Owner", "expected": "Margaret", "found": "Margaret"}
    node = {"entry": "Contact", "called_by": "LastName", "name": "Hamilton", "fields": [field, owner]}
    screen = [
        {"id": "accounts", "facts": {"accounts": [{"name": "Bolt", "nodes": [node]}]}, "tables": []},
    ]

    account = masked(masks, screen=screen)["screen"][0]["facts"]["accounts"][0]

    assert account["name"] == "Bolt"
    assert [each["label"] for each in account["nodes"][0]["fields"]] == ["Last Name", "Owner"]
    assert "Hamilton" not in json.dumps(account)
    assert "Margaret" not in json.dumps(account)


def test_values_of_personal_fields_are_masked_and_still_told_apart(masks: Masking) -> None:
    rows = [
        {"field": "Email", "class": "changed", "expected": "ada@a.example", "found": "ada@b.example"},
        {"field": "FirstName", "class": "changed", "expected": "Ada", "found": None},
        {"field": "Description", "class": "changed", "expected": "Her mother is ill", "found": "Her mother"},
        {"field": "MobilePhone", "class": "changed", "expected": "030 12", "found": "030 12 "},
        {"field": "Title", "class": "changed", "expected": "CEO", "found": "CTO"},
    ]
    results = [{"object": "Contact", "sample": rows, "tables": []}]

    found = masked(masks, results=results)["results"][0]["sample"]

    assert re.fullmatch(r"a…@… #[0-9a-f]{4}", found[0]["expected"])
    assert found[0]["expected"] != found[0]["found"]
    assert re.fullmatch(r"A\. #[0-9a-f]{4}", found[1]["expected"])
    assert found[1]["found"] is None
    assert found[2]["expected"].startswith("text of 17 signs #")
    assert found[3]["expected"] != found[3]["found"]
    assert (found[4]["expected"], found[4]["found"]) == ("CEO", "CTO")


def test_a_group_and_its_likely_cause_say_no_value_of_a_person(masks: Masking) -> None:
    group = {
        "id": "G-1", "object": "Contact", "field": "LastName", "grade": "fail", "kind": "changed",
        "expected": "Lovelace", "found": "Byron", "fix": "", "command": "", "checks": ["rows"],
        "cause": "1 difference of `LastName`: something changed the value (“Lovelace” became “Byron”)",
    }  # fmt: skip

    found = masked(masks, differences={"groups": [group]})["differences"]["groups"][0]

    assert "Lovelace" not in json.dumps(found)
    assert "Byron" not in json.dumps(found)
    assert "something changed the value (L. #" in found["cause"]


def test_a_reason_that_quotes_a_field_of_a_person_doesn_t_quote_its_value(masks: Masking) -> None:
    found = masked(masks, summary="too_long: LastName = Wolfeschlegelstein; unmapped_picklist: stage = Won")
    assert "Wolfe" not in found["summary"]
    assert "stage = Won" in found["summary"]


def test_marks_of_one_report_are_no_use_in_another(masks: Masking) -> None:
    other = Masking({}, lambda names, phones: (names, phones))
    assert masks.value("ada@x.example", Holds.EMAIL) == masks.value("ada@x.example", Holds.EMAIL)
    assert masks.value("ada@x.example", Holds.EMAIL) != other.value("ada@x.example", Holds.EMAIL)


@pytest.mark.parametrize(
    ("name", "kind", "what"),
    [
        ("Email", Kind.STRING, Holds.EMAIL), ("hs_email_subject", Kind.STRING, Holds.TEXT),
        ("HasOptedOutOfEmail", Kind.BOOL, None), ("MailingCity", Kind.STRING, None),
        ("mobilephone", Kind.STRING, Holds.PHONE), ("Last_Name__c", Kind.STRING, Holds.NAME),
        ("dealname", Kind.STRING, None), ("Industry", Kind.PICKLIST, None),
        ("Birthdate", Kind.DATE, Holds.BIRTH), ("Description", Kind.TEXT, Holds.TEXT),
        ("MailingStreet", Kind.STRING, Holds.TEXT), ("Name", Kind.STRING, Holds.NAME),
    ],
)  # fmt: skip
def test_what_a_field_of_a_person_holds_is_told_by_kind_and_name(
    name: str, kind: Kind, what: Holds | None
) -> None:
    assert holds(_field(name, kind), True) == what


def test_firms_are_no_persons_even_where_there_are_person_accounts() -> None:
    accounts = _schema("Account", _field("Name"), _field("LastName"), _field("IsPersonAccount", Kind.BOOL))
    assert is_of_persons(PEOPLE)
    assert not is_of_persons(accounts)
    assert holds(_field("Name"), is_of_persons(accounts)) is None


def test_the_files_of_a_report_hold_no_mail_and_no_phone_of_the_data_unless_asked(migration: Moved) -> None:
    migration.target.records["contacts"]["203"]["email"] = "other@x.example"
    migration.target.records["companies"]["102"]["phone"] = "0800 1234567"
    migration.target.writers["102", "phone"] = Version(
        "phone", "0800 1234567", "2026-03-14T12:00:09Z", Who.PERSON, "Ann Hall (ann@x.test)"
    )

    def read(folder: str) -> str:
        files = FolderStorage(Path(folder))
        book = openpyxl.load_workbook(io.BytesIO(files.read("report.xlsx")[0]), read_only=True)
        cells = [str(cell) for sheet in book for row in sheet.iter_rows(values_only=True) for cell in row]
        plain = [files.read(name)[0].decode() for name in ("index.html", "report.json", "junit.xml")]
        return "\n".join([*plain, *cells])

    shut, open_ = migration.report(), migration.report(unmask=True)
    said, told = read(shut.storage.address()), read(open_.storage.address())

    assert not MAILS.findall(said)
    for word in ("Ann Hall", "0800 1234567"):
        assert word not in said
        assert word in told
    assert "other@x.example" in told
    assert "masked on this page" in said
    assert "Nothing on this page is masked" in told
    rows = pq.read_table(Path(shut.storage.address()) / "rows" / "differences.parquet").to_pylist()
    assert "other@x.example" in {row["found"] for row in rows}
