"""What if webhooks were missed? Read the feed from where we stopped, and ask what should be in force.

The feed tells what was announced: notices are simply taken in, by the same webhook-id as ever. An order in the feed
may have been taken back since, so orders are not obeyed from there: they only tell whom they were about, and `effects/`
tells what should be in force on them now. (A warning is no state of things: only its webhook tells of it.)
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Max

from moderation.demo.client import Effect, Guardian
from moderation.demo.models import Author, Bookmark, Post, Receipt
from moderation.demo.notices import NOTICES, take_note
from moderation.demo.orders import APPLIED, AUTHOR, CONTENT, EFFECTS, FLAGS, ORDERS, SUSPEND, keep_mark


@dataclass
class CaughtUp:
    """`read`: announcements in the feed; `repaired`: how many things were not as they should be."""

    read: int = 0
    repaired: int = 0


def catch_up(api: Guardian) -> CaughtUp:
    """Repair what was missed. Safe to run twice, at once, and beside webhooks; raises GuardianError, and the next run
    goes on from there."""
    bookmark, _new = Bookmark.objects.get_or_create(pk=1)
    after, done = bookmark.position, CaughtUp()
    while events := api.events(after):
        contents, authors = set(), set()
        for event in events:
            if event.type in NOTICES:
                done.repaired += take_note(event.id, event.document)
            elif event.type in ORDERS:
                contents.add(str(event.document["data"]["content_id"]))
                authors.add(str(event.document["data"]["author_id"]))
        done.repaired += sum(_put_content_right(api, content_id) for content_id in sorted(contents))
        done.repaired += sum(_put_author_right(api, name) for name in sorted(authors))
        done.read += len(events)
        after = events[-1].position
        Bookmark.objects.filter(pk=1, position__lt=after).update(position=after)
    return done


def _put_content_right(api: Guardian, content_id: str) -> bool:
    while True:
        before = _newest_receipt(content_id=content_id)
        standing = api.effects(content_id=content_id)
        wanted = {effect.action for effect in standing.effects}
        with transaction.atomic():
            post = Post.objects.select_for_update().filter(content_id=content_id).first()
            if post is None:
                return False
            if _newest_receipt(content_id=content_id) != before:
                continue  # a webhook came in between, so the answer may be the older of the two
            _keep_marks(CONTENT, content_id, wanted, standing.sequence)
            flags = {flag: action in wanted for action, (flag, on) in FLAGS.items() if on}
            if all(getattr(post, flag) == value for flag, value in flags.items()):
                return False
            Post.objects.filter(pk=post.pk).update(**flags)
            return True


def _put_author_right(api: Guardian, name: str) -> bool:
    while True:
        before = _newest_receipt(author_id=name)
        standing = api.effects(author_id=name)
        wanted = {effect.action: effect for effect in standing.effects}
        with transaction.atomic():
            author = Author.objects.select_for_update().filter(name=name).first()
            if author is None:
                return False
            if _newest_receipt(author_id=name) != before:
                continue
            _keep_marks(AUTHOR, name, wanted.keys(), standing.sequence)
            was = (author.is_banned, author.suspension_ends())
            author.is_banned = "ban_author" in wanted
            author.suspended_until = _suspension(name, wanted.get(SUSPEND))
            author.save(update_fields=["is_banned", "suspended_until"])
            return was != (author.is_banned, author.suspension_ends())


def _keep_marks(kind: str, about: str, wanted: Collection[str], sequence: int) -> None:
    """What is made so now is as good as obeyed up to `sequence`; orders on their way may be older than that."""
    for effect in EFFECTS[kind]:
        keep_mark(kind, about, effect, sequence, is_reversal=effect not in wanted)


def _suspension(name: str, wanted: Effect | None) -> datetime | None:
    """Make the forum's memory of suspensions say the same as Guardian, and answer when the longest one ends."""
    standing = Receipt.objects.filter(author_id=name, action=SUSPEND, is_over=False)
    if wanted is None:
        standing.update(is_over=True)
        return None
    standing.filter(expires_at__gt=wanted.expires_at).update(is_over=True)
    # Its webhook, should it still come, finds this receipt and has nothing left to do.
    receipt, _new = Receipt.objects.get_or_create(
        webhook_id=wanted.order_id,
        defaults={
            "type": "action.apply",
            "action": SUSPEND,
            "case_id": wanted.case_id,
            "decision_id": wanted.decision_id,
            "author_id": name,
            "result": APPLIED,
        },
    )
    receipt.expires_at, receipt.is_over = wanted.expires_at, False
    receipt.save(update_fields=["expires_at", "is_over"])
    return wanted.expires_at


def _newest_receipt(**about: str) -> int:
    newest: int | None = Receipt.objects.filter(**about).aggregate(newest=Max("pk"))["newest"]
    return newest or 0
