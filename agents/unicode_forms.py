"""Unicode's normal forms in time linear in the text.

`unicodedata.normalize` puts combining marks in order by insertion, with the interpreter held: 20,000 on one letter
take 0.6 s (1.2 s for marks that are two), a form field of a megabyte most of an hour. In stretches that begin where
nothing can join what came before, the answer is the same.
"""

from __future__ import annotations

import unicodedata
from typing import Literal

STRETCH = 256
"""Code points normalised in one go, about; of marks in a row, UAX #15 allows for 30."""


def normalise_form(form: Literal["NFC", "NFD", "NFKC", "NFKD"], text: str) -> str:
    """`unicodedata.normalize`, but for runs of more than 128 marks, whose order is settled stretch by stretch."""
    if len(text) <= STRETCH or text.isascii():
        return unicodedata.normalize(form, text)
    pieces, start = [], 0
    while start < len(text):
        end = _joint(text, start + STRETCH)
        pieces.append(unicodedata.normalize(form, text[start:end]))
        start = end
    return "".join(pieces)


def _joint(text: str, end: int) -> int:
    """The last place at `end` or shortly before where a text may be cut: before a character that begins anew."""
    if end >= len(text):
        return len(text)
    for at in range(end, end - STRETCH // 2, -1):
        # Letters with which nothing before them is ever composed: ASCII, and all that NFC and NFD leave as they are,
        # alone and behind another (Hangul and some Indic vowel signs join a letter without being marks).
        if text[at].isascii() or (text[at].isalpha() and unicodedata.category(text[at]) in ("Lu", "Ll")):
            return at
    return end
