"""How do calls and answers of the Metadata API look on the wire? SOAP envelopes, values as elements.

Errors of the whole call are SOAP faults with status 500 (Salesforce, Metadata API Developer Guide,
read 2026-11-26).
"""

from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from migrate.sandbox.vendor import Reply

_SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
META = "http://soap.sforce.com/2006/04/metadata"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"


class Fault(Exception):
    """The whole call is refused."""

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(code, message)


def session_of(body: bytes) -> tuple[str, ElementTree.Element]:
    """The session id and the operation's element of an envelope.

    Raises:
        Fault: it is no such envelope.
    """
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - a simulator on loopback
    except ElementTree.ParseError as error:
        raise Fault("UNKNOWN_EXCEPTION", f"the envelope can't be read: {error}") from error
    session = root.find(f"{{{_SOAP}}}Header/{{{META}}}SessionHeader/{{{META}}}sessionId")
    operation = next(iter(root.find(f"{{{_SOAP}}}Body") or ()), None)
    if operation is None:
        raise Fault("UNKNOWN_EXCEPTION", "the envelope has no operation")
    return (session.text or "" if session is not None else ""), operation


def fault(failure: Fault) -> Reply:
    """The reply to a call that is refused as a whole."""
    body = (
        f"<soapenv:Fault><faultcode>sf:{failure.code}</faultcode>"
        f"<faultstring>{failure.code}: {escape(failure.message)}</faultstring></soapenv:Fault>"
    )
    return reply(500, body)


def reply(status: int, body: str) -> Reply:
    """A body in its envelope."""
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="{_SOAP}"'
        f' xmlns:sf="http://soap.sforce.com/2006/04/fault" xmlns:xsi="{_XSI}"><soapenv:Body>{body}'
        "</soapenv:Body></soapenv:Envelope>"
    )
    return Reply(status, text, media="text/xml; charset=utf-8")


def names_of(operation: ElementTree.Element) -> tuple[str, list[str]]:
    """The type of the components that an operation names, and their names."""
    kind, names = "", []
    for each in operation:
        if plain(each.tag) == "type":
            kind = (each.text or "").strip()
        elif plain(each.tag) == "fullNames":
            names.append((each.text or "").strip())
    return kind, names


def plain(tag: str) -> str:
    """A tag without its namespace."""
    return tag.rpartition("}")[2]


def typed(element: ElementTree.Element) -> tuple[str, dict[str, Any]]:
    """A component's type and its definition."""
    return element.get(f"{{{_XSI}}}type", "").rpartition(":")[2], value_of(element)


def value_of(element: ElementTree.Element) -> dict[str, Any]:
    """Children by name; one that stands more than once, or always may, is a list."""
    found: dict[str, Any] = {}
    for child in element:
        name = plain(child.tag)
        value: Any = value_of(child) if len(child) else (child.text or "").strip()
        if name in ("fields", "customValue", "standardValue") or (name == "value" and len(child)):
            found.setdefault(name, []).append(value)
        else:
            found[name] = value
    return found


def xml(name: str, value: Any, kind: str = "") -> str:
    """A value as an element; lists repeat it."""
    if isinstance(value, list):
        return "".join(xml(name, each) for each in value)
    attribute = f' xsi:type="{kind}"' if kind else ""
    if value is None:
        return f'<{name} xsi:nil="true"/>'
    if isinstance(value, dict):
        return f"<{name}{attribute}>{''.join(xml(key, each) for key, each in value.items())}</{name}>"
    text = str(value).lower() if isinstance(value, bool) else escape(str(value))
    return f"<{name}>{text}</{name}>"
