"""Names that a reader would take for the same name are one; honest names stay apart."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.folding import INVISIBLE, LONGEST_NAME, SHAPES, fold_name
from agents.unicode_forms import normalise_form

SAME = (
    ("Ada Lovelace", "ADA LOVELACE"),
    ("Ada Lovelace", "  ada\u00a0\u2003\t lovelace\n"),
    ("Ada", "\uff21\uff44\uff41"),
    ("Ada", "\U0001d400\U0001d41d\U0001d41a"),
    ("Ada", "\u0410da"),  # Cyrillic
    ("Ada", "\u0391da"),  # Greek
    ("ada", "\u0430d\u0430"),
    ("Ada", "\u13aa\u13a0\u13aa"),  # wholly Cherokee
    ("anna", "\u0391\u039d\u039d\u0391"),  # wholly Greek
    ("Nora", "\u039dora"),
    ("ivan", "i\u03bdan"),
    ("Helen", "\u0397elen"),
    ("Hans", "\u053bans".replace("\u053b", "\u0570")),  # Armenian
    ("Coco", "\u0421\u043e\u0441\u043e"),
    ("\u018fli", "\u04d8li"),
    ("\u0130rem", "i\u0307rem"),
    ("ışık", "ɪşık"),
    ("\u039d\u03af\u03ba\u03bf\u03c2", "\u03bd\u03af\u03ba\u03bf\u03c3"),
    ("\u041c\u0430\u0440\u0438\u044f", "\u043c\u0430\u0440\u0438\u044f"),
    ("M\u00fcller", "Mu\u0308ller"),
    ("O'Brien", "O\u2019Brien"),
    ("D'Arc", "d\u00b4arc"),
    ("Anna-Maria", "anna\u2011maria"),
    ("Anna-Maria", "Anna\u2212Maria"),
)
DIFFERENT = (
    ("Il", "ll"),
    ("1da", "Ida"),
    ("B0b", "Bob"),
    ("Barney", "Bamey"),
    ("Müller", "Muller"),
    ("Søren", "Soren"),
    ("דן", "דו"),
    ("νου", "ηου"),
    ("Ann Lee", "Annlee"),
    ("Зоя", "Эоя"),
    ("قاسم", "قهسم"),
)
UNSEEN = (
    "\ufe0f\U000e0100\u034f\u3164\uffa0\u17b4\u180b\u2800\u200b\u00ad\u202e\u2066\ufeff\U000e0061\x00\x07\x7f\u115f"
)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_looks_the_same_is_one_name(one: str, other: str) -> None:
    assert fold_name(one) == fold_name(other) != ""


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_honest_names_that_differ_stay_apart(one: str, other: str) -> None:
    assert fold_name(one) != fold_name(other)


@pytest.mark.parametrize("char", UNSEEN, ids=lambda char: f"U+{ord(char):04X}")
def test_what_prints_nothing_counts_for_nothing(char: str) -> None:
    assert fold_name(f"{char}Ad{char}a{char * 3} B{char}") == "ada b"
    assert fold_name(char * 5) == ""


def test_every_control_and_format_character_is_invisible_or_white() -> None:
    for char in map(chr, range(0x110000)):
        if unicodedata.category(char) in ("Cc", "Cf"):
            assert fold_name(f"a{char}b") in ("ab", "a b"), f"U+{ord(char):04X}"


def test_no_two_letters_of_one_script_become_one_in_a_word_of_that_script() -> None:
    """Only then no look-alike table can make two honest names one."""
    seen: dict[tuple[str, str], str] = {}
    for char in map(chr, SHAPES):
        small = unicodedata.normalize("NFKC", char.casefold())
        script = unicodedata.name(char).split()[0]
        if not char.isalpha() or script == "LATIN":
            continue
        first = seen.setdefault((script, fold_name(char)), small)
        assert first == small, f"{first} and {small}"


def test_every_character_folds_to_something_stable_and_no_longer_than_eighteen() -> None:
    for char in map(chr, [*range(0xD800), *range(0xE000, 0x110000, 7), *SHAPES]):
        folded = fold_name(char)
        assert fold_name(folded) == folded
        assert len(folded) <= 18


def test_a_name_that_grows_is_cut_with_a_digest_that_tells_it_from_others() -> None:
    long = "\ufdfa" * 200
    assert len(fold_name(long)) <= LONGEST_NAME
    assert fold_name(long) == fold_name(long + "\u200b") != fold_name(long + "a")


_ODD = st.sampled_from([*map(chr, list(SHAPES)[::3]), *UNSEEN, *"aIl1 \u0301\u0345\u0338\ufdfa\u1fb7\u00a8\u0130ßς"])


@given(st.text(st.one_of(st.characters(), _ODD), max_size=260))
def test_folding_a_folded_name_changes_nothing_whatever_it_was(name: str) -> None:
    folded = fold_name(name)
    assert fold_name(folded) == folded
    assert len(folded) <= LONGEST_NAME
    assert not INVISIBLE.search(folded)


@given(st.text(st.characters(categories=["Lu", "Ll", "Lt"], exclude_characters="ı"), max_size=30))
def test_small_and_capital_letters_make_no_difference_in_a_word_of_one_script(name: str) -> None:
    scripts = {unicodedata.name(char).split()[0] for char in unicodedata.normalize("NFKD", name) if char.isalpha()}
    if len(scripts) == 1 and "LATIN" not in scripts:
        assert fold_name(name.casefold()) == fold_name(name)


def test_normal_forms_in_stretches_are_the_same_and_linear_in_time() -> None:
    honest = "Straße, crème brûlée, Żółw; Привет; 한국어 각각; क्षि हिन्दी; ประเทศไทย; Việt Nam ế; 日本語が, ﬁne ①. "
    for text in (
        honest * 40,
        unicodedata.normalize("NFD", honest) * 40,
        ("a" + "\u0301\u0323" * 9 + "\u1112\u1161\u11ab") * 300,
    ):
        for form in ("NFC", "NFD", "NFKC", "NFKD"):
            assert normalise_form(form, text) == unicodedata.normalize(form, text)
    for unit in ("\u0301\u0323", "\u0344\u0323", "\u0f73"):
        started = time.thread_time()
        normalise_form("NFKC", "a" + unit * 200_000)
        assert time.thread_time() - started < 1
