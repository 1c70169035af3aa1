"""The people who work here."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

NAME_STAYS = _("This person has decided under this name: it does not change any more.")


class Role(models.TextChoices):
    """What somebody is here for."""

    MODERATOR = "moderator", _("Moderator")
    SUPERVISOR = "supervisor", _("Supervisor")


class User(AbstractUser):
    """A moderator decides in the console; a supervisor works in the admin and may take part in the console."""

    role = models.CharField(max_length=20, choices=Role.choices, default=Role.MODERATOR)

    @property
    def has_decided(self) -> bool:
        """Its name stands in decisions, by which four eyes are told apart: a trigger (migration 0005) keeps it."""
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
        # Django admin asks for is_staff; here the role is the only thing that gives it.
        self.is_staff = self.is_supervisor
        super().save(*args, **kwargs)
