"""Who may do what in the admin: a supervisor, and nobody else; and nothing at all where the services own the rows."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest


class Supervised(admin.ModelAdmin):
    """For supervisors only; nothing is ever deleted here. Django's own permissions are not asked."""

    list_per_page = 50
    show_full_result_count = False
    actions_on_bottom = False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _is_supervisor(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_supervisor(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _is_supervisor(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_supervisor(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnly(Supervised):
    """Rows the services own: to be looked at."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _is_supervisor(request: HttpRequest) -> bool:
    user = request.user
    return bool(user.is_active and getattr(user, "is_supervisor", False))


def masked(secret: str) -> str:
    """Enough of a secret to tell it from another one."""
    return f"{secret[:6]}…{secret[-4:]}" if secret else "-"
