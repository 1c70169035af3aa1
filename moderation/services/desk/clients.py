"""Client apps and their keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.db.models.lookups import GreaterThan
from django.utils.crypto import constant_time_compare

from moderation import outbound, signing
from moderation.errors import Unacceptable
from moderation.models import ApiKey, Client, Scope

OVERLAP = timedelta(hours=24)
"""How long a rotated key or secret lives on beside its successor."""

LAST_USED_TO = timedelta(minutes=1)
"""How exactly it is kept when a key was last used."""


@dataclass(frozen=True)
class NewClient:
    """A client with its secrets, which are shown this once."""

    client: Client
    api_key: str
    webhook_secret: str


@transaction.atomic
def create(name: str, *, webhook_url: str = "", scopes: Sequence[str] | None = None, secret: str = "") -> NewClient:
    """Make a client with one API key. `scopes` None: all. Raises Unacceptable for a taken name or unknown scopes."""
    if Client.objects.filter(name=name).exists():
        raise Unacceptable(f"There is a client called {name!r} already; choose another name.")
    client = Client.objects.create(name=name, webhook_url=webhook_url, webhook_secret=secret or signing.new_secret())
    return NewClient(client, new_key(client, scopes=scopes), client.webhook_secret)


@transaction.atomic
def ensure(name: str, *, api_key: str, webhook_secret: str, webhook_url: str) -> Client:
    """Have an active client of this name with exactly this key, secret and address, whatever the database held.

    For a client whose secrets are kept elsewhere: the demo's own, in its data directory.
    """
    parts = signing.split_api_key(api_key)
    if parts is None:
        raise ValueError("The key does not have the form of an API key.")
    key_id, secret = parts
    client, new = Client.objects.select_for_update().get_or_create(
        name=name, defaults={"webhook_url": webhook_url, "webhook_secret": webhook_secret}
    )
    if not new:
        if client.webhook_url != webhook_url and client.failing_since is not None:
            client.tried_at = client.failing_since - timedelta(hours=1)  # the new address is probed at once
        client.webhook_url, client.webhook_secret, client.is_active = webhook_url, webhook_secret, True
        client.save()
    ApiKey.objects.update_or_create(
        id=key_id,
        defaults={
            "client": client,
            "secret_hash": signing.print_of(secret),
            "scopes": Scope.values,
            "revoked_at": None,
            "expires_at": None,
        },
    )
    return client


def check_webhook_url(url: str) -> None:
    """Raises Unacceptable, in one sentence, for an address that no webhook could ever be delivered to."""
    try:
        outbound.check_url(url, allow_loopback=settings.ALLOW_LOOPBACK_WEBHOOKS)
    except outbound.OutboundError as error:
        raise Unacceptable(error.message) from error


def new_key(client: Client, *, scopes: Sequence[str] | None = None) -> str:
    """Make another key for `client`; the answer is the only time it is seen."""
    wanted = list(Scope.values if scopes is None else scopes)
    unknown = sorted(set(wanted) - set(Scope.values))
    if unknown:
        raise Unacceptable(f"Unknown scopes: {', '.join(unknown)}. Known: {', '.join(Scope.values)}.")
    key_id, secret, full = signing.new_api_key()
    ApiKey.objects.create(id=key_id, client=client, secret_hash=signing.print_of(secret), scopes=wanted)
    return full


@transaction.atomic
def rotate_key(key: ApiKey, *, overlap: timedelta = OVERLAP) -> str:
    """A new key with the same scopes; the old one lives on for `overlap`."""
    full = new_key(key.client, scopes=key.scopes)
    ApiKey.objects.filter(pk=key.pk).update(expires_at=Now() + overlap)
    return full


def rotate_secret(client: Client, *, overlap: timedelta = OVERLAP) -> str:
    """A new webhook secret; for `overlap` every webhook is signed with both."""
    secret = signing.new_secret()
    Client.objects.filter(pk=client.pk).update(
        webhook_secret=secret, old_webhook_secret=F("webhook_secret"), old_secret_until=Now() + overlap
    )
    return secret


def authenticate(text: str) -> ApiKey | None:
    """The live key `text` stands for, its client loaded, or None. One query; a second at most once a minute."""
    parts = signing.split_api_key(text)
    if parts is None:
        return None
    key_id, secret = parts
    key = (
        ApiKey.objects.select_related("client")
        .annotate(lately=GreaterThan(F("last_used_at"), Now() - LAST_USED_TO))
        .filter(pk=key_id, revoked_at=None, client__is_active=True)
        .filter(Q(expires_at=None) | Q(expires_at__gt=Now()))
        .first()
    )
    if key is None or not constant_time_compare(key.secret_hash, signing.print_of(secret)):
        return None
    key.used_lately = key.lately
    return key


def touch(key: ApiKey) -> None:
    """Keep when the key was last used, to the minute: a hot counter must not sit in every request's transaction."""
    if key.used_lately:
        return
    ApiKey.objects.filter(pk=key.pk).filter(Q(last_used_at=None) | Q(last_used_at__lt=Now() - LAST_USED_TO)).update(
        last_used_at=Now()
    )
