"""The decision form: what a moderator ticks and types, turned into a ruling."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from moderation.errors import Unacceptable
from moderation.models import Assessment, PolicyVersion
from moderation.models.actions import ACTIONS, DEFAULT_DAYS, LABELS, MAX_DAYS
from moderation.services.story.rulings import LONGEST_TEXT, Ruling
from moderation.states import Outcome

TOLD = {
    "answer_needed": _("Needed here: it is what the appellant will read."),
    "reason_needed": _("Needed here: actions are not taken without a reason."),
    "no_actions": _("“No violation” takes no actions: clear them, or choose “Violation”."),
    "no_policies": _("“No violation” takes no policies: clear them, or choose “Violation”."),
    "policy_needed": _("Name the policy that is violated."),
    "action_not_allowed": _("“%(about)s” is not among the actions that the chosen policies allow."),
}
"""What the service could not accept, by its code, in the reader's language."""
TYPED = ("outcome", "actions", "days", "policies", "reason", "note")


class DecisionForm(forms.Form):
    """Outcome, actions, policies, reason and note. `versions`: the policies in force, in their fixed order."""

    outcome = forms.ChoiceField(
        choices=[(choice.value, choice.label) for choice in (Outcome.VIOLATION, Outcome.NO_VIOLATION)],
        error_messages={"required": _("Choose one of the two.")},
    )
    actions = forms.MultipleChoiceField(choices=[(name, LABELS[name]) for name in ACTIONS], required=False)
    days = forms.IntegerField(min_value=1, max_value=MAX_DAYS, required=False)
    policies = forms.MultipleChoiceField(required=False)
    reason = forms.CharField(max_length=LONGEST_TEXT, required=False)
    note = forms.CharField(max_length=LONGEST_TEXT, required=False)

    def __init__(self, *args: Any, versions: list[PolicyVersion], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["policies"].choices = [(row.policy.slug, row.title) for row in versions]  # type: ignore[attr-defined]

    def ruling(self) -> Ruling:
        """What was chosen, as the service takes it. Only after is_valid()."""
        said = self.cleaned_data
        days = {"days": said["days"] or DEFAULT_DAYS}
        return Ruling(
            outcome=said["outcome"],
            actions=[{"action": name, "params": days if ACTIONS[name].takes_days else {}} for name in said["actions"]],
            policies=said["policies"],
            reason=said["reason"],
            note=said["note"],
        )

    def refuse(self, error: Unacceptable) -> None:
        """Show what the service could not accept."""
        for trouble in error.errors:
            field = trouble.pointer.split("/")[1]
            said = TOLD.get(trouble.code, trouble.detail) % {"about": LABELS.get(trouble.about, trouble.about)}
            self.add_error(field if field in self.fields else None, said)
        if not error.errors:
            self.add_error(None, error.detail)


class WhyForm(forms.Form):
    """Why something is done that needs a reason, apart from the decision's own reason on the same page."""

    why = forms.CharField(
        max_length=LONGEST_TEXT, error_messages={"required": _("Say why; nothing was changed, and nothing is lost.")}
    )
    keep_in_force = forms.BooleanField(required=False)

    def reason(self) -> str:
        """What was typed. Raises Unacceptable, in words, if it cannot be taken."""
        if not self.is_valid():
            raise Unacceptable(str(next(iter(self.errors.values()))[0]))
        said: str = self.cleaned_data["why"]
        return said


def typed(post: QueryDict) -> dict[str, Any]:
    """What somebody had typed and ticked, to be shown again whatever became of it. Empty if nothing was sent."""
    if not any(post.get(name) for name in TYPED if name != "days"):
        return {}
    lists = {"actions", "policies"}
    return {name: post.getlist(name) if name in lists else post.get(name, "") for name in TYPED}


def agreed(assessment: Assessment | None, versions: list[PolicyVersion]) -> dict[str, Any]:
    """The form as the agent would fill it in. Empty when it has no answer."""
    if assessment is None:
        return {}
    if not assessment.violation:
        return {"outcome": Outcome.NO_VIOLATION}
    slugs = [finding["slug"] for finding in assessment.findings]
    broken = [version for version in versions if version.policy.slug in slugs]
    return {
        "outcome": Outcome.VIOLATION,
        "actions": [name for name in assessment.recommended_actions if name in ACTIONS],
        "policies": [version.policy.slug for version in broken],
        "reason": "\n".join(f"{version.title}: {version.text}" for version in broken),
    }
