"""A pseudonym has the shape of what it stands for, stands for one thing only, and tells nothing of it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrate.connectors.salesforce.ids import PATTERN, long_id, other_id, suffix
from migrate.demo.nasty import FILE_NAMES, TEXTS
from migrate.engine import Engine
from migrate.stages.anonymize.cipher import ALPHABETS, PLACE, Cipher
from migrate.stages.anonymize.pseudonyms import LONG, IdForm, Known, Pseudonyms

KEY = b"a key of these tests, and of no other"
FORMS = (IdForm(PATTERN, other_id),)
LETTERS = st.text("".join(ALPHABETS[:4]) + " .-", max_size=12)


def names(known: Known | None = None, key: bytes = KEY) -> Pseudonyms:
    return Pseudonyms(Cipher(key), known or Known(), FORMS)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=3), unique=True, max_size=60))
def test_distinct_words_come_out_distinct(words: list[str]) -> None:
    assert len({Cipher(KEY).run(word) for word in words}) == len(words)


def test_every_word_of_two_letters_has_one_pseudonym_and_every_one_is_used() -> None:
    latin = ALPHABETS[1]
    words = {a + b for a in latin for b in latin}
    assert {Cipher(KEY).run(word) for word in words} == words


@settings(max_examples=300, deadline=None)
@given(LETTERS)
def test_length_marks_capitals_and_alphabets_stay(text: str) -> None:
    made = Cipher(KEY).run(text)
    assert [PLACE.get(c.lower(), (c,))[0] for c in made] == [PLACE.get(c.lower(), (c,))[0] for c in text]
    assert [c.isupper() for c in made] == [c.isupper() for c in text]


@settings(max_examples=200, deadline=None)
@given(LETTERS)
def test_texts_that_differ_in_capitals_alone_come_out_so(text: str) -> None:
    one = names()
    assert one.value(text.upper()).casefold() == one.value(text.lower()).casefold()


@pytest.mark.parametrize("text", [*TEXTS.values(), *FILE_NAMES], ids=range(len(TEXTS) + len(FILE_NAMES)))
def test_the_worst_texts_keep_their_length_and_get_the_same_pseudonym_again(text: str) -> None:
    made = names().value(text)
    assert len(made) == len(text)
    assert made == names().value(text)
    assert [c for c in made if not c.isalnum()] == [c for c in text if not c.isalnum()]


def test_what_belongs_together_still_does() -> None:
    one = names()
    mail, name, site = map(one.value, ("ann.lee@acme.com", "Ann Lee", "https://www.ACME.com/about.html"))
    first, last = name.lower().split()
    assert mail.startswith(f"{first}.{last}@")
    assert site.lower().split("/")[2] == "www." + mail.partition("@")[2]
    assert site.endswith(".html")
    assert "ann" not in mail
    assert "acme" not in mail


def test_groups_without_regard_to_capitals_blanks_and_accents_stay_groups() -> None:
    one, values = names(), ["André Müller", "ANDRE MULLER", " andre müller ", "Andrea Müller", "Andre Muller"]
    with Engine() as engine:

        def groups(texts: list[str]) -> list[int]:
            listed = ", ".join(f"({n}, '{text}')" for n, text in enumerate(texts))
            rows = engine.rows(
                f"SELECT dense_rank() OVER (ORDER BY lower(trim(strip_accents(t)))) AS g, n FROM "
                f"(VALUES {listed}) AS v(n, t) ORDER BY n"
            )  # fmt: skip
            found = [row["g"] for row in rows]
            return [found.index(each) for each in found]

        assert groups(values) == groups([one.value(value) for value in values]) == [0, 0, 0, 3, 0]


@pytest.mark.parametrize(
    "same", [("+49 30 1234567", "0049 (30) 123-4567", "030 1234567"), ("5551234", "555-1234")]
)
def test_a_telephone_number_is_the_same_however_it_is_written(same: tuple[str, ...]) -> None:
    made = [names().value(text) for text in same]
    digits = {re.sub("[^0-9]", "", text)[-9:] for text in made}
    shapes = [re.sub("[0-9]", "9", text) for text in made]
    assert len(digits) == 1
    assert shapes == [re.sub("[0-9]", "9", text) for text in same]
    assert not digits & {re.sub("[^0-9]", "", text)[-9:] for text in same}


def test_an_id_keeps_its_object_and_its_check_letters_and_is_the_same_in_both_spellings() -> None:
    old = long_id("0035g000002hppI")
    made = names().value(old)
    assert made[:3] == "003"
    assert made[15:] == suffix(made[:15])
    assert made != old
    assert names().value(old[:15]) == made[:15]
    assert made in names().value(f"see https://acme.my.example.com/{old} for more")


def test_dates_kinds_of_files_and_words_for_nothing_stay() -> None:
    for text in (
        "2021-03-28",
        "12-06-2017",
        "28.03.2021",
        "2021-03-28T01:30:00.000Z",
        "NULL",
        "application/pdf",
    ):
        assert names().value(text) == text
    assert names().value("contract.docx").endswith(".docx")


def test_a_long_body_keeps_tags_and_addresses_and_no_word_twice() -> None:
    body = (
        '<p style="color:red">Dear Ann Lee,</p><p>ask ann.lee@acme.com about it &nbsp; on 2021-03-28.</p>' * 9
    )
    made, other = names().value(body), names().value(body + "!")
    assert len(body) > LONG
    assert len(made) == len(body)
    assert re.findall("<[^>]*>|&nbsp;|2021-03-28", made) == re.findall("<[^>]*>|&nbsp;|2021-03-28", body)
    assert made.count(names().value("ann.lee@acme.com")) == 9
    greetings = re.findall(r"<p style=\"color:red\">(\w+)", made) + re.findall(r"red\">(\w+)", other)
    assert len(set(greetings)) > 15  # nobody can count `Dear`


def test_no_pseudonym_is_a_name_of_the_original() -> None:
    latin = ALPHABETS[1]
    taken = frozenset(a + b + "aa" for a in latin for b in latin) | {Cipher(KEY).run("anna", b"word0")}
    made = names(Known(names=taken)).value("anna")
    assert made not in taken
    assert names(Known(names=frozenset({"anna"}))).value("anna") != "anna"


def test_another_key_gives_other_pseudonyms() -> None:
    assert names(key=b"another key, as long as that").value("Ann Lee") != names().value("Ann Lee")


def test_what_the_plan_compares_with_stays() -> None:
    one = names(Known(kept=frozenset({"philipines"}), values=frozenset({"trade show"})))
    assert one.value("Philipines") == "Philipines"
    assert one.value("Trade Show") == "Trade Show"
    assert one.value("trade fair") != "trade fair"
