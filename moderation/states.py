"""The words every floor uses: states, outcomes, moves, directions. The ground floor: models' constraints are made of
these, and nothing here knows a row."""

from __future__ import annotations

from django.db.models import IntegerChoices, TextChoices
from django.utils.translation import gettext_lazy as _


class Status(TextChoices):
    """Where a case stands."""

    PENDING_ANALYSIS = "pending_analysis", _("Being analysed")
    PENDING_REVIEW = "pending_review", _("Waiting for review")
    ENFORCING = "enforcing", _("Being enforced")
    COMPLETED = "completed", _("Completed")
    ROLLING_BACK = "rolling_back", _("Being rolled back")


class Outcome(TextChoices):
    """How a completed case ended, and (the middle two) what a human can rule."""

    CLEARED = "cleared", _("Cleared by the agent")
    NO_VIOLATION = "no_violation", _("No violation")
    VIOLATION = "violation", _("Violation")
    WITHDRAWN = "withdrawn", _("Withdrawn")


RULINGS = frozenset({Outcome.NO_VIOLATION, Outcome.VIOLATION})


class Move(TextChoices):
    """What can happen to a case; from where to where is lifecycle.MOVES' to say."""

    PAUSE = "pause"
    CLEAR = "clear"
    DECIDE = "decide"
    UNDO = "undo"
    SETTLE = "settle"
    ROLL_BACK = "roll_back"
    REOPEN = "reopen"
    WITHDRAW = "withdraw"


class Door(TextChoices):
    """What somebody came through to do something; `system`: it happens by itself."""

    CONSOLE = "console"
    API = "api"
    ADMIN = "admin"
    COMMAND = "command"
    SYSTEM = "system"


class Priority(IntegerChoices):
    """How urgent a case is; the highest goes first."""

    LOW = 0, _("Low")
    NORMAL = 1, _("Normal")
    HIGH = 2, _("High")
    URGENT = 3, _("Urgent")


class RunKind(TextChoices):
    """One leg of the agent's work."""

    START = "start", _("Analysis")
    RESUME = "resume", _("Enforcement")
    ROLLBACK = "rollback", _("Rollback")


class Direction(TextChoices):
    """What an order asks of the client's platform."""

    APPLY = "apply", _("Apply")
    REVERSE = "reverse", _("Reverse")


class OrderStatus(TextChoices):
    """Where an order stands. `reversing` and `reversed` are said of the applying order whose reversal is under way."""

    PLANNED = "planned", _("Planned")
    DELIVERING = "delivering", _("Being delivered")
    APPLIED = "applied", _("Applied")
    ALREADY = "already", _("Was so already")
    REFUSED = "refused", _("Refused by the platform")
    FAILED = "failed", _("Delivery failed")
    CANCELLED = "cancelled", _("Cancelled before delivery")
    RETAINED = "retained", _("Kept for another decision")
    REVERSING = "reversing", _("Being reversed")
    REVERSED = "reversed", _("Reversed")
    IRREVERSIBLE = "irreversible", _("Cannot be reversed")
    EXPIRED = "expired", _("Expired")


IN_LINE = frozenset({OrderStatus.PLANNED, OrderStatus.DELIVERING})
"""Orders that still have to be delivered: they hold their place in the line."""

CONFIRMED = frozenset({OrderStatus.APPLIED, OrderStatus.ALREADY})

HOLDS_NOTHING = frozenset({OrderStatus.REFUSED, OrderStatus.CANCELLED, OrderStatus.EXPIRED})
"""Applying orders that stand for no effect, although no later decision has released them."""

TERMINAL = frozenset(OrderStatus) - IN_LINE - {OrderStatus.REVERSING}
"""A case settles, or is reopened, when all its orders are here."""


class AppealStatus(TextChoices):
    """Where an appeal stands."""

    SUBMITTED = "submitted", _("Submitted")
    UNDER_REVIEW = "under_review", _("Under review")
    GRANTED = "granted", _("Granted")
    PARTLY_GRANTED = "partly_granted", _("Partly granted")
    DENIED = "denied", _("Denied")
    INADMISSIBLE = "inadmissible", _("Inadmissible")
    WITHDRAWN = "withdrawn", _("Withdrawn")


OPEN_APPEALS = frozenset({AppealStatus.SUBMITTED, AppealStatus.UNDER_REVIEW})
