"""Client apps and their keys. Secrets are shown once, when they are made, and never again."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from moderation import signing
from moderation.admin.enforcement import resend
from moderation.admin.rights import Supervised, actor_of, masked, said_by, say
from moderation.errors import Conflict, IllegalMove
from moderation.models import ApiKey, Client, Order, Scope
from moderation.services.desk import clients
from moderation.services.desk.people import check_name
from moderation.services.orders import announcements
from moderation.states import OrderStatus

ORDERS_AT_ONCE = 200
"""As many as one press of a button sends again: each is a short transaction of its own."""


RATES = ("rate_per_second", "rate_burst")


class ClientForm(forms.ModelForm):
    class Meta:
        model = Client
        fields = ["name", "is_active", "webhook_url", "rate_per_second", "rate_burst"]
        help_texts = {"webhook_url": _("Empty: the app fetches its orders itself.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in RATES:
            if name in self.fields:
                self.fields[name].required = False

    def clean(self) -> dict[str, Any]:
        """An empty rate is the one there is."""
        said = super().clean() or {}
        return said | {name: getattr(self.instance, name) for name in RATES if said.get(name) is None}

    def clean_name(self) -> str:
        return said_by(check_name, self.cleaned_data["name"], longest=clients.LONGEST_NAME, whose="A client's")

    def clean_webhook_url(self) -> str:
        url: str = self.cleaned_data["webhook_url"]
        if url:
            said_by(clients.check_webhook_url, url)
        return url


@admin.register(Client)
class ClientAdmin(Supervised):
    form = ClientForm
    list_display = ["name", "is_active", "webhook_url", "failing_since", "created_at"]
    list_filter = ["is_active", ("failing_since", admin.EmptyFieldListFilter)]
    search_fields = ["name", "webhook_url"]
    search_help_text = _("Name or address")
    date_hierarchy = "created_at"
    ordering = ["name"]
    actions = ["send_all_again", "send_ping", "rotate_secret"]
    readonly_fields = ["secret", "old_secret", "old_secret_until", "failing_since", "tried_at", "created_at"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return [*clients.CHANGEABLE, *(self.readonly_fields if obj else [])]

    @admin.display(description=_("Webhook secret"))
    def secret(self, client: Client) -> str:
        return masked(client.webhook_secret)

    @admin.display(description=_("Webhook secret before it"))
    def old_secret(self, client: Client) -> str:
        return masked(client.old_webhook_secret)

    def save_model(self, request: HttpRequest, obj: Client, form: forms.ModelForm, change: bool) -> None:  # noqa: FBT001
        wanted = {name: form.cleaned_data[name] for name in clients.CHANGEABLE}
        by = actor_of(request)
        if change:
            clients.change(obj.pk, by=by, **{name: wanted[name] for name in form.changed_data})
            return
        new = clients.create(wanted["name"], by=by, webhook_url=wanted["webhook_url"])
        made = clients.change(new.client.pk, by=by, **wanted)
        obj.pk, obj.created_at = made.pk, made.created_at
        _show_once(request, _("API key"), new.api_key)
        _show_once(request, _("Webhook secret"), new.webhook_secret)

    @admin.action(description=_("Send all failed orders again"))
    def send_all_again(self, request: HttpRequest, queryset: QuerySet[Client]) -> None:
        results = []
        for client in queryset.order_by("name"):
            # An order whose reversal failed is called failed too, but it is the reversal that is sent again.
            failed = Order.objects.filter(client=client, status=OrderStatus.FAILED, reversals=None)
            # In the order they were planned, so that each line is what it was.
            orders = list(failed.order_by("created_at", "place")[: ORDERS_AT_ONCE + 1])
            sent = [resend(order, actor_of(request))[0] for order in orders[:ORDERS_AT_ONCE]].count(messages.SUCCESS)
            left = min(len(orders), ORDERS_AT_ONCE) - sent
            said = gettext("%(client)s: %(sent)d sent again, %(left)d overtaken by later decisions.")
            text = said % {"client": client, "sent": sent, "left": left}
            if len(orders) > ORDERS_AT_ONCE:
                text += " " + gettext("There are more: press once more.")
            self.log_change(request, client, f"{sent} failed orders sent again")
            results.append((messages.SUCCESS if sent else messages.INFO, text))
        say(request, results)

    @admin.action(description=_("Send a ping"))
    def send_ping(self, request: HttpRequest, queryset: QuerySet[Client]) -> None:
        results = []
        for client in queryset.order_by("name"):
            with transaction.atomic():
                notice = announcements.ping(client)
            said = gettext("%(client)s: a ping is on its way; the delivery log shows what comes of it (%(id)s).")
            if not client.webhook_url:
                said = gettext("%(client)s has no webhook address: the ping stands in its feed only (%(id)s).")
            results.append((messages.INFO, said % {"client": client, "id": notice.pk}))
        say(request, results)

    @admin.action(description=_("Rotate the webhook secret"))
    def rotate_secret(self, request: HttpRequest, queryset: QuerySet[Client]) -> None:
        for client in queryset.order_by("name"):
            try:
                secret = clients.rotate_secret(client.pk, by=actor_of(request))
            except Conflict:
                said = gettext("%(client)s: its secret was rotated only just now; left as it is.")
                messages.warning(request, said % {"client": client})
                continue
            self.log_change(request, client, "webhook secret rotated")
            _show_once(request, gettext("New webhook secret of %(client)s") % {"client": client}, secret)
            messages.info(request, gettext("For 24 hours every webhook is signed with the old secret as well."))


class ApiKeyForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices, initial=Scope.values, widget=forms.CheckboxSelectMultiple, label=_("Scopes")
    )

    class Meta:
        model = ApiKey
        fields = ["client", "scopes"]


@admin.register(ApiKey)
class ApiKeyAdmin(Supervised):
    """A key is made, looked at, and revoked; it is never changed."""

    form = ApiKeyForm
    list_display = ["__str__", "client", "scopes", "created_at", "last_used_at", "expires_at", "revoked_at"]
    list_select_related = ["client"]
    list_filter = ["client", ("revoked_at", admin.EmptyFieldListFilter)]
    search_fields = ["=id", "client__name"]
    search_help_text = _("Id of the key, or name of the app")
    date_hierarchy = "created_at"
    ordering = ["-created_at"]
    actions = ["rotate", "revoke"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        shown = ["id", "client", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at"]
        return shown if obj else ["client", "scopes"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: forms.ModelForm, change: bool) -> None:  # noqa: FBT001
        full = clients.new_key(obj.client.pk, by=actor_of(request), scopes=form.cleaned_data["scopes"])
        obj.pk = (signing.split_api_key(full) or ("",))[0]
        _show_once(request, _("API key"), full)

    @admin.action(description=_("Rotate the chosen keys, the old ones live 24 hours more"))
    def rotate(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset.select_related("client").order_by("pk"):
            try:
                full = clients.rotate_key(key.pk, by=actor_of(request))
            except IllegalMove as error:
                key.refresh_from_db()
                if error.code == "revoked" or key.expires_at is None:
                    messages.warning(request, gettext("%(key)s was revoked; left as it is.") % {"key": key})
                    continue
                ends = date_format(key.expires_at, "DATETIME_FORMAT")
                said = gettext("%(key)s has its successor already and ends at %(ends)s (UTC); left as it is.")
                messages.warning(request, said % {"key": key, "ends": ends})
                continue
            self.log_change(request, key, "rotated")
            what = gettext("New API key of %(client)s in place of %(key)s")
            _show_once(request, what % {"client": key.client, "key": key}, full)

    @admin.action(description=_("Revoke the chosen keys"))
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        revoked = [key for key in queryset if clients.revoke_key(key.pk, by=actor_of(request))]
        for key in revoked:
            self.log_change(request, key, "revoked")
        count = len(revoked)
        self.message_user(
            request, ngettext("%(n)d key no longer works.", "%(n)d keys no longer work.", count) % {"n": count}
        )


def _show_once(request: HttpRequest, what: Any, secret: str) -> None:
    messages.warning(
        request, _("%(what)s, shown only this once; copy it now: %(secret)s") % {"what": what, "secret": secret}
    )
