"""Is every raw message read as far as it can be read, with a reason for what was lost, and never a crash?"""

from __future__ import annotations

import hashlib
import mailbox
import os
from collections import Counter
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrate.clock import SystemClock
from migrate.connector import BlobRefused, Query, ReadsBlobs, Settings
from migrate.connectors.mime import MimeConnector
from migrate.connectors.mime.parsing import ROLES, Mail, parse
from migrate.connectors.mime.schema import OBJECTS
from migrate.errors import UsageError
from migrate.plugins import load
from migrate.types import Kind

REAL = Path(os.environ.get("SHARED_DATA") or Path(__file__).parents[3] / "shared" / "data") / "mime"
needs_real = pytest.mark.skipif(
    not (REAL / "msg_01.txt").exists(),
    reason="needs raw messages: set SHARED_DATA to the folder that holds mime",
)


def connector(folder: Path, **options: object) -> MimeConnector:
    return MimeConnector(
        Settings("mail", {"folder": str(folder)}, {"archive": "trial", **options}, SystemClock())
    )


def rows(source: MimeConnector, object: str, **facts: Any) -> list[dict[str, Any]]:
    names = tuple(name for name, field in OBJECTS[object].fields.items() if field.kind is not Kind.BINARY)
    return [
        row
        for page in source.read(Query(object, names, **facts), after=None)
        for row in page.batch.to_pylist()
    ]


def message(**headers: str) -> EmailMessage:
    made = EmailMessage()
    for name, value in {"From": "ann@acme.test", "Subject": "s", **headers}.items():
        made[name.replace("_", "-")] = value
    return made


def said(mail: Mail) -> str:
    return "; ".join(mail.defects)


# -- what a good message says -------------------------------------------------------------------


def test_a_message_is_read_whole(tmp_path: Path) -> None:
    made = message(
        From="Ann Ärger <Ann@Acme.test>", To='"Doe; John" <john@b.test>, c@d.test', Cc="E <e@f.test>",
        Date="Mon, 02 Mar 2009 23:30:00 -0500", Subject="Grüße 漢字 \U0001f600", Message_ID="<3@acme.test>",
        In_Reply_To="<2@b.test>", References="<1@acme.test> <2@b.test>",
    )  # fmt: skip
    made.set_content("Plain ä\n")
    made.add_alternative("<p>Rich ä <img src='cid:logo'></p>", subtype="html")
    made.add_attachment(b"\0\1\2", maintype="image", subtype="png", filename="bild/ä.png", cid="<logo>")
    (tmp_path / "a.eml").write_bytes(made.as_bytes())
    source = connector(tmp_path, own=["acme.test"])
    [row] = rows(source, "messages")
    assert row["date"] == datetime(2009, 3, 3, 4, 30, tzinfo=UTC)
    assert (row["zone"], row["subject"]) == ("-0500", "Grüße 漢字 \U0001f600")
    assert (row["from_email"], row["from_name"]) == ("ann@acme.test", "Ann Ärger")
    assert row["to_people"] == ['"Doe; John" <john@b.test>', "c@d.test"]
    assert (row["message_id"], row["in_reply_to"]) == ("<3@acme.test>", "<2@b.test>")
    assert (row["reference_ids"], row["thread_id"]) == (["<1@acme.test>", "<2@b.test>"], "<1@acme.test>")
    assert (row["text"], row["direction"]) == ("Plain ä\n", "outgoing")
    assert "Rich ä" in row["html"]
    assert row["defects"] is None
    [file] = rows(source, "attachments")
    assert (file["name"], file["type"], file["content_id"], file["inline"], file["size"]) == (
        "bild/ä.png", "image/png", "logo", True, 3,
    )  # fmt: skip
    assert b"".join(source.read_blob("attachments", file["_id"], "content")) == b"\0\1\2"
    assert b"".join(source.read_blob("messages", row["_id"], "raw")) == made.as_bytes()
    people = [(each["role"], each["email"]) for each in rows(source, "addresses")]
    assert people == [
        ("from", "ann@acme.test"), ("to", "john@b.test"), ("to", "c@d.test"), ("cc", "e@f.test"),
    ]  # fmt: skip
    assert {each["message"] for each in rows(source, "addresses")} == {row["_id"]}


@pytest.mark.parametrize(
    ("sender", "receiver", "expected"),
    [
        ("a@acme.test", "b@x.test", "outgoing"),
        ("a@mail.acme.test", "b@x.test", "outgoing"),
        ("b@x.test", "a@acme.test", "incoming"),
        ("a@acme.test", "c@acme.test", "internal"),
        ("sales@old.test", "b@x.test", "outgoing"),
        ("hr@old.test", "b@x.test", "incoming"),
        ("a@notacme.test", "b@x.test", "incoming"),
        ("nobody", "b@x.test", "unknown"),
    ],
)
def test_the_company_s_own_addresses_tell_the_direction(
    tmp_path: Path, sender: str, receiver: str, expected: str
) -> None:
    (tmp_path / "a.eml").write_text(f"From: {sender}\nTo: {receiver}\n\nx")
    own = ["Acme.test", "sales@old.test"]
    assert rows(connector(tmp_path, own=own), "messages")[0]["direction"] == expected
    assert rows(connector(tmp_path), "messages")[0]["direction"] == "unknown"


# -- what a broken one says ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "field", "value", "defect"),
    [
        (b"Subject: gr\xfc\xdfe\n\n", "subject", "grüße", "Windows-1252"),
        (b"Subject: gr\xc3\xbc\xc3\x9fe\n\n", "subject", "grüße", ""),
        (b"Subject: =?utf-8?q?a=C3?= =?utf-8?q?=A4?=\n\n", "subject", "aä", ""),
        (b"Subject: =?x-no-such?q?abc?=\n\n", "subject", "abc", "unknown charset"),
        (b"Subject: =?u\xfef-16?b?YQ==?=\n\n", "subject", "a", "unknown charset `u\\udcfef-16`"),
        (b"Subject: =?utf-8?b?!!!?= x\n\n", "subject", "x", ""),
        (b"Subject: C:\\users\\u1234\n\n", "subject", "C:\\users\\u1234", ""),
        (b"Subject: two\n lines\n\n", "subject", "two lines", ""),
        (b"Content-Type: text/plain; charset=hex\n\nab", "text", "ab", "unknown charset"),
        (b"Content-Type: text/plain; charset=utf-8\n\n\xe4", "text", "ä", "not in its charset"),
        (b"From: a@b\n\n\x81\x8d", "text", "\x81\x8d", "Windows-1252"),
        (b"From: a@b\n\na\0b", "text", "ab", ""),
        (b"Date: Mon, 31 Feb 2009 10:00:00 +0100\n\nx", "date", None, "no day or time"),
        (b"Date: yesterday\n\nx", "date", None, "can't be read"),
        (b"Date: 1 Jan 2009 10:00:00\n\nx", "zone", None, "without a zone"),
        (b"Content-Transfer-Encoding: base64\n\nSGFsbG8", "text", "Hallo", "Padding"),
        (b"Content-Type: multipart/mixed\n\n--x\nrest", "text", "--x\nrest", "can't be told apart"),
    ],
)  # fmt: skip
def test_what_breaks_the_rules_is_read_as_far_as_it_goes(
    raw: bytes, field: str, value: object, defect: str
) -> None:
    mail = parse(raw)
    assert getattr(mail, field) == value
    assert defect in said(mail)


def test_a_date_that_can_t_be_read_comes_from_the_last_hop() -> None:
    hops = (b"Fri, 4 May 2001 14:05:44 -0400", b"1 Jan 1999 0:0:0 +0000")
    mail = parse(b"".join(b"Received: by x; %s\n" % hop for hop in hops) + b"\nx")
    assert (mail.date, mail.zone) == (datetime(2001, 5, 4, 18, 5, 44, tzinfo=UTC), "-0400")
    assert "taken from Received" in said(mail)


def test_nesting_at_will_ends(tmp_path: Path) -> None:
    deep = b"From: a@b.test\n" + b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(400)
    )
    (tmp_path / "deep.eml").write_bytes(deep + b"\nend")
    [row] = rows(connector(tmp_path), "messages")
    assert row["from_email"] == "a@b.test"
    assert row["defects"]


def test_what_has_nothing_in_it_says_so_and_stays_counted(tmp_path: Path) -> None:
    (tmp_path / "empty.eml").write_bytes(b"")
    source = connector(tmp_path)
    [row] = rows(source, "messages")
    assert row["readable"] is False
    assert "nothing in it is readable" in row["defects"]
    assert row["date"] is None  # so a target that needs a time rejects it, with the reason
    assert source.count(Query("messages", ())) == 1


def test_of_a_message_that_is_too_large_the_headers_are_read_and_its_bytes_stay_whole(tmp_path: Path) -> None:
    raw = b"From: a@b.test\nSubject: big\n\n" + b"x" * 3_000_000
    (tmp_path / "big.eml").write_bytes(raw)
    source = connector(tmp_path, largest=1_000_000)
    [row] = rows(source, "messages")
    assert (row["subject"], row["text"], row["size"]) == ("big", None, len(raw))
    assert "only its headers were read" in row["defects"]
    assert b"".join(source.read_blob("messages", row["_id"], "raw")) == raw


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_a_message(raw: bytes) -> None:
    _sound(parse(raw))


_HEADER = st.sampled_from(
    (b"From: ", b"To: ", b"Date: ", b"Subject: ", b"Content-Type: ", b"Content-Disposition: ",
     b"Content-ID: ", b"Content-Transfer-Encoding: ", b"References: ", b"Received: ", b"MIME-Version: ")
)  # fmt: skip
_TRICKY = (
    b"multipart/mixed; boundary=x", b'multipart/alternative; boundary="x"', b"multipart/digest; boundary=x",
    b"text/html; charset=utf-7", b"text/plain; charset=\xff", b"text/plain; charset*=''=?utf-8?q?x?=",
    b"message/rfc822", b"message/external-body", b"message/partial", b"base64", b"x-uuencode",
    b"quoted-printable", b"attachment; filename*=utf-8''%e4", b"inline; filename*0*=a'b'c; filename*1=d",
    b"=?utf-16?b?AAA?=", b"=?idna?q?a..b?=", b'a@b.test, "c', b"g: x@y;",
    b"Tue, 29 Feb 2021 25:61:61 +9999", b"1 Jan 0000 00:00:00 +0000",
)  # fmt: skip
_VALUE = st.sampled_from(_TRICKY) | st.binary(max_size=30)
_LINE = st.one_of(
    st.builds(lambda name, value: name + value, _HEADER, _VALUE),
    st.sampled_from([b"", b"--x", b"--x--", b"begin 644 a", b" folded"]),
    st.binary(max_size=20),
)


@settings(max_examples=600, deadline=None)
@given(st.lists(_LINE, max_size=25).map(b"\n".join))
def test_any_lines_that_look_like_mail_are_a_message(raw: bytes) -> None:
    _sound(parse(raw))
    _sound(parse(raw, cut=True))


def _sound(mail: Mail) -> None:
    """Every text can be held as UTF-8, and what can't be read says so."""
    texts = [mail.subject, mail.text, mail.html, mail.headers, mail.message_id, *mail.defects]
    texts += [each for part in mail.attachments for each in (part.name, part.type, part.content_id)]
    texts += [each for person in mail.people for each in (person.name, person.email)]
    for each in texts:
        assert each is None or "\0" not in each.encode().decode()
    assert all(person.role in ROLES and "@" in person.email for person in mail.people)
    assert mail.readable or mail.defects
    assert mail.date is None or mail.date.tzinfo is UTC


# -- the folder ----------------------------------------------------------------------------------


def box(path: Path, texts: list[str]) -> None:
    made = mailbox.mbox(path)
    for text in texts:
        one = message(Subject=text)
        one.set_content(f"{text}\n\nFrom here on 2020\n")
        made.add(one)
    made.close()


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # Python's own reader leaves the file open
def test_an_mbox_holds_what_python_s_own_reader_finds_in_it(tmp_path: Path) -> None:
    box(tmp_path / "a.mbox", ["one", "two", "three"])
    source = connector(tmp_path)
    found = rows(source, "messages")
    known = mailbox.mbox(tmp_path / "a.mbox")
    assert [row["subject"] for row in found] == [str(each["Subject"]) for each in known]
    known.close()
    assert found[0]["text"].splitlines() == ["one", "", "From here on 2020"]  # `>From` was the box's own sign
    assert source.count(Query("messages", ())) == len(found) == 3
    raw = b"".join(source.read_blob("messages", found[1]["_id"], "raw"))
    assert parse(raw).subject == "two"


def test_a_reading_goes_on_after_every_message(tmp_path: Path) -> None:
    for name in ("b/2.eml", "b/1.eml", "a.eml", "b.eml", "ä ö#.eml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"Subject: {name}\n\n")
    box(tmp_path / "b" / "3.mbox", ["x", "y"])
    source = connector(tmp_path, page_rows=1)
    pages = list(source.read(Query("messages", ("subject",)), after=None))
    whole = [row["_id"] for page in pages for row in page.batch.to_pylist()]
    assert len(whole) == len(set(whole)) == 7
    for number, page in enumerate(pages[:-1], 1):
        rest = source.read(Query("messages", ("subject",)), after=page.cursor)
        assert [row["_id"] for each in rest for row in each.batch.to_pylist()] == whole[number:]
    with pytest.raises(UsageError):
        list(source.read(Query("messages", ()), after="nowhere"))


def test_an_id_stays_when_other_files_come(tmp_path: Path) -> None:
    (tmp_path / "m.eml").write_text("Subject: m\n\n")
    before = rows(connector(tmp_path), "messages")[0]["_id"]
    (tmp_path / "a.eml").write_text("Subject: a\n\n")
    assert before in {row["_id"] for row in rows(connector(tmp_path), "messages")}
    assert before == hashlib.sha256(b"m.eml").hexdigest()[:32]


def test_links_of_the_file_system_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.eml").write_text("Subject: secret\n\n")
    (tmp_path / "in" / "a.eml").symlink_to(tmp_path / "secret.eml")
    (tmp_path / "in" / "up").symlink_to(tmp_path)
    assert rows(connector(tmp_path / "in"), "messages") == []


def test_a_name_that_is_no_text_is_read_as_any_other(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff\xfe.eml"
    with open(path, "wb") as file:  # noqa: PTH123 - a name of bytes
        file.write(b"Subject: odd\n\n")
    source = connector(tmp_path, page_rows=1)
    [row] = rows(source, "messages")
    assert (row["subject"], row["file"]) == ("odd", "\\xff\\xfe.eml")
    assert b"".join(source.read_blob("messages", row["_id"], "raw")) == b"Subject: odd\n\n"


def test_a_file_that_is_gone_is_refused_alone(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_text("Subject: a\n\n")
    source = connector(tmp_path)
    [row] = rows(source, "messages")
    (tmp_path / "a.eml").unlink()
    for object, id, field in (("messages", row["_id"], "raw"), ("attachments", f"{row['_id']}-1", "content")):
        with pytest.raises(BlobRefused):
            list(source.read_blob(object, id, field))


def test_an_archive_needs_a_name_for_ever_and_a_folder_that_is_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="for ever"):
        connector(tmp_path, archive="")
    with pytest.raises(UsageError, match="isn't there"):
        connector(tmp_path / "nowhere")


def test_the_connector_is_found_like_any_other(tmp_path: Path) -> None:
    assert load("mime") is MimeConnector
    assert isinstance(connector(tmp_path), ReadsBlobs)


# -- real messages -------------------------------------------------------------------------------


@needs_real
def test_real_messages_broken_ones_included_all_come_through() -> None:
    source = connector(REAL)
    found = {row["file"]: row for row in rows(source, "messages")}
    files = sorted(path.name for path in REAL.glob("*.txt"))
    assert sorted(found) == files  # each file is one row, whatever is in it
    assert source.count(Query("messages", ())) == len(files)
    assert all(row["readable"] or row["defects"] for row in found.values())
    assert Counter(row["readable"] for row in found.values())[False] == 1  # one has headers nobody knows
    for object in ("attachments", "addresses"):
        parts = rows(source, object)
        assert len({row["_id"] for row in parts}) == len(parts) == source.count(Query(object, ()))
    assert (found["msg_01.txt"]["date"], found["msg_01.txt"]["zone"]) == (
        datetime(2001, 5, 4, 18, 5, 44, tzinfo=UTC), "-0400",
    )  # fmt: skip
    [fish] = [row for row in rows(source, "attachments") if row["message"] == found["msg_07.txt"]["_id"]]
    content = b"".join(source.read_blob("attachments", fish["_id"], "content"))
    assert (fish["name"], fish["size"], content[:6]) == ("dingusfish.gif", 3512, b"GIF87a")
    for row in found.values():
        assert b"".join(source.read_blob("messages", row["_id"], "raw")) == (REAL / row["file"]).read_bytes()
