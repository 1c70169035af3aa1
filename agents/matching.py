"""Regular expressions run over text written by anybody, without ever holding anything up.

Python's own engine cannot be interrupted and holds the interpreter: `(a+)+$` over thirty letters stops the process. The
engine here is `regex`: it understands what `re` does, lets other threads run while it works, and ends at its timeout,
which counts this process's CPU time. (google-re2 is faster and linear, but knows neither look-around nor a word
boundary beside an umlaut: policies in German and Spanish would silently find less.)

What it cannot bound is compiling, hence the limits on a pattern.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import regex

MAX_TEXT = 20_000
"""Code points of a text that a pattern gets to see; what follows is not matched."""
CPU_SECONDS = 0.5
"""CPU seconds one pattern may use on one text."""
MAX_RUNAWAYS = 4
"""After so many runaways in one call the remaining patterns are not tried: the call ends within about 2 s of CPU."""
MAX_HITS = 20
"""Spans kept per pattern."""
LONGEST_PATTERN = 10_000
"""Characters of a pattern when its counted repetitions are written out."""

_PIECE = re.compile(r"(?s)\\.|\[\^?\]?(?:\\.|[^\]\\])*(?:\]|\Z)|\{(?P<least>\d*)(?:,(?P<most>\d*))?\}|.")


class Broken(StrEnum):
    """Why a pattern gave no answer, which is never the same as "found nothing"."""

    INVALID = "invalid"
    OUT_OF_TIME = "out_of_time"


@dataclass(frozen=True, slots=True)
class Hits:
    """What one pattern found. `spans`: (start, end) in code points of the original, at most MAX_HITS, never empty
    spans. `hidden`: it hits the normalised form only. `broken`: it could not be run, or not to its end."""

    spans: tuple[tuple[int, int], ...] = ()
    hidden: bool = False
    broken: Broken | None = None


def compiled(pattern: str) -> regex.Pattern[str]:
    """`pattern` (the syntax of Python's `re`), ignoring case. Raises ValueError, in words for whoever wrote it."""
    if _written_out(pattern) > LONGEST_PATTERN:
        raise ValueError(f"with its repetitions written out it has more than {LONGEST_PATTERN:,} characters")
    return _compiled(pattern)


def _written_out(pattern: str) -> int:
    """The length of `pattern` with `(?:ab){3}` as `ababab`. The engine compiles it so, with the interpreter held:
    `a{9}` nine times nested takes minutes, `(?:(?:a|bc){500}){500}` overflows its stack."""
    if len(pattern) > LONGEST_PATTERN:
        return len(pattern)
    lengths, last = [0], 0
    for piece in _PIECE.finditer(pattern):
        if piece[0] == "(":
            lengths.append(0)
            continue
        if piece[0] == ")" and len(lengths) > 1:
            last = lengths.pop() + 2  # an empty group is compiled as often as it is repeated, too
        elif piece["least"] or piece["most"]:
            # Ten digits are more than enough to be too many; int() refuses thousands of them.
            times = max(int((piece[name] or "0")[:10]) for name in ("least", "most"))
            last, lengths[-1] = last * times, lengths[-1] - last
        else:
            last = 1
        lengths[-1] += last
    return sum(lengths)


@functools.lru_cache(maxsize=4096)
def _compiled(pattern: str) -> regex.Pattern[str]:
    try:
        return regex.compile(pattern, regex.IGNORECASE | regex.VERSION0)
    except regex.error as error:
        raise ValueError(str(error)) from None
    except (OverflowError, RecursionError, MemoryError):
        raise ValueError("it is too large") from None


def find(patterns: Sequence[str], text: str, normalised: str) -> list[Hits]:
    """Try every pattern on `text`, and on `normalised` when the text gives nothing.

    Answers in the order of `patterns`. Both texts are cut at MAX_TEXT.
    """
    results: list[Hits] = []
    runaways = 0
    for pattern in patterns:
        if runaways == MAX_RUNAWAYS:
            results.append(Hits(broken=Broken.OUT_OF_TIME))
            continue
        results.append(_hits(pattern, text[:MAX_TEXT], normalised[:MAX_TEXT]))
        runaways += results[-1].broken is Broken.OUT_OF_TIME
    return results


def _hits(pattern: str, text: str, normalised: str) -> Hits:
    try:
        rule = compiled(pattern)
    except ValueError:
        return Hits(broken=Broken.INVALID)
    spans: list[tuple[int, int]] = []
    hidden = False
    try:
        for hit in rule.finditer(text, timeout=CPU_SECONDS):
            if hit.end() > hit.start():
                spans.append(hit.span())
                if len(spans) == MAX_HITS:
                    break
        if not spans:
            hidden = any(hit.end() > hit.start() for hit in rule.finditer(normalised, timeout=CPU_SECONDS))
    except (TimeoutError, MemoryError):
        # What was found before counts all the same.
        return Hits(tuple(spans), broken=Broken.OUT_OF_TIME)
    return Hits(tuple(spans), hidden)
