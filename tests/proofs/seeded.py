"""Corrupt a migrated HubSpot portal, through HubSpot's own API, and remember what was done to which record.

Imports nothing of the product: it reads and writes as any other program with a token would. What a value
stands for is told by HubSpot's own property definitions; which properties a migration filled is told by the
caller. Everything is drawn from one seed number.

What can't be planted in HubSpot: a second record with the same migration key, for that property is unique.
Its twin is what a *clone* leaves: all values but those that must be unique.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tests.proofs.seeded_portal import Portal, Refused
from tests.proofs.seeded_values import CHANGES, CHOICES, DATES, MONEY, NUMBERS, OWNER, TEXTS, Known, same

KEY, OLD_ID = "migration_key", "old_salesforce_id"
OBJECTS = ("companies", "contacts", "deals", "p_installation", "emails")
KINDS = (
    "record missing", "record extra", "record twin", "value changed", "value emptied", "value truncated",
    "case changed", "white space added", "time shifted by hours", "date by a day", "money by a cent",
    "currency swapped", "picklist value swapped", "encoding damaged", "owner swapped", "parent swapped",
    "link lost", "label lost", "file damaged or lost", "opt-out lost",
)  # fmt: skip
# (left, right, by label): the links that the migration made, from the side that it made them from.
LINKS = (("deals", "companies"), ("contacts", "companies"), ("p_installation", "companies"),
         ("deals", "contacts"), ("emails", "companies"))  # fmt: skip
SOME = 12  # every so manieth corruption of a value is done to a record that has one already


@dataclass(frozen=True)
class Planted:
    """One corruption. `id`: of the record in the target; `key`: its migration key; `detail`: old and new."""

    kind: str
    object: str
    id: str
    key: str
    field: str = ""
    detail: str = ""
    unmapped: bool = False


@dataclass
class Generator:
    """Plants. `each`: how many of each kind; `standing`: ids of companies from before the migration."""

    portal: Portal
    each: int = 20
    number: int = 4_711
    standing: frozenset[str] = frozenset()
    planted: list[Planted] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.number)  # noqa: S311 - a draw, no secret
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._known = Known(self._rng, {}, {}, [])
        self._used: dict[tuple[str, str], set[str]] = {}
        self._gone: set[str] = set()  # ids whose record is left alone by all other kinds
        self._single = 0

    def plant(self) -> list[Planted]:
        """All of them; records first, so that nothing is done to one that goes."""
        self._read()
        works: Mapping[str, Callable[[], None]] = {
            "record missing": self._missing, "record twin": self._twin, "record extra": self._extra,
            "file damaged or lost": self._file, "opt-out lost": self._opt_out, "label lost": self._label,
            "link lost": lambda: self._link("link lost"),
            "parent swapped": lambda: self._link("parent swapped"),
        }  # fmt: skip
        order = [*works, *(kind for kind in KINDS if kind not in works)]
        for kind in order:
            unmapped = self._unmapped(kind)
            for number in range(self.each):
                if kind in works:
                    works[kind]()
                elif number < unmapped:
                    self._value(kind, unmapped=True)
                else:
                    self._value(kind)
        return self.planted

    def _unmapped(self, kind: str) -> int:
        """How many of a kind are done to unmapped properties of adopted records: a twentieth of all."""
        share = {"value changed": 5, "value emptied": 3, "value truncated": 3, "case changed": 3,
                 "white space added": 3, "picklist value swapped": 3}  # fmt: skip
        return min(-(-share.get(kind, 0) * self.each // 20), self.each) if self.standing else 0

    # -- what is there ------------------------------------------------------------------------

    def _read(self) -> None:
        for object in OBJECTS:
            listed = self.portal.ask("GET", f"/crm/v3/properties/{self.portal.named(object)}")["results"]
            names = [row["name"] for row in listed]
            for row in listed:
                options = [str(one["value"]) for one in row.get("options") or () if not one.get("hidden")]
                self._known.options[object, row["name"]] = options
            # By key: ids are given in the order of calls, which run side by side.
            rows = [row for row in self.portal.all(object, names) if row.get(KEY)]
            rows.sort(key=lambda row: str(row[KEY]))
            self._rng.shuffle(rows)
            self._rows[object] = rows
        self._known.stages = {
            str(stage["id"]): [str(one["id"]) for one in pipeline["stages"]]
            for pipeline in self.portal.ask("GET", "/crm/v3/pipelines/deals")["results"]
            for stage in pipeline["stages"]
        }
        self._known.owners = [
            str(row["id"]) for row in self.portal.ask("GET", "/crm/v3/owners?limit=500")["results"]
        ]
        self._files = sorted(self.portal.files(), key=lambda row: str(row["path"]))
        self._rng.shuffle(self._files)

    def _note(self, kind: str, object: str, row: Mapping[str, Any], field: str = "", **more: Any) -> None:
        self.planted.append(Planted(kind, object, str(row["id"]), str(row.get(KEY) or ""), field, **more))

    def _take(
        self, objects: Sequence[str], good: Callable[[str, dict[str, Any]], bool]
    ) -> tuple[str, dict[str, Any]]:
        """A record that is fit and that nothing was done to yet, of each object in turn.

        Raises:
            LookupError: there is none left.
        """
        start = self._rng.randrange(len(objects))
        for object in [*objects[start:], *objects[:start]]:
            for row in self._rows[object]:
                if (
                    row["id"] not in self._gone
                    and (object, row["id"]) not in self._used
                    and good(object, row)
                ):
                    self._used[object, row["id"]] = set()
                    return object, row
        raise LookupError(f"no record of {', '.join(objects)} is left to do it to")

    # -- records --------------------------------------------------------------------------------

    def _missing(self) -> None:
        object, row = self._take(("deals", "p_installation", "emails", "deals", "contacts"), lambda *_: True)
        self.portal.ask("DELETE", f"/crm/v3/objects/{self.portal.named(object)}/{row['id']}")
        self._gone.add(row["id"])
        self._note("record missing", object, row)

    def _copy(self, object: str, row: Mapping[str, Any]) -> dict[str, str]:
        """The values that a clone has: mapped ones and the old id, none that is unique or stirs HubSpot."""
        names = {OLD_ID, OWNER, "pipeline", "dealstage", "hs_timestamp", "hs_email_direction"}
        for fields in (TEXTS, NUMBERS, MONEY, DATES, CHOICES):
            names |= set(fields.get(object, ()))
        return {name: str(row[name]) for name in sorted(names) if row.get(name)}

    def _twin(self) -> None:
        object, row = self._take(
            ("deals", "companies", "p_installation", "contacts"), lambda _, row: bool(row.get(OLD_ID))
        )
        made = self.portal.ask(
            "POST", f"/crm/v3/objects/{self.portal.named(object)}", {"properties": self._copy(object, row)}
        )
        self._gone |= {row["id"], str(made["id"])}
        self._note("record twin", object, {"id": made["id"], KEY: row[KEY]})

    def _extra(self) -> None:
        object, row = self._take(("deals", "p_installation", "companies"), lambda *_: True)
        made_up = row[KEY][:-6] + "".join(self._rng.choice("ACEGKMPRTX") for _ in range(6))
        values = {**self._copy(object, row), KEY: made_up}
        values.pop(OLD_ID, None)
        made = self.portal.ask("POST", f"/crm/v3/objects/{self.portal.named(object)}", {"properties": values})
        self._gone.add(str(made["id"]))
        self._note("record extra", object, {"id": made["id"], KEY: made_up})

    # -- values -----------------------------------------------------------------------------------

    def _value(self, kind: str, *, unmapped: bool = False) -> None:
        """Try records until one has a value that this kind can be done to."""
        change = CHANGES[kind]
        pool: Mapping[str, Sequence[str]]
        if unmapped:
            pool = {
                "companies": ("lifecyclestage",) if kind == "picklist value swapped" else ("description",)
            }
        else:
            pool = change.pool
        self._single += 1
        again = not unmapped and self._single % SOME == 0
        for object, row, name in self._candidates(pool, again=again, unmapped=unmapped):
            new = change.make(self._known, object, name, str(row[name]))
            if new is None or new == row[name]:
                continue
            try:
                now = self.portal.write(object, row["id"], {name: new})
            except Refused as refusal:
                self.refused.append(f"{kind}: {str(refusal)[:200]}")
                continue
            if kind != "value emptied" and now.get(name) != new and not same(now.get(name), new):
                # HubSpot made something else of it; put back what was there and take another one.
                self.portal.write(object, row["id"], {name: str(row[name])})
                self.refused.append(f"{kind}: {object}.{name} became {now.get(name)!r}, not {new!r}"[:200])
                continue
            self._used.setdefault((object, row["id"]), set()).add(name)
            self._note(kind, object, row, name, detail=f"{row[name]!r} -> {new!r}", unmapped=unmapped)
            return
        raise LookupError(f"nothing is left for `{kind}`{' of unmapped properties' if unmapped else ''}")

    def _candidates(
        self, pool: Mapping[str, Sequence[str]], *, again: bool, unmapped: bool
    ) -> Iterator[tuple[str, dict[str, Any], str]]:
        places = [(object, name) for object, names in pool.items() for name in names]
        self._rng.shuffle(places)
        for wants in (again, not again):
            for index in range(max(len(rows) for rows in self._rows.values())):
                for object, name in places:
                    if index >= len(self._rows[object]):
                        continue
                    row = self._rows[object][index]
                    done = self._used.get((object, row["id"]))
                    if row["id"] in self._gone or not row.get(name) or name in (done or ()):
                        continue
                    if unmapped and row["id"] not in self.standing:
                        continue
                    if bool(done) == wants or unmapped:
                        yield object, row, name

    # -- links ------------------------------------------------------------------------------------

    def _linked(self, left: str, row: Mapping[str, Any], right: str) -> list[dict[str, Any]]:
        path = f"/crm/v4/objects/{self.portal.named(left)}/{row['id']}/associations/{right}"
        found: list[dict[str, Any]] = self.portal.ask("GET", path)["results"]
        found = [each for each in found if str(each["toObjectId"]) not in self._gone]
        return sorted(found, key=lambda each: self._key_of(right, str(each["toObjectId"])))

    def _pairs(
        self, ways: Sequence[tuple[str, str]]
    ) -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
        """Links of records that nothing was done to: left and right object, the record, the link."""
        ways = list(ways)
        self._rng.shuffle(ways)
        most = max(len(self._rows[left]) for left, _ in ways)
        for index in range(most):
            for left, right in ways:
                if index >= len(self._rows[left]):
                    continue
                row = self._rows[left][index]
                if row["id"] in self._gone or (left, row["id"]) in self._used:
                    continue
                for link in self._linked(left, row, right):
                    self._used[left, row["id"]] = set()
                    yield left, right, row, link
                    break

    def _link(self, kind: str) -> None:
        for left, right, row, link in self._pairs(LINKS):
            types, far = link["associationTypes"], str(link["toObjectId"])
            path = f"/crm/v4/objects/{self.portal.named(left)}/{row['id']}/associations"
            other = None
            if kind == "parent swapped":
                known = {str(one["toObjectId"]) for one in self._linked(left, row, right)}
                other = next(
                    each["id"] for each in self._rows[right][::-1] if each["id"] not in self._gone | known
                )
            self.portal.ask("DELETE", f"{path}/{right}/{far}")
            if other:
                named = [one for one in types if one.get("label")]
                if named:
                    body = [
                        {"associationCategory": one["category"], "associationTypeId": one["typeId"]}
                        for one in named
                    ]
                    self.portal.ask("PUT", f"{path}/{right}/{other}", body)
                else:
                    self.portal.ask("PUT", f"{path}/default/{right}/{other}")
            self._note(kind, left, row, self._key_of(right, far), detail=f"{right} {far} -> {other}")
            return
        raise LookupError(f"no link is left for `{kind}`")

    def _label(self) -> None:
        for left, right, row, link in self._pairs((("deals", "contacts"), ("p_installation", "companies"))):
            named = [
                one
                for one in link["associationTypes"]
                if one.get("label") and one["category"] == "USER_DEFINED"
            ]
            if not named:
                continue
            far = str(link["toObjectId"])
            types = [
                {"associationCategory": one["category"], "associationTypeId": one["typeId"]} for one in named
            ]
            pair = {"from": {"id": row["id"]}, "to": {"id": far}, "types": types}
            self.portal.ask(
                "POST",
                f"/crm/v4/associations/{self.portal.named(left)}/{right}/batch/labels/archive",
                {"inputs": [pair]},
            )
            self._note("label lost", left, row, self._key_of(right, far), detail=f"{right} {far}: {named}")
            return
        raise LookupError("no labelled link is left")

    def _key_of(self, object: str, id: str) -> str:
        return next((str(row[KEY]) for row in self._rows[object] if row["id"] == id), id)

    # -- files and opt-outs -----------------------------------------------------------------------

    def _file(self) -> None:
        if not self._files:
            raise LookupError("no file is left")
        file = self._files.pop()
        row = {"id": file["id"]}
        if len(self._files) % 2:
            self.portal.ask("DELETE", f"/files/v3/files/{file['id']}")
            self._note("file damaged or lost", "files", row, detail="lost")
            return
        size = max(int(file.get("size") or 1), 1) + self._rng.choice((0, 0, 7))  # the same length, too
        part = uuid.UUID(int=self._rng.getrandbits(128)).hex
        head = (
            f'--{part}\r\nContent-Disposition: form-data; name="options"\r\n\r\n{{"access": "PRIVATE"}}\r\n'
            f'--{part}\r\nContent-Disposition: form-data; name="file"; '
            f'filename="{quote(str(file["name"]))}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        body = head.encode() + self._rng.randbytes(size) + f"\r\n--{part}--\r\n".encode()
        self.portal.ask(
            "PUT", f"/files/v3/files/{file['id']}", form=(body, f"multipart/form-data; boundary={part}")
        )
        self._note("file damaged or lost", "files", row, detail="damaged")

    def _opt_out(self) -> None:
        topic = self.portal.ask("GET", "/communication-preferences/v4/definitions")["results"][0]["id"]
        for row in self._rows["contacts"]:
            address = str(row.get("email") or "")
            if not address or row["id"] in self._gone or ("consent", address) in self._used:
                continue
            self._used["consent", address] = set()
            path = f"/communication-preferences/v4/statuses/{quote(address)}"
            if not self.portal.ask("GET", f"{path}/unsubscribe-all?channel=EMAIL")["results"]:
                continue
            self.portal.ask("POST", path, {
                "subscriptionId": topic, "statusState": "SUBSCRIBED", "channel": "EMAIL",
                "legalBasis": "CONSENT_WITH_NOTICE", "legalBasisExplanation": "Signed up again",
            })  # fmt: skip
            self._note("opt-out lost", "contacts", row, address)
            return
        raise LookupError("nobody is left who said no")
