"""Strict JSON: what it takes it gives back unchanged, what it refuses it names, and nothing takes long."""

import json
import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moderation.api import strict_json
from moderation.api.strict_json import MAX_INTEGER, MalformedJSON, parse

LIMIT = 2**53


def troubles(text: str | bytes, item_pointer: str | None = None) -> list[tuple[str, str]]:
    data = text.encode() if isinstance(text, str) else text
    return [(trouble.pointer, trouble.detail) for trouble in parse(data, item_pointer=item_pointer).troubles]


def pointers(text: str | bytes, item_pointer: str | None = None) -> list[str]:
    return [pointer for pointer, _ in troubles(text, item_pointer)]


def malformed(data: bytes) -> MalformedJSON:
    with pytest.raises(MalformedJSON) as caught:
        parse(data)
    assert caught.value.detail.endswith(".")
    return caught.value


# Anything that json.dumps can say

ANY_TEXT = st.text(st.characters(exclude_categories=()))
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(ANY_TEXT, inner, max_size=5),
    max_leaves=30,
)


def refused(value: object) -> bool:
    if isinstance(value, str):
        return any(character == "\0" or "\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, dict):
        return any(refused(part) for pair in value.items() for part in pair)
    if isinstance(value, list):
        return any(map(refused, value))
    if isinstance(value, float):
        return not math.isfinite(value)
    return isinstance(value, int) and abs(value) > LIMIT


@settings(max_examples=400, deadline=None)
@given(ANY_JSON, st.sampled_from([None, 1]))
def test_a_value_comes_back_unless_it_holds_what_is_refused(value, indent):
    data = json.dumps(value, indent=indent)
    # What json.dumps joins by chance is one character to every reader.
    again = json.loads(data)
    parsed = parse(data.encode())
    assert bool(parsed.troubles) == refused(again)
    if not parsed.troubles:
        assert parsed.value == again
        assert json.dumps(parsed.value) == json.dumps(again)


@settings(max_examples=200, deadline=None)
@given(ANY_JSON)
def test_a_trouble_can_always_be_sent_back_and_its_pointer_leads_somewhere(value):
    parsed = parse(json.dumps({"cases": [value, 1]}).encode(), item_pointer="/cases")
    for trouble in parsed.troubles:
        trouble.pointer.encode()
        assert "\0" not in trouble.pointer
        assert trouble.pointer.startswith("/cases/0")


@settings(max_examples=300, deadline=None)
@given(st.binary() | st.text('{}[]",:0123456789.eE+-\\u \tdD8aNInfity').map(str.encode))
def test_any_bytes_are_parsed_or_malformed(data):
    try:
        parsed = parse(data)
    except MalformedJSON:
        return
    if not parsed.troubles:
        assert parsed.value == json.loads(data)


# Refused as a whole


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" \n",
        b"{",
        b"[1,]",
        b'{"a":1,}',
        b"{'a':1}",
        b"{a:1}",
        b"[1] 2",
        b"nul",
        b"01",
        b"+1",
        b".5",
        b"1.",
        b"0x1",
        b"nan",
        b"--1",
        b'"a',
        b'"\\x41"',
        b'"\\u12"',
        b'"a\x00b"',
        b'"a\nb"',
        b"\x00",
        b"\xc2\xa01",
        b"// c\n1",
        b"\xff",
        b'"\xc3"',
        b'"\xed\xa0\x80"',
        b'"\xc0\x80"',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-32-le"),
    ],
)
def test_what_is_not_json_is_malformed(data):
    assert malformed(data).pointer == ""


def test_a_malformed_body_says_where():
    assert "line 2, column 3" in malformed(b"[1,\n  x]").detail


@pytest.mark.parametrize("number", ["1" * 401, "-" + "9" * 401, "0." + "1" * 401, "1e" + "9" * 401, "1" * 5000])
def test_a_number_of_absurd_length_is_malformed(number):
    assert "number" in malformed(f"[{number}]".encode()).detail
    assert parse(f'["{number}", 1]'.encode()).troubles == []


def test_nesting_ends_at_32_levels():
    assert parse(b"[" * 32 + b"]" * 32).troubles == []
    assert parse(b'{"a":' * 32 + b"1" + b"}" * 32).troubles == []
    assert parse(b'["' + b"[" * 1000 + b'\\"{{{"]').troubles == []
    error = malformed(b"[" * 33 + b"]" * 33)
    assert error.pointer == "/0" * 32
    assert malformed(b"[0," * 32 + b"{}" + b"]" * 32).pointer == "/1" * 32
    for levels in (500, 990, 1000, 5000, 100_000, 5_000_000):
        assert malformed(b"[" * levels + b"]" * levels).detail == strict_json.TOO_DEEP
        assert malformed(b'{"a":' * levels).detail


# Refused at a pointer


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a":1,"a":1}', [("/a", strict_json.KEY_TWICE)]),
        (
            '{"a":1,"\\u0061":2,"b":{"c":1,"c":2,"c":3}}',
            [("/a", strict_json.KEY_TWICE), ("/b/c", strict_json.KEY_TWICE)],
        ),
        ('{"":1,"":2}', [("/", strict_json.KEY_TWICE)]),
        ('{"a":{"x":1,"x":2},"a":{"y":1}}', [("/a", strict_json.KEY_TWICE)]),
        ('["\\u0000"]', [("/0", strict_json.REFUSED_IN_STRING)]),
        ('"\\u0000"', [("", strict_json.REFUSED_IN_STRING)]),
        ('{"a\\u0000":1}', [("/a\ufffd", strict_json.REFUSED_IN_KEY)]),
        (
            '{"\\ud800":"\\udfff"}',
            [("/\ufffd", strict_json.REFUSED_IN_KEY), ("/\ufffd", strict_json.REFUSED_IN_STRING)],
        ),
        ('["\\uDC00\\uD800"]', [("/0", strict_json.REFUSED_IN_STRING)]),
        ('["\\\\u0000", "\\ud83d\\ude00", "😀"]', []),
        (f"[{LIMIT}, {-LIMIT}]", []),
        (f"[{LIMIT + 1}]", [("/0", strict_json.INTEGER_TOO_LARGE)]),
        (f'{{"a":[{-LIMIT - 1}]}}', [("/a/0", strict_json.INTEGER_TOO_LARGE)]),
        ("[1e308, 1e309, -1e999, 1e-999]", [("/1", strict_json.FLOAT_TOO_LARGE), ("/2", strict_json.FLOAT_TOO_LARGE)]),
        ("1e309", [("", strict_json.FLOAT_TOO_LARGE)]),
        ("NaN", [("", strict_json.NOT_A_NUMBER)]),
        (
            '{"a":{"b":[0,-Infinity]},"c":Infinity}',
            [("/a/b/1", strict_json.NOT_A_NUMBER), ("/c", strict_json.NOT_A_NUMBER)],
        ),
        ('{"a/b~c":{"~1":NaN}}', [("/a~1b~0c/~01", strict_json.NOT_A_NUMBER)]),
    ],
)
def test_each_refused_value_has_its_pointer(text, expected):
    assert troubles(text) == expected


def test_the_value_is_plain_even_where_it_is_refused():
    assert parse(b'{"a":[NaN,{"b":1,"b":2}],"c":-Infinity}').value == {"a": [None, {"b": 2}], "c": None}
    assert parse(b"NaN").value is None
    assert type(parse(b'{"a":1,"a":2}').value) is dict


def test_what_is_not_refused_is_kept_exactly():
    text = '  {"b": [1, 1.0, -0.0, true, null, "\u2028\u202e\ufeff\x7f\uffff e\u0301"], "a": {}, "": ""} \r\n'
    assert json.dumps(parse(text.encode()).value) == json.dumps(json.loads(text))


def test_in_a_batch_each_item_has_its_own_troubles():
    items = ['{"text":"ok"}', '{"text":"\\u0000"}', '{"a":1,"a":2}', "NaN", "[" + ",".join(["NaN"] * 50) + "]", '"x"']
    text = '{"cases":[' + ",".join(items) + '],"x":NaN}'
    found = pointers(text, "/cases")
    assert found == ["/cases/1/text", "/cases/2/a", "/cases/3", *(f"/cases/4/{n}" for n in range(10)), "/x"]
    assert len(pointers(text)) == 10


def test_a_thousand_bad_items_are_all_named():
    bad = "[" + ",".join(["NaN"] * 20) + "]"
    found = pointers('{"cases":[' + ",".join([bad] * 1000) + "]}", "/cases")
    assert {pointer.split("/")[2] for pointer in found} == {str(index) for index in range(1000)}
    assert len(found) == 10_000


def test_a_very_long_key_is_cut_in_its_pointer():
    (pointer,) = pointers('{"' + "k" * 100_000 + '":NaN}')
    assert pointer == "/" + "k" * 200 + "…"


# Time

SIZE = 4 * 2**20


def filled(head: bytes, unit: bytes, tail: bytes) -> bytes:
    return head + unit * ((SIZE - len(head) - len(tail)) // len(unit)) + tail


HOSTILE = {
    "open": b"[" * SIZE,
    "nested": b"[" * 100_000 + b"]" * 100_000,
    "keys": b"{" + b",".join(b'"k%d":1' % number for number in range(300_000)) + b"}",
    "same key": filled(b"{", b'"a":1,', b'"a":1}'),
    "doubled objects": filled(b"[", b'{"a":1,"a":1},', b"1]"),
    "digits": b"1" * SIZE,
    "fraction": b"0." + b"1" * SIZE,
    "numbers": filled(b"[", b"0,", b"0]"),
    "long numbers": filled(b"[", b"9" * 399 + b",", b"0]"),
    "numbers beside digits": filled(b'["' + b"1" * 500 + b'",', b"0,", b"0]"),
    "constants": filled(b"[", b"NaN,", b"0]"),
    "constants in items": filled(b'{"cases":[', b"NaN,", b"0]}"),
    "constants in an item": filled(b'{"cases":[[', b"NaN,", b"0]]}"),
    "text": b'"' + b"a" * SIZE + b'"',
    "escapes": filled(b'"', b"\\n", b'"'),
    "surrogates": filled(b'["', b"\\ud800", b'"]'),
    "open text": filled(b'"', b'\\"', b""),
    "texts": filled(b'["\\u0000",', b'"",', b'""]'),
    "lists": filled(b"[", b"[],", b"[]]"),
    "objects": filled(b"[", b'{"a":1},', b"1]"),
    "space": b" " * SIZE,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_four_megabytes_of_spite_take_no_time(name):
    began = time.process_time()
    try:
        found = len(parse(HOSTILE[name], item_pointer="/cases").troubles)
    except MalformedJSON:
        found = 0
    assert time.process_time() - began < 4
    assert found <= strict_json.MAX_TROUBLES


def test_the_limit_is_the_contracts():
    assert MAX_INTEGER == LIMIT
