"""orders/, effects/, events/: for clients that ask instead of being told, and for those that want to be sure."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from moderation.api import announced, bodies, representations, shapes
from moderation.api.authentication import client_of
from moderation.api.doors import Door, PostDoor, actor_of
from moderation.errors import FieldTrouble, Unacceptable
from moderation.models import Scope
from moderation.models.actions import SubjectKind
from moderation.rights import Verb, scope_of
from moderation.selectors import feeds
from moderation.services.orders import delivery
from moderation.services.orders.webhooks import RESULTS


class Orders(Door):
    scopes = {"GET": Scope.CASES_READ}
    parameters = frozenset({"status"})

    @extend_schema(
        operation_id="list_orders",
        summary="Orders to carry out now (pull mode)",
        description="Only the head of each line: confirm it, and the next one appears. For clients without a webhook.",
        parameters=[OpenApiParameter("status", str, enum=["pending"])],
        responses={200: announced.OrderList},
    )
    def get(self, request: Request) -> Response:
        if request.query_params.get("status", "pending") != "pending":
            raise Unacceptable("The filter cannot be applied.", errors=[FieldTrouble("/status", "Only `pending`.")])
        orders = delivery.hand_out(client_of(request))
        return Response({"results": [representations.order(order) for order in orders]})


class Confirm(PostDoor):
    scopes = {"POST": scope_of(Verb.CONFIRM)}

    @extend_schema(
        operation_id="confirm_order",
        summary="Say how an order ended (pull mode)",
        request=bodies.ConfirmBody,
        responses={200: announced.ORDER},
    )
    def post(self, request: Request, **at: Any) -> Any:
        return super().post(request, **at)

    def act(self, request: Request, **at: Any) -> Response:
        body = bodies.ConfirmBody(data=request.data)
        body.is_valid(raise_exception=True)
        said = body.validated_data
        result, detail = RESULTS[said["result"]], said.get("detail", "")
        order = delivery.confirm_pulled(at["order_id"], by=actor_of(request), result=result, detail=detail)
        return Response(representations.order(order))


class Effects(Door):
    scopes = {"GET": Scope.CASES_READ}
    parameters = frozenset({"content_id", "author_id"})

    @extend_schema(
        operation_id="list_effects",
        summary="What should be in force now on one content or author",
        description="Make it so, and keep `sequence` as obeyed: what comes with no higher one is overtaken by this.",
        parameters=[OpenApiParameter("content_id", str), OpenApiParameter("author_id", str)],
        responses={200: shapes.EffectList},
    )
    def get(self, request: Request) -> Response:
        asked = {
            kind: request.query_params[name]
            for name, kind in (("content_id", SubjectKind.CONTENT), ("author_id", SubjectKind.AUTHOR))
            if name in request.query_params
        }
        if len(asked) != 1:
            raise Unacceptable(
                "Ask for one `content_id` or one `author_id`.", errors=[FieldTrouble("", "Exactly one.")]
            )
        ((kind, external_id),) = asked.items()
        if "\x00" in external_id:  # PostgreSQL takes no NUL in a text
            return Response({"sequence": 0, "results": []})
        standing = delivery.show_standing(client_of(request), kind, external_id)
        effects = [representations.effect(effect) for effect in standing.effects]
        return Response({"sequence": standing.sequence, "results": effects})


class Feed(Door):
    scopes = {"GET": Scope.CASES_READ}
    parameters = frozenset({"after"})

    @extend_schema(
        operation_id="list_events",
        summary="The event feed: what webhooks announce, in order",
        description="Ask again with `after` set to the `next` of the last answer; nothing appears behind it.",
        parameters=[OpenApiParameter("after", int, description="A position; 0 from the beginning")],
        responses={200: announced.FeedPage},
    )
    def get(self, request: Request) -> Response:
        asked = request.query_params.get("after", "0")
        if not asked.isascii() or not asked.isdigit() or len(asked) > 18:
            raise Unacceptable("`after` is a position.", errors=[FieldTrouble("/after", "A whole number from 0.")])
        notices = feeds.feed(client_of(request), after=int(asked))
        return Response(
            {
                "results": [representations.announcement(notice) for notice in notices],
                "next": notices[-1].position if notices else int(asked),
            }
        )
