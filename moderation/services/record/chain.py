"""What is hashed and what is keyed: the bytes of an event, the link, and the key. See docs/audit.md."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass

from django.conf import settings

from moderation.canonical import canonical as canonical_json
from moderation.models import Event

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Key:
    """What keys the seals. `id` names it, and tells nothing of it."""

    secret: bytes
    id: str

    @classmethod
    def present(cls) -> Key:
        """AUDIT_KEY, or one derived from SECRET_KEY."""
        own: str = settings.AUDIT_KEY
        secret = own.encode() if own else hmac.digest(settings.SECRET_KEY.encode(), b"guardian audit key", "sha256")
        return cls(secret, hashlib.sha256(b"guardian audit key id\n" + secret).hexdigest()[:16])

    def seal(self, position: int, hash: str) -> str:
        """The mac of one entry."""
        return self._mac("seal", position, hash)

    def head(self, entries: int, hash: str) -> str:
        """The mac of the chain's head: another word than an entry's, so that no seal can stand in for a head."""
        return self._mac("head", entries, hash)

    def _mac(self, what: str, number: int, hash: str) -> str:
        return hmac.digest(self.secret, f"guardian {what}\n{number}\n{hash}".encode(), "sha256").hex()


def canonical(event: Event) -> bytes:
    """The bytes of an event that are hashed: everything it says, in the form it was written in."""
    if event.form == 1:
        return _first_form(event)
    return canonical_json(
        {
            "form": event.form,
            "id": event.pk,
            "case": event.case_id,
            "client": event.client_id,
            "type": event.type,
            "actor": event.actor,
            "door": event.door,
            "user": event.user_id,
            "data": event.data,
            "digests": event.digests,
            "at": event.at,
        }
    )


def _first_form(event: Event) -> bytes:
    said = {
        "id": event.pk,
        "case": str(event.case_id) if event.case_id else None,
        "client": event.client_id,
        "type": event.type,
        "actor": event.actor,
        "data": event.data,
        "at": event.at.isoformat(),
    }
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def link(previous: str, event: Event) -> str:
    """sha256 hex over the previous link and the event."""
    return hashlib.sha256(previous.encode() + canonical(event)).hexdigest()
