"""Client apps and their keys. Secrets are shown once, when they are made, and never again."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from moderation import signing
from moderation.admin.rights import Supervised, masked
from moderation.models import ApiKey, Client, Scope
from moderation.outbound import OutboundError, check_url
from moderation.services import clients


class ClientForm(forms.ModelForm):
    class Meta:
        model = Client
        fields = ["name", "is_active", "webhook_url"]
        help_texts = {"webhook_url": _("Empty: the app fetches its orders itself.")}

    def clean_webhook_url(self) -> str:
        url: str = self.cleaned_data["webhook_url"]
        try:
            if url:
                check_url(url, allow_loopback=settings.ALLOW_LOOPBACK_WEBHOOKS)
        except OutboundError as error:
            raise forms.ValidationError(str(error)) from None
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
    readonly_fields = ["secret", "old_secret", "old_secret_until", "failing_since", "tried_at", "created_at"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return ["name", "is_active", "webhook_url", *(self.readonly_fields if obj else [])]

    @admin.display(description=_("Webhook secret"))
    def secret(self, client: Client) -> str:
        return masked(client.webhook_secret)

    @admin.display(description=_("Webhook secret before it"))
    def old_secret(self, client: Client) -> str:
        return masked(client.old_webhook_secret)

    def save_model(self, request: HttpRequest, obj: Client, form: forms.ModelForm, change: bool) -> None:  # noqa: FBT001
        if change:
            # Only what the form holds: the relay and the deliveries write the other columns meanwhile.
            obj.save(update_fields=form.changed_data or ["name"])
            return
        new = clients.create(obj.name, webhook_url=obj.webhook_url)
        obj.pk, obj.created_at = new.client.pk, new.client.created_at
        Client.objects.filter(pk=obj.pk).update(is_active=obj.is_active)
        _show_once(request, _("API key"), new.api_key)
        _show_once(request, _("Webhook secret"), new.webhook_secret)


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
    actions = ["revoke"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        shown = ["id", "client", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at"]
        return shown if obj else ["client", "scopes"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: forms.ModelForm, change: bool) -> None:  # noqa: FBT001
        full = clients.new_key(obj.client, scopes=form.cleaned_data["scopes"])
        obj.pk = (signing.split_api_key(full) or ("",))[0]
        _show_once(request, _("API key"), full)

    @admin.action(description=_("Revoke the chosen keys"))
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        keys = list(queryset.filter(revoked_at=None))
        count = ApiKey.objects.filter(pk__in=[key.pk for key in keys]).update(revoked_at=Now())
        for key in keys:
            self.log_change(request, key, "revoked")
        self.message_user(
            request, ngettext("%(n)d key no longer works.", "%(n)d keys no longer work.", count) % {"n": count}
        )


def _show_once(request: HttpRequest, what: Any, secret: str) -> None:
    messages.warning(
        request, _("%(what)s, shown only this once; copy it now: %(secret)s") % {"what": what, "secret": secret}
    )
