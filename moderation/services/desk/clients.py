"""Client apps and their keys. Each verb leaves an event, which holds no name and no secret."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from socket import inet_aton
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.crypto import constant_time_compare

from moderation import outbound, signing
from moderation.errors import Conflict, IllegalMove, NotFound, Unacceptable
from moderation.models import ApiKey, Client, Scope
from moderation.rights import Actor, Verb, require
from moderation.services.desk.people import check_name
from moderation.services.record.history import note_desk

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


CHANGEABLE = ("name", "is_active", "webhook_url", "rate_per_second", "rate_burst")
LONGEST_NAME = 200
# Names that only a private network knows; everything else is judged by its addresses, at delivery.
NEVER_PUBLIC = (".localhost", ".local", ".internal", ".arpa", ".lan", ".home", ".corp", ".onion", ".invalid", ".test")
_HOST = re.compile(r"(?=.{1,253}\Z)(?:[\w-]{1,63}\.)*(?!\d+\Z)[\w-]{1,63}")
"""Labels of 1 to 63 letters, the last of them no number (RFC 1123)."""
JUST_NOW = timedelta(minutes=1)
"""A second click within this would end the secret that the app is using."""


@transaction.atomic
def create(
    name: str, *, by: Actor, webhook_url: str = "", scopes: Sequence[str] | None = None, secret: str = ""
) -> NewClient:
    """Make a client with one API key. `scopes` None: all. Raises Unacceptable for a name that is taken or holds what
    cannot be seen, an address no webhook could ever reach, a malformed secret, or unknown scopes."""
    require(by, Verb.KEEP_CLIENTS)
    name = _free_name(name)
    if webhook_url:
        check_webhook_url(webhook_url)
    if secret:
        check_secret(secret)
    client = Client.objects.create(name=name, webhook_url=webhook_url, webhook_secret=secret or signing.new_secret())
    note_desk("client.created", by=by, client=client)
    return NewClient(client, new_key(client.pk, by=by, scopes=scopes), client.webhook_secret)


@transaction.atomic
def change(client_id: int, *, by: Actor, **wanted: Any) -> Client:
    """Give a client another name, address or rate, or close or open it. What is as wanted stays, silently."""
    require(by, Verb.KEEP_CLIENTS)
    client = _locked(client_id)
    if unknown := set(wanted) - set(CHANGEABLE):
        raise TypeError(f"clients.change() cannot change {', '.join(sorted(unknown))}")
    changed = [name for name in CHANGEABLE if name in wanted and getattr(client, name) != wanted[name]]
    if "name" in changed:
        wanted["name"] = _free_name(wanted["name"], besides=client.pk)
    if "webhook_url" in changed and wanted["webhook_url"]:
        check_webhook_url(wanted["webhook_url"])
    for name in changed:
        setattr(client, name, wanted[name])
    if changed:
        client.save(update_fields=changed)  # only these: the relay and the deliveries write the others meanwhile
        note_desk("client.changed", by=by, client=client, fields=changed, is_active=client.is_active)
    return client


@transaction.atomic
def ensure(name: str, *, by: Actor, api_key: str, webhook_secret: str, webhook_url: str) -> Client:
    """Have an active client of this name with exactly this key, secret and address, whatever the database held.

    For a client whose secrets are kept elsewhere: the demo's own, in its data directory.
    """
    require(by, Verb.KEEP_CLIENTS)
    parts = signing.split_api_key(api_key)
    if parts is None:
        raise ValueError("The key does not have the form of an API key.")
    check_secret(webhook_secret)
    key_id, secret = parts
    client, new = Client.objects.select_for_update(no_key=True).get_or_create(
        name=name, defaults={"webhook_url": webhook_url, "webhook_secret": webhook_secret}
    )
    if new:
        note_desk("client.created", by=by, client=client)
    else:
        wanted = {"webhook_url": webhook_url, "webhook_secret": webhook_secret, "is_active": True}
        changed = [name for name, value in wanted.items() if getattr(client, name) != value]
        if "webhook_url" in changed and client.failing_since is not None:
            client.tried_at = client.failing_since - timedelta(hours=1)  # the new address is probed at once
        for field, value in wanted.items():
            setattr(client, field, value)
        client.save()
        if changed:
            note_desk("client.changed", by=by, client=client, fields=changed, is_active=True)
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
    """Raises Unacceptable, in one sentence, for an address that no webhook could ever be delivered to: malformed, or
    on a network of its own, or (unless this is a demo) on this machine."""
    local = settings.ALLOW_LOOPBACK_WEBHOOKS
    try:
        host = outbound.check_url(url, allow_loopback=local).host.strip("[]").rstrip(".").lower()
    except outbound.OutboundError as error:
        raise Unacceptable(error.message) from error
    try:
        # As the resolver reads it: 127.1 and 0x7f000001 are addresses too.
        address = ip_address(host if ":" in host else inet_aton(host))
    except (OSError, ValueError):
        if local and (host == "localhost" or host.endswith(".localhost")):
            return
        if not _HOST.fullmatch(host):
            raise Unacceptable(f"{host} is no name a host can have.") from None
        if "." not in host or host.endswith(NEVER_PUBLIC):
            raise Unacceptable(f"{host} is a name of a private network: webhooks go to the public internet.") from None
        return
    if not outbound.is_public(address) and not (local and address.is_loopback):
        raise Unacceptable(f"{address} is no address of the public internet: webhooks go nowhere else.")


def check_secret(secret: str) -> None:
    """Raises Unacceptable for a webhook secret that nothing could be signed with."""
    try:
        signing.check_secret(secret)
    except ValueError as error:
        raise Unacceptable(str(error)) from error


@transaction.atomic
def new_key(client_id: int, *, by: Actor, scopes: Sequence[str] | None = None) -> str:
    """Make another key for a client; the answer is the only time it is seen."""
    require(by, Verb.KEEP_CLIENTS)
    client = _locked(client_id)
    full, key = _made_key(client, list(Scope.values if scopes is None else scopes))
    note_desk("client.key_made", by=by, client=client, key=key.pk)
    return full


@transaction.atomic
def rotate_key(key_id: str, *, by: Actor, overlap: timedelta = OVERLAP) -> str:
    """A new key with the same scopes; the old one lives on for `overlap`.

    Raises IllegalMove `revoked`, or `rotated` where it has its successor already.
    """
    require(by, Verb.KEEP_CLIENTS)
    key = ApiKey.objects.select_for_update(of=("self",), no_key=True).select_related("client").get(pk=key_id)
    if key.revoked_at is not None:
        raise IllegalMove("This key was revoked.", code="revoked")
    if key.expires_at is not None:
        raise IllegalMove("This key has its successor already.", code="rotated")
    full, successor = _made_key(key.client, key.scopes)
    ApiKey.objects.filter(pk=key.pk).update(expires_at=Now() + overlap)
    note_desk("client.key_rotated", by=by, client=key.client, key=key.pk, successor=successor.pk)
    return full


@transaction.atomic
def revoke_key(key_id: str, *, by: Actor) -> bool:
    """End a key at once; false where it had been revoked."""
    require(by, Verb.KEEP_CLIENTS)
    key = ApiKey.objects.select_related("client").get(pk=key_id)
    revoked = bool(ApiKey.objects.filter(pk=key_id, revoked_at=None).update(revoked_at=Now()))
    if revoked:
        note_desk("client.key_revoked", by=by, client=key.client, key=key_id)
    return revoked


@transaction.atomic
def rotate_secret(client_id: int, *, by: Actor, overlap: timedelta = OVERLAP) -> str:
    """A new webhook secret; for `overlap` every webhook is signed with both. Raises Conflict `just_rotated`."""
    require(by, Verb.KEEP_CLIENTS)
    client = _locked(client_id)
    if Client.objects.filter(pk=client_id, old_secret_until__gt=Now() + overlap - JUST_NOW).exists():
        raise Conflict("Its secret was rotated only just now.", code="just_rotated")
    secret = signing.new_secret()
    Client.objects.filter(pk=client_id).update(
        webhook_secret=secret, old_webhook_secret=F("webhook_secret"), old_secret_until=Now() + overlap
    )
    note_desk("client.secret_rotated", by=by, client=client)
    return secret


def _locked(client_id: int) -> Client:
    client = Client.objects.select_for_update(no_key=True).filter(pk=client_id).first()
    if client is None:
        raise NotFound("There is no such client.")
    return client


def _free_name(name: str, *, besides: int | None = None) -> str:
    name = check_name(name, longest=LONGEST_NAME, whose="A client's")
    taken = Client.objects.filter(name=name)
    if (taken.exclude(pk=besides) if besides is not None else taken).exists():
        raise Unacceptable(f"There is a client called {name!r} already; choose another name.")
    return name


def _made_key(client: Client, scopes: Sequence[str]) -> tuple[str, ApiKey]:
    unknown = sorted(set(scopes) - set(Scope.values))
    if unknown:
        raise Unacceptable(f"Unknown scopes: {', '.join(unknown)}. Known: {', '.join(Scope.values)}.")
    key_id, secret, full = signing.new_api_key()
    key = ApiKey.objects.create(id=key_id, client=client, secret_hash=signing.print_of(secret), scopes=list(scopes))
    return full, key


def authenticate(text: str) -> ApiKey | None:
    """The live key `text` stands for, its client loaded, or None. One query; a second at most once a minute."""
    parts = signing.split_api_key(text)
    if parts is None:
        return None
    key_id, secret = parts
    found = ApiKey.objects.select_related("client").annotate(now=Now())
    # One row at most: `first()` would sort.
    key = next(iter(found.filter(pk=key_id, revoked_at=None, client__is_active=True)), None)
    if key is None or (key.expires_at is not None and key.expires_at <= key.now):
        return None
    if not constant_time_compare(key.secret_hash, signing.print_of(secret)):
        return None
    key.used_lately = key.last_used_at is not None and key.now - key.last_used_at < LAST_USED_TO
    return key


def touch(key: ApiKey) -> None:
    """Keep when the key was last used, to the minute: a hot counter must not sit in every request's transaction."""
    if key.used_lately:
        return
    ApiKey.objects.filter(pk=key.pk).filter(Q(last_used_at=None) | Q(last_used_at__lt=Now() - LAST_USED_TO)).update(
        last_used_at=Now()
    )
