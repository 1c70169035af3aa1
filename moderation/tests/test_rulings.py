"""Contract 3, Decide, is the verb's: what can be decided at all, through every door."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import translation

from moderation.console.case.forms import TOLD
from moderation.models import Decision, Policy, PolicyVersion
from moderation.rights import Actor
from moderation.services.desk import policies
from moderation.tests.api_answers import assert_problem, pointers
from moderation.tests.moderators import Moderator, plain
from moderation.tests.people import MILD, App, ana, work

pytest_plugins = ["moderation.tests.moderators"]
NAMES = sorted(["threats", "hate", "harassment", "self-harm", "sexual", "private-data", "spam", "fraud"])


@pytest.fixture
def rewritten(database: None) -> Iterator[None]:
    """The policies outlive a test: what it did to them is taken back."""
    yield
    PolicyVersion.objects.filter(number__gt=1).delete()
    Policy.objects.update(is_active=True)


@pytest.mark.parametrize(
    ("fields", "pointer", "code"),
    [
        ({"outcome": "no_violation", "policies": ["harassment"]}, "/policies", "unacceptable"),
        ({"outcome": "violation", "actions": ["remove_content"], "reason": ""}, "/reason", "unacceptable"),
        ({"outcome": "violation", "actions": ["remove_content"], "reason": " \n"}, "/reason", "unacceptable"),
        ({"outcome": "violation", "actions": ["remove_content"], "reason": "\u200b\u2800"}, "/reason", "unacceptable"),
        (
            {"outcome": "violation", "actions": ["remove_content", "age_gate"], "policies": ["harassment"]},
            "/actions/1",
            "action_not_allowed",
        ),
        (
            {"outcome": "violation", "actions": ["ban_author"], "policies": ["spam", "nope"]},
            "/policies/1",
            "unacceptable",
        ),
    ],
)
def test_an_incoherent_decision_changes_nothing(
    client_app: App, waiting: str, fields: dict[str, Any], pointer: str, code: str
) -> None:
    before = client_app.case(waiting)
    answer = client_app.post(f"cases/{waiting}/resume/", {"decided_by": "Ana", "reason": "Rude.", **fields})
    assert_problem(answer, 422, code)
    assert pointers(answer) == [pointer]
    assert client_app.case(waiting) == before


def test_a_violation_may_take_neither_actions_nor_policies_over_the_api(client_app: App, waiting: str) -> None:
    assert client_app.decide(waiting, outcome="violation", reason="").status_code == 202


def test_one_of_the_named_policies_is_enough_to_allow_an_action(client_app: App, waiting: str) -> None:
    answer = client_app.decide(waiting, "warn_author", "age_gate", policies=["harassment", "sexual"])
    assert answer.status_code == 202


def test_an_unknown_policy_is_refused_and_the_known_ones_are_named(client_app: App, waiting: str) -> None:
    answer = client_app.decide(waiting, policies=["no-such-policy"])
    assert_problem(answer, 422)
    said = answer.json()["errors"][0]["detail"]
    assert all(name in said for name in NAMES)


@pytest.mark.usefixtures("rewritten")
def test_a_policy_the_case_has_met_stays_known_here_in_that_version(client_app: App, waiting: str) -> None:
    other = client_app.start(MILD)  # cleared, so that no policy is pinned for it
    work()
    assert client_app.roll_back(other).status_code == 202
    work()
    met = PolicyVersion.objects.get(policy__slug="harassment", number=1)
    fields = {name: getattr(met, name) for name in ("title", "text", "severity", "category")}
    policies.publish("harassment", by=Actor.operator(), **fields, allowed_actions=["label_content"])
    assert client_app.decide(waiting, "remove_content", policies=["harassment"]).status_code == 202
    assert list(Decision.objects.get().policies.all()) == [met], "as the assessment has it"
    work()
    Policy.objects.filter(slug="harassment").update(is_active=False)
    client_app.roll_back(waiting)
    work()
    again = client_app.decide(waiting, "remove_content", by="Ben", policies=["harassment"])
    assert again.status_code == 202, again.content
    work()
    assert_problem(client_app.decide(other, policies=["harassment"]), 422)


@pytest.mark.usefixtures("rewritten")
def test_a_policy_that_an_earlier_decision_named_stays_known_here(client_app: App, waiting: str) -> None:
    assert client_app.decide(waiting, "remove_content", policies=["fraud"]).status_code == 202
    work()
    client_app.roll_back(waiting)
    work()
    Policy.objects.filter(slug="fraud").update(is_active=False)
    assert client_app.decide(waiting, "remove_content", by="Ben", policies=["fraud"]).status_code == 202


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"policies": []}, "policy_needed"),
        ({"reason": ""}, "reason_needed"),
        ({"actions": ["age_gate"]}, "action_not_allowed"),
        ({"outcome": "no_violation", "policies": []}, "no_actions"),
        ({"outcome": "no_violation", "actions": []}, "no_policies"),
    ],
)
def test_the_console_says_it_at_the_field_in_three_languages(case_id: str, fields: dict[str, Any], code: str) -> None:
    said = set()
    for language in ("en", "de", "es"):
        desk = Moderator(ana())
        desk.browser.cookies["django_language"] = language
        desk.do("claim", case_id)
        answer = desk.decide(case_id, **fields)
        assert answer.status_code == 422
        with translation.override(language):
            sentence = str(TOLD[code]).split("%(about)s")[-1]
        assert sentence in plain(answer)
        said.add(sentence)
    assert len(said) == 3
    assert Decision.objects.count() == 0
