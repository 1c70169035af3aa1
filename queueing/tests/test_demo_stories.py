"""The invented posts keep to the rules that every door keeps to."""

from __future__ import annotations

from typing import Any

import pytest

from moderation.demo.client import GuardianError
from moderation.models import PolicyVersion
from moderation.tests.people import App
from queueing.demo import seed
from queueing.demo.posts import STORIES, Ruling

RULINGS = [
    pytest.param(ruling, id=f"{content_id}, round {round}")
    for content_id, story in STORIES.items()
    for round, ruling in enumerate((story.first, story.second), start=1)
    if ruling is not None
]


@pytest.mark.parametrize("ruling", RULINGS)
def test_each_ruling_has_a_reason_and_only_actions_that_one_of_its_policies_allows(
    database: None, ruling: Ruling
) -> None:
    versions = PolicyVersion.objects.filter(policy__slug__in=ruling.policies)
    allowed = {action for version in versions for action in version.allowed_actions}
    assert len(versions) == len(ruling.policies)
    assert ruling.reason
    names = {action if isinstance(action, str) else action["action"] for action in ruling.actions}
    assert names <= allowed
    assert ruling.policies or not names


def test_a_service_that_is_busy_or_full_leaves_the_stories_to_the_next_start(
    client_app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    class Busy:
        def start(self, *, content_id: str, **said: Any) -> None:
            asked.append(content_id)
            raise GuardianError(503, "database_away", "The disk of the database is full; nothing was stored.")

        report = start

    monkeypatch.setattr(seed, "PATIENCE_SECONDS", 0.2)
    quiet: dict[str, Any] = {"step": lambda text: None, "progress": lambda done, of: None, "check": lambda: None}
    left, why = seed.sow(Busy(), client_app.client, **quiet)  # type: ignore[arg-type]
    assert left == len(STORIES)
    assert why.startswith("The disk of the database is full")
    assert len(asked) >= 2 * len(STORIES)  # asked again within its patience
