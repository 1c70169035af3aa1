"""What the demo's people decide keeps to contract 3: the API would refuse it else, and the story would stand still."""

from __future__ import annotations

from importlib import import_module

from queueing.demo.posts import STORIES, Ruling

ALLOWED = {
    policy["slug"]: set(policy["allowed_actions"])
    for policy in import_module("moderation.migrations.0004_first_policies").POLICIES
}


def test_every_ruling_of_the_demo_can_be_decided() -> None:
    rulings = [ruling for story in STORIES.values() for ruling in (story.first, story.second) if ruling is not None]
    assert len(rulings) > 10
    for ruling in rulings:
        allowed = set().union(*(ALLOWED[slug] for slug in ruling.policies))
        assert set(_names(ruling)) <= allowed, ruling
        assert ruling.reason


def _names(ruling: Ruling) -> list[str]:
    return [item if isinstance(item, str) else item["action"] for item in ruling.actions]
