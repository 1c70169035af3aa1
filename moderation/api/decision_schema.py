"""The JSON Schema of what can be decided on a case now: the rules of services.story.rulings, as data for forms."""

from __future__ import annotations

from typing import Any

from moderation.lifecycle import check
from moderation.models import Case
from moderation.models.actions import ACTIONS, DEFAULT_DAYS, MAX_DAYS
from moderation.services.desk import policies
from moderation.states import RULINGS, Move, Outcome

LONGEST_REASON = 5000
LONGEST_NAME = 200
WORDS = {"type": "string", "minLength": 1, "pattern": r"\S"}


def decision_schema(case: Case) -> dict[str, Any]:
    """Draft 2020-12, of the body of POST cases/{id}/resume/. Four queries. Raises IllegalMove when there is nothing
    to decide."""
    check(case, Move.DECIDE)
    known = policies.known_here(case.pk, case.assessments.order_by("-round").first())
    reason: dict[str, Any] = {"type": "string", "maxLength": LONGEST_REASON}
    actions = {
        "type": "array",
        "uniqueItems": True,
        "items": {"oneOf": [one for action in ACTIONS.values() for one in _spellings(action.name)]},
    }
    named = {"type": "array", "uniqueItems": True, "items": {"enum": list(known)} if known else False}
    answer_due = case.appeals.open().exists()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A decision",
        "type": "object",
        "additionalProperties": False,
        "required": ["outcome", "decided_by", *(["reason"] if answer_due else [])],
        "properties": {
            "outcome": {"enum": sorted(ruling.value for ruling in RULINGS)},
            "actions": actions,
            "policies": named,
            "reason": {**reason, **WORDS} if answer_due else reason,
            "note": {"type": "string", "maxLength": LONGEST_REASON},
            "decided_by": {**WORDS, "maxLength": LONGEST_NAME},
        },
        "allOf": [
            {
                "if": {"properties": {"outcome": {"const": Outcome.NO_VIOLATION.value}}},
                "then": {"properties": {"actions": {"maxItems": 0}, "policies": {"maxItems": 0}}},
            },
            {
                "if": {"properties": {"actions": {"minItems": 1}}, "required": ["actions"]},
                "then": {"properties": {"reason": WORDS}, "required": ["reason"]},
            },
            *(
                _allowed(name, [slug for slug, version in known.items() if name in version.allowed_actions])
                for name in ACTIONS
            ),
        ],
    }


def _spellings(name: str) -> list[dict[str, Any]]:
    """An action by its bare name, or as an object with its parameters."""
    days = {"type": "integer", "minimum": 1, "maximum": MAX_DAYS, "default": DEFAULT_DAYS}
    return [
        {"const": name},
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["action"],
            "properties": {
                "action": {"const": name},
                "params": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"days": days} if ACTIONS[name].takes_days else {},
                },
            },
        },
    ]


def _allowed(name: str, slugs: list[str]) -> dict[str, Any]:
    """Where policies are named, one of them allows the action."""
    named = {"anyOf": [{"const": name}, {"type": "object", "properties": {"action": {"const": name}}}]}
    return {
        "if": {
            "required": ["actions", "policies"],
            "properties": {"actions": {"contains": named}, "policies": {"minItems": 1}},
        },
        "then": {"properties": {"policies": {"contains": {"enum": slugs} if slugs else False}}},
    }
