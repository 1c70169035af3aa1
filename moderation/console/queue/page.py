"""The queue as its template wants it: everything in words."""

from __future__ import annotations

import re
from typing import Any

from moderation.console import words
from moderation.console.words.visible import pieces
from moderation.selectors.queue import PAGE, Queue, Waiting


def context(queue: Queue) -> dict[str, Any]:
    """The template's variables. `first`: the number of the first row on this page."""
    rows = [_row(row, queue) for row in queue.rows]
    return {"queue": queue, "rows": rows, "first": (queue.page - 1) * PAGE + 1}


def _row(row: Waiting, queue: Queue) -> dict[str, Any]:
    return {
        "case": row,
        "due": words.due(row.due_at, queue.now, row.priority),
        "priority": words.priority(row.priority),
        "content_type": words.content_type(row.content_type),
        "excerpt": pieces(re.sub(r"[ \t\r\n]+", " ", row.excerpt).strip(" ")),
        "confidence": words.percent(row.confidence) if row.confidence is not None else "",
    }
