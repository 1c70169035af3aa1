"""The bytes that are hashed are those of RFC 8785, as another program makes them."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from moderation.canonical import SAFE, canonical

texts = st.text(st.characters(exclude_categories=["Cs"]))
leaves = st.none() | st.booleans() | st.integers(-SAFE, SAFE) | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=12)


@given(values)
def test_any_json_has_the_bytes_that_another_program_gives_it(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_the_same_after_the_database_has_kept_it(value: float) -> None:
    """PostgreSQL keeps 1e+22 in jsonb as an integer with 22 zeros."""
    kept = json.loads(f"{value:f}") if value.is_integer() and abs(value) > SAFE else json.loads(json.dumps(value))
    assert canonical(kept) == canonical(value)
    as_integer = int(value) if value.is_integer() else value
    assert canonical(as_integer) == canonical(value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (333333333.33333329, "333333333.3333333"),  # the examples of RFC 8785, appendix B
        (1e30, "1e+30"),
        (4.50, "4.5"),
        (2e-3, "0.002"),
        (0.000000000000000000000000001, "1e-27"),
        (-0.0, "0"),
        (999999999999999900000.0, "999999999999999900000"),
        (1e21, "1e+21"),
        ('\u20ac$\u000f\u000aA\'B"\\\\"/', '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'),
        (
            {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5},
            '{"\\r":2,"1":4,"\u20ac":1,"\U0001f600":5,"\ufb33":3}',
        ),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (datetime(2026, 11, 24, 1, 2, 3, tzinfo=timezone(timedelta(hours=1))), '"2026-11-24T00:02:03.000000Z"'),
        (datetime(2026, 11, 24, 1, 2, 3, 40, tzinfo=UTC), '"2026-11-24T01:02:03.000040Z"'),
    ],
)
def test_known_values_have_known_bytes(value: Any, said: str) -> None:
    assert canonical(value) == said.encode()


@pytest.mark.parametrize("value", [math.nan, math.inf, "\ud800", b"x", object(), {1: 2}])
def test_what_is_not_json_is_refused(value: Any) -> None:
    with pytest.raises((ValueError, TypeError, AttributeError)):
        canonical(value)
