"""What does one get who asks for a file's bytes?

A public file is served to anybody at its URL. A private one isn't found there; it is served at a signed URL,
which anybody may use until it expires by the sandbox's clock, or as a download to an app with the scope.

Facts: HubSpot, "Files" guide (access, download, 404 at the URL of a private file), "Get signed URL", legacy
page "Get a signed URL for a private file" (valid for a few hours unless told otherwise), "File manager"
(plain text), read 2026-11-26. Pictures aren't made smaller: `size` is checked and the file served as it is.
How a signed URL answers that has expired isn't documented; it is the plain refusal of a content network.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote, unquote

from migrate.sandbox.contents import Stored
from migrate.sandbox.hubspot import files, filing, finding, media, tables
from migrate.sandbox.hubspot.call import Call
from migrate.sandbox.hubspot.errors import ApiError
from migrate.sandbox.hubspot.filing import File
from migrate.sandbox.hubspot.values import iso
from migrate.sandbox.store import Tx
from migrate.sandbox.vendor import Reply, Request

PREFIXES: Final = ("/hubfs/", "/signed-hubfs/")
SHAPES: Final = ("icon", "medium", "preview", "thumb")
_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_NO_INDEX: Final = {"X-Robots-Tag": "noindex"}


def serve(request: Request, tx: Tx, portal: int, now: float) -> Reply:
    """Answer a request for a file's bytes, which needs no token."""
    if request.method != "GET":
        return Reply(405, "Method Not Allowed", media="text/plain")
    path = unquote(request.raw_path.partition("?")[0]) or request.path
    _, prefix, asked, rest = (*path.split("/", 3), "", "", "")[:4]
    if asked != str(portal):
        return _refused(404, "NoSuchKey", "The specified key does not exist.")
    if prefix == "signed-hubfs":
        return _signed(request, tx, rest.partition("/")[0], now)
    file = filing.file_at(tx.sql, rest)
    if file is None or file.access not in filing.PUBLIC:
        return _refused(404, "NoSuchKey", "The specified key does not exist.")
    return _bytes(request, tx, file, _NO_INDEX if "NOT_INDEXABLE" in file.access else {})


def _signed(request: Request, tx: Tx, id: str, now: float) -> Reply:
    expires, signature = request.arg("Expires", "") or "", request.arg("Signature", "") or ""
    wanted = _signature(tx, id, expires)
    if not hmac.compare_digest(signature.encode(), wanted.encode()):
        return _refused(403, "AccessDenied", "Access Denied")
    if float(expires) <= now:
        return _refused(403, "AccessDenied", "Request has expired")
    file = filing.live(tx.sql, finding.number(id))
    if file is None:
        return _refused(404, "NoSuchKey", "The specified key does not exist.")
    return _bytes(request, tx, file, _NO_INDEX)


def _signature(tx: Tx, id: str, expires: str) -> str:
    secret = tables.get_meta(tx.sql, "signing")
    if secret is None:
        secret = secrets.token_hex(16)
        tables.set_meta(tx.sql, "signing", secret)
    return hmac.new(secret.encode(), f"{id}:{expires}".encode(), hashlib.sha256).hexdigest()


def _bytes(request: Request, tx: Tx, file: File, headers: Mapping[str, str]) -> Reply:
    path, told = tx.contents.path(file.sha256), {"Accept-Ranges": "bytes", "ETag": f'"{file.md5}"', **headers}
    kind = media.media_type(file.extension)
    found = _RANGE.fullmatch(request.headers.get("range", ""))
    if found is None or not any(found.groups()):
        return Reply(200, Stored(path, file.size), told, kind)
    first, last = found.groups()
    start = int(first) if first else max(file.size - int(last), 0)
    end = min(int(last), file.size - 1) if first and last else file.size - 1
    if start > end:
        return Reply(416, None, told | {"Content-Range": f"bytes */{file.size}"})
    told["Content-Range"] = f"bytes {start}-{end}/{file.size}"
    return Reply(206, Stored(path, end - start + 1, start), told, kind)


def _refused(status: int, code: str, message: str) -> Reply:
    page = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Reply(status, page, {}, "application/xml")


def signed_url(call: Call, path: Mapping[str, str]) -> Reply:
    """`GET /files/v3/files/{fileId}/signed-url`."""
    file, request = files.find(call, path["id"]), call.request
    shape = request.arg("size") if request else None
    if shape and shape not in SHAPES:
        raise ApiError(400, f"The value '{shape}' of size must be one of {', '.join(SHAPES)}")
    seconds = call.number("expirationSeconds", int(call.settings["signed_url_seconds"]), 999_999_999)
    end = call.now + timedelta(seconds=seconds)
    expires, portal = f"{end.timestamp():.3f}", call.catalog.portal_id
    base = f"{request.scheme}://{request.host}" if request else ""
    body: dict[str, Any] = {
        "url": f"{base}/signed-hubfs/{portal}/{file.id}/{quote(file.whole_name)}"
        f"?Expires={expires}&Signature={_signature(call.tx, str(file.id), expires)}",
        "expiresAt": iso(end),
        "name": file.name,
        "extension": file.extension,
        "type": file.type,
        "size": file.size,
    }
    if file.width is not None:
        body |= {"height": file.height, "width": file.width}
    return Reply(200, body)


def download(call: Call, path: Mapping[str, str]) -> Reply:
    """`GET /files/v3/files/{fileId}/download`: the bytes, to be saved under the file's name."""
    file = files.find(call, path["id"])
    if call.request is None:
        raise ApiError(404, "resource not found", "OBJECT_NOT_FOUND")
    plain = "".join(sign if 32 <= ord(sign) < 127 and sign not in '"\\' else "_" for sign in file.whole_name)
    headers = {
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(file.whole_name)}"
    }
    return _bytes(call.request, call.tx, file, headers)
