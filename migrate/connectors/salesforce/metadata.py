"""How are objects, fields and values made? By the Metadata API's synchronous calls, in SOAP.

REST has no way to make an object; the Tooling API makes fields but no objects. `createMetadata`,
`readMetadata`, `updateMetadata` and `deleteMetadata` take ten components a call and answer for each
(Metadata API Developer Guide "CRUD-Based Metadata Development", read 2026-11-26). A component has a
name that is unique in the org, so a call whose answer was lost is settled by reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from migrate.connectors.http import Reply
from migrate.connectors.salesforce.org import Org
from migrate.errors import SystemRefused

MOST = 10  # components in a call
TRIES = 3
_SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_META = "http://soap.sforce.com/2006/04/metadata"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_ILL_FORMED = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF])  # XML 1.0 can't hold them

Value = Mapping[str, Any]


@dataclass(frozen=True)
class Saved:
    """What became of one component. `code` "" where it is as it should be."""

    name: str
    code: str = ""
    words: str = ""


class Metadata:
    """The Metadata API of one org."""

    def __init__(self, org: Org) -> None:
        self._org = org

    def read(self, kind: str, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Components by name, as nested dicts of text; those that aren't there are left out."""
        found: dict[str, dict[str, Any]] = {}
        for some in _lots(names):
            parts = [
                f"<m:type>{kind}</m:type>",
                *(f"<m:fullNames>{escape(each)}</m:fullNames>" for each in some),
            ]
            for record in self._call("readMetadata", "".join(parts), write=False).iterfind(
                f".//{{{_META}}}records"
            ):
                value = tree(record)
                if isinstance(value, dict) and value.get("fullName"):
                    found[str(value["fullName"])] = value
        return found

    def create(self, kind: str, given: Mapping[str, Value]) -> list[Saved]:
        """Make components; one that is there already isn't changed and says `DUPLICATE_DEVELOPER_NAME`."""
        return [
            saved for some in _lots(list(given)) for saved in self._save("createMetadata", kind, given, some)
        ]

    def update(self, kind: str, given: Mapping[str, Value]) -> list[Saved]:
        """Give components these definitions, whole."""
        return [
            saved for some in _lots(list(given)) for saved in self._save("updateMetadata", kind, given, some)
        ]

    def delete(self, kind: str, name: str) -> Saved:
        """Delete a component; one that isn't there any more counts as deleted."""
        parts = f"<m:type>{kind}</m:type><m:fullNames>{escape(name)}</m:fullNames>"
        root = self._call("deleteMetadata", parts, write=True)
        [result] = root.iterfind(f".//{{{_META}}}result")
        saved = _saved(name, tree(result))
        return Saved(name) if saved.code == "INVALID_CROSS_REFERENCE_KEY" else saved

    def _save(
        self, call: str, kind: str, given: Mapping[str, Value], names: Sequence[str]
    ) -> Iterator[Saved]:
        parts = [
            f'<m:metadata xsi:type="m:{kind}">{element("fullName", name)}'
            f"{''.join(element(key, value) for key, value in given[name].items())}</m:metadata>"
            for name in names
        ]
        results = self._call(call, "".join(parts), write=True).iterfind(f".//{{{_META}}}result")
        for name, result in zip(names, results, strict=True):
            yield _saved(name, tree(result))

    def _call(self, operation: str, body: str, *, write: bool) -> ElementTree.Element:
        """One operation. The session stands in the envelope: one that ended is renewed by a plain call.

        Raises:
            InDoubt: a write without a full answer; look, then go on.
            SystemRefused: the call as a whole was refused.
        """
        for attempt in range(1, TRIES + 1):
            self._org.http.call("GET", f"{self._org.base}/limits/", write=False)
            reply = self._org.http.call(
                "POST",
                f"/services/Soap/m/{self._org.api}",
                content=self._envelope(operation, body).encode(),
                headers={"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": '""'},
                write=write,
                ok=(500,),
            )
            root = parsed(reply)
            code, words = fault(root)
            if "INVALID_SESSION_ID" not in code or attempt == TRIES:
                break
        if code:
            remedy = (
                "Give the user `Modify Metadata Through Metadata API Functions` and `Customize Application`."
            )
            raise SystemRefused(self._org.system, f"{operation}: {words or code}", remedy, code=code)
        return root

    def _envelope(self, operation: str, body: str) -> str:
        token = self._org.login.headers()["Authorization"].removeprefix("Bearer ")
        return (
            '<?xml version="1.0" encoding="UTF-8"?>'
            f'<s:Envelope xmlns:s="{_SOAP}" xmlns:m="{_META}" xmlns:xsi="{_XSI}">'
            f"<s:Header><m:SessionHeader><m:sessionId>{escape(token)}</m:sessionId></m:SessionHeader></s:Header>"
            f"<s:Body><m:{operation}>{body}</m:{operation}></s:Body></s:Envelope>"
        )


def _saved(name: str, told: Any) -> Saved:
    """What a result says of a component."""
    if not isinstance(told, dict) or told.get("success") == "true":
        return Saved(name)
    errors = told.get("errors") or {}
    first = errors[0] if isinstance(errors, list) else errors
    return Saved(name, str(first.get("statusCode") or "refused"), str(first.get("message") or ""))


def _lots(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(names), MOST):
        yield names[first : first + MOST]


def parsed(reply: Reply) -> ElementTree.Element:
    """A SOAP reply's root. Raises as `Reply.unreadable`."""
    try:
        return ElementTree.fromstring(reply.body)  # noqa: S314 - the vendor's reply; expat bounds expansion
    except ElementTree.ParseError:
        raise reply.unreadable("not XML") from None


def fault(root: ElementTree.Element) -> tuple[str, str]:
    """Code and words of a fault; both empty where there is none."""
    found = root.find(f".//{{{_SOAP}}}Fault")
    if found is None:
        return "", ""
    code, words = (found.findtext("faultcode") or "").rpartition(":")[2], found.findtext("faultstring") or ""
    return code or "fault", words


def element(name: str, value: Any) -> str:
    """A value as an element; a list repeats it, None leaves it out."""
    if value is None:
        return ""
    if isinstance(value, list):
        return "".join(element(name, each) for each in value)
    if isinstance(value, Mapping):
        return f"<m:{name}>{''.join(element(key, each) for key, each in value.items())}</m:{name}>"
    text = str(value).lower() if isinstance(value, bool) else escape(str(value).translate(_ILL_FORMED))
    return f"<m:{name}>{text}</m:{name}>"


def tree(node: ElementTree.Element) -> Any:
    """An element as text, or a dict of its children; several of one name are a list."""
    if not len(node):
        return node.text or ""
    found: dict[str, Any] = {}
    for child in node:
        name, value = child.tag.rpartition("}")[2], tree(child)
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found


def listed(value: Any) -> list[Any]:
    """What `tree` gives for an element that may repeat."""
    return value if isinstance(value, list) else [] if value in (None, "") else [value]
