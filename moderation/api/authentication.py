"""Who is calling: an API key, and whether its scopes cover the request."""

from __future__ import annotations

from typing import Any

from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from moderation.errors import NotAllowed
from moderation.models import ApiKey, Client, Scope
from moderation.services.desk import clients


class NoKey(exceptions.AuthenticationFailed):
    """401: no key, or none that is alive. Which of the two is nobody's business."""

    default_detail = "Send a live API key as `Authorization: Bearer gk_…`."
    default_code = "not_authenticated"


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer <key>`; sets request.user to the Client and request.auth to the ApiKey."""

    def authenticate(self, request: Request) -> tuple[Client, ApiKey]:
        scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
        key = clients.authenticate(sent.strip()) if scheme.lower() == "bearer" else None
        if key is None:
            raise NoKey
        clients.touch(key)
        return key.client, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="guardian"'


def key_of(request: Request) -> ApiKey:
    """The API key behind this request."""
    if not isinstance(request.auth, ApiKey):
        raise NoKey
    return request.auth


def client_of(request: Request) -> Client:
    """The client app behind this request."""
    return key_of(request).client


def may_read(request: Request) -> bool:
    """Whether the key may see a case's content."""
    return Scope.CASES_READ in key_of(request).scopes


class HasScope(BasePermission):
    """Each view names the scope of each method in `scopes` (moderation.api.doors refuses one that does not)."""

    def has_permission(self, request: Request, view: Any) -> bool:
        needed = view.scopes.get("GET" if request.method == "HEAD" else request.method)
        # None: the view has no such method, and answers 405.
        if needed is not None and needed not in key_of(request).scopes:
            raise NotAllowed(f"This key lacks the scope `{needed}`.", code="scope_missing")
        return True
