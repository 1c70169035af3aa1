"""Look-alike and invisible characters folded away: one table for the matching of content and for people's names.

A folded text is only ever compared; it is shown to nobody. Sources: UAX #15 (NFKC), UTS #39 (confusables), UAX #44
(Default_Ignorable_Code_Point).
"""

from __future__ import annotations

import functools
import hashlib
import re
import unicodedata

from agents import confusables
from agents.unicode_forms import normalise_form

LONGEST_NAME = 200
"""Code points of the longest name that `fold_name` answers."""

INVISIBLE = re.compile(
    # Controls, format characters, default-ignorable code points, and the blanks that are letters or symbols. Not tab,
    # line feed and carriage return.
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160"
    "\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\ud800-\udfff\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
_WHITE = re.compile("[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")

_MARKS = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201b\u02b9\u02bb\u02bc\u2032\uff07`\u00b4", "'")
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u02d7", "-")
)
"""Keyboards differ in the apostrophe and the hyphen they write; people do not."""


def says_nothing(text: str) -> bool:
    """Whether a reader would see nothing at all."""
    return not INVISIBLE.sub("", text).strip()


def _spread(table: dict[str, str]) -> dict[int, str]:
    return {ord(char): target for target, chars in table.items() for char in chars}


SHAPES = _spread(confusables.SHAPES)
"""For str.translate: every letter that looks like one of another script, to that one, small."""
_WHOLE = _spread(confusables.WHOLE)


def fold_name(name: str) -> str:
    """`name` as it is compared with others: the same for all that a reader would take for the same name.

    NFKC, casefolded, without invisible characters, white space as single spaces and none at the ends, look-alike
    letters as one. Letters of one script are never made one: neither l, I and 1, nor O and 0, nor the Greek nu and
    upsilon, for they tell honest names apart. So a word of mixed scripts, which is a disguise, is read by its shapes,
    letter by letter; a word wholly of one other script only where every letter of it has a look-alike, by a table in
    which no two letters of that script, and both cases of each, become one. Accents stay: Müller is not Muller.

    Idempotent. At most LONGEST_NAME code points: NFKC makes up to 18 of one, so of a longer result stay the beginning
    and a digest of the whole. May be empty.
    """
    for _ in range(10):  # bounded, so that no name can hold anybody up; three rounds are the most that was ever seen
        folded = _once(name)
        if folded == name:
            break
        name = folded
    return name


def _once(name: str) -> str:
    plain = normalise_form("NFKD", name.translate(_MARKS)).translate(_MARKS)
    parts = INVISIBLE.sub("", _WHITE.sub(" ", plain)).split()
    folded = normalise_form("NFKC", " ".join(map(_word, parts))).strip()
    if len(folded) <= LONGEST_NAME:
        return folded
    digest = hashlib.sha256(folded.encode()).hexdigest()[:32]
    return f"{folded[: LONGEST_NAME - len(digest) - 2].rstrip()} #{digest}"


def _word(word: str) -> str:
    """One word in NFKD."""
    if word.isascii():
        return word.casefold()
    scripts = {_script(char) for char in word if char.isalpha()}
    if len(scripts) > 1 or "LATIN" in scripts:
        return word.translate(SHAPES).casefold()
    small = word.casefold()
    if all(ord(char) in _WHOLE for char in small if char.isalpha()):
        return small.translate(_WHOLE)
    return small


@functools.lru_cache(maxsize=4096)
def _script(char: str) -> str:
    return unicodedata.name(char, "?").partition(" ")[0]
