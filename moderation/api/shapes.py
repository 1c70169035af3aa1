"""The shapes of our answers, for the OpenAPI document. moderation.api.representations makes them; a test compares.

Docstrings here are public: they stand in that document.
"""

from __future__ import annotations

from drf_spectacular.utils import PolymorphicProxySerializer
from rest_framework import serializers as s

from moderation.models import ContentType, Severity, Side
from moderation.models.actions import ACTIONS, SubjectKind
from moderation.states import AppealStatus, OrderStatus, Outcome, Priority, Status


class FieldProblem(s.Serializer):
    pointer = s.CharField(help_text="RFC 6901")
    detail = s.CharField()


class Problem(s.Serializer):
    type = s.CharField()
    title = s.CharField()
    status = s.IntegerField()
    detail = s.CharField()
    code = s.CharField(help_text="What programs should look at")
    request_id = s.CharField()
    errors = FieldProblem(many=True, required=False)  # type: ignore[assignment]


class QuoteShape(s.Serializer):
    start = s.IntegerField(help_text="Unicode code points")
    end = s.IntegerField()
    text = s.CharField()


class FindingShape(s.Serializer):
    slug = s.CharField()
    confidence = s.FloatField()
    quotes = QuoteShape(many=True)
    rationale = s.CharField()


class AssessmentShape(s.Serializer):
    violation = s.BooleanField()
    confidence = s.FloatField()
    severity = s.ChoiceField(choices=Severity.choices, allow_null=True)
    summary = s.CharField()
    policies = FindingShape(many=True)
    recommended_actions = s.ListField(child=s.CharField())
    doubts = s.ListField(child=s.CharField())
    flags = s.ListField(child=s.CharField())
    analyst = s.CharField()
    model = s.CharField(allow_null=True)
    trace_url = s.CharField(allow_null=True)


class DecidedAction(s.Serializer):
    action = s.ChoiceField(choices=list(ACTIONS))
    params = s.DictField()


class DecisionShape(s.Serializer):
    id = s.UUIDField()
    round = s.IntegerField()
    outcome = s.ChoiceField(choices=["no_violation", "violation"])
    actions = DecidedAction(many=True)
    policies = s.ListField(child=s.CharField())
    reason = s.CharField(allow_blank=True)
    decided_by = s.CharField()
    decided_at = s.DateTimeField()


class Target(s.Serializer):
    kind = s.ChoiceField(choices=SubjectKind.choices)
    id = s.CharField()


class ActionShape(s.Serializer):
    id = s.UUIDField()
    decision_id = s.UUIDField()
    action = s.ChoiceField(choices=list(ACTIONS))
    params = s.DictField()
    target = Target()
    status = s.ChoiceField(choices=OrderStatus.choices)
    reversible = s.BooleanField()
    applied_at = s.DateTimeField(allow_null=True)
    reversed_at = s.DateTimeField(allow_null=True)
    attempts = s.IntegerField()
    last_error = s.CharField(allow_null=True)


class ReportShape(s.Serializer):
    reporter_id = s.CharField()
    reason = s.CharField()
    created_at = s.DateTimeField()


class AppealSummary(s.Serializer):
    id = s.UUIDField()
    appellant_id = s.CharField()
    side = s.ChoiceField(choices=Side.choices)
    status = s.ChoiceField(choices=AppealStatus.choices)
    round = s.IntegerField()
    url = s.CharField()


class CaseShape(s.Serializer):
    id = s.UUIDField()
    content_id = s.CharField()
    content_type = s.ChoiceField(choices=ContentType.choices)
    text = s.CharField()
    author_id = s.CharField()
    language = s.CharField(allow_null=True)
    url = s.CharField(allow_null=True)
    context = s.DictField()  # type: ignore[assignment]
    priority = s.ChoiceField(choices=[priority.name.lower() for priority in Priority])
    status = s.ChoiceField(choices=Status.choices)
    outcome = s.ChoiceField(choices=Outcome.choices, allow_null=True)
    round = s.IntegerField()
    version = s.IntegerField(help_text="Changes with status, round or decision only; the ETag carries it")
    created_at = s.DateTimeField()
    updated_at = s.DateTimeField()
    due_at = s.DateTimeField()
    assessment = AssessmentShape(allow_null=True)
    decision = DecisionShape(allow_null=True)
    actions = ActionShape(many=True)
    reports = ReportShape(many=True)
    reports_total = s.IntegerField()
    appeals = AppealSummary(many=True)
    links = s.DictField(child=s.CharField(allow_null=True))


class StartedCase(CaseShape):
    merged = s.BooleanField()


class BriefCase(s.Serializer):
    """What a key without `cases:read` is answered."""

    id = s.UUIDField()
    status = s.ChoiceField(choices=Status.choices)
    outcome = s.ChoiceField(choices=Outcome.choices, allow_null=True)
    round = s.IntegerField()
    version = s.IntegerField()
    links = s.DictField(child=s.CharField(allow_null=True))
    merged = s.BooleanField(required=False)


CHANGED = PolymorphicProxySerializer(
    component_name="CaseOrBrief", serializers=[CaseShape, BriefCase], resource_type_field_name=None, many=False
)
STARTED = PolymorphicProxySerializer(
    component_name="StartedCaseOrBrief", serializers=[StartedCase, BriefCase], resource_type_field_name=None, many=False
)


class CasePage(s.Serializer):
    next = s.CharField(allow_null=True)
    previous = s.CharField(allow_null=True)
    results = CaseShape(many=True)


class BatchItem(s.Serializer):
    index = s.IntegerField()
    result = s.ChoiceField(choices=["accepted", "merged", "rejected"])
    id = s.UUIDField(allow_null=True)
    errors = FieldProblem(many=True)  # type: ignore[assignment]


class BatchResult(s.Serializer):
    accepted = s.IntegerField()
    merged = s.IntegerField()
    rejected = s.IntegerField()
    results = BatchItem(many=True)


class EventShape(s.Serializer):
    id = s.IntegerField()
    type = s.CharField()
    actor = s.CharField()
    at = s.DateTimeField()
    data = s.DictField()  # type: ignore[assignment]


class Timeline(s.Serializer):
    results = EventShape(many=True)


class NamedPolicy(s.Serializer):
    slug = s.CharField()
    title = s.CharField()
    version = s.IntegerField()


class StatementShape(s.Serializer):
    """Field names and enumerations of the EU's DSA Transparency Database, beside a few plain ones."""

    puid = s.CharField()
    decision_id = s.UUIDField()
    outcome = s.ChoiceField(choices=["no_violation", "violation"])
    restrictions = s.ListField(child=s.CharField())
    policies = NamedPolicy(many=True)
    reason = s.CharField(allow_null=True)
    decision_visibility = s.ListField(child=s.CharField(), allow_null=True)
    decision_visibility_other = s.CharField(allow_null=True)
    decision_monetary = s.CharField(allow_null=True)
    decision_provision = s.CharField(allow_null=True)
    decision_account = s.CharField(allow_null=True)
    decision_ground = s.CharField(allow_null=True)
    incompatible_content_ground = s.CharField(allow_null=True)
    incompatible_content_explanation = s.CharField(allow_null=True)
    incompatible_content_illegal = s.CharField(allow_null=True)
    content_type = s.ListField(child=s.CharField())
    category = s.CharField()
    category_addition = s.ListField(child=s.CharField())
    content_language = s.CharField(allow_null=True)
    content_date = s.DateField()
    application_date = s.DateField()
    end_date_visibility_restriction = s.DateField(allow_null=True)
    end_date_account_restriction = s.DateField(allow_null=True)
    decision_facts = s.CharField()
    source_type = s.CharField()
    automated_detection = s.CharField()
    automated_decision = s.CharField()


class PolicyShape(s.Serializer):
    slug = s.CharField()
    version = s.IntegerField()
    title = s.CharField()
    text = s.CharField()
    severity = s.ChoiceField(choices=Severity.choices)
    allowed_actions = s.ListField(child=s.ChoiceField(choices=list(ACTIONS)))


class AppealShape(s.Serializer):
    id = s.UUIDField()
    case_id = s.UUIDField()
    decision_id = s.UUIDField(allow_null=True)
    round = s.IntegerField()
    appellant_id = s.CharField()
    side = s.ChoiceField(choices=Side.choices)
    statement = s.CharField()
    language = s.CharField(allow_null=True)
    status = s.ChoiceField(choices=AppealStatus.choices)
    answer = s.CharField(allow_null=True)
    answered_by = s.UUIDField(allow_null=True)
    created_at = s.DateTimeField()
    closed_at = s.DateTimeField(allow_null=True)
    url = s.CharField()
    status_url = s.CharField(help_text="The public page, unguessable: hand it to the appellant only")


class AppealPage(s.Serializer):
    next = s.CharField(allow_null=True)
    previous = s.CharField(allow_null=True)
    results = AppealShape(many=True)


class EffectShape(s.Serializer):
    action = s.ChoiceField(choices=list(ACTIONS))
    params = s.DictField()
    target = Target()
    expires_at = s.DateTimeField(allow_null=True)
    order_id = s.UUIDField()
    case_id = s.UUIDField()
    decision_id = s.UUIDField()
    status = s.ChoiceField(choices=OrderStatus.choices)


class EffectList(s.Serializer):
    sequence = s.IntegerField(help_text="The subject's newest; 0 where nothing was ever ordered")
    results = EffectShape(many=True)
