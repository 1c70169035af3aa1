"""What goes into the agent and what comes out: frozen dataclasses, and the ports the graph calls.

Nothing here knows Django, Celery or LangGraph. The back office implements `Casework`; an assessor implements
`Assessor`; the graph sees only these two.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Severity(StrEnum):
    """How much harm a policy guards against, mildest first."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class PolicyBrief:
    """One policy version as the analyst needs it.

    `threshold` (0..1): the confidence from which a finding counts, and below which nothing is cleared.
    `terms`: regular expressions (Python `re`, matched ignoring case) by which the rules analyst finds violations.
    """

    slug: str
    title: str
    text: str
    severity: Severity
    threshold: float
    actions: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Brief:
    """Everything the analyst may look at for one case. All of it but the policies is hostile input."""

    case_id: str
    round: int
    text: str
    content_type: str
    language: str
    policies: tuple[PolicyBrief, ...]
    report_reasons: tuple[str, ...] = ()
    context: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Quote:
    """An exact span of the text: `text[start:end]`, offsets in Unicode code points."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One policy the text seems to break, with the words that show it."""

    slug: str
    confidence: float
    quotes: tuple[Quote, ...]
    rationale: str


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the agent thinks of a case. `flags` are machine words (`injection`, `hidden_text`, `invented_quote`, ...);
    `doubts` are sentences for the moderator. Money in US dollars, time in seconds."""

    violation: bool
    confidence: float
    severity: Severity | None
    summary: str
    policies: tuple[Finding, ...]
    recommended_actions: tuple[str, ...]
    doubts: tuple[str, ...]
    flags: tuple[str, ...]
    analyst: str
    model: str
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    seconds: float = 0.0
    trace_id: str = ""


class Route(StrEnum):
    """Where the graph goes after the analysis."""

    REVIEW = "review"
    CLEAR = "clear"


class AnalysisFailed(Exception):
    """The analyst has no answer and will have none: the case goes to a human without an assessment.

    The message is shown to moderators and kept in the case's history; it holds no secret and no content.
    """


class TryLater(Exception):
    """The analyst asks to be called again after `seconds` (a provider's rate limit): the run is rescheduled."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"try again in {seconds:g} s")
        self.seconds = seconds


class LeaseLost(Exception):
    """Another worker has taken this leg over: nothing may be written any more."""


class Assessor(Protocol):
    """Thinks about one text. May take up to 35 s and must not take longer; touches no database."""

    name: str

    def assess(self, brief: Brief) -> Assessment:
        """Judge `brief.text` by `brief.policies`.

        Raises AnalysisFailed when there is no answer to be had, TryLater when the provider asks for patience.
        """
        ...


class Casework(Protocol):
    """The back office as the graph's nodes see it. Every call may be repeated and acts once."""

    def recall(self, case_id: str, round: int) -> Route | None:
        """Where this round's analysis led if it is already recorded, else None."""
        ...

    def brief(self, case_id: str, round: int) -> Brief:
        """The case as the analyst may see it."""
        ...

    def record(self, case_id: str, round: int, assessment: Assessment | None, route: Route, failure: str) -> Route:
        """Keep what the analyst thinks (None: it failed, `failure` says why) and where the case goes.

        Answers the route that stands: the one recorded first, should this be a second try.
        Raises LeaseLost when this leg is no longer ours.
        """
        ...

    def order(self, case_id: str, round: int) -> None:
        """Plan the enforcement orders of the decision of this round."""
        ...

    def reverse(self, case_id: str, round: int) -> None:
        """Plan the reversals of what the decision of this round did, last first."""
        ...


@dataclass(frozen=True, slots=True)
class Leg:
    """How a leg of the graph ended.

    `paused`: the thread now waits at review for `round`; otherwise it has ended. `rebuilt`: the stored thread did not
    agree with the case row and was made anew from the row before the leg (the reason in words).
    """

    paused: bool
    round: int
    rebuilt: str = ""
