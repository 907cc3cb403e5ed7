"""What does the org hold now? Records by id, by key, or all of them, always from the row store.

SOQL and collections read what is committed; only SOSL and list views go through an index that lags (and
are never used). Ids are read by POST, 2,000 a call; keys by queries as long as a URI may be. A record
that was merged away answers with its survivor (`MasterRecordId`). Salesforce, REST guide "sObject
Collections", "Query", and Object Reference "Account", read 2026-11-26.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from migrate.catalog import Field
from migrate.connector import Held, Who, Write
from migrate.connectors.salesforce import blobs, documents, soql
from migrate.connectors.salesforce.ids import long_id
from migrate.connectors.salesforce.org import Org
from migrate.connectors.salesforce.reading import live_only
from migrate.connectors.salesforce.rest import LONGEST_URI, ROWS
from migrate.connectors.salesforce.written import canonical
from migrate.errors import UsageError
from migrate.types import Kind

Record = Mapping[str, Any]
_AUTHOR = "CreatedById"
_MOST_MERGES = 10  # of survivors that were merged away in their turn


class Looking:
    """Reading back, and sweeping."""

    def __init__(self, org: Org) -> None:
        self._org = org

    def read_back(
        self,
        object: str,
        names: Sequence[str],
        ids: Sequence[str],
        keys: Sequence[str],
        key_field: str | None,
    ) -> list[Held]:
        fields = self.known(object, [*names, *([key_field] if keys and key_field else [])])
        found = self._by_id(object, fields, names, list(dict.fromkeys(ids)))
        if keys and key_field:
            found += self._by_key(object, fields, names, list(dict.fromkeys(keys)), key_field)
        return found

    def sweep(self, object: str, names: Sequence[str], key_field: str | None) -> Iterator[Held]:
        """Every live record. One that our user made and that has no key was made by an automation in a
        transaction of ours: what we write ourselves always has one."""
        fields = self.known(object, names)
        if object == blobs.LINK:
            for row in documents.rows(self._org.rest, self._wanted(object, names)):
                yield self._held(object, fields, names, row, long_id(str(row["Id"])))
            return
        wanted, live = self._wanted(object, names), live_only(self._org.schema(object))
        last = ""
        while True:
            after = [f"Id > {soql.text(last)}"] if last else []
            text = soql.select(object, wanted, [*live, *after], f"ORDER BY Id LIMIT {ROWS}")
            answer = self._org.rest.query(text, all=bool(live))
            records = answer["records"]
            for record in records:
                held = self._held(object, fields, names, record, long_id(str(record["Id"])))
                if key_field in names and held.source == Who.OURS and not held.values.get(str(key_field)):
                    held = Held(held.id, held.asked, held.values, held.stamp, Who.AUTOMATION.value)
                yield held
            if not records or (answer.get("done", True) and len(records) < ROWS):
                return
            last = str(records[-1]["Id"])

    def links(self, names: Sequence[str], writes: Sequence[Write]) -> list[Held]:
        """The links of files that these writes would make; there is one for a document and a record."""
        fields = self.known(blobs.LINK, names)
        asked = {
            (str(write.values.get(documents.BY)), str(write.values.get(documents.ENTITY))): write.key
            for write in writes
        }
        wanted = [*self._wanted(blobs.LINK, names), documents.BY, documents.ENTITY]
        ids = list(dict.fromkeys(document for document, _ in asked))
        found = []
        for row in documents.of(self._org.rest, list(dict.fromkeys(wanted)), ids):
            pair = long_id(str(row[documents.BY])), long_id(str(row[documents.ENTITY]))
            if pair in asked:
                found.append(self._held(blobs.LINK, fields, names, row, asked[pair]))
        return found

    def known(self, object: str, names: Sequence[str]) -> dict[str, Field]:
        """The fields of these names, described anew where one isn't known yet.

        Raises:
            UsageError: the org has no such field, or shows it not to this user.
        """
        if any(name not in self._org.schema(object).fields for name in names):
            self._org.forget()
        fields = self._org.schema(object).fields
        missing = sorted(name for name in names if name not in fields)
        if missing:
            listed = ", ".join(f"`{name}`" for name in missing)
            raise UsageError(
                f"`{self._org.system}`: `{object}` has no field {listed} that this user may read",
                "Run `migrate prepare` to make what the plan needs, or correct the name in the plan.",
            )
        return {name: fields[name] for name in names}

    def records(self, object: str, ids: Sequence[str], wanted: Sequence[str]) -> list[Record]:
        """Live records of these ids, numbers as text."""
        path = f"{self._org.base}/composite/sobjects/{soql.name(object)}"
        found: list[Record] = []
        size = self._org.limits.read_back_records
        for first in range(0, len(ids), size):
            body = {"ids": list(ids[first : first + size]), "fields": list(wanted)}
            reply = self._org.http.call("POST", path, json=body, write=False)
            rows = json.loads(reply.body, parse_float=str, parse_int=str)
            found += [row for row in rows if row is not None]
        return found

    def _by_id(
        self, object: str, fields: Mapping[str, Field], names: Sequence[str], ids: Sequence[str]
    ) -> list[Held]:
        if not ids:
            return []
        wanted = self._wanted(object, names)
        rows = {long_id(str(row["Id"])): row for row in self.records(object, ids, wanted)}
        gone = [id for id in ids if long_id(id) not in rows]
        heirs = self._survivors(object, gone) if gone else {}
        more = sorted(set(heirs.values()) - rows.keys())
        rows |= {long_id(str(row["Id"])): row for row in self.records(object, more, wanted)} if more else {}
        found = []
        for id in ids:
            row = rows.get(heirs.get(id, long_id(id)))
            if row is not None:
                found.append(self._held(object, fields, names, row, id))
        return found

    def _survivors(self, object: str, ids: Sequence[str]) -> dict[str, str]:
        """Into which record each of these was merged, by the id that was asked for."""
        if not self._org.listed().get(object, {}).get("mergeable"):
            return {}
        heirs = {id: long_id(id) for id in ids}
        moved: dict[str, str] = {}
        for _ in range(_MOST_MERGES):
            asked = sorted(set(heirs.values()))
            text = soql.select(object, ["Id", "MasterRecordId"], ["IsDeleted = true"])
            masters: dict[str, str] = {}
            for listed in self.listed(text, asked):
                for row in self._org.rest.rows(f"{text} AND Id IN ({listed})", all=True):
                    if row.get("MasterRecordId"):
                        masters[long_id(str(row["Id"]))] = long_id(str(row["MasterRecordId"]))
            heirs = {id: masters[heir] for id, heir in heirs.items() if heir in masters}
            if not heirs:
                break
            moved |= heirs
        return moved

    def _by_key(
        self,
        object: str,
        fields: Mapping[str, Field],
        names: Sequence[str],
        keys: Sequence[str],
        key_field: str,
    ) -> list[Held]:
        wanted = list(dict.fromkeys([*self._wanted(object, names), key_field]))
        text = soql.select(object, wanted)
        slim = len(quote(text)) > LONGEST_URI // 2  # too many fields to name them beside enough keys
        if slim:
            text = soql.select(object, ["Id", key_field])
        rows: list[Record] = []
        live = live_only(self._org.schema(object))
        for listed in self.listed(text, keys):
            where = " AND ".join([f"{soql.name(key_field)} IN ({listed})", *live])
            rows += self._org.rest.rows(f"{text} WHERE {where}", all=bool(live))
        if slim:
            rows = self.records(object, [str(row["Id"]) for row in rows], wanted)
        exact, folded = set(keys), {key.casefold(): key for key in keys}
        found = []
        for row in rows:
            own = str(row.get(key_field) or "")
            asked = own if own in exact else folded.get(own.casefold())
            if asked is not None:
                found.append(self._held(object, fields, names, row, asked))
        return found

    def listed(self, text: str, values: Sequence[str]) -> Iterator[str]:
        """Values as lists for `IN`, each short enough to go beside the query's text in one URI."""
        room = LONGEST_URI - len(quote(text)) - len(self._org.base) - 400
        piece: list[str] = []
        length = 0
        for value in values:
            one = soql.text(value)
            size = len(quote(one)) + 3
            if piece and length + size > room:
                yield ",".join(piece)
                piece, length = [], 0
            piece.append(one)
            length += size
        if piece:
            yield ",".join(piece)

    def _wanted(self, object: str, names: Sequence[str]) -> list[str]:
        """What is asked for: the fields, the id, the stamp and who made the record."""
        schema = self._org.schema(object)
        more = [name for name in (schema.stamp, _AUTHOR) if name and name in schema.fields]
        return list(dict.fromkeys(["Id", *blobs.told_by(schema.fields, names), *more]))

    def _held(
        self, object: str, fields: Mapping[str, Field], names: Sequence[str], row: Record, asked: str
    ) -> Held:
        stamp = self._org.schema(object).stamp
        described = self._org.schema(object).fields
        author = str(row.get(_AUTHOR) or "")
        source = "" if not author else Who.OURS if long_id(author) == self._org.user() else Who.PERSON
        return Held(
            id=long_id(str(row["Id"])),
            asked=asked,
            values={name: _value(fields[name], row) for name in names},
            stamp=canonical(described.get(stamp), row.get(stamp)) or "" if stamp else "",
            source=str(source),
        )


def _value(field: Field, row: Record) -> str | None:
    """A field's value; a file as its `held` rule has it, by what stands beside its bytes."""
    if field.kind is not Kind.BINARY:
        return canonical(field, row.get(field.name))
    size = row.get(field.size_in or "")
    if size is None:
        return None
    md5 = row.get(field.md5_in or "")
    return f"md5:{str(md5).lower()}:{size}" if md5 else f"bytes:{size}"
