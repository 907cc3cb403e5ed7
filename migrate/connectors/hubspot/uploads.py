"""How does a file get into HubSpot once, and out again?

A create is an upload into a folder of its own, named by the migration key, with the wish to be refused where
that folder holds the same content already (`duplicateValidationStrategy: REJECT`, `EXACT_FOLDER`). HubSpot
doesn't say that this wish holds between two uploads that arrive at the same moment, so it isn't relied on:
a create whose answer was lost is looked for only after the longest call is over (`settled`), and a twin, if
one came about, is found by the sweep, since both lie in the key's folder. Where HubSpot refuses, its words
name the file that is there, and it counts as made.

What this process uploaded is read back by its id; what a former one did, by the key's folder.

HubSpot, "Files" guide and "Upload file", read 2026-11-26.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from migrate.connector import Batch, Held, Operation, Outcome, ReadBlob, Write
from migrate.connectors.http import Reply
from migrate.connectors.hubspot.filing import ACCESS, CONTENT, NAME, File, Filing
from migrate.connectors.hubspot.linking import REFUSALS
from migrate.connectors.hubspot.replies import error_body, problem
from migrate.connectors.hubspot.values import instant, instant_text
from migrate.connectors.uploading import TextPart, Upload, multipart
from migrate.errors import Defect
from migrate.held import held
from migrate.types import BlobRef

REMEMBERED = 1_000  # uploads whose ids are known; only those just made are asked for
DEFAULT_ACCESS = "PRIVATE"


class Uploads:
    """Writing files; thread safe."""

    def __init__(self, filing: Filing) -> None:
        self._filing, self._portal = filing, filing.portal
        self.blobs: ReadBlob = _no_blobs
        self._made: OrderedDict[str, str] = OrderedDict()  # key -> id
        self._lock = threading.Lock()

    def read_back(self, names: Sequence[str], ids: Sequence[str], keys: Sequence[str]) -> list[Held]:
        """By id or by key; of twins the older one."""
        found = []
        for asked, one in ((ids, self._by_id), (keys, self._by_key)):
            distinct = list(dict.fromkeys(asked))
            for each, file in zip(distinct, self._portal.each(one, distinct), strict=True):
                if file is not None:
                    found.append(self._filing.held(names, file, each))
        return found

    def _by_id(self, id: str) -> File | None:
        return self._filing.by_id(id)

    def _by_key(self, key: str) -> File | None:
        with self._lock:
            id = self._made.get(key)
        if id is not None and (file := self._filing.by_id(id)) is not None:
            return file
        return next(iter(self._filing.in_folder(self._filing.folder(key))), None)

    def send(self, batch: Batch) -> list[Outcome]:
        """One call a file, in their order; the first that stays without an answer ends it.

        Raises:
            As `Target.send`. What was done before is found by reading back.
        """
        does: Callable[[int, Write], Outcome] = {
            Operation.CREATE: self._create,
            Operation.UPDATE: self._update,
            Operation.DELETE: self._delete,
        }[batch.operation]
        return [does(index, write) for index, write in enumerate(batch.writes)]

    def _create(self, index: int, write: Write) -> Outcome:
        ref = BlobRef.parse(write.values.get(CONTENT) or "")
        if ref is None:
            return Outcome(index, "refused", code="NO_FILE", reason=f"`{CONTENT}` names no staged file")
        name = held(("file_name",), write.values.get(NAME)) or "_"
        options = {
            "access": write.values.get(ACCESS) or DEFAULT_ACCESS,
            "overwrite": False,
            "duplicateValidationStrategy": "REJECT",
            "duplicateValidationScope": "EXACT_FOLDER",
        }
        parts = [
            TextPart("folderPath", self._filing.folder(write.key)),
            TextPart("fileName", name),
            TextPart("options", json.dumps(options), "application/json"),
        ]
        reply = self._upload("POST", "", multipart(parts, "file", ref, self.blobs))
        if reply.status >= 300:
            return _refused(index, reply)
        file = reply.json()
        with self._lock:
            self._made[write.key] = str(file["id"])
            while len(self._made) > REMEMBERED:
                self._made.popitem(last=False)
        return _done(index, file)

    def _update(self, index: int, write: Write) -> Outcome:
        """A new content and new facts are two calls; the stamp is the last one's."""
        if not write.id:
            raise Defect(f"a write to `{write.key}` without the file's id")
        outcome = Outcome(index, "done", write.id)
        if write.values.get(CONTENT) is not None:
            ref = BlobRef.parse(write.values[CONTENT] or "")
            if ref is None:
                return Outcome(index, "refused", code="NO_FILE", reason=f"`{CONTENT}` names no staged file")
            access = write.values.get(ACCESS) or self._access(write.id)
            parts = [TextPart("options", json.dumps({"access": access}), "application/json")]
            reply = self._upload("PUT", f"/{write.id}", multipart(parts, "file", ref, self.blobs))
            if reply.status >= 300:
                return _refused(index, reply)
            outcome = _done(index, reply.json())
        facts: dict[str, Any] = {}
        if NAME in write.values:
            facts["name"] = held(("file_name",), write.values[NAME]) or "_"
        if write.values.get(ACCESS):
            facts["access"] = write.values[ACCESS]
        if facts:
            path = self._portal.paths.files(f"/files/{write.id}")
            reply = self._portal.http.call("PATCH", path, json=facts, write=True, ok=REFUSALS)
            outcome = _refused(index, reply) if reply.status >= 300 else _done(index, reply.json())
        return outcome

    def _access(self, id: str) -> str:
        file = self._filing.by_id(id)
        return str((file or {}).get("access") or DEFAULT_ACCESS)

    def _delete(self, index: int, write: Write) -> Outcome:
        """Into the trash, with the key's folder where nothing else is in it."""
        file = self._filing.by_id(str(write.id))
        path = self._portal.paths.files(f"/files/{quote(str(write.id), safe='')}")
        reply = self._portal.http.call("DELETE", path, write=True, ok=REFUSALS)
        if reply.status >= 300 and reply.status != 404:
            return _refused(index, reply)
        if file is not None and self._filing.key(str(file.get("path") or "")):
            self._tidy(str(file["path"]).rpartition("/")[0])
        return Outcome(index, "done", write.id)

    def _tidy(self, folder: str) -> None:
        told = self._portal.get_or_none(self._portal.paths.files(f"/folders/{quote(folder.strip('/'))}"), 404)
        if told is None or self._filing.in_folder(folder):
            return
        inner = self._portal.page(
            self._portal.paths.files("/folders/search"), parentFolderIds=str(told["id"]), limit=1
        )
        if not inner["results"]:
            path = self._portal.paths.files(f"/folders/{told['id']}")
            self._portal.http.call("DELETE", path, write=True, ok=(404,))

    def _upload(self, method: str, tail: str, upload: Upload) -> Reply:
        path = self._portal.paths.files(f"/files{tail}")
        return self._portal.http.call(method, path, upload=upload, write=True, ok=REFUSALS)


def _done(index: int, file: Mapping[str, Any]) -> Outcome:
    at = instant(str(file.get("updatedAt") or ""))
    return Outcome(index, "done", str(file["id"]), stamp=instant_text(at) if at else "")


def _refused(index: int, reply: Reply) -> Outcome:
    said = problem(error_body(reply))
    code = {413: "TOO_LARGE"}.get(reply.status, said.code or str(reply.status))
    return Outcome(index, "conflict" if said.conflict else "refused", said.id, code=code, reason=said.reason)


def _no_blobs(ref: BlobRef) -> Any:
    raise Defect(f"{ref} is to be sent, and nothing gives its bytes")
