"""Client apps, their keys, and what they said under an idempotency key."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now


class Client(models.Model):
    """An app whose content is moderated.

    `webhook_url` empty: the client fetches its orders itself (pull mode). Two webhook secrets live while one is
    rotated: the old one signs beside the new one until `old_secret_until`.
    `failing_since`: the endpoint has answered nothing good since then.
    """

    name = models.CharField(max_length=200, unique=True)
    is_active = models.BooleanField(default=True)
    webhook_url = models.CharField(max_length=2000, blank=True, default="")
    webhook_secret = models.CharField(max_length=100)
    old_webhook_secret = models.CharField(max_length=100, blank=True, default="")
    old_secret_until = models.DateTimeField(null=True, blank=True)
    rate_per_second = models.PositiveIntegerField(default=200)
    rate_burst = models.PositiveIntegerField(default=1000)
    failing_since = models.DateTimeField(null=True, blank=True)
    tried_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.name


class Scope(models.TextChoices):
    """What an API key may do."""

    CASES_READ = "cases:read"
    CASES_WRITE = "cases:write"
    DECISIONS_WRITE = "decisions:write"
    ROLLBACK_WRITE = "rollback:write"
    APPEALS_WRITE = "appeals:write"


class ApiKey(models.Model):
    """`gk_<id>_<secret>`; the secret has 256 random bits, so one fast hash of it is enough. `used_lately`: no column;
    whether a key that was just authenticated need not be marked as used again."""

    used_lately: bool | None = None

    id = models.CharField(primary_key=True, max_length=16)
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="keys")
    secret_hash = models.CharField(max_length=64)
    scopes = ArrayField(models.CharField(max_length=40, choices=Scope.choices))
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"gk_{self.id}_…"


class TokenBucket(models.Model):
    """How many requests a key may still make: `tokens` as of `filled_at`."""

    key = models.OneToOneField(ApiKey, on_delete=models.CASCADE, primary_key=True, related_name="+")
    tokens = models.FloatField()
    filled_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.key_id}: {self.tokens:.0f}"


class IdempotentAnswer(models.Model):
    """The first answer under a key, written in the transaction of its effect. Kept 48 hours."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    print = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField()
    body = models.BinaryField()
    created_at = models.DateTimeField(db_default=Now(), db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["client", "key"], name="one_answer_per_key")]

    def __str__(self) -> str:
        return f"{self.client_id}/{self.key}"
