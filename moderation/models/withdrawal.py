"""The content is gone on the client's side."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from moderation.models.case import Case
from moderation.models.salted import Salted


class Withdrawal(Salted):
    """Why a case was withdrawn, and whether what was done stays in force; again after a rollback. By `user`, or else by
    the case's client."""

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="withdrawals")
    reason = models.TextField()
    keep_in_force = models.BooleanField()
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"of {self.case_id}"
