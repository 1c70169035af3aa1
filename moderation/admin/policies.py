"""Policies: a supervisor publishes a new version; what a version once said stays as it is."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from moderation.admin.rights import ReadOnly, Supervised, actor_of
from moderation.models import Policy, PolicyVersion
from moderation.models.actions import ACTIONS, LABELS
from moderation.services.desk import policies

COPIED = (
    "title",
    "text",
    "examples",
    "terms",
    "severity",
    "threshold",
    "allowed_actions",
    "appeal_mode",
    "appeal_window_days",
    "category",
)


class Lines(forms.CharField):
    """A list, one item a line: patterns hold commas."""

    widget = forms.Textarea

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        return [line.strip() for line in super().clean(value).splitlines() if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)


class VersionForm(forms.ModelForm):
    examples = Lines(required=False, label=_("Examples"), help_text=_("One a line."))
    terms = Lines(
        required=False, label=_("Terms"), help_text=_("Regular expressions of the built-in rules, one a line.")
    )
    allowed_actions = forms.MultipleChoiceField(
        choices=[(name, LABELS[name]) for name in ACTIONS],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label=_("Allowed actions"),
    )

    class Meta:
        model = PolicyVersion
        fields = ["policy", *COPIED]

    def clean_terms(self) -> list[str]:
        terms: list[str] = self.cleaned_data["terms"]
        if bad := policies.bad_term(terms):
            raise forms.ValidationError(
                _("“%(term)s” is not a regular expression: %(error)s"), params={"term": bad[0], "error": bad[1]}
            )
        return terms

    def clean_threshold(self) -> float:
        threshold: float = self.cleaned_data["threshold"]
        if not 0 <= threshold <= 1:
            raise forms.ValidationError(_("A share from 0 to 1."))
        return threshold


@admin.register(PolicyVersion)
class PolicyVersionAdmin(Supervised):
    """Made, never changed."""

    form = VersionForm
    list_display = ["title", "policy", "number", "severity", "threshold", "created_at"]
    list_select_related = ["policy"]
    list_filter = ["severity", "policy"]
    search_fields = ["title", "policy__slug"]
    search_help_text = _("Title or slug")
    date_hierarchy = "created_at"
    ordering = ["policy__slug", "-number"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return ["policy", *(["number", "created_at"] if obj else []), *COPIED]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """`?policy=`: starts from what the policy says now."""
        asked = request.GET.get("policy", "")
        known = asked.isascii() and asked.isdigit() and len(asked) < 10
        last = PolicyVersion.objects.filter(policy_id=asked).order_by("-number").first() if known else None
        if last is None:
            return {}
        return {"policy": last.policy_id, **{name: getattr(last, name) for name in COPIED}}

    def save_model(self, request: HttpRequest, obj: PolicyVersion, form: forms.ModelForm, change: bool) -> None:  # noqa: FBT001
        said = form.cleaned_data
        published = policies.publish(obj.policy.slug, by=actor_of(request), **{name: said[name] for name in COPIED})
        obj.pk, obj.number, obj.created_at = published.pk, published.number, published.created_at


class Versions(admin.TabularInline):
    model = PolicyVersion
    fields = ["number", "title", "severity", "threshold", "created_at"]
    readonly_fields = ["number", "title", "severity", "threshold", "created_at"]
    extra = 0
    can_delete = False
    show_change_link = True
    ordering = ["-number"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return ReadOnly.has_view_permission(self, request)  # type: ignore[arg-type]


@admin.register(Policy)
class PolicyAdmin(Supervised):
    list_display = ["slug", "is_active", "publish"]
    list_filter = ["is_active"]
    search_fields = ["slug"]
    search_help_text = _("Slug")
    ordering = ["slug"]
    fields = ["slug", "is_active"]
    inlines = [Versions]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["slug"] if obj else []

    def save_model(self, request: HttpRequest, obj: Policy, form: forms.ModelForm, change: bool) -> None:  # noqa: FBT001
        if change:
            policies.switch(obj.pk, by=actor_of(request), on=form.cleaned_data["is_active"])
        else:
            obj.pk = policies.add(obj.slug, by=actor_of(request), is_active=obj.is_active).pk

    @admin.display(description=_("New version"))
    def publish(self, policy: Policy) -> str:
        url = reverse("admin:moderation_policyversion_add", query={"policy": policy.pk})
        return format_html('<a href="{}">{}</a>', url, _("Publish"))
