"""What Guardian tells, beside its orders: how a case ended and why, that it is looked at again, how an appeal stands.

Notices have no order, and each may come more than once. So each is taken in once by its webhook-id, an older version of
a case never replaces a newer one, and an appeal that has its answer keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from moderation.demo.models import Appeal, Post, Receipt, Verdict
from moderation.demo.orders import APPLIED, Malformed

CASES = ("case.completed", "case.reopened")
APPEALS = ("appeal.received", "appeal.decided")
NOTICES = (*CASES, *APPEALS)
OPEN = ("submitted", "under_review")
"""The stages of an appeal, in their order, until it has its answer."""


@transaction.atomic
def take_note(webhook_id: str, document: Mapping[str, Any]) -> bool:
    """Keep what a notice says; was it new to us? Raises Malformed."""
    kind, data = document["type"], document.get("data")
    if not isinstance(data, dict):
        raise Malformed("`data` is missing.")
    post = Post.objects.select_for_update().filter(content_id=str(data.get("content_id"))).first()
    if post is None:
        return False
    case_id = _text(data, "case_id")
    _receipt, new = Receipt.objects.get_or_create(
        webhook_id=webhook_id,
        defaults={"type": kind, "case_id": case_id, "content_id": post.content_id, "result": APPLIED},
    )
    if not new:
        return False
    if kind in APPEALS:
        keep_appeal(
            post,
            _text(data, "appeal_id"),
            case_id=case_id,
            person=_text(data, "appellant_id"),
            side=_text(data, "side"),
            status=_text(data, "status"),
            answer=data.get("answer") or "",
        )
    else:
        _keep_verdict(post, case_id, data)
    return True


def keep_appeal(post: Post, appeal_id: str, *, status: str, **said: str) -> None:
    """Remember an appeal, as a notice or the answer to our own request tells it; whichever comes first."""
    with transaction.atomic():
        # The post first, as in `take_note`: a new appeal needs it at its commit, for the foreign key. Whoever had the
        # post and waited for that appeal, and whoever had the appeal and waited for that post, waited for ever.
        Post.objects.select_for_update().get(pk=post.pk)
        kept, new = Appeal.objects.select_for_update().get_or_create(
            appeal_id=appeal_id, defaults={"post": post, "status": status, **said}
        )
        if new:
            return
        for name, value in said.items():
            if value:
                setattr(kept, name, value)
        if _stage(status) >= _stage(kept.status):
            kept.status = status
        kept.save()


def _stage(status: str) -> int:
    return OPEN.index(status) if status in OPEN else len(OPEN)


def _keep_verdict(post: Post, case_id: str, data: Mapping[str, Any]) -> None:
    version, round = data.get("version"), data.get("round")
    if not isinstance(version, int) or not isinstance(round, int):
        raise Malformed("version, round: must be whole numbers.")
    kept = Verdict.objects.filter(case_id=case_id).first() or Verdict(case_id=case_id, post=post, version=-1)
    if version < kept.version:
        return
    kept.version, kept.round = version, round
    kept.status, kept.outcome = _text(data, "status"), data.get("outcome") or ""
    if kept.outcome:
        kept.reason = (data.get("statement") or {}).get("reason") or ""
    else:
        # Looked at again: the last reason stands until there is another one.
        kept.post.appeals.filter(case_id=case_id, status=OPEN[0]).update(status=OPEN[1])
    kept.save()
    if not post.case_id:  # the answer to our own request was lost
        post.case_id = case_id
        post.save(update_fields=["case_id"])


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str):
        raise Malformed(f"{name}: must be text.")
    return value
