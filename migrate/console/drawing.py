"""How do facts become pages? Templates, the words for times, and what each sign means.

Everything that comes from data is escaped. Times stand in the reader's zone, with UTC beside them.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from migrate.clock import parse_stamp
from migrate.console.acts import ACTS
from migrate.pages import base_style

if TYPE_CHECKING:
    from jinja2 import Environment

SIGNS = {"pass": "✓", "warn": "!", "fail": "✕", "error": "✕", "empty": "○", "known": "·"}
TONES = {
    "done": "pass",
    "look": "warn",
    "failed": "fail",
    "lost": "fail",
    "stopped": "warn",
    "running": "known",
}
PAGES = (
    ("/", "Now"), ("/report", "Report"), ("/sign", "Sign-off"), ("/decisions", "Holds and waivers"),
    ("/conflicts", "Conflicts"), ("/maps", "Maps"), ("/runbook", "Runbook"), ("/trace", "Trace"),
    ("/runs", "Commands"), ("/trail", "Trail"),
)  # fmt: skip
_STAMP = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_TYPES = {"console.css": "text/css; charset=utf-8", "console.js": "text/javascript; charset=utf-8"}


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("migrate.console"), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=StrictUndefined,
    )  # fmt: skip
    ours: dict[str, Callable[..., object]] = {
        "n": number, "sign": lambda state: SIGNS.get(state, "·"),
        "tone": lambda state: TONES.get(state, "known"), "pretty": pretty, "short": short,
        "seconds": lambda value: span(timedelta(seconds=value)),
        "is_stamp": lambda words: bool(_STAMP.fullmatch(words)),
    }  # fmt: skip
    made.filters |= ours
    return made


def drawn(template: str, *, clock: datetime, zone: str = "UTC", masked: bool = True, **facts: Any) -> str:
    """A page.

    Args:
        clock: the workspace's now.
        zone: the reader's.
        masked: the reader sees initials where persons of the data are named.
    """
    made = _environment().overlay()
    made.filters = {
        **made.filters,
        "at": lambda at: moment(at, zone),
        "code": lambda words: code(words, zone),
        "until": lambda at: until(at, clock, zone),
        "whom": lambda name: _initials(name) if masked else name,
    }
    basis = {
        "acts": ACTS, "pages": PAGES, "once": lambda: secrets.token_urlsafe(18), "person": None, "ran": None,
        "systems": None, "live": False, "here": "", "made": clock.isoformat(), "see_people": not masked,
    }  # fmt: skip
    return made.get_template(template).render({**basis, **facts})


def asset(name: str) -> tuple[bytes, str] | None:
    """One of our own files, with its media type; None: there is none of this name."""
    kind = _TYPES.get(name)
    if kind is None:
        return None
    content = files("migrate.console").joinpath("static", name).read_text(encoding="utf-8")
    return (base_style() + content if name.endswith(".css") else content).encode(), kind


def number(value: int | None) -> str:
    """With thousands apart; what isn't known is said."""
    return "not known" if value is None else f"{value:,}"


def code(words: Any, zone: str) -> Markup:
    """Words of a function: what stands in backticks as code, stamps as people read them."""
    shown = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(words)))
    shown = _STAMP.sub(lambda found: str(moment(found[0], zone)), shown)
    return Markup(shown)  # noqa: S704 - escaped just now


def short(value: str) -> Markup:
    """A fact of the trail: of a digest its beginning."""
    if not _DIGEST.fullmatch(value):
        return escape(value)
    return Markup('<code title="{}">{}…</code>').format(value, value[:12])


def pretty(document: Mapping[str, Any]) -> str:
    """A command's document, to be read."""
    told = {name: value for name, value in document.items() if name not in ("command", "exit_code")}
    return json.dumps(told, indent=1, ensure_ascii=False)[:200_000]


def moment(at: str, zone: str) -> Markup | str:
    """An instant as people read it in their zone, with UTC."""
    try:
        instant = parse_stamp(str(at))
    except ValueError:
        return str(at)
    local = instant.astimezone(ZoneInfo(zone))
    words = f"{local:%-d %b %Y, %H:%M} {local:%Z}"
    if local.utcoffset():
        day = "" if local.date() == instant.date() else f"{instant:%-d %b} "
        words += f" ({day}{instant:%H:%M} UTC)"
    return Markup('<time datetime="{}">{}</time>').format(f"{instant:%Y-%m-%dT%H:%M:%SZ}", words)


def until(at: str, now: datetime, zone: str) -> Markup:
    """How long it is until then; the instant itself beneath."""
    left = parse_stamp(at) - now
    words = f"in {span(left)}" if left >= timedelta(0) else f"{span(-left)} ago"
    return Markup("{}<small>{}</small>").format(words, moment(at, zone))


def span(time: timedelta) -> str:
    """A span in two units at most."""
    minutes = int(time.total_seconds() // 60)
    if not minutes:
        return f"{int(time.total_seconds())} s"
    days, hours = divmod(minutes // 60, 24)
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


def _initials(name: str) -> str:
    from migrate_validators.masking import initials

    return name if name == "nobody" else initials(name.partition("(")[0].partition("<")[0])
