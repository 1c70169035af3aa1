"""What webhooks, the feed and pull mode say, for the OpenAPI document: one shape per `type`, told apart by that field.

Docstrings here are public: they stand in that document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from drf_spectacular.utils import OpenApiWebhook, PolymorphicProxySerializer, extend_schema, extend_schema_field
from rest_framework import serializers as s

from moderation.api import shapes
from moderation.models import Side
from moderation.models.actions import ACTIONS, REVERSING
from moderation.states import AppealStatus, OrderStatus, Outcome, Status


class ApplyData(s.Serializer):
    order_id = s.UUIDField()
    action = s.ChoiceField(choices=list(ACTIONS))
    params = s.DictField()
    case_id = s.UUIDField()
    content_id = s.CharField()
    author_id = s.CharField()
    decision_id = s.UUIDField()
    sequence = s.IntegerField(help_text="Rises per content and per author")


class ReverseData(ApplyData):
    action = s.ChoiceField(choices=REVERSING)
    reverses = s.UUIDField(help_text="The order it undoes")


class CaseData(s.Serializer):
    case_id = s.UUIDField()
    content_id = s.CharField()
    author_id = s.CharField()
    status = s.ChoiceField(choices=Status.choices)
    outcome = s.ChoiceField(choices=Outcome.choices, allow_null=True)
    round = s.IntegerField()
    version = s.IntegerField()


class CompletedData(CaseData):
    reporters = s.ListField(child=s.CharField(), help_text="Whom to tell, beside the author")
    statement = shapes.StatementShape(allow_null=True)


class AppealData(s.Serializer):
    appeal_id = s.UUIDField()
    case_id = s.UUIDField()
    content_id = s.CharField()
    appellant_id = s.CharField()
    side = s.ChoiceField(choices=Side.choices)
    status = s.ChoiceField(choices=AppealStatus.choices)
    answer = s.CharField(allow_null=True)


class NoData(s.Serializer):
    pass


class Confirmation(s.Serializer):
    """Optional: any 2xx confirms an order."""

    result = s.ChoiceField(choices=["applied", "already", "refused"], required=False)
    detail = s.CharField(required=False)


TYPES: dict[str, tuple[str, type[s.Serializer]]] = {
    "action.apply": ("Carry an action out", ApplyData),
    "action.reverse": ("Take an action back", ReverseData),
    "case.review_requested": ("A case waits for a human", CaseData),
    "case.completed": ("A case has ended", CompletedData),
    "case.reopened": ("A case is reviewed again", CaseData),
    "appeal.received": ("Somebody appealed", AppealData),
    "appeal.decided": ("An appeal has its answer", AppealData),
    "ping": ("Only to try the endpoint", NoData),
}
"""By the `type` of its document: what it means, and the shape of its `data`."""
ORDER_TYPES = ("action.apply", "action.reverse")


def _shape(name: str, kind: str, **fields: s.Field) -> type[s.Serializer]:
    """The document of one type as `kind` (Webhook, Announcement, Order) says it."""
    word = "".join(part.title() for part in name.replace("_", ".").split("."))
    told = extend_schema_field({"type": "string", "const": name})(type("Type", (s.CharField,), {}))
    said = {"type": told(), "timestamp": s.DateTimeField(), "data": TYPES[name][1]()}
    return type(f"{word}{kind}", (s.Serializer,), {**fields, **said})


def _one_of(
    name: str, shape: Callable[[str], type[s.Serializer]], types: Iterable[str], *, many: bool
) -> PolymorphicProxySerializer:
    return PolymorphicProxySerializer(
        component_name=name,
        serializers={one: shape(one) for one in types},
        resource_type_field_name="type",
        many=many,
    )


def _announced(name: str) -> type[s.Serializer]:
    return _shape(name, "Announcement", position=s.IntegerField(), id=s.CharField(help_text="The webhook-id"))


def _ordered(name: str) -> type[s.Serializer]:
    return _shape(name, "Order", id=s.UUIDField(), status=s.ChoiceField(choices=OrderStatus.choices))


ORDER = _one_of("Order", _ordered, ORDER_TYPES, many=False)


@extend_schema_field(_one_of("Announcement", _announced, TYPES, many=True))
class Announcements(s.Field):
    pass


@extend_schema_field(_one_of("Order", _ordered, ORDER_TYPES, many=True))
class Orders(s.Field):
    pass


class FeedPage(s.Serializer):
    results = Announcements()
    next = s.IntegerField()


class OrderList(s.Serializer):
    results = Orders()


def _webhook(name: str) -> OpenApiWebhook:
    return OpenApiWebhook(
        name=name,
        decorator=extend_schema(
            summary=TYPES[name][0],
            description="Standard Webhooks: verify `webhook-signature`; a 2xx confirms, anything else is tried again "
            "with the same `webhook-id`.",
            request=_shape(name, "Webhook"),
            responses={200: Confirmation},
        ),
    )


WEBHOOKS = [_webhook(name) for name in TYPES]
