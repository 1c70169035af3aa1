"""The doorkeeper of the admin. It has no log-in page of its own: whoever is not let in is led to where they belong.

Apart from the admin itself, which Django imports only once this is there.
"""

from __future__ import annotations

from functools import partial, wraps
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.views import PasswordChangeView, redirect_to_login
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _


class SupervisorsSite(admin.AdminSite):
    """Django's, with another doorkeeper."""

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:  # noqa: FBT001, FBT002
        inner = super().admin_view(view, cacheable)

        @wraps(inner)
        def at_the_door(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if self.has_permission(request):
                return inner(request, *args, **kwargs)
            if request.user.is_authenticated:
                messages.info(request, _("The administration is for supervisors; this is where you work."))
                return redirect("console:queue")
            return redirect_to_login(request.get_full_path())

        return at_the_door

    def password_change(  # type: ignore[override]  # the stubs know only the page with the form, not the redirect after it
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """One's own password, by the verb."""
        from moderation.admin.people import OwnPasswordForm
        from moderation.services.desk.logins import address_of

        page = PasswordChangeView.as_view(
            form_class=partial(OwnPasswordForm, address=address_of(request)),
            success_url=reverse("admin:password_change_done"),
            extra_context={**self.each_context(request), **(extra_context or {})},
        )
        return page(request)
