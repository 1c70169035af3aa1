"""Who is in the demo: three people with passwords, and the forum with its key. The same at every start."""

from __future__ import annotations

import base64
import hashlib
import hmac

from django.contrib.auth.hashers import make_password

from moderation.models import Client, Role, User
from moderation.rights import Actor
from moderation.services.desk import clients
from moderation.standalone.datadir import Secrets

FORUM = "demo-forum"
PEOPLE = {"mia": Role.MODERATOR, "noah": Role.MODERATOR, "sofia": Role.SUPERVISOR}
WEBHOOK_PATH = "/demo/webhooks/"


def password_of(username: str, secrets: Secrets) -> str:
    """80 random bits, drawn from the data directory's secret so that they need no place of their own."""
    return base64.b32encode(_drawn("password", username, secrets)[:10]).decode().lower()


def have_people(secrets: Secrets) -> list[User]:
    """The cast, each with the role, the password and the permission to log in that the card promises."""
    known = {user.username: user for user in User.objects.filter(username__in=PEOPLE)}
    people = []
    for username, role in PEOPLE.items():
        user = known.get(username) or User(username=username, first_name=username.title())
        # By its salt a password is known to be ours: checking it would take half a second each at every start.
        salt = _drawn("salt", username, secrets).hex()[:32]
        is_ours = user.password.split("$")[2:3] == [salt]
        if not is_ours:
            user.password = make_password(password_of(username, secrets), salt=salt)
        if not is_ours or (user.role, user.is_active) != (role, True):
            user.role, user.is_active = role, True
            user.save()
        people.append(user)
    return people


def have_forum(secrets: Secrets, *, url: str) -> Client:
    """The forum as a client app whose webhooks arrive at this start's address."""
    return clients.ensure(
        FORUM,
        by=Actor.operator(),
        api_key=secrets.api_key,
        webhook_secret=secrets.webhook_secret,
        webhook_url=url + WEBHOOK_PATH,
    )


def _drawn(purpose: str, username: str, secrets: Secrets) -> bytes:
    return hmac.digest(secrets.secret_key.encode(), f"demo-{purpose}:{username}".encode(), hashlib.sha256)
