"""What an appellant may read about an appeal, in plain words."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from moderation.lifecycle import OPEN_APPEALS, AppealStatus, Direction, OrderStatus, Outcome
from moderation.models import Appeal, Assessment, Decision, Order
from moderation.models.actions import LABELS


@dataclass
class Restriction:
    """One action and what has become of it."""

    label: str | Promise
    now: str


@dataclass
class Told:
    """The page's content; every string is a sentence in the reader's language."""

    appeal: Appeal
    is_open: bool
    stands: str
    decided: str
    rules: list[tuple[str, str]] = field(default_factory=list)
    quotes: list[str] = field(default_factory=list)
    machine: str = ""
    restrictions: list[Restriction] = field(default_factory=list)


def told(appeal: Appeal) -> Told:
    """Everything the status page shows. Five queries at most."""
    decision = appeal.decision
    versions = list(decision.policies.all()) if decision else []
    assessment = Assessment.objects.filter(case_id=appeal.case_id).order_by("-round").first()
    slugs = set(decision.policies.values_list("policy__slug", flat=True)) if decision else set()
    return Told(
        appeal=appeal,
        is_open=appeal.status in OPEN_APPEALS,
        stands=_stands(appeal),
        decided=_decided(decision),
        rules=[(version.title, version.text) for version in versions],
        quotes=[
            quote["text"]
            for finding in (assessment.findings if assessment else [])
            if finding["slug"] in slugs
            for quote in finding["quotes"]
        ],
        machine=_machine(decision, assessment),
        restrictions=_restrictions(decision),
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


def _restrictions(decision: Decision | None) -> list[Restriction]:
    if decision is None:
        return []
    orders = Order.objects.filter(decision=decision, direction=Direction.APPLY, resends=None).order_by("place")
    said = {
        OrderStatus.APPLIED: _("in force"),
        OrderStatus.ALREADY: _("in force"),
        OrderStatus.RETAINED: _("no longer wanted by this decision, but in force because of another one"),
        OrderStatus.REVERSED: _("taken back"),
        OrderStatus.REVERSING: _("being taken back"),
        OrderStatus.IRREVERSIBLE: _("cannot be taken back"),
        OrderStatus.CANCELLED: _("cancelled before it took effect"),
        OrderStatus.EXPIRED: _("over"),
        OrderStatus.REFUSED: _("not carried out by the platform"),
        OrderStatus.FAILED: _("could not be delivered to the platform"),
    }
    return [
        Restriction(LABELS[order.action], said.get(OrderStatus(order.status), _("being carried out")))
        for order in orders
    ]
