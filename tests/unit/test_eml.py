"""Does a message made of a record give the whole record back, to Python's own mail reader and to ours?"""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from migrate.connectors.mime.parsing import parse
from migrate.eml import eml

WHOLE: dict[str, Any] = {
    "from": '"Doe, Jöhn" <john@a.test>', "to": ["Ann <ann@b.test>", "bo@c.test"], "cc": "Ö <o@d.test>",
    "bcc": ["x@y.test"], "subject": "Grüße 漢字 \U0001f600 " * 12,
    "date": datetime(2019, 3, 31, 1, 30, tzinfo=UTC), "message_id": "<3@a.test>",
    "in_reply_to": "<2@a.test>", "references": ["<1@a.test>", "<2@a.test>"],
    "text": "Plain ä\r\nnext\n.\nFrom here\n", "html": "<p>Rich ä \U0001f600</p>\r\n",
}  # fmt: skip


def read(raw: bytes) -> EmailMessage:
    """By Python's modern interface, which our own reader doesn't use."""
    return message_from_bytes(raw, policy=policy.default)


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    raw = part.get_payload(decode=True)
    assert isinstance(raw, bytes)
    return raw.decode()


def test_a_record_comes_back_whole() -> None:
    message = read(eml(WHOLE))
    assert body(message, "plain") == WHOLE["text"]
    assert body(message, "html") == WHOLE["html"]
    assert message["subject"] == WHOLE["subject"]
    assert [(each.display_name, each.addr_spec) for each in message["from"].addresses] == [
        ("Doe, Jöhn", "john@a.test")
    ]
    assert [each.addr_spec for each in message["to"].addresses] == ["ann@b.test", "bo@c.test"]
    assert message["cc"].addresses[0].display_name == "Ö"
    assert message["bcc"] == "x@y.test"
    assert message["date"].datetime == WHOLE["date"]
    assert (message["message-id"], message["in-reply-to"]) == ("<3@a.test>", "<2@a.test>")
    assert message["references"].split() == ["<1@a.test>", "<2@a.test>"]
    assert message.defects == []
    assert max(len(line) for line in eml(WHOLE).split(b"\r\n")) < 998
    mail = parse(eml(WHOLE))
    assert (mail.text, mail.html, mail.date) == (WHOLE["text"], WHOLE["html"], WHOLE["date"])


def test_the_same_record_gives_the_same_bytes() -> None:
    assert eml(WHOLE) == eml(dict(WHOLE))


def test_the_original_s_own_headers_come_first_but_for_those_of_its_body() -> None:
    given = (
        "Received: by x;\r\n\tFri, 4 May 2001 14:05:44 -0400\nSubject: as it was\nContent-Type: text/html;\n"
    )
    given += " charset=x\nX-Odd: ä\nContent-Transfer-Encoding: 8bit\nMIME-Version: 1.0\n\nno header"
    message = read(eml({**WHOLE, "headers": given}))
    assert message["received"] == "by x;\tFri, 4 May 2001 14:05:44 -0400"
    assert message["subject"] == "as it was"
    assert message.get_all("mime-version") == ["1.0"]
    assert message.get_content_type() == "multipart/alternative"
    assert body(message, "plain") == WHOLE["text"]
    assert message["from"].addresses[0].addr_spec == "john@a.test"  # they lacked it


def test_no_text_breaks_out_of_its_header() -> None:
    message = read(
        eml({"subject": "a\r\nBcc: evil@x.test\r\n\r\nbody", "from": "b\n<c@d.test>", "text": "t"})
    )
    assert message["bcc"] is None
    assert body(message, "plain") == "t"


TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=120)


@given(TEXT, TEXT, TEXT, st.none() | TEXT)
def test_any_bodies_come_back_to_the_letter(subject: str, name: str, text: str, html: str | None) -> None:
    raw = eml({"subject": subject, "from": f"{name} <a@b.test>", "text": text, "html": html, "headers": name})
    message = read(raw)
    assert body(message, "plain") == text
    assert html is None or body(message, "html") == html
    assert parse(raw).text in (text, text.replace("\0", ""))
