"""Which addresses of the old system stand in a text, and how do new ones take their places?

The invariant: nothing of the text changes but the addresses that are replaced, each as a whole, its query
included. An address is a run of the characters that RFC 3986 allows, less the punctuation at its end; in HTML
it ends before an entity that stands for a quote or a bracket. It is an old one if it lies where the source's
pages lie, told by the catalog's patterns: on its host, or in its folders of a host that it shares. One that
no pattern of a record fits is old all the same, and is nobody's page. A path alone, as HTML has it in `href`
and `src`, is an address only where it is a record's page.

An image that stands within a message (`cid:`, RFC 2392) is named by the Content-ID of a part of that message,
so whose it is depends on the text's own record.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from migrate.catalog import Catalog, ObjectSchema

_ALLOWED = r"[A-Za-z0-9\-._~:/?#@!$&*+,;=%]"
_ENTITY = re.compile(r"&(?:lt|gt|quot|apos|nbsp|#39|#34|#60|#62|#x27|#x22);", re.IGNORECASE)
_LAST = ".,;:!?*_~&"  # ends a sentence rather than an address
_RELATIVE = re.compile(rf"""(?i:\b(?:href|src)\s*=\s*["'])(/(?!/){_ALLOWED}*)""")
_INLINE = re.compile(
    rf"""(?i:(?:\b(?:src|background)\s*=\s*|\burl\(\s*)["']?\s*)((?i:cid):[^\s"'<>()]+|/(?!/){_ALLOWED}*)"""
)
INLINE = r"(?i)[\"'(=]\s*(?:cid:|/)"  # for the engine: a text may hold such an image
CID = "cid"  # stands for an object in `Old.ids`
_NEVER = r"[^\s\S]"


@dataclass(frozen=True)
class Old:
    """An old address in a text. `ids`: (source object, id) of the records whose page it may be."""

    start: int
    end: int
    url: str
    ids: tuple[tuple[str, str], ...]


class OldLinks:
    """Finds addresses of one source system."""

    def __init__(self, catalog: Catalog) -> None:
        pages = [
            (name, schema, pattern.split("//", 1)[1])
            for name, schema in catalog.objects.items()
            for pattern in (schema.url, *schema.urls)
            if pattern and pattern.count("{id}") == 1 and "//" in pattern
        ]
        places = dict.fromkeys(_place(page) for _, _, page in pages)
        roots = {host for host, folder in places if folder == "/"}
        kept = [(host, folder) for host, folder in places if folder == "/" or host not in roots]
        site = "|".join(rf"(?i:{re.escape(host)})(?::\d+)?{re.escape(folder)}" for host, folder in kept)
        self._absolute = re.compile(rf"(?i:https?)://(?:{site}){_ALLOWED}*" if kept else _NEVER)
        self._hosts = dict.fromkeys(host for host, _ in kept)
        hosts = "|".join(re.escape(host) for host in self._hosts)
        # For the engine: which texts are worth a look.
        self.pattern = rf"(?i)(?:https?://(?:{hosts})|(?:href|src)\s*=\s*[\"']/)" if kept else _NEVER
        self._pages = [
            (name, schema, _page(page, schema), _page("/" + page.partition("/")[2], schema))
            for name, schema, page in pages
        ]

    def find(self, text: str) -> Iterator[Old]:
        """The old addresses of a text, in order."""
        found = [(m.start(), m.group()) for m in self._absolute.finditer(text)]
        found += [(m.start(1), m.group(1)) for m in _RELATIVE.finditer(text)]
        for start, run in sorted(found):
            url = _whole(run)
            ids = self._ids(url)
            if ids or not url.startswith("/"):
                yield Old(start, start + len(url), url, ids)

    def inline(self, text: str, of: str) -> Iterator[Old]:
        """The same, with the images that stand within: by Content-ID, or by a path alone of the old system.

        Args:
            of: names the text; of a Content-ID the id is this, a blank, and the Content-ID.
        """
        pages = {old.start: old for old in self.find(text)}
        for match in _INLINE.finditer(text):
            url = match.group(1)
            if url[:4].lower() == "cid:":
                named = ((CID, f"{of} {unquote(html.unescape(url[4:]))}"),)
                pages[match.start(1)] = Old(match.start(1), match.end(1), url, named)
            elif (path := _whole(url)) != "/":
                pages.setdefault(match.start(1), Old(match.start(1), match.start(1) + len(path), path, ()))
        yield from (pages[start] for start in sorted(pages))

    @staticmethod
    def replaced(text: str, olds: Iterable[Old], new: Callable[[Old], str | None]) -> str:
        """The text with new addresses in the places of old ones; where `new` has none, the old one stays.

        Args:
            olds: those of the text, in order.
        """
        pieces, place = [], 0
        for old in olds:
            url = new(old)
            if url is not None:
                pieces += [text[place : old.start], url]
                place = old.end
        return "".join([*pieces, text[place:]])

    def _ids(self, url: str) -> tuple[tuple[str, str], ...]:
        relative = url.startswith("/")
        given = html.unescape(url if relative else url.split("//", 1)[1])
        if not relative:
            host, slash, rest = given.partition("/")
            host = host.lower()
            given = (host if host in self._hosts else host.split(":")[0]) + slash + rest
        found: dict[tuple[str, str], None] = {}
        for name, schema, absolute, path in self._pages:
            match = (path if relative else absolute).fullmatch(given)
            if match and match.group(1).startswith(schema.prefix or ""):
                found[name, match.group(1)] = None
        return tuple(found)


def _whole(run: str) -> str:
    """A run of allowed characters without what belongs to the text around it."""
    if (entity := _ENTITY.search(run)) is not None:
        run = run[: entity.start()]
    return run.rstrip(_LAST)


def _place(page: str) -> tuple[str, str]:
    """Host and folder in which pages like this one lie: the tenant's own part of a host that others share."""
    host, _, path = page.partition("/")
    folders = path.split("{id}")[0].split("?")[0].split("/")[:-1]
    return host.lower(), "".join(f"/{each}" for each in folders[:2]) + "/"


def _page(pattern: str, schema: ObjectSchema) -> re.Pattern[str]:
    """A record's page, with or without what follows its id, and any query."""
    host, slash, rest = pattern.partition("/")
    before, _, after = (host.lower() + slash + rest).partition("{id}")
    short = schema.short_id
    id = rf"[A-Za-z0-9]{{{short}}}(?:[A-Za-z0-9]{{3}})?" if short else r"[A-Za-z0-9_-]+"
    return re.compile(rf"{re.escape(before)}({id})(?:{re.escape(after)})?/?(?:[?#&].*)?", re.DOTALL)
