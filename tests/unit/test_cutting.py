"""Is what a cut leaves whole: every sign, every tag and every entity?"""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrate.cutting import NOTE, cut_html, cut_text, units

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
FLAG, WAVE, A = "\U0001f1e9\U0001f1ea", "\U0001f44b\U0001f3fd", "a\u0308"


def test_length_is_counted_as_the_most_that_a_vendor_can_mean() -> None:
    assert units("aä漢\U0001f600") == 5


@pytest.mark.parametrize(
    ("text", "most", "left"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abc[…]"),
        ("ab\U0001f600cdefg", 6, "ab[…]"),
        (f"ab{A}cdefg", 6, "ab[…]"),
        (f"a{FLAG}bcdefg", 7, "a[…]"),
        (f"a{FLAG}bcdefg", 8, f"a{FLAG}[…]"),
        (f"a{WAVE}bcdefgh", 7, "a[…]"),
        (f"{FAMILY}bcdefghij", 10, "[…]"),
        ("abc\r\ndefgh", 7, "abc[…]"),
        ("abcdefg", 2, "ab"),
    ],
)
def test_a_text_is_cut_between_two_signs(text: str, most: int, left: str) -> None:
    assert cut_text(text, most) == left


@pytest.mark.parametrize(
    ("text", "most", "left"),
    [
        ("<p>abcdefgh</p>", 15, "<p>abcdefgh</p>"),
        ("<p>abcdefghijkl</p>", 15, "<p>abcde[…]</p>"),
        ("<p>ab&amp;cdefghijkl</p>", 15, "<p>ab[…]</p>"),
        ("<p>ab&amp;cdefghijkl</p>", 17, "<p>ab&amp;[…]</p>"),
        ("<b>x</b><i>yyyyyyyyyyyyy</i>", 20, "<b>x</b><i>yy[…]</i>"),
        ("abc<br><img src='a>b'>defghijkl", 12, "abc<br>[…]"),
        ("ab<!-- a > b -->cdefghijk", 14, "ab[…]"),
        ("a<style>p { x: y }</style>bcdef", 20, "a[…]"),
        ("1 < 2 and 3 > 2, as we know", 12, "1 < 2 and[…]"),
        ("<DIV><P>abcdefghijklmn</P></DIV>", 24, "<DIV><P>abc[…]</p></div>"),
        ("<p>unclosed<p>abcdefghijklmnop", 24, "<p>unclosed[…]</p>"),
    ],
)
def test_html_is_cut_between_tags_entities_and_signs_and_closed(text: str, most: int, left: str) -> None:
    found = cut_html(text, most)
    assert units(found) <= most
    assert found == left


class Balanced(HTMLParser):
    """Which elements are left open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.open += [tag] if tag not in ("br", "img", "hr") else []

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            while self.open.pop() != tag:
                pass


_PIECE = st.sampled_from(
    ["<p>", "</p>", "<b>", "</b>", "<br>", "<div class='a>b'>", "</div>", "&amp;", "&#128512;", "text ", "ä",
     "\n", "\U0001f600", FAMILY, FLAG, A, "<img src=\"x\">", "<!-- c -->"]
)  # fmt: skip


@given(st.lists(_PIECE, max_size=60).map("".join), st.integers(20, 200))
def test_any_html_stays_sound_and_within_the_limit(text: str, most: int) -> None:
    found = cut_html(text, most)
    assert units(found) <= most
    if units(text) <= most:
        assert found == text
        return
    left = found.partition(NOTE)[0]
    assert text.startswith(left)
    assert re.fullmatch(r"(</\w+>)*", found.partition(NOTE)[2])
    whole = Balanced()
    whole.feed(found)
    whole.close()
    assert whole.open == []
    assert "&" not in re.sub(r"&(amp|#128512);", "", re.sub(r"<[^>]*>", "", left))
    found.encode()


@given(st.text(max_size=300), st.integers(4, 120))
def test_any_text_keeps_its_beginning_and_the_limit(text: str, most: int) -> None:
    found = cut_text(text, most)
    assert units(found) <= most
    assert found == text if units(text) <= most else text.startswith(found.removesuffix(NOTE))


@pytest.mark.parametrize("part", ["<a ", "<!--", '<a "', "<![", "&", "<script>", "</p>", "<p>"])
def test_what_never_ends_is_cut_as_fast(part: str) -> None:
    text = part * 40_000
    started = time.perf_counter()
    assert units(cut_html(text, 65_536)) <= 65_536
    assert time.perf_counter() - started < 5
