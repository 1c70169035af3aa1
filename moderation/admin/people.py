"""The people who work here: supervisors make accounts and give roles."""

from __future__ import annotations

import math
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.forms import AdminPasswordChangeForm as AdminOwnPasswordForm
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm, AdminUserCreationForm, UserChangeForm
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from moderation.admin.rights import ReadOnly, Supervised, actor_of, said_by
from moderation.errors import ModerationError
from moderation.models import LoginTries, User
from moderation.models.people import NAME_STAYS
from moderation.rights import Actor
from moderation.services.desk import logins, people
from moderation.states import Door


class PasswordForm(AdminPasswordChangeForm):
    """Somebody's password, set by a supervisor: `changed_by` of the user, which UserAdmin.get_object puts there."""

    def set_password_and_save(self, user: Any, commit: bool = True, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002
        password = self.cleaned_data["password1"] if self.cleaned_data["set_usable_password"] else None
        user.password = people.set_password(user.pk, by=user.changed_by, password=password).password
        return user


class OwnPasswordForm(AdminOwnPasswordForm):
    """A supervisor's own. The old one is a try like any other: it counts with those at the log-in page."""

    def __init__(self, *args: Any, address: str = "", **kwargs: Any) -> None:
        self.address = address
        super().__init__(*args, **kwargs)

    def clean_old_password(self) -> str:
        name = self.user.get_username()
        wait = logins.take(name, self.address)
        if wait:
            minutes = math.ceil(wait / 60)
            said = ngettext(
                "Too many passwords were tried for this name from here. Try again in a minute.",
                "Too many passwords were tried for this name from here. Try again in %(n)s minutes.",
                minutes,
            )
            raise ValidationError(said % {"n": minutes})
        old: str = super().clean_old_password()
        logins.succeeded(name, self.address)
        return old

    def save(self, commit: bool = True) -> Any:  # noqa: FBT001, FBT002
        user: User = self.user
        by = Actor.of_user(user, Door.ADMIN)
        user.password = people.set_password(user.pk, by=by, password=self.cleaned_data["new_password1"]).password
        return user


class NewPersonForm(AdminUserCreationForm):
    def clean_username(self) -> str:
        name: str = said_by(people.free_name, self.cleaned_data["username"])
        return name


class PersonForm(UserChangeForm):
    def clean_username(self) -> str:
        name: str = self.cleaned_data["username"]
        if name == self.initial.get("username"):
            return name
        free: str = said_by(people.free_name, name, besides=self.instance.pk)
        return free


@admin.register(User)
class UserAdmin(Supervised, DjangoUserAdmin):
    """The role is the only right there is; nobody here can give more (superuser, groups, permissions)."""

    form = PersonForm
    add_form = NewPersonForm
    change_password_form = PasswordForm
    list_display = ["username", "role", "first_name", "last_name", "is_active", "last_login"]
    list_filter = ["role", "is_active"]
    search_help_text = _("Name or e-mail")
    filter_horizontal = []
    actions = ["log_out_everywhere"]
    fieldsets = [
        (None, {"fields": ["username", "password", "role", "is_active"]}),
        (_("Person"), {"fields": ["first_name", "last_name", "email"]}),
        (_("Dates"), {"fields": ["last_login", "date_joined"]}),
    ]
    add_fieldsets = [
        (None, {"classes": ["wide"], "fields": ["username", "role", "usable_password", "password1", "password2"]})
    ]
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

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> User | None:
        user: User | None = super().get_object(request, object_id, from_field)
        if user is not None:
            user.changed_by = actor_of(request)  # type: ignore[attr-defined]  # for the form of the password
        return user

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:  # noqa: FBT001
        return form.instance  # neither form writes anything: the verb does

    def save_model(self, request: HttpRequest, obj: User, form: forms.ModelForm, change: bool) -> None:  # noqa: FBT001
        said, by = form.cleaned_data, actor_of(request)
        if change:
            people.change(obj.pk, by=by, **{name: said[name] for name in form.changed_data if name != "password"})
            return
        password = said["password1"] if said["set_usable_password"] else None
        obj.pk = people.create(said["username"], by=by, role=said["role"], password=password).pk

    def save_related(self, *args: Any, **kwargs: Any) -> None:
        """There is nothing related."""

    @admin.action(description=_("Log out everywhere"))
    def log_out_everywhere(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset.order_by("username"):
            try:
                people.log_out_everywhere(user.pk, by=actor_of(request))
            except ModerationError as error:
                messages.warning(request, f"{user}: {error.detail}")
                continue
            self.log_change(request, user, "logged out everywhere")
            messages.info(request, gettext("%(person)s is logged out in every browser.") % {"person": user})


@admin.register(LoginTries)
class LoginTriesAdmin(ReadOnly):
    """The keys are hashes: nobody can be read from them."""

    list_display = ["__str__", "spent", "at", "good_at"]
    ordering = ["-at"]
