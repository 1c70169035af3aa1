"""Texts made to be slow: one unit repeated to the limit, alone and between other letters."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

LENGTH = 20_000
CLASSES = (
    *("a", "Z", "é", "ß", "а", "漢", "0", "7", " ", "\n", "\t", "\r\n", "\xa0", *".,!?:;-_/\\@#%&+*=~^|$<>()[]{}\"'`’"),
    *("\u0301", "\u0336", "\u200b", "\u202e", "\ufe0f", "🍅", "\U0001f468\u200d", "\U000e0061", "\ufdfa", "İ"),
)
PAIRS = tuple(
    one + other
    for one, other in itertools.product(("a", "0", " ", "\n", "!", "-", "\u0301", "é"), (*'a0 \n.!@-<":#+', "\u0301"))
    if one != other
)
TAILS = ("", "y", "!", "#", "@", ":", "1", "\n")


def texts(units: Iterable[str], tails: Iterable[str] = ("", "y")) -> Iterator[tuple[str, str]]:
    """(what it is made of, the text), each of 20,000 characters."""
    for unit in units:
        body = unit * (LENGTH // len(unit) + 1)
        for tail in tails:
            yield f"{unit!r} … {tail!r}", body[: LENGTH - len(tail)] + tail
        yield f"x {unit!r} …", ("x" + body)[:LENGTH]


def own(pattern: str) -> list[str]:
    """Units of the words a pattern is made of: its own beginnings, over and over."""
    words = list(dict.fromkeys(re.findall(r"[a-zäöüñéíóú]{2,}", re.sub(r"\\[a-zA-Z]", " ", pattern))))
    alone = [form for word in words[:24] for form in (f"{word} ", word, f"{word}: ", f"\n{word}")]
    rows = [" ".join(words[:count]) + " " for count in (2, 3, 5)] if words else []
    return alone + rows + [f"{one} {other} " for one in words[:5] for other in words[5:40:4]]
