"""What an appellant may read about an appeal, in plain words."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from moderation.models import Appeal, Assessment, Decision, Order, Side
from moderation.models.actions import ACTIONS, SubjectKind
from moderation.states import AppealStatus, Direction, OrderStatus, Outcome

NAMES = {
    "remove_content": gettext_lazy("Removal of the content"),
    "limit_visibility": gettext_lazy("Limited visibility of the content"),
    "age_gate": gettext_lazy("Age gate before the content"),
    "label_content": gettext_lazy("Label on the content"),
    "suspend_author": gettext_lazy("Suspension of the author"),
    "ban_author": gettext_lazy("Ban of the author"),
    "warn_author": gettext_lazy("Warning to the author"),
}
TONES = {AppealStatus.GRANTED: "good", AppealStatus.PARTLY_GRANTED: "good", AppealStatus.DENIED: "bad"}
IN_FORCE = frozenset({OrderStatus.APPLIED, OrderStatus.ALREADY})


@dataclass
class Restriction:
    """One action and what has become of it. `final`: it cannot be taken back, whatever the answer."""

    label: str | Promise
    now: str
    final: bool = False


@dataclass
class Step:
    """One stage of the appeal. `stage`: done, now or later."""

    name: str
    stage: str


@dataclass
class Told:
    """The page's content; every string is a sentence in the reader's language. `tone`: good, bad or waiting.
    `applies`: what the decision that answered the appeal has ordered. `final`: what can never be undone, in words."""

    appeal: Appeal
    app: str
    is_open: bool
    stands: str
    tone: str
    decided: str
    steps: list[Step] = field(default_factory=list)
    rules: list[tuple[str, str]] = field(default_factory=list)
    quotes: list[str] = field(default_factory=list)
    machine: str = ""
    restrictions: list[Restriction] = field(default_factory=list)
    applies: list[Restriction] = field(default_factory=list)
    final: str = ""
    next: str = ""


def told(appeal: Appeal) -> Told:
    """Everything the status page shows. Five queries at most; the appeal's case, client and decision are loaded."""
    decision = appeal.decision
    versions = list(decision.policies.select_related("policy")) if decision else []
    assessment = Assessment.objects.filter(case_id=appeal.case_id).order_by("-round").first()
    slugs = {version.policy.slug for version in versions}
    restrictions = _restrictions(appeal.decision_id, appeal.side)
    applies = _restrictions(appeal.answered_by_id, appeal.side)
    return Told(
        appeal=appeal,
        app=appeal.case.client.name,
        is_open=appeal.is_open,
        stands=_stands(appeal),
        tone="waiting" if appeal.is_open else TONES.get(AppealStatus(appeal.status), "quiet"),
        decided=_decided(decision),
        steps=_steps(appeal),
        rules=[(version.title, version.text) for version in versions],
        quotes=[
            quote["text"]
            for finding in (assessment.findings if assessment else [])
            if finding["slug"] in slugs
            for quote in finding["quotes"]
        ],
        machine=_machine(decision, assessment),
        restrictions=restrictions,
        applies=applies,
        final=_final([*restrictions, *applies]),
        next=_next(appeal),
    )


def _steps(appeal: Appeal) -> list[Step]:
    """Received, looked at, answered; an appeal closed without being judged skips the middle."""
    names = [_("Received"), _("Second review"), _("Answer")]
    at = {AppealStatus.SUBMITTED: 0, AppealStatus.UNDER_REVIEW: 1}.get(AppealStatus(appeal.status))
    if at is None:
        judged = appeal.status not in (AppealStatus.INADMISSIBLE, AppealStatus.WITHDRAWN)
        return [Step(name, "done") for name in (names if judged else [names[0], _("Closed")])]
    return [Step(name, "done" if i < at else "now" if i == at else "later") for i, name in enumerate(names)]


def _next(appeal: Appeal) -> str:
    """What the reader can expect, or do, from here."""
    if appeal.is_open:
        return _(
            "Nothing more is needed from you. This page shows the answer as soon as there is one; keep its address to "
            "yourself."
        )
    if appeal.status in (AppealStatus.GRANTED, AppealStatus.WITHDRAWN):
        return ""
    return _(
        "If you disagree, you can still turn to a court or, in the European Union, to a certified out-of-court dispute "
        "settlement body."
    )


def _final(restrictions: list[Restriction]) -> str:
    if not any(restriction.final for restriction in restrictions):
        return ""
    return _(
        "A warning cannot be undone: once it has been sent, nobody can make it unsent, whatever the answer to the "
        "appeal is. Everything else listed here can be taken back."
    )


def _stands(appeal: Appeal) -> str:
    return {
        AppealStatus.SUBMITTED: _("Your appeal has arrived and waits for its review."),
        AppealStatus.UNDER_REVIEW: _("A second person, who did not make the first decision, is looking at it."),
        AppealStatus.GRANTED: _("Your appeal was granted."),
        AppealStatus.PARTLY_GRANTED: _("Your appeal was granted in part."),
        AppealStatus.DENIED: _("Your appeal was denied."),
        AppealStatus.INADMISSIBLE: _("Your appeal could not be taken up."),
        AppealStatus.WITHDRAWN: _("This appeal was withdrawn."),
    }[AppealStatus(appeal.status)]


def _decided(decision: Decision | None) -> str:
    if decision is None:
        return _("The content was found to be in order.")
    if decision.outcome == Outcome.NO_VIOLATION:
        return _("A reviewer found no violation of the rules.")
    return _("A reviewer found that the content breaks the rules.")


def _machine(decision: Decision | None, assessment: Assessment | None) -> str:
    if decision is None:
        return _("Software decided this; no human had looked at it.")
    if assessment is None:
        return _("A human decided, without the help of software.")
    return _("Software examined the content and marked passages; a human decided.")


def _restrictions(decision_id: UUID | None, side: str) -> list[Restriction]:
    """What became of each action; what was done to the author is none of a reporter's business."""
    if decision_id is None:
        return []
    orders = Order.objects.filter(decision_id=decision_id, direction=Direction.APPLY, resends=None).order_by("place")
    if side == Side.REPORTER:
        orders = orders.filter(subject__kind=SubjectKind.CONTENT)
    return [Restriction(_name(order), _now(order), not ACTIONS[order.action].reversed_by) for order in orders]


def _name(order: Order) -> str:
    name = str(NAMES.get(order.action, order.action))
    if order.expires_at is None:
        return name
    return _("%(what)s until %(date)s") % {"what": name, "date": date_format(order.expires_at, "DATE_FORMAT")}


def _now(order: Order) -> str:
    if not ACTIONS[order.action].reversed_by and order.status in IN_FORCE:
        return _("sent; it cannot be taken back")
    return {
        OrderStatus.APPLIED: _("in force"),
        OrderStatus.ALREADY: _("in force"),
        OrderStatus.RETAINED: _("still in force, because of another decision"),
        OrderStatus.REVERSED: _("taken back"),
        OrderStatus.REVERSING: _("being taken back"),
        OrderStatus.IRREVERSIBLE: _("was sent before, and cannot be taken back"),
        OrderStatus.CANCELLED: _("cancelled before it took effect"),
        OrderStatus.EXPIRED: _("over"),
        OrderStatus.REFUSED: _("not carried out by the platform"),
        OrderStatus.FAILED: _("could not be delivered to the platform"),
    }.get(OrderStatus(order.status), _("being carried out"))
