"""The invented posts keep to the rules that every door keeps to."""

from __future__ import annotations

import pytest

from moderation.models import PolicyVersion
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
