"""Policies and their versions: decisions and assessments pin the version that was in force."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Severity(models.TextChoices):
    """How much harm a policy guards against; the same words as agents.contract.Severity."""

    LOW = "low", _("Low")
    MEDIUM = "medium", _("Medium")
    HIGH = "high", _("High")
    CRITICAL = "critical", _("Critical")


class AppealMode(models.TextChoices):
    """What an appeal does before the second review."""

    RESTORE_FIRST = "restore_first", _("Restore first, then review again")
    KEEP_IN_FORCE = "keep_in_force", _("Keep in force until the second review")


class Policy(models.Model):
    """A rule with a slug. Its text lives in its versions."""

    slug = models.SlugField(max_length=80, unique=True)
    is_active = models.BooleanField(default=True)

    class Meta:
        verbose_name_plural = "policies"

    def __str__(self) -> str:
        return self.slug


class PolicyVersion(models.Model):
    """What a policy said from `created_at` until its next version. Never edited.

    `threshold`: confidence (0..1) from which the agent's finding counts. `terms`: regular expressions of the rules
    analyst. `allowed_actions`: names from moderation.models.actions. `appeal_window_days`: for how long a decision
    under this version can be appealed. `category`: its name in the EU's DSA Transparency Database.
    """

    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    title = models.CharField(max_length=200)
    text = models.TextField()
    examples = ArrayField(models.TextField(), default=list, blank=True)
    terms = ArrayField(models.TextField(), default=list, blank=True)
    severity = models.CharField(max_length=10, choices=Severity.choices)
    threshold = models.FloatField(default=0.7)
    allowed_actions = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    appeal_mode = models.CharField(max_length=15, choices=AppealMode.choices, default=AppealMode.RESTORE_FIRST)
    appeal_window_days = models.PositiveIntegerField(default=184)
    category = models.CharField(max_length=80, default="STATEMENT_CATEGORY_OTHER_VIOLATION_TC")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["policy_id", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["policy", "number"], name="one_version_per_number"),
            models.CheckConstraint(condition=models.Q(threshold__gte=0, threshold__lte=1), name="threshold_is_a_share"),
            models.CheckConstraint(condition=models.Q(severity__in=Severity.values), name="known_severity"),
        ]

    def __str__(self) -> str:
        return f"{self.title} (v{self.number})"
