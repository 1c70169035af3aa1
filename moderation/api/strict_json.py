"""JSON as the API takes it: stricter than the standard library, in linear time. Pure functions, no DRF.

What is wrong with the text as a whole raises MalformedJSON. What is wrong with one value in it is a Trouble with
an RFC 6901 pointer, so that a batch refuses only the item that holds it.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

JSON = dict[str, "JSON"] | list["JSON"] | str | int | float | bool | None

MAX_DEPTH = 32
MAX_INTEGER = 2**53
MAX_NUMBER_LENGTH = 400
TROUBLES_PER_ITEM = 10
MAX_TROUBLES = 20_000
POINTER_KEY_LENGTH = 200

DIGITS_AS_ZERO = bytes.maketrans(b"123456789", b"000000000")
# Only these escapes can bring NUL or a surrogate into a string: raw they are not JSON, or not UTF-8.
SUSPICIOUS_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
REFUSED = re.compile(r"[\x00\ud800-\udfff]")

KEY_TWICE = "This key stands more than once in its object."
REFUSED_IN_KEY = "A key must not contain NUL or a lone surrogate."
REFUSED_IN_STRING = "A string must not contain NUL or a lone surrogate."
INTEGER_TOO_LARGE = "An integer must be within 2^53."
FLOAT_TOO_LARGE = "The number is too large."
NOT_A_NUMBER = "NaN and Infinity are not JSON."
TOO_DEEP = f"Nesting goes deeper than {MAX_DEPTH} levels."


class MalformedJSON(ValueError):
    """The text as a whole cannot be taken. `pointer` is empty where the trouble has no place in a value."""

    def __init__(self, detail: str, pointer: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.pointer = pointer


@dataclass(frozen=True, slots=True)
class Trouble:
    """One value that is refused: where (RFC 6901) and why, in one sentence that quotes nothing of the value."""

    pointer: str
    detail: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """The value, made of plain dict, list, str, int, float, bool and None, and the troubles in document order."""

    value: JSON
    troubles: list[Trouble]


class _NotANumber:
    """Stands in the parsed value for NaN or an infinity until the walk has noted its place."""


_NOT_A_NUMBER = _NotANumber()
# By id: the object itself, and which of its keys stand there more than once.
_Doubled = dict[int, tuple[dict[str, object], tuple[str, ...]]]


def parse(data: bytes, *, item_pointer: str | None = None) -> Parsed:
    """Parses UTF-8 JSON of at most 32 levels, in time linear in `len(data)`.

    At most ten troubles are kept per item, an item being one entry of the array at `item_pointer` (an RFC 6901
    pointer such as "/cases"); the rest of the document, or all of it when that is None, counts as one item.
    Pointers are made safe to send back: refused characters become U+FFFD and very long keys are cut.
    A value with troubles is not to be used: NaN stands in it as None, a doubled key with its last value.
    Raises MalformedJSON for what is no JSON at all, numbers of over 400 digits, and more than 20,000 troubles.
    """
    text = _text(data)
    doubled: _Doubled = {}

    def build(pairs: list[tuple[str, object]]) -> dict[str, object]:
        built = dict(pairs)
        if len(built) != len(pairs):
            twice = tuple(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
            # The object is kept as well, or another one could be given its id.
            doubled[id(built)] = (built, twice)
            if len(doubled) > MAX_TROUBLES:
                _too_many()
        return built

    # Most bodies hold no long run of digits, not even in a string: they keep the fast conversion.
    long_digits = b"0" * (MAX_NUMBER_LENGTH + 1) in data.translate(DIGITS_AS_ZERO)
    try:
        value = json.loads(
            text,
            object_pairs_hook=build,
            parse_constant=lambda _: _NOT_A_NUMBER,
            parse_int=_checked_int if long_digits else None,
            parse_float=_checked_float if long_digits else None,
        )
    except json.JSONDecodeError as error:
        raise MalformedJSON(f"{error.msg} (line {error.lineno}, column {error.colno}).") from None
    except RecursionError:
        raise MalformedJSON(TOO_DEEP) from None
    walk = _Walk(item_pointer, doubled, strings=SUSPICIOUS_ESCAPE.search(text) is not None)
    holder: list[JSON] = [value]
    walk.visit(holder, 0)
    return Parsed(holder[0], walk.troubles)


def _text(data: bytes) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedJSON(f"The body is not UTF-8 (byte {error.start}).") from None
    if text.startswith("\ufeff"):
        raise MalformedJSON("The body starts with a byte order mark.")
    if not text.strip(" \t\r\n"):
        raise MalformedJSON("The body is empty.")
    return text


def _too_long() -> NoReturn:
    raise MalformedJSON(f"A number has more than {MAX_NUMBER_LENGTH} characters.")


def _too_many() -> NoReturn:
    raise MalformedJSON(f"More than {MAX_TROUBLES} values cannot be accepted.")


def _checked_int(digits: str) -> int:
    # Conversion takes time quadratic in the digits.
    return int(digits) if len(digits) <= MAX_NUMBER_LENGTH else _too_long()


def _checked_float(digits: str) -> float:
    return float(digits) if len(digits) <= MAX_NUMBER_LENGTH else _too_long()


def _token(key: str | int) -> str:
    text = str(key)
    if len(text) > POINTER_KEY_LENGTH:
        text = text[:POINTER_KEY_LENGTH] + "…"
    # The pointer goes back in an answer, which can hold neither NUL nor surrogates.
    return "/" + REFUSED.sub("\ufffd", text).replace("~", "~0").replace("/", "~1")


class _Walk:
    """One pass over a parsed value, in document order; a pointer is made only for a trouble that is kept."""

    def __init__(self, item_pointer: str | None, doubled: _Doubled, *, strings: bool) -> None:
        self.troubles: list[Trouble] = []
        self._doubled = doubled
        self._strings = strings
        self._items = None if item_pointer is None else item_pointer.split("/")[1:]
        self._kept: Counter[str | int] = Counter()
        self._path: list[str | int] = []

    def visit(self, container: Any, depth: int) -> None:
        """Visits all values in a dict or list that stands `depth` levels below the root's holder."""
        if depth > MAX_DEPTH:
            raise MalformedJSON(TOO_DEEP, self._pointer())
        entries: Iterable[tuple[Any, object]] = enumerate(container)
        if type(container) is dict:
            entries = container.items()
            for key in self._doubled.get(id(container), (None, ()))[1]:
                self._note(key, KEY_TWICE)
            if self._strings:
                for key in container:
                    if REFUSED.search(key):
                        self._note(key, REFUSED_IN_KEY)
        for key, child in entries:
            kind = type(child)
            if kind is str:
                if self._strings and REFUSED.search(child):  # type: ignore[call-overload]
                    self._note(key, REFUSED_IN_STRING)
            elif kind is int:
                if not -MAX_INTEGER <= child <= MAX_INTEGER:  # type: ignore[operator]
                    self._note(key, INTEGER_TOO_LARGE)
            elif kind is dict or kind is list:
                if child or depth == MAX_DEPTH:
                    self._path.append(key)
                    self.visit(child, depth + 1)
                    self._path.pop()
            elif kind is float:
                if math.isinf(child):  # type: ignore[arg-type]
                    self._note(key, FLOAT_TOO_LARGE)
            elif kind is _NotANumber:
                self._note(key, NOT_A_NUMBER)
                container[key] = None

    def _pointer(self) -> str:
        return "".join(map(_token, self._path[1:]))

    def _note(self, key: str | int, detail: str) -> None:
        self._path.append(key)
        item: str | int = ""
        # The first step of the path leads from the holder to the root.
        if self._items is not None and self._path[1 : len(self._items) + 1] == self._items:
            item = self._path[len(self._items) + 1] if len(self._path) > len(self._items) + 1 else ""
        # Without a limit 16 MB of NaN would become gigabytes of pointers.
        if self._kept[item] < TROUBLES_PER_ITEM:
            self._kept[item] += 1
            self.troubles.append(Trouble(self._pointer(), detail))
            if len(self.troubles) > MAX_TROUBLES:
                _too_many()
        self._path.pop()
