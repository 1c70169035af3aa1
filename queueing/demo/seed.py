"""Fills the demo: the forum's posts go through the real API and the real agent to where their stories end.

Each look at a case tells its next step, so seeding can be cut short anywhere and goes on at the next start; what
somebody did with a case since is left alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from django.db import connection

from moderation.demo.client import Guardian, GuardianError
from moderation.demo.models import Author, Post
from moderation.demo.notices import keep_appeal
from moderation.models import Case, Client
from moderation.states import RULINGS, Status
from queueing.demo.posts import STORIES, Plea, Ruling, Story

PATIENCE_SECONDS = 30
"""A model may be slow: then the demo opens, and the next start goes on with the stories."""
PATIENCE_LATER_SECONDS = 1.5
"""When nothing is new, a start is quick, whatever still waits for a platform or a model."""
LOOK_EVERY_SECONDS = 0.1
SUPERVISOR = "sofia"

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Stand:
    """Where the first case about a post stands."""

    content_id: str
    case_id: str
    status: str
    outcome: str
    round: int


@dataclass
class Asking:
    """Guardian, asked with patience: what it does not do now is looked at again. `trouble`: why, the last time."""

    api: Guardian
    trouble: str = ""

    def __call__(self, request: Callable[[], object]) -> None:
        """A refusal means that somebody was faster, or has the case claimed: the next look tells. A busy machine, a
        database without room: the next look, or the next start."""
        try:
            request()
        except GuardianError as error:
            if error.may_retry:
                self.trouble = error.detail
            elif error.status not in (403, 409, 412):
                raise


def sow(
    api: Guardian, client: Client, *, step: Callable[[str], None], progress: Progress, check: Callable[[], None]
) -> tuple[int, str]:
    """Bring every story to its end; answers how many are still on their way, and what Guardian said last when it could
    not do something, if it could not. `check` is called often and may raise."""
    ask = Asking(api)
    step("Letting the forum's people write")
    _have_posts()
    new = _start_missing(ask, client, progress=progress, check=check)
    if new:
        step("Letting the agent and the moderators do their part")
    deadline = time.monotonic() + (PATIENCE_SECONDS if new else PATIENCE_LATER_SECONDS)
    while True:
        stands = _stands(client)
        if len(stands) < len(STORIES) and time.monotonic() <= deadline:
            _start_missing(ask, client, progress=progress, check=check)
            stands = _stands(client)
        steps = {content_id: _next_step(ask, STORIES[content_id], stand) for content_id, stand in stands.items()}
        ended = [content_id for content_id, act in steps.items() if act is None]
        progress(len(ended), len(STORIES))
        if len(ended) == len(STORIES) or time.monotonic() > deadline:
            return len(STORIES) - len(ended), ask.trouble
        for act in steps.values():
            check()
            if act is not None:
                act()
        time.sleep(LOOK_EVERY_SECONDS)


def _have_posts() -> None:
    names = {story.author for story in STORIES.values()}
    known = set(Post.objects.filter(content_id__in=STORIES).values_list("content_id", flat=True))
    if len(known) == len(STORIES):
        return
    Author.objects.bulk_create([Author(name=name) for name in sorted(names)], ignore_conflicts=True)
    authors = {author.name: author for author in Author.objects.filter(name__in=names)}
    Post.objects.bulk_create(
        [
            Post(content_id=content_id, author=authors[story.author], text=story.text, language=story.language)
            for content_id, story in STORIES.items()
            if content_id not in known
        ]
    )


def _start_missing(ask: Asking, client: Client, *, progress: Progress, check: Callable[[], None]) -> int:
    """Over the API, as the forum does it; answers how many. A post with reports is started by its first one."""
    known = _stands(client)
    missing = [(content_id, story) for content_id, story in STORIES.items() if content_id not in known]
    # Some at once: most of a request's time is its commit.
    pool = ThreadPoolExecutor(4, thread_name_prefix="seed")
    try:
        for done, _ in enumerate(pool.map(lambda pair: _start(ask, *pair), missing), start=1):
            progress(done, len(missing))
            check()
    finally:
        # Whoever ends the demo in the midst of this does not wait for what nobody will answer any more.
        pool.shutdown(wait=False, cancel_futures=True)
    return len(missing)


def _start(ask: Asking, content_id: str, story: Story) -> None:
    try:
        ask(partial(_hand_in, ask.api, content_id, story))
    finally:
        connection.close()


def _hand_in(api: Guardian, content_id: str, story: Story) -> None:
    started = None
    for reporter, reason in story.reports:
        started = api.report(
            content_id=content_id,
            author_id=story.author,
            text=story.text,
            language=story.language,
            priority=story.priority,
            reporter_id=reporter,
            reason=reason,
        )
    if started is None:
        started = api.start(
            content_id=content_id,
            author_id=story.author,
            text=story.text,
            language=story.language,
            priority=story.priority,
        )
    Post.objects.filter(content_id=content_id).update(case_id=started.id)


def _stands(client: Client) -> dict[str, Stand]:
    """By content id; of several cases about one post the first, as later ones are not of our making."""
    found: dict[str, Stand] = {}
    rows = Case.objects.filter(client=client, content_id__in=STORIES).order_by("created_at", "pk")
    for pk, content_id, status, outcome, round in rows.values_list("pk", "content_id", "status", "outcome", "round"):
        found.setdefault(content_id, Stand(content_id, str(pk), status, outcome, round))
    return found


def _next_step(ask: Asking, story: Story, stand: Stand) -> Callable[[], None] | None:
    """What to do next, `_wait` while that is others' turn, or None at the end of the story."""
    if stand.status == Status.PENDING_ANALYSIS:
        return _wait
    ruling = {1: story.first, 2: story.second}.get(stand.round)
    if stand.status == Status.PENDING_REVIEW:
        return partial(_decide, ask, stand, ruling) if ruling else None
    if stand.round > 1 or not (story.taken_back or story.appeal):
        # Somebody else may have decided where the story has no ruling; that is nothing to wait for.
        return _wait if stand.status == Status.ENFORCING and ruling else None
    if stand.status != Status.COMPLETED:
        return _wait
    if stand.outcome not in RULINGS:
        return None
    return partial(_appeal, ask, story, stand, story.appeal) if story.appeal else partial(_take_back, ask, story, stand)


def _wait() -> None:
    pass


def _decide(ask: Asking, stand: Stand, ruling: Ruling) -> None:
    ask(
        lambda: ask.api.decide(
            stand.case_id,
            outcome=ruling.outcome,
            decided_by=ruling.by,
            actions=ruling.actions,
            policies=ruling.policies,
            reason=ruling.reason,
        )
    )


def _take_back(ask: Asking, story: Story, stand: Stand) -> None:
    ask(lambda: ask.api.roll_back(stand.case_id, reason=story.taken_back, requested_by=SUPERVISOR))


def _appeal(ask: Asking, story: Story, stand: Stand, plea: Plea) -> None:
    """As the forum does it for one of its users. Cut short in between, Guardian's notice tells the forum of it."""

    def appeal() -> None:
        taken = ask.api.appeal(
            stand.case_id,
            appellant_id=plea.by,
            statement=plea.statement,
            language=story.language,
            key=f"seed-appeal-{stand.case_id}",
        )
        keep_appeal(
            Post.objects.get(content_id=stand.content_id),
            taken.id,
            status=taken.status,
            case_id=taken.case_id,
            person=taken.appellant_id,
            side=taken.side,
            statement=taken.statement,
            status_url=taken.status_url,
        )

    ask(appeal)
