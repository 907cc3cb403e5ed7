"""What stands in the place of a text? Another of the same length, marks, capitals and kinds of parts.

A text is cut into what means something to a machine (an e-mail address, an address of the web, an id, a
date, a telephone number, a tag) and words and numbers between. Each word, and each number, has one pseudonym
wherever it stands, so `ann.lee@acme.com`, `Ann Lee` and `https://www.acme.com` still belong together. Only in
long texts words go by the whole text, for whoever counts words could read a language out of them.

What stays: dates and times of day, tags and entities of HTML, schemes and endings of addresses, endings of
files, the domains of large mail providers, words of legal forms, and what the plan's own SQL compares with.
The last nine digits of a telephone number go together, however it is written; what is before them (a country)
stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from migrate.plan.likeness import LEGAL_FORMS
from migrate.stages.anonymize import words
from migrate.stages.anonymize.cipher import DIGITS, Cipher
from migrate.stages.anonymize.streamed import streamed

LONG, LETTERS = 256, 40  # characters of a long text, and letters that it has at least
NAME = 4  # letters of a word that is looked for as a name
TAIL, PHONE = 9, 7  # digits that tell a line, and the fewest of a telephone number
CACHED = 400_000
TRIES = 64
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TOKEN = re.compile(r"[^\W\d_]+|[0-9]+")


@dataclass(frozen=True)
class IdForm:
    """Ids of a kind of system, as its connector spells them (`SpellsIds`)."""

    pattern: str
    other: Callable[[str, Callable[[str], str]], str | None]


@dataclass(frozen=True)
class Known:
    """What the original holds. `names`: words in lower case that no pseudonym may be; `numbers`: ends of
    telephone numbers, likewise; `kept`: words, and `values`: whole values, that stay, in lower case."""

    names: Collection[str] = frozenset()
    numbers: Collection[str] = frozenset()
    kept: Collection[str] = frozenset()
    values: Collection[str] = frozenset()


@dataclass
class Pseudonyms:
    """Pseudonyms under one key.

    Args:
        cipher: keyed.
        known: of the original.
        forms: how ids look in both systems.
    """

    cipher: Cipher
    known: Known = field(default_factory=Known)
    forms: tuple[IdForm, ...] = ()

    def __post_init__(self) -> None:
        ids = "|".join(each.pattern for each in self.forms)
        self._parts = re.compile(words.parts(f"(?P<id>{ids})" if ids else ""))
        self._kept = frozenset(self.known.kept) | frozenset(LEGAL_FORMS) | words.ENDINGS
        self._values: dict[str, str] = {}
        self._words: dict[str, str] = {}

    def value(self, text: str) -> str:
        """The pseudonym of a value; long texts go by themselves."""
        if len(text) >= LONG:  # not kept: memory must not grow with people's mails
            return self._value(text)
        found = self._values.get(text)
        if found is None:
            if len(self._values) >= CACHED:
                self._values.clear()
            found = self._values[text] = self._value(text)
        return found

    def _value(self, text: str) -> str:
        if text.strip().lower() in self.known.values or words.WHOLE.fullmatch(text.strip()):
            return text
        if len(text) >= LONG and sum(map(str.isalpha, text[: 4 * LONG])) >= LETTERS:
            return streamed(self.cipher, text, self._spans(text), self.known.names)
        return self._inner(text)

    def structure(self, text: str) -> str:
        """Only e-mail addresses, ids and addresses of the web are replaced; the words of the text stay."""
        pieces, place = [], 0
        for match in self._parts.finditer(text):
            if match.lastgroup in ("email", "url", "id"):
                pieces += [text[place : match.start()], self._part(match)]
                place = match.end()
        return "".join([*pieces, text[place:]])

    def key(self, key: str) -> str:
        """A migration key, `family.object.id`; its family is mapped as a value."""
        pieces = key.split(".", 2)
        if len(pieces) < 3:
            return self.value(key)
        id, tilde, part = pieces[2].partition("~")
        return f"{self.family(pieces[0])}.{pieces[1]}.{self.value(id)}{tilde}{part}"

    def family(self, family: str) -> str:
        """The family of keys: a few letters, and the tenant's id behind them."""
        found = re.fullmatch(r"([a-z]+-?)(.+)", family)
        return found[1] + self.value(found[2]) if found else self.value(family)

    # -- parts ----------------------------------------------------------------------------------

    def _spans(self, text: str) -> list[tuple[int, int, str]]:
        """Parts of a long text that go by themselves, each with what takes its place."""
        return [(match.start(), match.end(), self._part(match)) for match in self._parts.finditer(text)]

    def _inner(self, text: str) -> str:
        pieces, place = [], 0
        for match in self._parts.finditer(text):
            pieces += [self._plain(text[place : match.start()]), self._part(match)]
            place = match.end()
        return "".join([*pieces, self._plain(text[place:])])

    def _part(self, match: re.Match[str]) -> str:
        found, text = str(match.lastgroup), match.group()
        if found == "email":
            local, _, domain = text.rpartition("@")
            return f"{self._plain(local)}@{self._host(domain, mail=True)}"
        if found == "url":
            return self._url(text)
        if found == "host":
            return self._host(text)
        if found == "id":
            return self._id(text)
        if found == "hex":
            return self._drawn(text, "0123456789abcdef")
        if found == "phone":
            return self._number(text)
        return text  # kept: dates, tags, entities, endings

    def _plain(self, text: str) -> str:
        return _TOKEN.sub(lambda match: self._word(match.group()), text)

    def _url(self, text: str) -> str:
        scheme, mark, rest = text.partition("://" if "://" in text else ":")
        host, end, path = rest, "", ""
        if mark == "://" and (found := re.search(r"[/?#]", rest)):
            host, end, path = rest[: found.start()], rest[found.start()], rest[found.start() + 1 :]
        if mark != "://":
            return scheme + mark + self._inner(rest)
        return scheme + mark + self._host(host) + end + self._inner(path)

    def _host(self, text: str, *, mail: bool = False) -> str:
        """A host: its ending, a `www.` before it and a port behind it stay; so does a large mail provider."""
        user, at, host = text.rpartition("@")
        host, colon, port = host.partition(":")
        labels = host.split(".")
        kept = len(labels) - 1 if len(labels) > 1 and words.ENDS.fullmatch(labels[-1]) else len(labels)
        if kept == len(labels) - 1 and kept and labels[kept - 1].lower() in words.RESERVED:
            kept -= 1
        if mail and host.lower() in words.PROVIDERS:
            kept = 0
        first = 1 if labels[0].lower() == "www" and len(labels) > 1 else 0
        made = [label if n < first or n >= kept else self._plain(label) for n, label in enumerate(labels)]
        return f"{self._inner(user)}{at}{'.'.join(made)}{colon}{port}"

    def _id(self, text: str) -> str:
        for form in self.forms:
            if (other := form.other(text, lambda own: self._drawn(own, _BASE62))) is not None:
                return other
        return self._plain(text)

    def _drawn(self, text: str, alphabet: str) -> str:
        """Characters of one alphabet for others of it; others stay. Small letters stand for both where it has
        no capitals."""
        whole = alphabet == _BASE62
        places = [(n, alphabet.find(c if whole else c.lower())) for n, c in enumerate(text)]
        known = [(n, place) for n, place in places if place >= 0]
        drawn = self.cipher.permute([p for _, p in known], [len(alphabet)] * len(known), alphabet.encode())
        made = list(text)
        for (n, _), place in zip(known, drawn, strict=True):
            char = alphabet[place]
            made[n] = char.upper() if not whole and text[n].isupper() else char
        return "".join(made)

    # -- words and numbers ----------------------------------------------------------------------

    def _word(self, text: str) -> str:
        if text[0] in DIGITS:
            return self._digits(text)
        if text.isdigit():
            return text
        found = self._words.get(text)
        if found is None:
            if len(self._words) >= CACHED:
                self._words.clear()
            found = self._words[text] = self._made(text)
        return found

    def _made(self, text: str) -> str:
        if text.lower() in self._kept:
            return text
        made = text
        for attempt in range(TRIES):
            made = self.cipher.run(text, b"word%d" % attempt)
            if len(text) < NAME or (made.lower() not in self.known.names and made.lower() != text.lower()):
                break
        return made

    def _number(self, text: str) -> str:
        """Digits with marks between: the digits go together, the marks stay."""
        made = iter(self._digits(re.sub(r"[^0-9]", "", text)))
        return re.sub(r"[0-9]", lambda _: next(made), text)

    def _digits(self, digits: str) -> str:
        head, tail = digits[:-TAIL], digits[-TAIL:]
        if len(head) > 4:  # no country is as long: a number of an account, or of a card
            head = self._sized(head, b"head")
        made = tail
        for attempt in range(TRIES):
            made = self._sized(tail, b"digits%d" % attempt)
            if len(digits) < PHONE or (made not in self.known.numbers and made != tail):
                break
        return head + made

    def _sized(self, digits: str, tweak: bytes) -> str:
        """Others for digits; zeros at the start stay, and what is none stays none, so its size is kept."""
        own = digits.lstrip("0")
        if not own:
            return digits
        places = [int(own[0]) - 1, *map(int, own[1:])]
        first, *rest = self.cipher.permute(places, [9] + [10] * (len(own) - 1), tweak)
        return digits[: len(digits) - len(own)] + str(first + 1) + "".join(map(str, rest))
