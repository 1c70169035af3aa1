"""Doing what Guardian orders, once each: the whole of what a client app owes it.

`applied`: it was done now. `already`: it was so, or there is nothing here to do it to; that is a fine answer.
`refused`: it will never be done, with the reason. `already` with the detail `overtaken`: something later about the same
effect was obeyed before, so nothing is done. (One of Guardian's workers may have stood still, with this order in hand.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils.dateparse import parse_datetime

from moderation.demo.models import Author, Mark, Post, Receipt

ORDERS = ("action.apply", "action.reverse")
APPLIED, ALREADY, REFUSED = "applied", "already", "refused"
FLAGS = {
    "remove_content": ("is_removed", True),
    "restore_content": ("is_removed", False),
    "limit_visibility": ("is_limited", True),
    "restore_visibility": ("is_limited", False),
    "age_gate": ("is_age_gated", True),
    "remove_age_gate": ("is_age_gated", False),
    "label_content": ("is_labelled", True),
    "unlabel_content": ("is_labelled", False),
}
"""What each order about content changes."""
BANS = {"ban_author": True, "unban_author": False}
SUSPEND, UNSUSPEND, WARN = "suspend_author", "unsuspend_author", "warn_author"
OVERTAKEN = "overtaken"
CONTENT, AUTHOR = "content", "author"
UNDOES = {
    "restore_content": "remove_content",
    "restore_visibility": "limit_visibility",
    "remove_age_gate": "age_gate",
    "unlabel_content": "label_content",
    "unban_author": "ban_author",
    UNSUSPEND: SUSPEND,
}
EFFECTS = {
    CONTENT: ("remove_content", "limit_visibility", "age_gate", "label_content"),
    AUTHOR: ("ban_author", SUSPEND),
}
"""What can be in force, on what. A warning is no effect: it is said once, and nothing takes it back."""


class Malformed(Exception):
    """Not an order as the documentation describes it."""


@dataclass(frozen=True)
class Order:
    """What an `action.apply` or `action.reverse` says, as far as this app needs it."""

    type: str
    action: str
    case_id: str
    decision_id: str
    content_id: str
    author_id: str
    sequence: int
    expires_at: datetime | None

    @property
    def effect(self) -> str:
        return UNDOES.get(self.action, self.action)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Order:
        """Raises Malformed."""
        data = document.get("data")
        if not isinstance(data, dict):
            raise Malformed("`data` is missing.")
        names = ("action", "case_id", "decision_id", "content_id", "author_id")
        said = {name: data.get(name) for name in names}
        wrong = [name for name, value in said.items() if not isinstance(value, str)]
        if wrong:
            raise Malformed(f"{', '.join(wrong)}: must be text.")
        sequence = data.get("sequence")
        if not isinstance(sequence, int) or isinstance(sequence, bool) or not 0 <= sequence < 2**63:
            raise Malformed("sequence: must be a whole number.")
        params = data.get("params")
        end = params.get("expires_at") if isinstance(params, dict) else None
        try:
            expires_at = parse_datetime(end) if isinstance(end, str) else None
        except ValueError as error:
            raise Malformed("params.expires_at: no such time.") from error
        kind = str(document.get("type"))
        return cls(type=kind, sequence=sequence, expires_at=expires_at, **said)  # type: ignore[arg-type]


@transaction.atomic
def obey(webhook_id: str, order: Order) -> tuple[str, str]:
    """Carry the order out, unless this very webhook was obeyed before: then its first answer is given again.

    Answers (result, detail). Receipt and effect are one transaction, so a crash in between leaves neither.
    """
    _lock_subject(order)
    receipt, new = Receipt.objects.get_or_create(
        webhook_id=webhook_id,
        defaults={
            "type": order.type,
            "action": order.action,
            "case_id": order.case_id,
            "decision_id": order.decision_id,
            "content_id": order.content_id,
            "author_id": order.author_id,
            "expires_at": order.expires_at,
        },
    )
    if not new:
        return receipt.result, receipt.detail
    receipt.result, receipt.detail = _carry_out(order, receipt)
    receipt.is_over = receipt.detail == OVERTAKEN  # a suspension that was never carried out
    receipt.save(update_fields=["result", "detail", "is_over"])
    return receipt.result, receipt.detail


def keep_mark(kind: str, about: str, effect: str, sequence: int, *, is_reversal: bool) -> bool:
    """Keep that an effect was obeyed up to `sequence`; False, and nothing is kept, if something later was before.

    The transaction holds the row of the post or author, if there is one, so that the effect and its mark change as one.
    """
    mark, new = Mark.objects.select_for_update().get_or_create(
        kind=kind, about=about, effect=effect, defaults={"sequence": sequence, "is_reversal": is_reversal}
    )
    if new:
        return True
    # A reversal may have the number of the apply it takes the place of, and it comes after it.
    if sequence < mark.sequence or (sequence == mark.sequence and not is_reversal):
        return False
    mark.sequence, mark.is_reversal = sequence, is_reversal
    mark.save(update_fields=["sequence", "is_reversal"])
    return True


def _is_overtaken(order: Order) -> bool:
    kind, about = (CONTENT, order.content_id) if order.effect in EFFECTS[CONTENT] else (AUTHOR, order.author_id)
    return not keep_mark(kind, about, order.effect, order.sequence, is_reversal=order.type == ORDERS[1])


def _lock_subject(order: Order) -> None:
    """Before the receipt, as the catch-up does it: the other way round the two would wait for each other."""
    about_content = order.action in FLAGS
    name, of = ("content_id", order.content_id) if about_content else ("name", order.author_id)
    list((Post if about_content else Author)._default_manager.select_for_update().filter(**{name: of}))


def _carry_out(order: Order, receipt: Receipt) -> tuple[str, str]:
    if order.action in FLAGS:
        flag, value = FLAGS[order.action]
        # Locked: a catch-up that is just putting this post right ends first.
        post = Post.objects.select_for_update().filter(content_id=order.content_id).first()
        if _is_overtaken(order):
            return ALREADY, OVERTAKEN
        if post is None or getattr(post, flag) == value:
            return ALREADY, ""
        setattr(post, flag, value)
        post.save(update_fields=[flag])
        return APPLIED, ""
    author = Author.objects.select_for_update().filter(name=order.author_id).first()
    if order.action not in {*BANS, SUSPEND, UNSUSPEND, WARN}:
        return REFUSED, f"This app does not know {order.action}."[:200]
    if _is_overtaken(order):
        return ALREADY, OVERTAKEN
    if author is None:
        return ALREADY, ""
    before = (author.is_banned, author.suspended_until, author.warnings)
    if order.action in BANS:
        author.is_banned = BANS[order.action]
    elif order.action == WARN:
        author.warnings += 1
    else:
        author.suspended_until = _suspended_until(order, receipt)
    author.save()
    return (APPLIED if before != (author.is_banned, author.suspended_until, author.warnings) else ALREADY), ""


def _suspended_until(order: Order, receipt: Receipt) -> datetime | None:
    """Of several suspensions the longest counts.

    A case has one decision in force, so its newer suspension replaces its older one. A suspension that comes again for
    the same decision says that every longer one has gone. An `unsuspend_author` comes only when nobody wants one.
    """
    standing = Receipt.objects.filter(author_id=order.author_id, action=SUSPEND, is_over=False).exclude(pk=receipt.pk)
    if order.action == UNSUSPEND:
        standing.update(is_over=True)
        return None
    # Also one that was overtaken when it first came: a catch-up knows only the longest.
    known = Receipt.objects.filter(author_id=order.author_id, action=SUSPEND).exclude(pk=receipt.pk)
    if known.filter(case_id=order.case_id, decision_id=order.decision_id).exists():
        standing.filter(expires_at__gt=order.expires_at).update(is_over=True)
    standing.filter(case_id=order.case_id).update(is_over=True)
    longest: datetime | None = standing.aggregate(end=Max("expires_at"))["end"]
    return max((end for end in (longest, order.expires_at) if end is not None), default=None)
