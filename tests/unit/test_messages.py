"""Does the plan's `eml` make a file of a record that holds the whole record, the same each time?"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from migrate.blobs import StoredBlobs, read_blob
from migrate.catalog import ObjectSchema
from migrate.connectors.mime.parsing import parse
from migrate.errors import PlanError, UsageError
from migrate.stages.check import check
from migrate.store import generation_folder
from migrate.types import BlobRef, Kind
from tests.unit.transform_case import SOURCE, TARGET, World, fields, of

AT = datetime(2019, 3, 31, 1, 30, tzinfo=UTC)
HTML = "<p>Grüße \U0001f600</p>\r\n" * 9_000

_MAIL = ObjectSchema(
    name="Mail", label="Mail", stamp="Stamp", created="Created",
    fields=SOURCE.objects["Deal"].fields | fields(
        Subject=Kind.STRING, From=Kind.STRING, To=Kind.STRING, Text=Kind.TEXT, Html=Kind.TEXT,
        At=Kind.TIMESTAMP,
    ),
)  # fmt: skip
_FILES = ObjectSchema(
    name="files", label="Files", stamp=None,
    fields=TARGET.objects["deals"].fields | fields(content=of("content", Kind.BINARY), name=Kind.STRING),
)  # fmt: skip
PLAN = """
- source: Mail
  part: eml
  target: files
  where: "length(Html) > 100"
  fields:
    name: "'message-' || Id || '.eml'"
    content: {{eml: {eml}}}
"""
WHOLE = "{from: '\"From\"', to: 'people(\"To\")', subject: Subject, date: At, text: Text, html: Html}"


def world(tmp_path: Path) -> World:
    made = World(
        tmp_path,
        source=SOURCE.model_copy(update={"objects": {**SOURCE.objects, "Mail": _MAIL}}),
        target=TARGET.model_copy(update={"objects": {**TARGET.objects, "files": _FILES}}),
    )
    common = {"From": "Ä <a@b.test>", "To": "c@d.test; e@f.test", "Text": "plain\n", "At": AT}
    made.extract(
        "Mail",
        [
            {"Id": "M1", "Subject": "long", "Html": HTML, **common},
            {"Id": "M2", "Subject": "short", "Html": "x"},
        ],
    )
    return made


def content(made: World) -> dict[str, bytes]:
    blobs = StoredBlobs(made.root / "blobs")
    found = {}
    for row in made.rows("ready", "Mail~eml"):
        ref = BlobRef.parse(row["content"])
        assert ref is not None
        found[row["_source_id"]] = b"".join(read_blob(blobs, ref))
    return found


def test_a_record_becomes_a_file_that_holds_it_whole(tmp_path: Path) -> None:
    made = world(tmp_path)
    counts: Any = made.transform(made.plan(PLAN.format(eml=WHOLE)))["Mail~eml"]
    assert (counts.ready, counts.skipped) == (1, 1)
    [(id, raw)] = content(made).items()
    mail = parse(raw)
    assert (id, mail.html, mail.text, mail.date, mail.subject) == ("M1", HTML, "plain\n", AT, "long")
    assert [(each.role, each.name, each.email) for each in mail.people] == [
        ("from", "Ä", "a@b.test"), ("to", "", "c@d.test"), ("to", "", "e@f.test"),
    ]  # fmt: skip
    assert mail.defects == []


def test_the_same_record_is_the_same_file_each_time(tmp_path: Path) -> None:
    made = world(tmp_path)
    made.transform(made.plan(PLAN.format(eml=WHOLE)))
    once = made.digest("ready", "Mail~eml")
    made.transform(made.plan(PLAN.format(eml=WHOLE)))
    assert made.digest("ready", "Mail~eml") == once
    assert len(list(StoredBlobs(made.root / "blobs").names())) == 1


def test_an_expression_that_raises_rejects_its_record_alone(tmp_path: Path) -> None:
    made = world(tmp_path)
    made.extract(
        "Mail", [{"Id": "M1", "Html": HTML, "Subject": "1"}, {"Id": "M3", "Html": HTML, "Subject": "x"}]
    )
    made.transform(
        made.plan(PLAN.format(eml="{html: Html, subject: CAST(CAST(Subject AS INTEGER) AS VARCHAR)}"))
    )
    assert set(content(made)) == {"M1"}
    [reject] = made.rows("rejects", "Mail~eml")
    assert (reject["_source_id"], reject["field"], reject["reason"]) == ("M3", "content", "expression")


@pytest.mark.parametrize(
    ("eml", "what"),
    [
        ("{html: At}", "it must be text"),
        ("{html: Html, date: Subject}", "it must be an instant"),
        ("{subject: Subject}", "holds nothing"),
        ("{html: Nowhere}", "isn't a field"),
        ("{html: Html, body: Html}", "body"),
    ],
)
def test_what_can_t_be_is_said(tmp_path: Path, eml: str, what: str) -> None:
    made = world(tmp_path)
    with pytest.raises(PlanError, match=what):
        check(made.plan(PLAN.format(eml=eml)), made.source, made.target)


def test_a_message_goes_only_into_a_field_that_holds_a_file(tmp_path: Path) -> None:
    made = world(tmp_path)
    plan = made.plan("- {source: Mail, target: files, fields: {name: {eml: {html: Html}}}}")
    with pytest.raises(PlanError, match="holds no file"):
        check(plan, made.source, made.target)


def note_world(tmp_path: Path, files: dict[str, bytes], refused: dict[str, str]) -> World:
    """Notes whose bodies are files: stored, or refused with a reason."""
    note = ObjectSchema(
        name="Note", label="Note", stamp="Stamp", created="Created",
        fields=SOURCE.objects["Deal"].fields | fields(Content=Kind.BINARY),
    )  # fmt: skip
    deals = TARGET.objects["deals"]
    deals = deals.model_copy(update={"fields": deals.fields | fields(body=Kind.TEXT)})
    made = World(
        tmp_path,
        source=SOURCE.model_copy(update={"objects": {**SOURCE.objects, "Note": note}}),
        target=TARGET.model_copy(update={"objects": {**TARGET.objects, "deals": deals}}),
    )
    made.extract("Note", [{"Id": id, "Name": id} for id in [*files, *refused]])
    rows: list[dict[str, str | None]] = []
    for id, content in files.items():
        with StoredBlobs(made.root / "blobs").writer() as out:
            out.write(content)
            rows.append({"_id": id, "blob": str(out.finish()), "outcome": "stored", "reason": ""})
    rows += [{"_id": id, "blob": None, "outcome": "refused", "reason": why} for id, why in refused.items()]
    schema = pa.schema([(name, pa.string()) for name in ("_id", "blob", "outcome", "reason")])
    table = pa.Table.from_pylist(rows, schema).append_column("bytes", pa.nulls(len(rows), pa.int64()))
    made.write(generation_folder("files", "Note.Content", 0), table)
    return made


def test_a_file_that_goes_into_a_text_is_read_as_the_text_that_it_is(tmp_path: Path) -> None:
    made = note_world(
        tmp_path, {"N1": "<p>Ä \U0001f600</p>".encode(), "N2": b"", "N3": b"\xff\xfe"}, {"N4": "gone"}
    )
    made.transform(made.plan("- {source: Note, target: deals, fields: {dealname: Name, body: Content}}"))
    assert {row["_source_id"]: row["body"] for row in made.rows("ready", "Note")} == {
        "N1": "<p>Ä \U0001f600</p>", "N2": "",
    }  # fmt: skip
    told = {row["_source_id"]: row["detail"] for row in made.rows("rejects", "Note")}
    assert told == {"N3": "its file is no text in UTF-8", "N4": "its file couldn't be had: gone"}


def test_files_that_haven_t_been_fetched_stop_the_transform(tmp_path: Path) -> None:
    made = note_world(tmp_path, {}, {})
    made.extract("Note", [{"Id": "N1", "Name": "x"}])
    shutil.rmtree(tmp_path / "stage" / "files")
    with pytest.raises(UsageError, match="haven't been fetched"):
        made.transform(made.plan("- {source: Note, target: deals, fields: {dealname: Name, body: Content}}"))
