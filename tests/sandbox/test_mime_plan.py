"""Does the example plan log an archive's messages at people whom HubSpot knows, broken ones with a reason?"""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from email.message import EmailMessage
from pathlib import Path

import pytest

from migrate.connectors.mime.parsing import parse
from migrate.demo.run import PLANS
from migrate.sandbox.server import launch
from tests.sandbox.files_rig import NOISE, Files
from tests.sandbox.history_rig import by_source, instant

pytestmark = pytest.mark.long

REAL = Path(os.environ.get("SHARED_DATA") or Path(__file__).parents[3] / "shared" / "data") / "mime"
PEOPLE = ("barry@python.org", "bbb@ddd.com", "cust@b.example")
BIG = "<p>Zeile \U0001f600</p>\n" * 9_000


def archive(folder: Path) -> None:
    """Real messages, and ours: a large one, its copy, one of after the sync began, an empty one."""
    shutil.copytree(REAL, folder / "real", ignore=shutil.ignore_patterns("LICENSE"))
    made = EmailMessage()
    made["From"], made["To"] = "Sales <sales@acme.example>", "Cust <Cust@B.example>, nobody@b.example"
    made["Subject"], made["Message-ID"] = "Angebot", "<1@acme.example>"
    made["Date"] = "Mon, 02 Mar 2020 23:30:00 -0500"
    made.set_content("Text")
    made.add_alternative(BIG, subtype="html", cte="base64")
    made.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="angebot.pdf")
    for name in ("sent/1.eml", "all/1.eml"):
        (folder / name).parent.mkdir()
        (folder / name).write_bytes(made.as_bytes())
    (folder / "later.eml").write_text("From: a@b.example\nDate: Mon, 02 Nov 2026 10:00:00 +0000\n\nx")
    (folder / "empty.eml").write_bytes(b"")


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    if not (REAL / "msg_01.txt").exists():
        pytest.skip("needs raw messages: set SHARED_DATA to the folder that holds mime")
    base, before = tmp_path_factory.mktemp("mime"), signal.getsignal(signal.SIGTERM)
    archive(base / "mail")
    with ExitStack() as stack:
        hubspot = stack.enter_context(launch("hubspot", base / "hubspot", speed=20.0, settings=NOISE))
        contacts = [{"properties": {"email": email}} for email in PEOPLE]
        hubspot.control.post(
            "/seed", {"tokens": [{"token": "pat-na1-sandbox"}], "records": {"contacts": contacts}}
        )
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("MAIL_FOLDER", str(base / "mail"))
        patch.setenv("NEW_TOKEN", "pat-na1-sandbox")
        patch.setenv("NEW_BASE_URL", hubspot.url)
        shutil.copytree(PLANS / "mime-to-hubspot", base / "work")
        text = (base / "work" / "plan.yaml").read_text()
        (base / "work" / "plan.yaml").write_text(
            text.replace("share: 0.8}", "share: 0.8, clock: sandbox, longest_call: 5}")
        )
        yield Files(base / "work", hubspot, hubspot)
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def moved(started: Files, capsys: pytest.CaptureFixture[str]) -> Files:
    """The archive, moved once: the first test that asks for it pays for the line."""
    return started.moved(capsys)


def test_every_message_has_its_end(moved: Files) -> None:
    told = moved.said["transform"][1]["objects"]["messages"]
    files = [path for path in (moved.root.parent / "mail").rglob("*.*") if path.suffix in (".eml", ".txt")]
    assert (
        told["extracted"] == len(files) == told["ready"] + told["merged"] + told["skipped"] + told["rejected"]
    )
    assert told["skipped"] == 1  # of after the mailbox was connected
    undated = [path for path in files if parse(path.read_bytes()).date is None]
    assert told["rejected"] == len(undated) > 10  # real archives are like that
    assert len(by_source(moved.hubspot, "emails")) == told["ready"]
    assert moved.said["load"][1]["refused"] == 0


def test_a_message_is_logged_once_with_its_time_direction_and_people(moved: Files) -> None:
    found = [
        row
        for row in by_source(moved.hubspot, "emails").values()
        if row.get("message_id") == "<1@acme.example>"
    ]
    [mail] = found
    assert instant(mail["hs_timestamp"]).isoformat() == "2020-03-03T04:30:00+00:00"
    assert (mail["hs_email_direction"], mail["hs_email_status"]) == ("EMAIL", "SENT")
    assert json.loads(mail["hs_email_headers"]) == {
        "from": {"email": "sales@acme.example", "firstName": "Sales"},
        "to": [{"email": "cust@b.example", "firstName": "Cust"}, {"email": "nobody@b.example"}],
        "cc": [], "bcc": [],
    }  # fmt: skip
    assert mail["hs_email_text"] == "Text\n"
    assert mail["hs_email_html"].endswith("[… cut; the whole message is attached]</p>")
    [whole] = [row for row in moved.there() if row["name"].endswith(".eml")]
    digest = whole["sha256"]
    raw = (moved.root.parent / "hubspot" / "files" / digest[:2] / digest).read_bytes()
    assert parse(raw).html == BIG


def test_messages_are_linked_to_whom_hubspot_knew_and_nobody_is_made(moved: Files) -> None:
    contacts = {row["id"]: row["properties"] for row in moved.hubspot.control.ndjson("/truth/contacts")}
    assert {each["email"] for each in contacts.values()} == set(PEOPLE)
    assert all("migration_key" not in each for each in contacts.values())  # not ours, and never written to
    mails = {row["id"]: row for row in by_source(moved.hubspot, "emails").values()}
    links: dict[str, set[str]] = {}
    for link in moved.hubspot.control.ndjson("/truth/links"):
        if (link["from_object"], link["to_object"]) == ("emails", "contacts"):
            links.setdefault(link["from"], set()).add(contacts[link["to"]]["email"])
    for id, mail in mails.items():
        headers = json.loads(mail["hs_email_headers"])
        named = {each["email"] for role in ("to", "cc", "bcc") for each in headers[role]}
        named |= {headers["from"]["email"]} if "from" in headers else set()
        assert links.get(id, set()) >= named & set(PEOPLE)
    assert len(links) > 5


def test_what_was_guessed_or_lost_is_said(moved: Files) -> None:
    told = [
        row["mail_defects"] for row in by_source(moved.hubspot, "emails").values() if row.get("mail_defects")
    ]
    assert any("taken from Received" in each for each in told)


def test_attachments_are_files(moved: Files) -> None:
    names = [row["name"] for row in moved.there()]
    assert names.count("dingusfish.gif") == 2
    assert "angebot.pdf" in names
    [mail] = [
        row
        for row in by_source(moved.hubspot, "emails").values()
        if row.get("message_id") == "<1@acme.example>"
    ]
    files = {row["id"]: row["name"] for row in moved.there()}
    attached = [files[id] for id in mail["hs_attachment_ids"].split(";")]
    assert len([name for name in attached if name.endswith(".eml")]) == 1
    assert "angebot.pdf" in attached


def test_validation_accounts_for_all_and_a_rollback_leaves_the_people(moved: Files) -> None:
    code, found = moved.run("validate")
    assert code in (0, 1), found
    bad = [each["id"] for each in found["results"] if each["verdict"] in ("fail", "error")]
    assert bad == []
    moved.must("rollback plan", "rollback run --yes")
    assert by_source(moved.hubspot, "emails") == {}
    live = [row for row in moved.hubspot.control.ndjson("/truth/contacts") if not row["archived"]]
    assert {row["properties"]["email"] for row in live} == set(PEOPLE)
