"""What is hashed and what is keyed: the bytes of an event, the link, and the key. See docs/audit.md."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass

from django.conf import settings

from moderation.canonical import canonical as canonical_json
from moderation.models import AuditHead, Event, Seal

GENESIS = "0" * 64
HEAD = ("entries", "hash", "bound", "mark", "holders", "unkeyed", "first_form", "taken_over")
"""What the mac of the head covers: all it says but when it was moved."""


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
        return self._mac("seal", f"{position}\n{hash}".encode())

    def head(self, head: AuditHead) -> str:
        """The mac of the chain's head: another word than an entry's, so that no seal can stand in for a head."""
        return self._mac("head", canonical_json({name: getattr(head, name) for name in HEAD}))

    def _mac(self, what: str, said: bytes) -> str:
        return hmac.digest(self.secret, f"guardian {what}\n".encode() + said, "sha256").hex()


def found(head: AuditHead, last: Seal | None) -> None:
    """Save `head` as the chain's first, over what was sealed before there were keys, which ends with `last`."""
    key = Key.present()
    head.entries = head.unkeyed = last.position if last else 0
    head.hash = last.hash if last else GENESIS
    head.mac, head.key_id = key.head(head), key.id
    head.save(force_insert=True)


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
