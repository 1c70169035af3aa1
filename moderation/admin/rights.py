"""Who may do what in the admin: a supervisor, and nobody else; and nothing at all where the services own the rows."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, cast

from django.contrib import admin
from django.contrib import messages as told
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.utils.translation import gettext as _

from moderation.errors import ModerationError
from moderation.models import User
from moderation.rights import Actor
from moderation.states import Door


class Supervised(admin.ModelAdmin):
    """For supervisors only; nothing is ever deleted here. Django's own permissions are not asked."""

    list_per_page = 50
    show_full_result_count = False
    actions_on_bottom = False

    def changeform_view(self, *args: Any, **kwargs: Any) -> Any:
        """What a verb refuses is said, and nothing of it is stored; the form's own checks have said most before."""
        try:
            return super().changeform_view(*args, **kwargs)
        except ModerationError as error:
            request: HttpRequest = args[0]
            told.error(request, error.detail)
            return HttpResponseRedirect(request.get_full_path())

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


class FoundById(admin.ModelAdmin):
    """Looks a whole id up by itself, in its index: in the search's chain of ORs it would read the whole table."""

    id_lookups: tuple[str, ...] = ("pk",)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        if "\x00" in search_term:
            return queryset.none(), False
        try:
            asked = uuid.UUID(search_term.strip())
        except ValueError:
            return super().get_search_results(request, queryset, search_term)
        return queryset.filter(self.by_id(asked)), False

    def by_id(self, asked: uuid.UUID) -> Q:
        found = Q()
        for lookup in self.id_lookups:
            found |= Q(**{lookup: asked})
        return found


class ReadOnly(Supervised):
    """Rows the services own: to be looked at."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _is_supervisor(request: HttpRequest) -> bool:
    user = request.user
    return bool(user.is_active and getattr(user, "is_supervisor", False))


def said_by(check: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a verb's own check answers, its refusal as a form's."""
    try:
        return check(*args, **kwargs)
    except ModerationError as error:
        raise ValidationError(error.detail) from None


SAID_AT_MOST = 20


def say(request: HttpRequest, results: list[tuple[int, str]]) -> None:
    """One message per (level, sentence); of a long list the first ones, and how many more there are."""
    for level, text in results[:SAID_AT_MOST]:
        told.add_message(request, level, text)
    if len(results) > SAID_AT_MOST:
        told.info(request, _("… and %(n)d more; the list below shows them.") % {"n": len(results) - SAID_AT_MOST})


def actor_of(request: HttpRequest) -> Actor:
    """The supervisor who is pressing."""
    return Actor.of_user(cast(User, request.user), Door.ADMIN)


def masked(secret: str) -> str:
    """Enough of a secret to tell it from another one."""
    return f"{secret[:6]}…{secret[-4:]}" if secret else "-"
