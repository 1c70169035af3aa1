"""Hostile text made visible: what hides is shown as a chip, what the agent quoted is marked.

Answers plain data; templates render it with autoescape, so nothing here can become markup.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_PICTURE = (
    "[\U0001f000-\U0001faff\u2190-\u21ff\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff"
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u3030]"
)
_DRESS = "[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]*"
# Joiners and selectors that dress an emoji stay where they are: as chips they would take a family apart.
_EMOJI = f"{_PICTURE}{_DRESS}(?:\u200d{_PICTURE}{_DRESS})+|{_PICTURE}{_DRESS}|[0-9#*]\ufe0f?\u20e3"
_TAGS = "[\U000e0000-\U000e007f]+"
# Control and format characters, line separators, and letters that are drawn as nothing; not tab and newline.
_HIDDEN = (
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2000-\u200f"
    "\u2028-\u202e\u205f-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0100-\U000e0fff]"
)
_FIND = re.compile(f"(?P<emoji>{_EMOJI})|(?P<tags>{_TAGS})|(?P<crlf>\r\n)|(?P<one>{_HIDDEN})(?P=one)*")
_SHORT = {
    "\x00": "NUL", "\x07": "BEL", "\x08": "BS", "\r": "CR", "\x1b": "ESC", "\x7f": "DEL", "\xad": "SHY",
    "\u034f": "CGJ", "\u061c": "ALM", "\u200b": "ZWSP", "\u200c": "ZWNJ", "\u200d": "ZWJ", "\u200e": "LRM",
    "\u200f": "RLM", "\u2028": "LS", "\u2029": "PS", "\u202a": "LRE", "\u202b": "RLE", "\u202c": "PDF",
    "\u202d": "LRO", "\u202e": "RLO", "\u2060": "WJ", "\u2066": "LRI", "\u2067": "RLI", "\u2068": "FSI",
    "\u2069": "PDI", "\ufeff": "BOM",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text. `chip`: what stands for hidden characters in place of the text, `title` their names."""

    text: str
    chip: str = ""
    title: str = ""
    marked: bool = False


def pieces(text: str, spans: Iterable[tuple[int, int]] = ()) -> list[Piece]:
    """`text` in pieces; `spans` (code points, end exclusive) are marked, overlapping ones together."""
    found: list[Piece] = []
    for start, end, marked in _stretches(len(text), spans):
        found += (Piece(text, chip, title, marked) for text, chip, title in _shown(text[start:end]))
    return found


def true_spans(text: str, quotes: Sequence[dict[str, object]]) -> tuple[list[tuple[int, int]], list[str]]:
    """The places of the quotes that stand in `text` where they say, and the words of those that do not."""
    true, invented = [], []
    for quote in quotes:
        start, end, words = quote.get("start"), quote.get("end"), quote.get("text")
        if isinstance(start, int) and isinstance(end, int) and 0 <= start < end and text[start:end] == words:
            true.append((start, end))
        else:
            invented.append(str(words))
    return true, invented


def _stretches(length: int, spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int, bool]]:
    at = 0
    for start, end in sorted(spans):
        if start > at:
            yield at, start, False
        if end > at:
            yield max(start, at), end, True
            at = end
    if at < length:
        yield at, length, False


def _shown(text: str) -> Iterator[tuple[str, str, str]]:
    at = 0
    for match in _FIND.finditer(text):
        if match["emoji"]:
            continue
        if match.start() > at:
            yield text[at : match.start()], "", ""
        at = match.end()
        yield ("\n", "", "") if match["crlf"] else ("", *_chip(match[0]))
    if at < len(text):
        yield text[at:], "", ""


def _chip(run: str) -> tuple[str, str]:
    """What a run of hidden characters is shown as, and its names."""
    if run[0] >= "\U000e0000" and run[0] <= "\U000e007f":
        said = "".join(chr(ord(c) - 0xE0000) for c in run if 0xE0020 <= ord(c) <= 0xE007E)
        return f"TAG “{said[:80]}”", f"U+E0000… ×{len(run)}"
    code = f"U+{ord(run[0]):04X}"
    times = f" ×{len(run)}" if len(run) > 1 else ""
    return _SHORT.get(run[0], code) + times, f"{unicodedata.name(run[0], 'CONTROL')} ({code}){times}"
