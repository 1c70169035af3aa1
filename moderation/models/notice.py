"""What Guardian tells a client app: the feed's rows, and the outbox of those that are not orders."""

from __future__ import annotations

from django.db import models

from moderation.models.case import Case
from moderation.models.client import Client
from moderation.models.order import Order
from moderation.models.work import OUT, Work

WAITS = models.Q(order=None, feed_only=False, delivered_at=None, failed_at=None)


class Notices(models.QuerySet["Notice"]):
    def waiting(self) -> Notices:
        """Still to be delivered by a webhook of its own."""
        return self.filter(WAITS)


class Notice(Work):
    """One announcement. `document`: the webhook's body. `order`: the order that carries it, which then is delivered in
    its own line; other notices have no order and block nothing. `feed_only`: the client had no address when it was
    written, or has lost it since (a trigger, migration 0005): it is read in the feed and never sent. `position`: its
    place in the client's feed, given after commit by the sealing job, so that nothing ever appears behind a place
    already served."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="notices")
    case = models.ForeignKey(Case, on_delete=models.CASCADE, null=True, blank=True, related_name="notices")
    order = models.OneToOneField(Order, on_delete=models.CASCADE, null=True, blank=True, related_name="notice")
    feed_only = models.BooleanField(default=False, db_default=False)
    type = models.CharField(max_length=40)
    document = models.JSONField()
    position = models.BigIntegerField(null=True, blank=True, unique=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)

    objects = Notices.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["client", "position"], name="notice_feed"),
            models.Index(fields=["id"], name="notice_unplaced", condition=models.Q(position=None)),
            models.Index(fields=["client", "due_at", "id"], name="notice_due", condition=WAITS),
            models.Index(fields=["client"], name="notice_out", condition=WAITS & OUT),
        ]

    def __str__(self) -> str:
        return self.type
