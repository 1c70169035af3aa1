"""Orders and their delivery log. They are the services' rows: looked at, and sent again when they have failed."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from moderation.admin.rights import FoundById, ReadOnly, actor_of, say
from moderation.errors import ModerationError
from moderation.models import Attempt, Notice, Order, Subject
from moderation.models.actions import LABELS
from moderation.rights import Actor
from moderation.services.orders import delivery
from moderation.states import OrderStatus


class Waiting(admin.SimpleListFilter):
    """What nobody but the client's app can move on."""

    title = _("Waiting for its app")
    parameter_name = "waiting"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("unfetched", _("never fetched"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        # By their ids: the list's own counting would carry the line's columns along.
        return queryset.filter(pk__in=Order.objects.unfetched().values("pk")) if self.value() else queryset


@admin.register(Order)
class OrderAdmin(FoundById, ReadOnly):
    list_display = ["action", "case", "client", "direction", "status", "attempts", "due_at", "last_error"]
    list_select_related = ["case", "client"]
    list_filter = ["status", Waiting, "direction", "action", "client"]
    search_fields = ["case__content_id", "subject__external_id"]
    id_lookups = ("pk", "case_id")
    search_help_text = _("Id of the order, the case, the content or the author")
    date_hierarchy = "created_at"
    ordering = ["-created_at"]
    exclude = ["lease_token"]
    readonly_fields = ["log"]
    actions = ["send_again"]

    @admin.display(description=_("Delivery log"))
    def log(self, order: Order) -> str:
        url = reverse("admin:moderation_attempt_changelist", query={"q": str(order.pk)})
        return format_html('<a href="{}">{}</a>', url, _("Open"))

    @admin.action(description=_("Send again what has failed"))
    def send_again(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        results = []
        # Oldest first, so that what stood in a line stands in it again in the same order.
        for order in queryset.select_related("client").order_by("created_at", "place"):
            level, said = (messages.WARNING, gettext("has not failed; left as it is"))
            if order.status == OrderStatus.FAILED:
                level, said = resend(order, actor_of(request))
                if level == messages.SUCCESS:
                    self.log_change(request, order, "sent again")
            results.append((level, f"{LABELS.get(order.action, order.action)} ({order.client}, {order.pk}): {said}"))
        say(request, results)


def resend(order: Order, by: Actor) -> tuple[int, str]:
    """Send one failed order again; answers the level and the words of the message about it."""
    try:
        delivery.replay(order.pk, by=by)
    except ModerationError as error:
        if error.code == "superseded":
            return messages.WARNING, gettext("overtaken by a later decision; not sent")
        if error.code == "inactive":
            return messages.WARNING, gettext("its app is not active; not sent")
        return messages.WARNING, gettext("has not failed; left as it is")
    return messages.SUCCESS, gettext("is sent again")


@admin.register(Attempt)
class AttemptAdmin(FoundById, ReadOnly):
    """The delivery log: every try to deliver an order or a notice."""

    list_display = ["at", "what", "case", "client", "http_status", "result", "error", "milliseconds"]
    list_select_related = ["order__case", "order__client", "notice__case", "notice__client"]
    list_filter = ["result", "http_status"]
    search_fields = ["error"]
    search_help_text = _("Id of the order, the notice or the case, or words of the error")
    date_hierarchy = "at"
    ordering = ["-pk"]

    def by_id(self, asked: uuid.UUID) -> Q:
        orders = Order.objects.filter(Q(pk=asked) | Q(case_id=asked)).values_list("pk", flat=True)
        notices = Notice.objects.filter(Q(pk=asked) | Q(case_id=asked), order=None).values_list("pk", flat=True)
        return Q(order_id__in=list(orders)) | Q(notice_id__in=list(notices))

    @admin.display(description=_("What"))
    def what(self, row: Attempt) -> str:
        if row.order is not None:
            return str(LABELS.get(row.order.action, row.order.action))
        return row.notice.type if row.notice is not None else "-"

    @admin.display(description=_("Case"))
    def case(self, row: Attempt) -> str:
        case: Any = row.order.case if row.order is not None else row.notice.case if row.notice is not None else None
        if case is None:
            return "-"
        return format_html('<a href="{}">{}</a>', reverse("console:case", args=[case.pk]), case.content_id)

    @admin.display(description=_("App"))
    def client(self, row: Attempt) -> str:
        about = row.order or row.notice
        return str(about.client) if about is not None else "-"


@admin.register(Subject)
class SubjectAdmin(ReadOnly):
    list_display = ["external_id", "kind", "client", "last_sequence"]
    list_select_related = ["client"]
    list_filter = ["kind", "client"]
    search_fields = ["external_id"]
    search_help_text = _("Id of the content or the author")
