"""The people who work here: supervisors make accounts and give roles."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from moderation.admin.rights import Supervised
from moderation.models import User
from moderation.models.people import NAME_STAYS


@admin.register(User)
class UserAdmin(Supervised, DjangoUserAdmin):
    """The role is the only right there is; nobody here can give more (superuser, groups, permissions)."""

    list_display = ["username", "role", "first_name", "last_name", "is_active", "last_login"]
    list_filter = ["role", "is_active"]
    search_help_text = _("Name or e-mail")
    filter_horizontal = []
    fieldsets = [
        (None, {"fields": ["username", "password", "role", "is_active"]}),
        (_("Person"), {"fields": ["first_name", "last_name", "email"]}),
        (_("Dates"), {"fields": ["last_login", "date_joined"]}),
    ]
    add_fieldsets = [(None, {"classes": ["wide"], "fields": ["username", "role", "password1", "password2"]})]
    readonly_fields = ["last_login", "date_joined"]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        return [*self.readonly_fields, "username"] if obj is not None and obj.has_decided else self.readonly_fields

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        shown = super().get_fieldsets(request, obj)
        if obj is None or not obj.has_decided:
            return shown
        (title, options), *rest = shown
        return [(title, {**options, "description": NAME_STAYS}), *rest]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # A supervisor who could set a superuser's password would be one.
        above = isinstance(obj, User) and obj.is_superuser and not getattr(request.user, "is_superuser", False)
        return super().has_change_permission(request, obj) and not above
