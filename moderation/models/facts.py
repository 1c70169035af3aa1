"""What an event vouches for: which columns of which rows its digests cover, and which events tell it. One table.

The newest digest of a fact counts, so a column that changes stands in a fact that is told again at every change, and an
erasure tells what is left. How the bytes are made, for those who write their own verifier: docs/audit.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from django.db.models import Model

from moderation.canonical import canonical
from moderation.models.appeal import Appeal
from moderation.models.case import Case, Report
from moderation.models.judgement import Assessment, Decision
from moderation.models.order import Order
from moderation.models.run import Run
from moderation.models.withdrawal import Withdrawal
from moderation.states import CONFIRMED, IN_LINE, OPEN_APPEALS, RunKind, Status

ERASED = "erased"
"""The type of the event that is written when the words of a row are erased; it may tell every fact."""


def _always(row: Any) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Fact:
    """`columns` of `model` in the order of the table; `told_by`: the events that tell it; `due`: must a row that looks
    like this have been told?"""

    model: type[Model]
    columns: tuple[str, ...]
    told_by: frozenset[str]
    due: Callable[[Any], bool] = _always


_MOVES = frozenset(
    {
        "case.accepted",
        "case.review_requested",
        "case.cleared",
        "case.decided",
        "case.decision_undone",
        "case.completed",
        "case.rollback_requested",
        "case.reopened",
        "case.withdrawn",
    }
)

FACTS: dict[str, Fact] = {
    "case": Fact(
        Case,
        (
            "client_id",
            "content_id",
            "content_type",
            "text",
            "author_id",
            "language",
            "url",
            "context",
            "created_at",
        ),
        frozenset({"case.accepted"}),
    ),
    "case_state": Fact(Case, ("status", "outcome", "round", "decision_id"), _MOVES),
    "report": Fact(Report, ("case_id", "reporter_id", "reason", "created_at"), frozenset({"case.reported"})),
    "assessment": Fact(
        Assessment,
        (
            "case_id",
            "round",
            "route",
            "violation",
            "confidence",
            "severity",
            "summary",
            "findings",
            "recommended_actions",
            "doubts",
            "flags",
            "analyst",
            "model",
            "created_at",
        ),
        frozenset({"case.review_requested", "case.cleared", "case.withdrawn"}),
        # Written while the agent is still at it; told when its leg ends.
        due=lambda row: row.case.status != Status.PENDING_ANALYSIS,
    ),
    "decision": Fact(
        Decision,
        (
            "case_id",
            "round",
            "outcome",
            "actions",
            "policies",
            "reason",
            "note",
            "decided_by",
            "user_id",
            "via",
            "earlier_id",
            "decided_at",
        ),
        frozenset({"case.decided"}),
    ),
    "decision_state": Fact(Decision, ("withdrawn",), frozenset({"case.decided", "case.decision_undone"})),
    "order": Fact(
        Order,
        (
            "case_id",
            "client_id",
            "decision_id",
            "subject_id",
            "subject_kind",
            "subject_external_id",
            "direction",
            "action",
            "params",
            "expires_at",
            "undoes_id",
            "names_id",
            "resends_id",
        ),
        frozenset({"order.planned", "order.reversals_planned", "order.landed_late"}),
    ),
    "order_answer": Fact(
        Order,
        ("result", "detail"),
        frozenset({"order.applied", "order.already", "order.refused"}),
        due=lambda row: row.status in CONFIRMED,
    ),
    "order_state": Fact(
        Order,
        ("state", "released"),
        frozenset(
            {
                "order.planned",
                "order.reversals_planned",
                "order.landed_late",
                "order.applied",
                "order.already",
                "order.refused",
                "order.failed",
                "order.replayed",
                "order.cancelled",
                "order.reversed",
                "order.expired",
            }
        ),
    ),
    "appeal": Fact(
        Appeal,
        (
            "case_id",
            "decision_id",
            "round",
            "appellant_id",
            "side",
            "statement",
            "language",
            "created_at",
        ),
        frozenset({"appeal.received"}),
    ),
    "appeal_state": Fact(
        Appeal,
        ("verdict", "answer", "answered_by_id"),
        frozenset({"appeal.received", "appeal.decided"}),
    ),
    "rollback": Fact(
        Run,
        ("case_id", "round", "requested_by", "reason", "keep_in_force"),
        frozenset({"case.rollback_requested"}),
        due=lambda row: row.kind == RunKind.ROLLBACK,
    ),
    "withdrawal": Fact(Withdrawal, ("case_id", "reason", "keep_in_force", "user_id"), frozenset({"case.withdrawn"})),
}

_MADE: dict[str, Callable[[Any], Any]] = {
    "policies": lambda row: sorted(version.pk for version in row.policies.all()),
    "withdrawn": lambda row: row.withdrawn_at is not None,
    "state": lambda row: "in_line" if row.status in IN_LINE else row.status,
    "released": lambda row: row.released_at is not None,
    "verdict": lambda row: "open" if row.status in OPEN_APPEALS else row.status,
    "subject_kind": lambda row: row.subject.kind,
    "subject_external_id": lambda row: row.subject.external_id,
}
"""Columns that are no columns: the ids of the policy versions a decision names, whether it was taken back inside its
undo window, an order's status (`in_line` for what comes and goes with every try), whether its decision no longer wants
it, an appeal's status (`open` for both open ones), and whom or what an order is about, by the client's ids."""


CHANGING = frozenset({"case_state", "decision_state", "order_answer", "order_state", "appeal_state"})
"""The facts that are told again when they change. Any other is told once, and again only by an erasure."""


def told(fact: str, row: Model, **given: Any) -> str:
    """What the salt stands before: the fact's name, the row's id and its columns, canonical. `given`: columns whose
    values are at hand, so that no query fetches them."""
    columns = {
        name: given[name] if name in given else _MADE[name](row) if name in _MADE else getattr(row, name)
        for name in FACTS[fact].columns
    }
    return canonical({"fact": fact, "id": row.pk, **columns}).decode()


def digest(fact: str, row: Model, **given: Any) -> str:
    """sha256 hex over the row's salt and what is told of it."""
    salt = bytes(getattr(row, "salt", None) or b"")
    return sha256(salt + told(fact, row, **given).encode()).hexdigest()


def tell(fact: str, row: Model, **given: Any) -> dict[str, str]:
    """The entry of this row for an event's digests."""
    return {f"{fact}:{row.pk}": digest(fact, row, **given)}


def tell_standing(*orders: Order) -> dict[str, str]:
    """Where `orders` stand, for the event of what has just changed it. Their rows are locked by this transaction, and
    so no other can tell of them in between."""
    return {key: said for order in orders for key, said in tell("order_state", order).items()}
