"""Cursor pages: newest first, no totals, and nothing made up comes near the database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from moderation.errors import FieldTrouble, Unacceptable

LARGEST_PAGE = 200
PAGED = frozenset({"cursor", "limit"})
PAGING = [
    OpenApiParameter("cursor", str, description="From `next` or `previous`"),
    OpenApiParameter(
        "limit", {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE}, description="1 to 200, 50 by default"
    ),
]


class Pages(CursorPagination):
    """Newest first; a cursor, no totals."""

    ordering = ("-created_at", "-id")
    page_size = 50
    page_size_query_param = "limit"

    def get_page_size(self, request: Request) -> int:
        asked = request.query_params.get("limit")
        if asked is None:
            return self.page_size
        if not (asked.isascii() and asked.isdigit() and len(asked) <= 3 and 1 <= int(asked) <= LARGEST_PAGE):
            raise Unacceptable(
                "There are no pages of that size.",
                errors=[FieldTrouble("/limit", f"A whole number from 1 to {LARGEST_PAGE}.")],
            )
        return int(asked)

    def decode_cursor(self, request: Request) -> Any:
        try:
            cursor = super().decode_cursor(request)
            # One that says nothing is never given out, but what b64decode makes of most nonsense.
            if cursor == Cursor(offset=0, reverse=False, position=None):
                raise ValueError
            if cursor is not None and cursor.position is not None and moment(str(cursor.position)) is None:
                raise ValueError
        except (NotFound, ValueError):
            raise Unacceptable(
                "This cursor is none of ours.", errors=[FieldTrouble("/cursor", "Take it from `next` or `previous`.")]
            ) from None
        return cursor

    def get_paginated_response(self, data: Any) -> Response:
        following, previous = self.get_next_link(), self.get_previous_link()
        links = [f'<{url}>; rel="{rel}"' for url, rel in ((following, "next"), (previous, "prev")) if url]
        return Response(
            {"next": following, "previous": previous, "results": data},
            headers={"Link": ", ".join(links)} if links else {},
        )


def moment(value: str) -> datetime | None:
    """A time with its offset, as the database takes it, in UTC; None for everything else."""
    try:
        parsed = parse_datetime(value)
        return parsed.astimezone(UTC) if parsed is not None and parsed.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
