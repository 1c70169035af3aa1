"""What can be decided at all: a ruling that is coherent, with actions and policies that exist (contract 3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from agents.folding import says_nothing
from moderation.errors import FieldTrouble, Unacceptable
from moderation.models import Case, PolicyVersion
from moderation.models.actions import ACTIONS, DEFAULT_DAYS, MAX_DAYS
from moderation.services.desk import policies
from moderation.states import RULINGS, Door, Outcome

LONGEST_TEXT = 5000


@dataclass(frozen=True)
class Ruling:
    """What somebody wants to decide. `actions`: names, or {"action": name, "params": {...}}."""

    outcome: str
    actions: Sequence[str | dict[str, Any]] = ()
    policies: Sequence[str] = ()
    reason: str = ""
    note: str = ""


@dataclass(frozen=True)
class Judged:
    """A ruling that holds together: its actions with their parameters filled in, its policies in their versions."""

    actions: list[dict[str, Any]]
    versions: list[PolicyVersion]


def judge(case: Case, ruling: Ruling, *, door: Door) -> Judged:
    """Raises Unacceptable, with a pointer to each field that is at fault; `action_not_allowed` where that is all."""
    actions, troubles = _actions(ruling)
    versions, unknown = _policies(case, ruling)
    troubles += [*unknown, *_incoherent(case, ruling, door)]
    # A policy that is spelt wrongly may be the one that allows the action.
    refused = [] if unknown or not versions else _refused(actions, versions)
    if troubles or refused:
        raise Unacceptable(
            "The decision cannot be accepted. Nothing was changed.",
            code=None if troubles else "action_not_allowed",
            errors=[*troubles, *refused],
        )
    return Judged(list(actions.values()), versions)


def _incoherent(case: Case, ruling: Ruling, door: Door) -> Iterator[FieldTrouble]:
    if ruling.outcome not in RULINGS:
        yield FieldTrouble("/outcome", f"Must be one of {', '.join(sorted(RULINGS))}.")
    if ruling.outcome == Outcome.NO_VIOLATION and ruling.actions:
        yield FieldTrouble("/actions", "`no_violation` takes no actions.", "no_actions")
    if ruling.outcome == Outcome.NO_VIOLATION and ruling.policies:
        yield FieldTrouble("/policies", "`no_violation` takes no policies.", "no_policies")
    if ruling.outcome == Outcome.VIOLATION and door == Door.CONSOLE and not ruling.policies:
        yield FieldTrouble("/policies", "Name the policy that is violated.", "policy_needed")
    if says_nothing(ruling.reason):
        if case.appeals.open().exists():
            yield FieldTrouble("/reason", "Needed here: it is what the appellant will read.", "answer_needed")
        elif ruling.actions:
            yield FieldTrouble("/reason", "Needed here: actions are not taken without a reason.", "reason_needed")


def _actions(ruling: Ruling) -> tuple[dict[int, dict[str, Any]], list[FieldTrouble]]:
    """The actions that are known, by their place in what was sent; and what is wrong with the others."""
    known: dict[int, dict[str, Any]] = {}
    troubles: list[FieldTrouble] = []
    for index, item in enumerate(ruling.actions):
        at = f"/actions/{index}"
        name, params = (item, {}) if isinstance(item, str) else (item.get("action"), item.get("params", {}))
        action = ACTIONS.get(name) if isinstance(name, str) else None
        if action is None:
            troubles.append(FieldTrouble(at, f"Unknown action. Known: {', '.join(sorted(ACTIONS))}."))
            continue
        if any(other["action"] == action.name for other in known.values()):
            troubles.append(FieldTrouble(at, f"`{action.name}` is named twice."))
            continue
        if not isinstance(params, dict) or set(params) - ({"days"} if action.takes_days else set()):
            troubles.append(FieldTrouble(f"{at}/params", "Only `suspend_author` takes a parameter, `days`."))
            continue
        if action.takes_days:
            days = params.get("days", DEFAULT_DAYS)
            if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= MAX_DAYS:
                troubles.append(FieldTrouble(f"{at}/params/days", f"A whole number from 1 to {MAX_DAYS}."))
                continue
            params = {"days": days}
        known[index] = {"action": action.name, "params": params}
    return known, troubles


def _policies(case: Case, ruling: Ruling) -> tuple[list[PolicyVersion], list[FieldTrouble]]:
    """The versions the decision pins, each once; and what is wrong with the others."""
    if not ruling.policies:
        return [], []
    known = policies.known_here(case.pk, case.assessments.order_by("-round").first())
    unknown = [
        FieldTrouble(f"/policies/{index}", f"There is no policy `{slug}` here. Known: {', '.join(known)}.")
        for index, slug in enumerate(ruling.policies)
        if slug not in known
    ]
    return [known[slug] for slug in dict.fromkeys(ruling.policies) if slug in known], unknown


def _refused(actions: dict[int, dict[str, Any]], versions: list[PolicyVersion]) -> list[FieldTrouble]:
    """The actions that none of the named policies allows."""
    allowed = {name for version in versions for name in version.allowed_actions}
    said = ", ".join(sorted(allowed)) or "no action at all"
    return [
        FieldTrouble(
            f"/actions/{index}",
            f"None of the named policies allows `{action['action']}`. They allow: {said}.",
            "action_not_allowed",
            action["action"],
        )
        for index, action in actions.items()
        if action["action"] not in allowed
    ]
