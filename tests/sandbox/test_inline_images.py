"""Images within bodies lead to where they now lie, or are listed with why: by the targets' own stores."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from migrate.sandbox.salesforce.ids import normal_id
from migrate.workspace import Workspace
from tests.sandbox.files_rig import LINE, Files, bytes_of, in_process, sha, two_sandboxes

pytestmark = pytest.mark.long

MAIL = 'source: {system: mail, type: mime, credentials: "env:MAIL_", archive: test-mail}\n'
TO_HUBSPOT = (
    'target: {system: new, type: hubspot, credentials: "env:NEW_", clock: sandbox, longest_call: 5}\n'
)
TO_ORG = """\
target: {system: org, type: salesforce, credentials: "env:ORG_", clock: sandbox, longest_call: 5, settle: 1}
"""
ATTACHED = """\
  - source: attachments
    target: files
    where: name <> 'left.png'
    fields: {name: name, access: "'PRIVATE'", content: content}
"""
MESSAGES = """\
  - source: messages
    target: emails
    fields:
      hs_timestamp: date
      hs_email_subject: subject
      hs_email_html: {from: html, rewrite: links, inline: {attachments: message}}
"""
IN_ORG = """\
  - source: attachments
    target: ContentVersion
    key: {field: Migration_Key__c}
    where: name <> 'left.png'
    insert_only: [PathOnClient, VersionData]
    fields: {Title: name, PathOnClient: name, VersionData: content}
  - source: messages
    target: EmailMessage
    key: {field: Migration_Key__c}
    fields:
      Subject: subject
      MessageDate: date
      Status: "'3'"
      HtmlBody: {from: html, rewrite: links, inline: {attachments: message}}
"""
OF_ORG = """\
  - source: Attachment
    target: files
    fields: {name: Name, access: "'PRIVATE'", content: Body}
  - source: EmailMessage
    target: emails
    fields:
      hs_timestamp: MessageDate
      hs_email_subject: Subject
      hs_email_html: {from: HtmlBody, rewrite: links, inline: {Attachment: ParentId}}
"""
IMAGES = {"logo.png": b"\x89PNG 1", "chart.png": b"\x89PNG 2", "left.png": b"\x89PNG 3"}
BODY = (
    "<p>cid:logo is a word. <img src=\"cid:logo\"> <img alt=x src='CID:c%40y.test'>"
    '<td background="cid:logo"><img src="cid:left"><img src="cid:never"></td></p>\n'
)


def message(subject: str, body: str) -> bytes:
    """A message that shows three images; each message names them alike."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "a@b.example", "c@d.example", subject
    made["Date"] = "Mon, 02 Mar 2020 10:00:00 +0000"
    made.set_content("Text")
    made.add_alternative(body, subtype="html")
    for cid, (name, content) in zip(("<logo>", "<c@y.test>", "<left>"), IMAGES.items(), strict=True):
        made.add_attachment(
            content + subject.encode(), maintype="image", subtype="png", filename=name, cid=cid
        )
    return made.as_bytes()


def org_id(prefix: str, number: int) -> str:
    return normal_id(f"{prefix}5g00000inl{number:02d}") or ""


MAIL_ID, TWINS = org_id("02s", 1), org_id("02s", 2)
FILES = {
    (MAIL_ID, "image001.png"): org_id("00P", 1), (MAIL_ID, "plan.png"): org_id("00P", 2),
    (TWINS, "twin.png"): org_id("00P", 3), (TWINS, "Twin.png"): org_id("00P", 4),
}  # fmt: skip
RTA = "/servlet/rtaImage?eid=02s5g00000inl01&amp;feoid=Body&amp;refid=0EM5g0000000001"


def seed() -> dict[str, list[dict[str, Any]]]:
    short = FILES[MAIL_ID, "plan.png"][:15]
    html = (
        f'<img src="cid:image001.png@01D5F0A1.7C"><img src="/servlet/servlet.FileDownload?file={short}">'
        f'<img src="{{org}}/servlet/servlet.FileDownload?file={short}"><img src="{RTA}">'
    )
    return {
        "EmailMessage": [
            {"Id": MAIL_ID, "Subject": "one", "MessageDate": "2020-03-02T10:00:00.000Z", "Status": "3",
             "HtmlBody": html},
            {"Id": TWINS, "Subject": "two", "MessageDate": "2020-03-02T10:00:00.000Z", "Status": "3",
             "HtmlBody": '<img src="cid:twin.png@01D5F0A1.7C">'},
        ],
        "Attachment": [
            {"Id": id, "Name": name, "ParentId": parent, "Body": {"size": 100 + number, "seed": number}}
            for number, ((parent, name), id) in enumerate(FILES.items())
        ],
    }  # fmt: skip


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    base = tmp_path_factory.mktemp("inline")
    (base / "mail").mkdir()
    for subject in ("one", "two"):
        (base / "mail" / f"{subject}.eml").write_bytes(message(subject, BODY))
    with ExitStack() as stack:
        salesforce, hubspot = stack.enter_context(two_sandboxes(base, {}))
        salesforce.control.post("/seed", {"records": rooted(seed(), salesforce.url)})
        stack.enter_context(in_process({
            "MAIL_FOLDER": str(base / "mail"), "NEW_TOKEN": "pat-na1-sandbox", "NEW_BASE_URL": hubspot.url,
            "ORG_INSTANCE_URL": salesforce.url, "ORG_CLIENT_ID": "app", "ORG_CLIENT_SECRET": "secret",
        }))  # fmt: skip
        yield Files(base / "work", salesforce, hubspot)


def rooted(records: dict[str, list[dict[str, Any]]], url: str) -> dict[str, list[dict[str, Any]]]:
    """The records with the org's own address in their bodies."""
    for row in records["EmailMessage"]:
        row["HtmlBody"] = row["HtmlBody"].replace("{org}", url)
    return records


def moved(sides: Files, capsys: pytest.CaptureFixture[str], name: str, plan: str) -> Files:
    files = Files(sides.root.parent / name, sides.salesforce, sides.hubspot, capsys)
    files.plan("", f"version: 1\n{plan}")
    for words in LINE:
        files.said[words] = files.run(words)
        assert files.said[words][0] in (0, 1), files.said[words]
    return files


def listed(root: Path, entry: str) -> dict[tuple[str, str], str]:
    """Why, by the record's key and the address, of what was left."""
    store = Workspace(root).store
    manifest = store.manifest(f"old-links/{entry}/current")
    assert manifest is not None
    rows = [row for batch in store.read(manifest) for row in batch.to_pylist() if row["why"]]
    return {(row["_key"], row["old"]): row["why"] for row in rows}


def addresses(files: Files) -> dict[str, str]:
    """What HubSpot itself says is the address of each live file, by the digest that its store holds."""
    found: dict[str, str] = {}
    for row in files.there():
        url = f"{files.hubspot.url}/files/v3/files/{row['id']}"
        asked = urllib.request.Request(url, headers={"Authorization": "Bearer pat-na1-sandbox"})  # noqa: S310
        with urllib.request.urlopen(asked) as reply:  # noqa: S310 - a sandbox's own address
            found[row["sha256"]] = json.load(reply)["url"]
    return found


@pytest.mark.parametrize("entries", [[ATTACHED, MESSAGES], [MESSAGES, ATTACHED]], ids=["first", "later"])
def test_the_images_of_raw_messages_lead_to_the_files_in_hubspot(
    sides: Files, capsys: pytest.CaptureFixture[str], entries: list[str], request: pytest.FixtureRequest
) -> None:
    """Also where the files come after the messages, whose bodies are then written once more."""
    name = f"mail-to-hubspot-{request.node.callspec.id}"
    files = moved(sides, capsys, name, f"{MAIL}{TO_HUBSPOT}objects:\n{''.join(entries)}")

    urls = addresses(files)
    mails = {row["properties"]["hs_email_subject"]: row["properties"]
             for row in files.hubspot.control.ndjson("/truth/emails") if not row["archived"]}  # fmt: skip
    assert set(mails) == {"one", "two"}
    for subject, mail in mails.items():
        logo, chart = (urls[sha(IMAGES[name] + subject.encode())] for name in ("logo.png", "chart.png"))
        assert mail["hs_email_html"] == (
            BODY.replace('"cid:logo"', f'"{logo}"').replace("'CID:c%40y.test'", f"'{chart}'")
        )
    assert files.said["load"][1]["old_links"]["messages"] == {"rewritten": 6, "left": 4}
    whys = listed(files.root, "messages")
    assert {old: why for (_, old), why in whys.items()} == {
        "cid:left": "its file isn't in the target",
        "cid:never": "no file of its record bears this Content-ID",
    }
    results = {each["id"]: each for each in files.run("validate")[1]["results"]}
    assert results["rows.messages"]["verdict"] == "pass", results["rows.messages"]
    assert results["links.messages.texts"]["figures"] == {
        "old addresses in the source's texts": 10, "still in the target": 4, "of these, could be new ones": 0,
    }  # fmt: skip
    files.must("rollback run --yes")


def test_a_check_tells_of_files_that_no_text_can_show(
    sides: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    files = Files(sides.root.parent / "wrong", sides.salesforce, sides.hubspot, capsys)
    for wrong, told in (
        ("{nothing: message}", "`nothing` is no entry of the plan"),
        ("{attachments: parent}", "`attachments` has no field `parent`"),
    ):
        plan = MESSAGES.replace("{attachments: message}", wrong)
        files.plan("", f"version: 1\n{MAIL}{TO_HUBSPOT}objects:\n{ATTACHED}{plan}")
        files.must("discover")
        code, found = files.run("check")
        assert code == 2
        assert told in str(found), found


def test_the_images_of_raw_messages_lead_to_the_versions_in_salesforce(
    sides: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    files = moved(sides, capsys, "mail-to-org", f"{MAIL}{TO_ORG}objects:\n{IN_ORG}")

    control = files.salesforce.control
    ids = {row["sha256"]: row["id"] for row in control.ndjson("/truth/files") if not row["deleted"]}
    mails = {row["Subject"]: row for row in control.ndjson("/truth/EmailMessage")
             if row.get("Migration_Key__c") and not row["IsDeleted"]}  # fmt: skip
    assert set(mails) == {"one", "two"}
    for subject, mail in mails.items():
        logo = ids[sha(IMAGES["logo.png"] + subject.encode())]
        url = f"{files.salesforce.url}/sfc/servlet.shepherd/version/download/{logo}"
        assert f'<img src="{url}">' in mail["HtmlBody"]
        assert f'<td background="{url}">' in mail["HtmlBody"]
        assert '<img src="cid:never">' in mail["HtmlBody"]
    assert files.said["load"][1]["old_links"]["messages"] == {"rewritten": 6, "left": 4}
    assert files.said["load"][1]["refused"] == 0
    files.must("rollback run --yes")


def test_the_images_of_an_orgs_messages_are_found_by_name_and_by_address(
    sides: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    source = TO_ORG.replace("target:", "source:").replace(", longest_call: 5, settle: 1", "")
    files = moved(sides, capsys, "org-to-hubspot", f"{source}{TO_HUBSPOT}objects:\n{OF_ORG}")

    urls = addresses(files)
    image, plan = (urls[sha(bytes_of(100 + n, n))] for n in (0, 1))
    mails = {row["properties"]["hs_email_subject"]: row["properties"]["hs_email_html"]
             for row in files.hubspot.control.ndjson("/truth/emails")
             if not row["archived"]}  # fmt: skip
    assert mails["one"] == f'<img src="{image}"><img src="{plan}"><img src="{plan}"><img src="{RTA}">'
    assert (
        mails["two"] == '<img src="cid:twin.png@01D5F0A1.7C">'
    )  # two files of that name: nobody knows which
    assert files.said["load"][1]["old_links"]["EmailMessage"] == {"rewritten": 3, "left": 2}
    whys = {old: why for (_, old), why in listed(files.root, "EmailMessage").items()}
    assert whys[RTA] == "it isn't the page of a record"
    assert whys["cid:twin.png@01D5F0A1.7C"] == "no file of its record bears this Content-ID"
