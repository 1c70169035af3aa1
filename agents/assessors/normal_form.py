"""The plain form of a text: what is left when hidden characters, disguised letters and decoration are taken away.

Only for matching and for comparing; nothing is ever shown or stored in this form. Sources: Unicode UAX #15 (NFKC),
UTS #51 (emoji sequences); look-alikes and invisible characters are in agents.folding.
"""

from __future__ import annotations

import re
import unicodedata

from agents.folding import INVISIBLE, SHAPES
from agents.unicode_forms import normalise_form

_PICTURE = (
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u24c2\u25aa-\u27bf\u2900-\u297f\u2b00-\u2bff\u3030"
    "\u303d\u3297\u3299\U0001f000-\U0001f0ff\U0001f170\U0001f171\U0001f17e\U0001f17f\U0001f18e\U0001f191-\U0001f19a"
    "\U0001f1e6-\U0001f1ff\U0001f300-\U0001faff]"
)
_DRESS = "[\ufe0e\ufe0f]?[\U0001f3fb-\U0001f3ff]?"


def _tagged(region: str) -> str:
    return "\U0001f3f4" + "".join(chr(0xE0000 + ord(letter)) for letter in region) + "\U000e007f"


# Only the three flags that exist: any other tags behind a black flag are hidden writing.
_FLAGS = "|".join(_tagged(region) for region in ("gbeng", "gbsct", "gbwls"))
_EMOJI = re.compile(f"{_FLAGS}|{_PICTURE}{_DRESS}(?:\u200d{_PICTURE}{_DRESS})*|[0-9#*]\ufe0f?\u20e3")
_OVERLAY = re.compile("[\u0334-\u0338]")
_ZALGO = re.compile("[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20f0]{3,}")
_ORDINARY_COMPATIBILITY = frozenset("ªºµ™℠№℃℉℅")

_BOXED = {start + i: chr(97 + i) for start in (0x1F150, 0x1F170, 0x1F1E6) for i in range(26)}
_FOLD = SHAPES | _BOXED | str.maketrans("Ёё", "ee")
_TYPOGRAPHY = str.maketrans({**dict.fromkeys("‘’‚‛′", "'"), **dict.fromkeys("“”„‟«»″", '"')})
_TYPOGRAPHY |= dict.fromkeys(map(ord, "‐‑‒–—―−"), "-")
_LEET = str.maketrans("0134578@$", "oieastbas")
_LEET_TOKEN = re.compile(r"\S+")
_LEET_LETTERS = frozenset("0134578@$!")
_SPELLED = re.compile(r"(?<!\w)[^\W\d_](?:([ .\-_*/])[^\W\d_])(?:\1[^\W\d_])+(?!\w)")
_WORD = re.compile(r"[^\W\d_]{2,}")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]")
# Letters that only their other case resembles, and which stand beside Latin ones in science: 5 μm, Σx, Γt.
_SCIENCE = frozenset("μΣΓ")
_LOOKALIKES = frozenset(c for c in map(chr, SHAPES) if SHAPES[ord(c)].isascii() and not _LATIN.match(c)) - _SCIENCE


def visible(text: str) -> str:
    """`text` without the characters that print nothing. Emoji lose their joiners."""
    return INVISIBLE.sub("", text)


def normalise(text: str) -> str:
    """The form the rules and the injection patterns are matched against a second time.

    NFKC; hidden characters, combining decoration and spelling-out ("s p e l l e d") gone; lookalikes and leet folded to
    Latin letters; casefolded; spaces collapsed. Offsets into it mean nothing in the original.
    """
    # What NFKC makes more than four times as long (up to 18 times) is disguise, and `has_hidden` says so.
    form = visible(normalise_form("NFKC", visible(text))[: 4 * len(text) + 20])
    if not form.isascii():
        form = "".join(c for c in form if not unicodedata.combining(c))
        form = form.translate(_FOLD).translate(_TYPOGRAPHY)
    form = form.casefold()
    form = _SPELLED.sub(lambda m: m[0].replace(m[1], ""), form)
    form = _LEET_TOKEN.sub(_unleet, form)
    return " ".join(form.split())


def _unleet(token: re.Match[str]) -> str:
    word = token[0]
    if _LEET_LETTERS.isdisjoint(word) or not any(c.isalpha() for c in word):
        return word
    return re.sub(r"(?<=\w)!(?=\w)", "i", word.translate(_LEET))


def has_hidden(text: str) -> bool:
    """Does the text carry characters that print nothing, or letters that are not what they look like to a search?

    Case, any kind of space, typographic quotes, ordinary emoji and accents do not count.
    """
    if text.isascii():
        return INVISIBLE.search(text) is not None
    rest = _EMOJI.sub("", text)
    if INVISIBLE.search(rest) or _OVERLAY.search(rest):
        return True
    # After NFC an honest accent is part of its letter; three marks in a row on one letter are decoration.
    if _ZALGO.search(normalise_form("NFC", rest)):
        return True
    return any(_disguised(c) for c in set(rest))


def _disguised(char: str) -> bool:
    if char.isascii() or char in _ORDINARY_COMPATIBILITY:
        return False
    plain = _BOXED.get(ord(char)) or unicodedata.normalize("NFKC", char)
    # NFC alone may swap a letter for its twin (the ohm sign, the angstrom sign): that is spelling, not disguise.
    return plain != unicodedata.normalize("NFC", char) and any(c.isalpha() for c in plain)


def is_mixed(text: str) -> bool:
    """Is there a word of two letters or more that only looks Latin, in a text that has Latin letters?"""
    if text.isascii() or not _LATIN.search(text):
        return False
    for word in _WORD.findall(text):
        odd = sum(1 for c in word if c in _LOOKALIKES)
        if odd and odd + sum(1 for c in word if _LATIN.match(c)) == len(word):
            return True
    return False


def latin_share(text: str) -> float:
    """The share (0..1) of the text's letters that are Latin; 1 for a text without letters."""
    letters = [c for c in text if c.isalpha()]
    return sum(1 for c in letters if _LATIN.match(c)) / len(letters) if letters else 1.0
