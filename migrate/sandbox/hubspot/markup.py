"""What does HubSpot leave of a body's HTML?

Bodies of activities are HTML and come back sanitised (HubSpot, engagement guides, read 2026-11-26); what
exactly goes isn't documented. Here: elements that run or embed something, with their content, handlers of
events, and links that run a script; every other sign stays as it was sent. `sanitise_html` turns it off.
"""

from __future__ import annotations

import re

_ELEMENTS = re.compile(
    r"<(script|iframe|object|applet)\b[^>]*>.*?</\1\s*>|</?(?:script|iframe|object|applet|embed)\b[^>]*>",
    re.IGNORECASE | re.DOTALL,
)
_TAG = re.compile(r"<[A-Za-z][^<>]*>")
_HANDLER = re.compile(r"\s+on[a-z]+\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s>]+)", re.IGNORECASE)
_RUNS = re.compile(r"\s+(?:href|src)\s*=\s*(?:\"\s*javascript:[^\"]*\"|'\s*javascript:[^']*')", re.IGNORECASE)


def sanitised(html: str) -> str:
    """The body as it is held; sanitising it once more changes nothing."""
    before = ""
    while before != html:
        before = html
        html = _ELEMENTS.sub("", html)
        html = _TAG.sub(lambda tag: _RUNS.sub("", _HANDLER.sub("", tag[0])), html)
    return html
