"""What clients may send, field by field. Everything is kept exactly as sent, or refused with a pointer."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from agents.folding import fold_name
from moderation.models import ContentType
from moderation.models.actions import ACTIONS
from moderation.services.story.intake import Submission
from moderation.services.story.rulings import Ruling
from moderation.states import RULINGS, Priority

LONGEST_ID = 200
LONGEST_TEXT = 20_000
LONGEST_REASON = 5000
LONGEST_URL = 2000
CONTEXT_BYTES = 8 * 1024
CONTEXT_DEPTH = 8
_LANGUAGE = re.compile(r"(?:[A-Za-z]{2,8}|[ixIX](?=-))(?:-[A-Za-z0-9]{1,8})*")
PRIORITIES = {priority.name.lower(): priority.value for priority in Priority}


class Text(serializers.CharField):
    """A string of 1 to `max_length` code points, neither trimmed nor made of numbers."""

    def __init__(self, max_length: int, **kwargs: Any) -> None:
        super().__init__(max_length=max_length, trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError("Must be a string.")
        return data


class PersonName(Text):
    """A person's name; one that is only white space names nobody."""

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        if name and not fold_name(name):
            raise serializers.ValidationError("Must name a person.")
        return name


class StrictBoolean(serializers.BooleanField):
    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            raise serializers.ValidationError("Must be true or false.")
        return data


class StrictChoice(serializers.ChoiceField):
    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or data not in self.choices:
            raise serializers.ValidationError(f"Must be one of {', '.join(map(str, self.choices))}.")
        return data


# The docstrings of bodies and shapes are public: they stand in the OpenAPI document.


class Body(serializers.Serializer):
    # Refuses fields it does not know: a mistyped optional field must not be lost in silence.

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            raise serializers.ValidationError({"non_field_errors": ["Must be a JSON object."]})
        unknown = {name: ["Unknown field."] for name in data if name not in self.fields}
        try:
            known = super().to_internal_value(data)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({**unknown, **error.detail}) from None  # type: ignore[dict-item]
        if unknown:
            raise serializers.ValidationError(unknown)
        return known


class ReportBody(Body):
    """Somebody's complaint about the content."""

    reporter_id = Text(LONGEST_ID)
    reason = Text(LONGEST_REASON)


class StartBody(Body):
    """Content to be moderated, and perhaps somebody's report of it."""

    content_id = Text(LONGEST_ID)
    text = Text(LONGEST_TEXT)
    author_id = Text(LONGEST_ID)
    content_type = StrictChoice(choices=ContentType.choices, default=ContentType.TEXT.value)
    language = Text(35, required=False, help_text="BCP 47")
    url = Text(LONGEST_URL, required=False, help_text="http or https")
    context = serializers.JSONField(  # type: ignore[assignment]
        required=False, help_text="An object: at most 8 KiB, 8 levels deep"
    )
    report = ReportBody(required=False)
    priority = StrictChoice(choices=list(PRIORITIES), default="normal")

    def validate_language(self, value: str) -> str:
        if not _LANGUAGE.fullmatch(value):
            raise serializers.ValidationError("Must be a BCP 47 language tag, such as `en` or `pt-BR`.")
        return value

    def validate_url(self, value: str) -> str:
        try:
            parts = urlsplit(value)
            good = parts.scheme in {"http", "https"} and bool(parts.hostname)
        except ValueError:
            good = False
        if not good or any(ord(letter) <= 32 for letter in value):
            raise serializers.ValidationError("Must be an http or https URL.")
        return value

    def validate_context(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise serializers.ValidationError("Must be a JSON object.")
        if _depth(value) > CONTEXT_DEPTH:
            raise serializers.ValidationError(f"At most {CONTEXT_DEPTH} levels deep.")
        if len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()) > CONTEXT_BYTES:
            raise serializers.ValidationError(f"At most {CONTEXT_BYTES} bytes.")
        return value

    def submission(self) -> Submission:
        sent = self.validated_data
        report = sent.get("report", {})
        return Submission(
            content_id=sent["content_id"],
            text=sent["text"],
            author_id=sent["author_id"],
            content_type=sent["content_type"],
            language=sent.get("language", ""),
            url=sent.get("url", ""),
            context=sent.get("context", {}),
            reporter_id=report.get("reporter_id", ""),
            report_reason=report.get("reason", ""),
            priority=PRIORITIES[sent["priority"]],
        )


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string", "enum": list(ACTIONS)},
            {
                "type": "object",
                "properties": {
                    "action": {"type": "string", "enum": list(ACTIONS)},
                    "params": {"type": "object", "properties": {"days": {"type": "integer", "minimum": 1}}},
                },
                "required": ["action"],
                "additionalProperties": False,
            },
        ]
    }
)
class ActionField(serializers.Field):
    """An action's name, or {"action": name, "params": {...}}; what it may be is the review chapter's to judge."""

    def to_internal_value(self, data: Any) -> str | dict[str, Any]:
        if isinstance(data, str):
            return data
        if isinstance(data, dict) and isinstance(data.get("action"), str) and set(data) <= {"action", "params"}:
            return data
        raise serializers.ValidationError('Must be an action\'s name, or {"action": name, "params": {…}}.')


class ResumeBody(Body):
    """A decision. The JSON Schema of what can be decided on a case is at its `links.decision_schema`."""

    outcome = StrictChoice(choices=sorted(ruling.value for ruling in RULINGS))
    actions = serializers.ListField(child=ActionField(), default=list, max_length=20)
    policies = serializers.ListField(child=Text(80), default=list, max_length=50)
    reason = Text(LONGEST_REASON, required=False, allow_blank=True)
    note = Text(LONGEST_REASON, required=False, allow_blank=True)
    decided_by = PersonName(LONGEST_ID)

    def ruling(self) -> Ruling:
        sent = self.validated_data
        return Ruling(
            outcome=sent["outcome"],
            actions=sent["actions"],
            policies=sent["policies"],
            reason=sent.get("reason", ""),
            note=sent.get("note", ""),
        )


class RollbackBody(Body):
    """Why a decision is taken back, and who asked for it."""

    reason = Text(LONGEST_REASON)
    requested_by = PersonName(LONGEST_ID)
    keep_in_force = StrictBoolean(default=False)


def _depth(value: Any) -> int:
    """Levels of nesting; the parser has already bounded it, so recursion is safe."""
    if isinstance(value, dict):
        return 1 + max((_depth(inner) for inner in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((_depth(inner) for inner in value), default=0)
    return 0


class WithdrawBody(Body):
    """Why the content is gone, and whether what was applied stays."""

    reason = Text(LONGEST_REASON)
    keep_in_force = StrictBoolean(default=True)


class AppealBody(Body):
    """An author's or a reporter's objection."""

    appellant_id = Text(LONGEST_ID)
    statement = Text(LONGEST_REASON)
    language = Text(35, required=False, default="", allow_blank=True, help_text="BCP 47: the language of the answer")

    def validate_language(self, value: str) -> str:
        if value and not _LANGUAGE.fullmatch(value):
            raise serializers.ValidationError("Must be a BCP 47 language tag, such as `en` or `pt-BR`.")
        return value


class ConfirmBody(Body):
    """How an order ended on the client's platform."""

    result = StrictChoice(choices=["applied", "already", "refused"])
    detail = Text(LONGEST_REASON, required=False, allow_blank=True)


class BatchBody(Body):
    """Up to 1000 starts; each is judged alone."""

    # For the schema only: moderation.api.batch judges item by item.

    cases = StartBody(many=True)
