"""Who may read whose name? By default a report masks persons: their names, e-mails, phones and long texts.

Two ways lead to what is masked. What the catalogs say: the values of a field that holds a name, an e-mail
address, a phone number or free text. And what the data says: every string of the report is searched for
e-mail addresses, phone numbers and full names that stand in the records of persons, or that own records.

Firms' and deals' names stay, and so do the names of those who decide: who accepted, waived or is asked to
sign. Equal values have equal marks (`#3f2a`) within one report and no other: the key is thrown away with the
validation, so nobody can try out which value a mark was. The Parquet files hold the real values.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from migrate_validators.personal import (
    Holds,
    by_name,
    name_pairs,
    of_schema,
    personal_fields,
)

if TYPE_CHECKING:
    from migrate.catalog import ObjectSchema
    from migrate_validators.evidence import Evidence

WORDS = 6  # of a full name, at most
# Every repetition is bounded, so that no text is searched in more than linear time.
EMAIL = re.compile(r"[\w.+%'’-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
_NAMED = re.compile(rf"((?:[^\W\d_a-zß-öø-ÿ][\w'’.-]{{0,40}} ){{1,{WORDS}}})(?=[(<]{EMAIL.pattern}[)>])")
_PHONE = re.compile(r"(?<![\w.,:/-])\+?\(?\d[\d ()/.-]{5,30}\d(?![\w:])")
_WORD = re.compile(r"[^\W\d_][\w'’.-]*")
_ASSIGNED = re.compile(r"(?P<field>[A-Za-z_][\w ]{0,60}?) = (?P<value>[^;]+)")
_STRUCTURAL = frozenset({
    "difference", "entry", "key", "id", "field", "class", "grade", "state", "check", "checks", "object",
    "group", "written", "stamp", "outcome", "source_id", "target_id", "channel", "writer", "by", "label",
})  # fmt: skip
# Where the screen names people who decide.
_DECIDERS = frozenset({"who decides", "accepted by", "who", "by", "name", "tester", "owner", "signed by"})

Known = Callable[[set[str], set[str]], tuple[set[str], set[str]]]


class Masking:
    """Masks one report.

    Args:
        personal: by entry, the fields that hold something of a person.
        known: given possible full names and phone numbers (both `folded`), those that the data holds.
        deciders: texts with the names of those who decide; they stay.
        owners: what people are called who own records, `folded`; also those of one word.
    """

    def __init__(
        self,
        personal: dict[str, dict[str, Holds]],
        known: Known,
        deciders: Iterable[str] = (),
        owners: Iterable[str] = (),
    ) -> None:
        self._personal, self._known, self._owners = personal, known, frozenset(owners)
        self._deciders = set(deciders)
        self._key = secrets.token_bytes(16)
        self._names: set[str] = set()
        self._phones: set[str] = set()
        self._open: set[str] = set()

    def document(self, document: dict[str, Any]) -> dict[str, Any]:
        """report.json without anything that tells who a person is."""
        made = dict(document)
        made["results"] = [
            {
                **each,
                "sample": [self.row(str(row.get("entry") or each["object"]), row) for row in each["sample"]],
                "tables": self._tables(each["tables"]),
            }
            for each in document["results"]
        ]
        made["screen"] = [self._accounts(each) for each in document.get("screen", ())]
        made["names"] = {
            id: {
                field: {**each, "values": {key: self._owner(name) for key, name in each["values"].items()}}
                for field, each in fields.items()
            }
            for id, fields in document.get("names", {}).items()
        }
        if differences := document.get("differences"):
            made["differences"] = self._differences(differences)
        deciders = self._deciders | set(_deciding(document))
        self._open = {phrase for words in deciders for phrase, *_ in phrases(words)}
        self._open |= {mail.lower() for words in deciders for mail in EMAIL.findall(words)}
        texts = set(_texts(made))
        self._names, self._phones = self._known(
            {phrase for words in texts for phrase, *_ in phrases(words)} - self._open,
            {digits(found) for words in texts for found in _PHONE.findall(words)},
        )
        return dict(self._scrubbed(made))

    def row(self, entry: str, row: dict[str, Any]) -> dict[str, Any]:
        """One row of differences with its values masked, where its field holds something of a person."""
        what = self._personal.get(entry, {}).get(str(row.get("field")))
        made = {}
        for name, value in row.items():
            kind = what if name not in _STRUCTURAL else None
            if name not in ("expected", "found", *_STRUCTURAL):
                kind = kind or by_name(name)
            if name == "writer" and row.get("by") == "person":
                kind = Holds.NAME
            made[name] = self.value(value, kind) if kind else value
        return made

    def value(self, value: Any, kind: Holds) -> Any:
        """A masked value: enough to tell it from others, too little to tell whose it is."""
        if not isinstance(value, str) or not value.strip():
            return value
        mark = hmac.digest(self._key, value.encode("utf-8", "surrogatepass"), "sha256").hex()[:4]
        if kind is Holds.EMAIL:
            shown = f"{value.strip()[0]}…@…"
        elif kind is Holds.PHONE:
            shown = f"…{digits(value)[-2:]}"
        elif kind is Holds.NAME:
            shown = initials(value)
        elif kind is Holds.BIRTH:
            shown = "a day"
        else:
            shown = f"text of {len(value):,} sign{'' if len(value) == 1 else 's'}"
        return f"{shown} #{mark}"

    def _accounts(self, section: dict[str, Any]) -> dict[str, Any]:
        """A section with the records of the accounts that were looked at whole masked, each by its entry."""
        accounts = section["facts"].get("accounts")
        if section["id"] != "accounts" or not accounts:
            return section
        told = [{**one, "nodes": [self._node(node) for node in one["nodes"]]} for one in accounts]
        return {**section, "facts": {**section["facts"], "accounts": told}}

    def _node(self, node: dict[str, Any]) -> dict[str, Any]:
        personal = self._personal.get(node["entry"], {})
        kind = personal.get(str(node["called_by"]))
        return {
            **node,
            "name": self.value(node["name"], kind) if kind else node["name"],
            "fields": [
                {name: self._owner(value) for name, value in self.row(node["entry"], each).items()}
                for each in node["fields"]
            ],
        }

    def _tables(self, tables: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {**each, "rows": [[self._owner(cell) for cell in row] for row in each["rows"]]} for each in tables
        ]

    def _owner(self, name: Any) -> Any:
        """A cell that is an owner's name and nothing else, as initials."""
        return initials(name) if isinstance(name, str) and folded(name) in self._owners else name

    def _differences(self, differences: dict[str, Any]) -> dict[str, Any]:
        # The rows of its sample were masked before they were cut.
        return {**differences, "groups": [self._group(each) for each in differences["groups"]]}

    def _group(self, group: dict[str, Any]) -> dict[str, Any]:
        if not self._personal.get(group["object"], {}).get(str(group["field"])):
            return group
        masked = self.row(group["object"], group | {"cause": "", "fix": "", "command": "", "kind": ""})
        told = group["cause"].partition(" (")[0]
        sides = [masked[side] if masked[side] is not None else "(empty)" for side in ("expected", "found")]
        if told != group["cause"]:
            told = f"{told} ({sides[0]} became {sides[1]})"
        return {**group, "expected": masked["expected"], "found": masked["found"], "cause": told}

    def _scrubbed(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.scrub(value)
        if isinstance(value, dict):
            return {
                self.scrub(name) if isinstance(name, str) else name: self._scrubbed(each)
                for name, each in value.items()
            }
        return [self._scrubbed(each) for each in value] if isinstance(value, (list, tuple)) else value

    def scrub(self, words: str) -> str:
        """A text without the e-mail addresses, phone numbers and full names that the data holds."""
        if " = " in words:
            words = _ASSIGNED.sub(self._assigned, words)
        if "@" in words:
            words = _NAMED.sub(self._named, words)
            words = EMAIL.sub(self._mail, words)
        words = _PHONE.sub(
            lambda found: self.value(found[0], Holds.PHONE) if digits(found[0]) in self._phones else found[0],
            words,
        )
        at = 0
        pieces = []
        for phrase, start, end in phrases(words):
            if start >= at and phrase in self._names:
                pieces += [words[at:start], initials(words[start:end])]
                at = end
        return "".join([*pieces, words[at:]])

    def _named(self, found: re.Match[str]) -> str:
        return found[0] if folded(found[1]) in self._open else f"{initials(found[1])} "

    def _mail(self, found: re.Match[str]) -> str:
        return found[0] if found[0].lower() in self._open else str(self.value(found[0], Holds.EMAIL))

    def _assigned(self, found: re.Match[str]) -> str:
        kind = by_name(found["field"].rpartition(": ")[2])
        return f"{found['field']} = {self.value(found['value'], kind) if kind else found['value']}"


def initials(name: str) -> str:
    """`Ada Lovelace` as `A. L.`."""
    return " ".join(f"{word[0]}." for word in _WORD.findall(name)[:WORDS]) or "…"


def digits(phone: str) -> str:
    """A phone number as it is compared."""
    return "".join(re.findall(r"\d", phone))


def phrases(words: str) -> Iterator[tuple[str, int, int]]:
    """Every run of two words or more that could be a full name, folded, with its place; longer ones first."""
    found = list(_WORD.finditer(words))
    for index, first in enumerate(found):
        run = [first]
        for other in found[index + 1 : index + WORDS]:
            if words[run[-1].end() : other.start()].strip(" ,"):
                break
            run.append(other)
        for length in range(len(run), 1, -1):
            yield folded(" ".join(one[0] for one in run[:length])), first.start(), run[length - 1].end()


def folded(name: str) -> str:
    """A full name as it is compared."""
    return " ".join(_WORD.findall(name)).lower()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield str(name)
            yield from _texts(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _texts(each)


def _deciding(document: dict[str, Any]) -> Iterator[str]:
    """Texts of the report with the names of those who decide."""
    yield from (str(each["who"]) for each in document.get("waivers", ()))
    yield from (str(each["owner"]) for each in document.get("decisions", ()))
    for section in document.get("screen", ()):
        if section["id"] in ("notices", "people", "lines", "waivers", "signatures", "verdict"):
            yield from _texts(section["facts"].get("asked_of", ()))
            for table in section["tables"]:
                chosen = [index for index, name in enumerate(table["columns"]) if name in _DECIDERS]
                yield from (str(row[index]) for row in table["rows"] for index in chosen)


def masking(evidence: Evidence) -> Masking:
    """What masks the report of a validation."""
    model = evidence.plan.model
    deciders = [
        *(each.by for each in model.validate_.notices),
        *(each.owner for each in model.validate_.tolerances),
        *(each.automations.waive.by for each in model.objects if each.automations.waive),
        *model.validate_.decision.asked_of,
    ]
    owners = {
        folded(one.name)
        for side in (evidence.source, evidence.target)
        for one in side.owners
        if not one.queue
    } - {""}

    def known(names: set[str], phones: set[str]) -> tuple[set[str], set[str]]:
        called, numbers = _held(evidence, names, phones)
        return called | (names & owners), numbers

    return Masking(personal_fields(evidence), known, deciders, owners)


def _held(evidence: Evidence, names: set[str], phones: set[str]) -> tuple[set[str], set[str]]:
    """Those of these names and phone numbers that records of persons hold."""
    called, numbers = set[str](), set[str]()
    for schema, table in _people(evidence):
        for fields in name_pairs(schema):
            for order in {fields, fields[::-1]}:
                joined = ", ".join(f"nullif(trim({_name(one)}), '')" for one in order)
                called |= _among(evidence, table, f"lower(concat_ws(' ', {joined}))", names)
        for name, what in of_schema(schema).items():
            if what is Holds.PHONE:
                column = f"regexp_replace({_name(name)}, '[^0-9]', '', 'g')"
                numbers |= _among(evidence, table, column, phones)
    return called, numbers


def _people(evidence: Evidence) -> Iterator[tuple[ObjectSchema, str]]:
    """Every object with personal fields, as it was extracted and as it was read anew: its rows as SQL."""
    from migrate.engine import parquet
    from migrate.stages.crosswalk import rows_of

    for source in dict.fromkeys(each.source for each in evidence.plan.model.objects):
        schema = evidence.source.objects.get(source)
        wanted = dict.fromkeys(of_schema(schema), "VARCHAR")
        if schema is not None and wanted:
            yield schema, rows_of(evidence.store, evidence.store.manifests("source", source), wanted)
    for object, manifest in evidence.read_anew().items():
        schema = evidence.target.objects[object]
        kept = {name: field for name, field in schema.fields.items() if name in manifest.schema}
        there = schema.model_copy(update={"fields": kept})
        if (files := evidence.store.files(manifest)) and of_schema(there):
            yield there, parquet(files)


def _among(evidence: Evidence, table: str, column: str, wanted: set[str]) -> set[str]:
    """Which of these texts a column holds."""
    import pyarrow as pa

    if not wanted:
        return set()
    with evidence.engine.cursor() as cursor:
        cursor.register("wanted", pa.table({"text": pa.array(sorted(wanted), pa.string())}))
        cursor.execute(f"SELECT text FROM wanted WHERE text IN (SELECT {column} FROM {table})")
        found = {str(row[0]) for row in cursor.fetchall()}
        cursor.unregister("wanted")
    return found


def _name(field: str) -> str:
    from migrate.engine import identifier

    return f"CAST({identifier(field)} AS VARCHAR)"
