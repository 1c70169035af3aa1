"""One-time log-in links for the demo: made by its command, checked by the console, never outside DEMO and loopback.

The token names the person and their last log-in, signed: logging in changes that, so a link works once, and every
other link that was out for the same person ends with it.
"""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_address

from django.conf import settings
from django.core.signing import BadSignature, TimestampSigner
from django.http import HttpRequest
from django.urls import reverse

from moderation.models import User

MAX_AGE = timedelta(hours=12)
_signer = TimestampSigner(salt="guardian-demo-login")


def link_for(user: User) -> str:
    """The path of a link that logs `user` in once, within twelve hours."""
    return reverse("login_link", kwargs={"token": _signer.sign(_state(user))})


def allowed(request: HttpRequest) -> bool:
    """Only in the demo, and only for somebody on this very machine."""
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return settings.DEMO and (getattr(address, "ipv4_mapped", None) or address).is_loopback


def redeem(token: str) -> User | None:
    """The person the token stands for, their row locked so that two clicks cannot both count; None when it is not
    good (any more). To be called, and the log-in made, inside one transaction."""
    try:
        state = _signer.unsign(token, max_age=MAX_AGE)
    except BadSignature:
        return None
    user = User.objects.select_for_update().filter(pk=int(state.partition("@")[0]), is_active=True).first()
    return user if user is not None and _state(user) == state else None


def _state(user: User) -> str:
    return f"{user.pk}@{user.last_login.timestamp() if user.last_login else 0}"
