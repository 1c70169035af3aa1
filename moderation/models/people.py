"""The people who work here, and how they get in."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

NAME_STAYS = _("This person has decided under this name: it does not change any more.")


class Role(models.TextChoices):
    """What somebody is here for."""

    MODERATOR = "moderator", _("Moderator")
    SUPERVISOR = "supervisor", _("Supervisor")


class User(AbstractUser):
    """A moderator decides in the console; a supervisor works in the admin and may take part in the console.

    `password_link`: the SHA-256 of the one link with which the password can be set until `password_link_until`; empty:
    none is out. `logged_out`: how often all sessions of this person were ended; part of what every session is tied to.
    """

    role = models.CharField(max_length=20, choices=Role.choices, default=Role.MODERATOR)
    password_link = models.CharField(max_length=64, blank=True, default="", editable=False)
    password_link_until = models.DateTimeField(null=True, blank=True, editable=False)
    logged_out = models.PositiveIntegerField(default=0, editable=False)

    @property
    def has_decided(self) -> bool:
        """Its name stands in decisions, by which four eyes are told apart: a trigger (migration 0010) keeps it."""
        return self.decision_set.exists()

    @property
    def is_supervisor(self) -> bool:
        return self.is_superuser or self.role == Role.SUPERVISOR

    def clean(self) -> None:
        super().clean()
        before = User.objects.filter(pk=self.pk).values_list("username", flat=True).first()
        if before not in (None, self.username) and self.has_decided:
            raise ValidationError({"username": NAME_STAYS})

    def save(self, *args: Any, **kwargs: Any) -> None:
        # `createsuperuser` makes a supervisor, who is called so. Django's admin asks for is_staff: the role gives it.
        if self.is_superuser:
            self.role = Role.SUPERVISOR
        self.is_staff = self.is_supervisor
        super().save(*args, **kwargs)

    def get_session_auth_hash(self) -> str:
        """What a session is tied to: another password, or one more `logged_out`, and every session has ended."""
        said = f"{self.password}:{self.logged_out}"
        return salted_hmac("moderation.models.User.get_session_auth_hash", said, algorithm="sha256").hexdigest()

    def get_session_auth_fallback_hash(self) -> Any:
        yield from ()


class LoginTries(models.Model):
    """How many passwords were tried lately for a name at an address, or from an address, or for a name: `spent` as of
    `at`; it runs down with time (moderation.services.desk.logins). `key` is a keyed hash: people type their password
    into the wrong field. `good_at`: when this person last logged in from this address."""

    key = models.CharField(primary_key=True, max_length=64)
    spent = models.FloatField()
    at = models.DateTimeField(db_default=Now(), db_index=True)
    good_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "login tries"

    def __str__(self) -> str:
        return f"{self.key[:8]}…"
