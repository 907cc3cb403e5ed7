"""Is anything left of anybody? The result is searched for every name, number and address of the original.

In the parts: e-mail addresses whole; the last nine digits of whatever looks like a telephone number; words of
four letters or more, less digits before and behind, against the names (letters among digits, as ids have
them, are no word). In the plan and other texts, where a word may be anything, a name counts where two of its
words stand side by side; in the maps of owners and overrides each word counts. Files are searched byte by
byte for words, and the names of files too.

A finding says where and how often, never what: the report of a leak must not be the next one.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from migrate.blobs import CHUNK
from migrate.engine import Engine, identifier, parquet
from migrate.load.context import Progress, no_progress
from migrate.place import STATE
from migrate.stages.anonymize import words
from migrate.stages.anonymize.known import SQL_EMAIL, SQL_PHONE, Original
from migrate.stages.anonymize.pseudonyms import PHONE, TAIL

if TYPE_CHECKING:
    from migrate.workspace import Workspace

EMAIL, NUMBER, NAMED = "e-mail address", "telephone number", "name"
_EMAIL = re.compile(words.EMAIL)
_PHONE = re.compile(words.PHONE)
_WORD = re.compile(r"[^\W\d_]+")
# Kind, what may be one, the form in which it is compared, and the table of the original's.
_LOOKS = (
    (EMAIL, SQL_EMAIL, "x", "emails"),
    (NUMBER, SQL_PHONE, f"right(regexp_replace(x, '[^0-9]', '', 'g'), {TAIL})", "numbers"),
    (NAMED, r"[\p{L}\p{N}]{4,}", "regexp_replace(x, '^[0-9]+|[0-9]+$', '', 'g')", "names"),
)
_ASCII = re.compile(rb"[A-Za-z]{4,}")


@dataclass(frozen=True)
class Leak:
    """`place`: a file below the result's folder, with the column. `found`: how many different ones."""

    place: str
    what: str
    found: int


def leaks(workspace: Workspace, root: Path, source: Original, progress: Progress = no_progress) -> list[Leak]:
    """Search a result.

    Args:
        workspace: the original; its engine holds `original_emails`.
        root: of the result.
    """
    engine = workspace.engine
    emails = {row["email"] for row in engine.rows("SELECT DISTINCT email FROM original_emails")}
    found: list[Leak] = []
    with Engine(folders=[root], temp_dir=workspace.place.scratch / "scan") as scan:
        _put(scan, "emails", emails)
        _put(scan, "names", source.names)
        _put(scan, "numbers", source.numbers)
        files = sorted(path for path in root.rglob("*") if path.is_file())
        for number, path in enumerate(files):
            progress("leak scan", number + 1, len(files))
            place = path.relative_to(root).as_posix()
            called = _in_text(place.partition("/")[2], emails, source, loose=True)
            found += _counted(f"{place} (its name)", called)
            if path.suffix == ".parquet":
                found += _in_parquet(scan, path, place)
            elif place.startswith(f"{STATE}/blobs/"):
                found += _counted(place, _in_bytes(path, emails, source.names))
            elif place.startswith(f"{STATE}/ledger"):
                content = path.read_bytes().decode("utf-8", errors="replace")
                found += _counted(place, _in_text(content, emails, source, loose=True, phones=False))
            elif place.startswith(f"{STATE}/catalog/"):
                content = _of_people(json.loads(path.read_text(encoding="utf-8")))
                found += _counted(place, _in_text(content, emails, source))
            else:
                content = path.read_text(encoding="utf-8", errors="replace")
                ours = place.startswith(f"{STATE}/")
                strict = path.suffix == ".csv" and not ours
                found += _counted(place, _in_text(content, emails, source, loose=not strict, phones=not ours))
    return found


def _put(engine: Engine, table: str, values: Collection[str]) -> None:
    engine.run(f"CREATE TABLE {table} (v VARCHAR)")
    engine.insert(table, pa.table({"v": pa.array(sorted(values), pa.string())}))


def _in_parquet(engine: Engine, path: Path, place: str) -> Iterator[Leak]:
    rows = parquet([str(path)])
    for field in pq.read_schema(path):
        kind = field.type
        column = identifier(field.name)
        if pa.types.is_list(kind) and pa.types.is_string(kind.value_type):
            column = f"array_to_string({column}, ' ')"
        elif not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            continue
        values = f"(SELECT DISTINCT {column} AS v FROM {rows} WHERE {identifier(field.name)} IS NOT NULL)"
        for what, pattern, form, table in _LOOKS:
            parts = f"(SELECT unnest(regexp_extract_all(lower(v), '{pattern}')) AS x FROM {values})"
            forms = f"(SELECT DISTINCT {form} AS x FROM {parts})"
            query = f"SELECT count(*) AS n FROM {forms} WHERE x IN (SELECT v FROM {table})"
            n = engine.rows(query)[0]["n"]
            if n:
                yield Leak(f"{place} column `{field.name}`", what, int(n))


def _in_text(
    content: str, emails: Collection[str], source: Original, *, loose: bool = False, phones: bool = True
) -> Counter[str]:
    """What a text holds, by kind. `loose`: a name counts where two of its words stand side by side."""
    found: Counter[str] = Counter()
    found[EMAIL] = len({each.lower() for each in _EMAIL.findall(content)} & set(emails))
    if phones:
        ends = {re.sub(r"[^0-9]", "", each)[-TAIL:] for each in _PHONE.findall(content)}
        found[NUMBER] = len({each for each in ends if len(each) >= PHONE} & set(source.numbers))
    if loose:
        side = re.findall(r"(?=\b([^\W\d_]{4,}) ([^\W\d_]{4,})\b)", content.lower())
        found[NAMED] = len({pair for pair in side if all(word in source.names for word in pair)})
    else:
        found[NAMED] = len({word for word in map(str.lower, _WORD.findall(content)) if word in source.names})
    return found


def _in_bytes(path: Path, emails: Collection[str], names: Collection[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    rest = b""
    with path.open("rb") as source:
        while chunk := source.read(CHUNK):
            piece = rest + chunk
            found[NAMED] += sum(word.decode().lower() in names for word in _ASCII.findall(piece))
            text = piece.decode("ascii", errors="replace")
            found[EMAIL] += sum(each.lower() in emails for each in _EMAIL.findall(text))
            rest = piece[-200:]
    return found


def _counted(place: str, counts: Counter[str]) -> Iterator[Leak]:
    for what, number in counts.items():
        if number:
            yield Leak(place, what, number)


def _of_people(catalog: dict[str, Any]) -> str:
    """What of a catalog speaks of people: the rest are the words of its fields and picklists."""
    pages = [
        str(each.get(name) or "")
        for each in catalog["objects"].values()
        for name in ("url", "urls", "bytes_url")
    ]
    owners = [f"{each['name']} {each['email'] or ''}" for each in catalog["owners"]]
    return "\n".join([str(catalog["tenant_name"]), *owners, *pages])
