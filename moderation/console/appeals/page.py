"""The list of open appeals as its template wants it: everything in words."""

from __future__ import annotations

import re
from typing import Any

from moderation.console import words
from moderation.console.words.visible import pieces
from moderation.selectors.open_appeals import OpenAppeal, OpenAppeals
from moderation.selectors.queue import PAGE


def context(found: OpenAppeals) -> dict[str, Any]:
    """The template's variables. `first`: the number of the first row on this page."""
    return {
        "appeals": found,
        "rows": [_row(row, found) for row in found.rows],
        "first": (found.page - 1) * PAGE + 1,
    }


def _row(row: OpenAppeal, found: OpenAppeals) -> dict[str, Any]:
    return {
        "appeal": row,
        "side": words.side(row.side),
        "status": words.appeal_status(row.status),
        "content_type": words.content_type(row.content_type),
        "waited": words.span((found.now - row.created_at).total_seconds()),
        "excerpt": pieces(re.sub(r"[ \t\r\n]+", " ", row.excerpt).strip(" ")),
    }
