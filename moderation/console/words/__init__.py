"""What happened, in words for moderators. Every sentence is translated."""

from moderation.console.words.history import actor, event
from moderation.console.words.names import (
    FLAGS,
    analyst,
    appeal_status,
    content_type,
    percent,
    priority,
    severity,
    side,
    status,
    sureness,
)
from moderation.console.words.orders import Line, attempt, order, struggle
from moderation.console.words.rulings import action, actions, decided, ruling
from moderation.console.words.times import Due, ago, due, span

__all__ = [
    "FLAGS",
    "Due",
    "Line",
    "action",
    "actions",
    "actor",
    "ago",
    "analyst",
    "appeal_status",
    "attempt",
    "content_type",
    "decided",
    "due",
    "event",
    "order",
    "percent",
    "priority",
    "ruling",
    "severity",
    "side",
    "span",
    "status",
    "struggle",
    "sureness",
]
