"""Any sequence of verbs, beside a small model of them: what is refused, who holds what, and what a platform that
simply obeys has in force once everything is delivered."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Count
from django.db.models.functions import Now
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from pytest_django import Settings

from moderation.errors import ModerationError
from moderation.models import Case, Decision, Event, Notice, Order, Run
from moderation.models.actions import ACTIONS
from moderation.services.orders import closing
from moderation.services.post import outbox
from moderation.services.record import audit
from moderation.services.story import review
from moderation.services.story.rulings import Ruling
from moderation.states import TERMINAL, Status
from moderation.tests.environment import empty_database
from moderation.tests.people import WORK, App, ana, app, ben, console, sue
from moderation.tests.platform import Platform

EXAMPLES, STEPS, CASES = 25, 25, 3
AUTHOR = "author-1"
MENU = [
    ["suspend_author"],
    ["remove_content", "suspend_author"],
    ["suspend_author", "label_content", "warn_author"],
    ["remove_content", "ban_author"],
    [],
]
NAMES = ["ana", "ben", "sue"]
Key = tuple[str, str]
"""(subject, action): what is or is not in force on the platform."""

then = st.sampled_from(["everything", "legs", "nothing"])
"""How much of what is due is carried out right after a verb: without it, random walks seldom come far."""
which = st.integers(0, CASES - 1)
actions = st.sampled_from(MENU)
wild = st.sampled_from([False, False, False, True])
"""Whether a verb is tried wherever it falls; otherwise on a case, and by a person, that may be allowed to."""
names = st.sampled_from(NAMES)
moods = st.sampled_from(["obey", "obey", "fail", "refuse"])
VERBS = ["decide over the API"] * 3 + ["roll back"] * 3 + ["claim", "decide in the console", "undo", "deliver"] * 2
WHERE = {
    "decide over the API": Status.PENDING_REVIEW,
    "claim": Status.PENDING_REVIEW,
    "undo": Status.ENFORCING,
    "roll back": Status.COMPLETED,
}
VERBS += ["start", "release", "end the undo windows"]


@dataclass
class Ruled:
    """A decision as the model remembers it. `held_before`: what was in force when it was made."""

    id: str
    by: str
    actions: list[str]
    held_before: Ruled | None
    waits: bool
    """In its undo window: nobody has been told to carry it out."""


@dataclass
class Modelled:
    """A case as the model knows it."""

    id: str
    content: str
    round: int = 1
    live: Ruled | None = None
    ruled: dict[int, Ruled] = field(default_factory=dict)
    claimed_by: str = ""


@dataclass
class Receiver:
    """The client's side: obeys, refuses or fails, and keeps what is in force and what it gave up."""

    mood: str = "obey"
    in_force: set[Key] = field(default_factory=set)
    refused: set[tuple[str, str]] = field(default_factory=set)
    unclear: set[Key] = field(default_factory=set)
    """Keys somebody refused while they were in force: there the contract leaves open what holds."""
    seen: dict[str, dict[str, Any]] = field(default_factory=dict)

    def behave(self, document: dict[str, Any]) -> tuple[int, bytes]:
        data = document["data"]
        if "order_id" not in data:
            return 200, b""
        assert self.seen.setdefault(data["order_id"], document) == document, "one webhook-id said two things"
        applies = document["type"] == "action.apply"
        action = data["action"] if applies else REVERSES[data["action"]]
        subject = data["author_id"] if ACTIONS[action].target == "author" else data["content_id"]
        key = subject, action
        if self.mood == "fail":
            return 500, b""
        if self.mood == "refuse":
            if not applies or key in self.in_force:
                self.unclear.add(key)
            self.refused.add((data["decision_id"], action))
            return 200, b'{"result": "refused"}'
        (self.in_force.add if applies else self.in_force.discard)(key)
        return 200, b""


REVERSES = {action.reversed_by: action.name for action in ACTIONS.values() if action.reversed_by}


class Moderation(RuleBasedStateMachine):
    """What clients, moderators, workers and platforms do, in any order."""

    platform: ClassVar[Platform]
    app: App

    def __init__(self) -> None:
        super().__init__()
        empty_database()
        self.app = app(webhook_url=self.platform.url)
        self.platform.secret = self.app.secret
        self.platform.received.clear()
        self.receiver = Receiver()
        self.platform.behave = self.receiver.behave
        self.users = {"ana": ana(), "ben": ben(), "sue": sue()}
        self.cases: list[Modelled] = []

    @rule(
        verb=st.sampled_from(VERBS),
        at=which,
        by=names,
        actions=actions,
        keep=st.booleans(),
        mood=moods,
        then=then,
        wild=wild,
    )
    def act(
        self, verb: str, at: int, by: str, actions: list[str], keep: bool, mood: str, then: str, wild: bool
    ) -> None:
        """One rule for all verbs: of many, hypothesis leaves most out of any one example, and walks get nowhere."""
        case = self._case(verb, at, wild)
        if by == self._first_decider(case) and not wild:
            by = next(name for name in NAMES if name != by)
        match verb:
            case "start":
                self.start()
            case "decide over the API":
                self.decide_over_the_api(case, actions, by)
            case "claim":
                self.claim(case, by)
            case "release":
                self.release_all(by)
            case "decide in the console":
                self.decide_in_the_console(actions)
            case "undo":
                self.undo(case, by)
            case "roll back":
                self.roll_back(case, keep)
            case "deliver":
                self.deliver_what_is_next(mood)
            case "end the undo windows":
                self.the_undo_windows_end()
        if then == "everything":
            self.everything_is_delivered()
        elif then == "legs":
            self.work()

    # --- what clients and moderators do ------------------------------------------------------------------------------

    @initialize()
    def start_two(self) -> None:
        self.start()
        self.start()
        self.work()

    def start(self) -> None:
        if len(self.cases) == CASES:
            return
        content = f"post-{len(self.cases)}"
        self.cases.append(Modelled(self.app.start(content_id=content, author_id=AUTHOR), content))

    def decide_over_the_api(self, case: Modelled, actions: list[str], by: str) -> None:
        status = self._status(case)
        answer = self.app.decide(case.id, *actions, by=by.upper())
        expected = 202
        if status != Status.PENDING_REVIEW or case.claimed_by:
            expected = 409
        elif self._first_decider(case) == by:
            expected = 403
        assert answer.status_code == expected, answer.content
        if expected == 202:
            self._ruled(case, answer.json()["decision"]["id"], by, actions, waits=False)

    def claim(self, case: Modelled, by: str) -> None:
        status = self._status(case)
        good = status == Status.PENDING_REVIEW and case.claimed_by in ("", by) and self._first_decider(case) != by
        assert self._allowed(lambda: review.claim(UUID(case.id), by=console(self.users[by]))) == good
        if good:
            case.claimed_by = by

    def release_all(self, by: str) -> None:
        for case in self.cases:
            review.release(UUID(case.id), by=console(self.users[by]))
            if case.claimed_by == by or by == "sue":
                case.claimed_by = ""

    def decide_in_the_console(self, actions: list[str]) -> None:
        case = next((case for case in self.cases if case.claimed_by), None)
        if case is None:
            return
        row, by = Case.objects.get(pk=case.id), case.claimed_by
        ruling = Ruling("violation", actions, ["harassment", "sexual", "threats"], "It breaks rules.")
        made = review.decide(row.pk, ruling, by=console(self.users[by]), claim_token=str(row.claim_token))
        case.claimed_by = ""
        self._ruled(case, str(made.pk), by, actions, waits=True)

    def undo(self, case: Modelled, by: str) -> None:
        good = case.live is not None and case.live.waits and case.live.by == by
        assert self._allowed(lambda: review.undo(UUID(case.id), by=console(self.users[by]))) == good
        if good:
            assert case.live is not None
            del case.ruled[case.round]
            case.live, case.claimed_by = case.live.held_before, by

    def the_undo_windows_end(self) -> None:
        Run.objects.filter(done_at=None, cancelled_at=None).update(due_at=Now())
        for case in self.cases:
            if case.live is not None:
                case.live.waits = False

    def roll_back(self, case: Modelled, keep: bool) -> None:
        status = self._status(case)
        ordered = not Run.objects.filter(case_id=case.id, done_at=None, cancelled_at=None).exists()
        good = status == Status.COMPLETED or (status == Status.ENFORCING and ordered)
        answer = self.app.roll_back(case.id, keep_in_force=keep)
        assert answer.status_code == (202 if good else 409), answer.content
        if good:
            case.round += 1
            case.live = case.live if keep else None

    # --- what workers and platforms do -------------------------------------------------------------------------------

    def work(self) -> None:
        self._carry_out(legs=True, orders=False)

    def deliver_what_is_next(self, mood: str) -> None:
        self.receiver.mood = mood
        self._make_due()
        self._carry_out(legs=False, orders=True, once=True)

    def everything_is_delivered(self) -> None:
        self.the_undo_windows_end()
        self.receiver.mood = "obey"
        self._make_due()
        self._carry_out(legs=True, orders=True)
        closing.settle_overlooked()
        assert not Order.objects.exclude(status__in=TERMINAL).exists()
        resting = {Status.PENDING_REVIEW, Status.COMPLETED}
        assert set(Case.objects.values_list("status", flat=True)) <= resting
        wanted = {
            (AUTHOR if ACTIONS[action].target == "author" else case.content, action)
            for case in self.cases
            if case.live is not None
            for action in case.live.actions
            if (case.live.id, action) not in self.receiver.refused
        }
        # A warning cannot be taken back, so of warnings only the wanted ones are compared.
        there = {key for key in self.receiver.in_force if ACTIONS[key[1]].reversed_by or key in wanted}
        assert there - self.receiver.unclear == wanted - self.receiver.unclear

    # --- what always holds -------------------------------------------------------------------------------------------

    @invariant()
    def every_round_has_at_most_one_decision_and_no_two_in_a_row_by_the_same_person(self) -> None:
        live = Decision.objects.filter(withdrawn_at=None)
        assert not live.values("case", "round").annotate(n=Count("pk")).filter(n__gt=1).exists()
        for case in self.cases:
            deciders = [ruled.decider for ruled in live.filter(case_id=case.id).order_by("round")]
            assert all(first != second for first, second in itertools.pairwise(deciders))
            assert deciders == [ruled.by for _, ruled in sorted(case.ruled.items())]

    @invariant()
    def every_case_stands_where_a_case_can_stand(self) -> None:
        rows = {str(row.pk): row for row in Case.objects.all()}
        assert set(rows) == {case.id for case in self.cases}
        for case in self.cases:
            row = rows[case.id]
            assert row.status in Status.values
            assert (row.outcome != "") == (row.status == Status.COMPLETED)
            rounds = {case.round - 1} if row.status == Status.ROLLING_BACK else {case.round}
            assert row.round in rounds
            assert str(row.decision_id or "") == (case.live.id if case.live else "")

    def teardown(self) -> None:
        self.everything_is_delivered()
        while audit.seal():
            pass
        assert audit.verify() == (Event.objects.count(), None)

    # --- how ---------------------------------------------------------------------------------------------------------

    def _case(self, verb: str, at: int, wild: bool) -> Modelled:
        wanted = WHERE.get(verb)
        fit = [case for case in self.cases if wild or wanted is None or self._status(case) == wanted]
        return (fit or self.cases)[at % len(fit or self.cases)]

    def _status(self, case: Modelled) -> Status:
        return Status(Case.objects.values_list("status", flat=True).get(pk=case.id))

    def _first_decider(self, case: Modelled) -> str:
        """Who made the decision under review."""
        earlier = [ruled.by for round, ruled in sorted(case.ruled.items()) if round < case.round]
        return earlier[-1] if earlier else ""

    def _ruled(self, case: Modelled, id: str, by: str, actions: list[str], *, waits: bool) -> None:
        case.live = case.ruled[case.round] = Ruled(id, by, actions, case.live, waits)

    def _allowed(self, verb: Any) -> bool:
        try:
            verb()
        except ModerationError:
            return False
        return True

    def _make_due(self) -> None:
        """The waits after a failed try are over."""
        Order.objects.exclude(status__in=TERMINAL).update(due_at=Now(), published_until=None)

    def _carry_out(self, *, legs: bool, orders: bool, once: bool = False) -> None:
        while True:
            # Notices have no order and block nothing; here they would only take time.
            Notice.objects.filter(order=None, delivered_at=None).update(delivered_at=Now())
            offers = outbox.claim(starts_at_once=8)
            mine = [offer for offer in offers if (orders if offer.kind == "order" else legs)]
            outbox.unoffer([offer for offer in offers if offer not in mine])
            for offer in mine:
                WORK[offer.kind](offer.id)
            if once or not mine:
                return


def test_whatever_is_done_in_whatever_order_the_rules_hold(database: None, settings: Settings) -> None:
    settings.ALLOW_LOOPBACK_WEBHOOKS = True
    Moderation.platform = Platform()
    try:
        run_state_machine_as_test(Moderation, settings=BOUNDS)
    finally:
        Moderation.platform.close()


BOUNDS = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    # Not shrunk: that takes minutes on a real database, and the steps of a failure are printed as they are.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    print_blob=True,
)
