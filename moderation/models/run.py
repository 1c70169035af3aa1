"""One leg of the agent's work for a case: the row is outbox and inbox in one."""

from __future__ import annotations

from django.db import models

from moderation.models.case import Case
from moderation.models.judgement import Decision
from moderation.models.salted import Salted
from moderation.models.work import OUT, Work
from moderation.states import RunKind


class Run(Salted, Work):
    """Start, resume or rollback. `failure`: why the analysis has no answer. `rebuilt`: why the agent's thread had to
    be made anew before this leg. A rollback keeps who asked for it and why,
    and whether what was done stays in force meanwhile."""

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="runs")
    kind = models.CharField(max_length=10, choices=RunKind.choices)
    round = models.PositiveIntegerField()
    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    requested_by = models.CharField(max_length=200, blank=True, default="")
    reason = models.TextField(blank=True, default="")
    keep_in_force = models.BooleanField(default=False)
    failure = models.TextField(blank=True, default="")
    rebuilt = models.TextField(blank=True, default="", db_default="")
    done_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["case", "kind", "round"],
                condition=models.Q(cancelled_at=None),
                name="one_run_per_kind_and_round",
            ),
            models.CheckConstraint(condition=models.Q(kind__in=RunKind.values), name="run_known_kind"),
        ]
        indexes = [
            models.Index(
                fields=["kind", "priority", "due_at"],
                name="run_due",
                condition=models.Q(done_at=None, cancelled_at=None),
            ),
            models.Index(fields=["kind"], name="run_out", condition=models.Q(done_at=None, cancelled_at=None) & OUT),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.case_id}, round {self.round}"
