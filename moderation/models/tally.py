"""What /metrics counts: one small table, added to by the sealing job alone."""

from __future__ import annotations

from django.db import models


class Tally(models.Model):
    """How much there has been of one thing, ever. `labels`: what kind of it, as Prometheus has it."""

    name = models.CharField(max_length=60)
    labels = models.JSONField(default=dict, blank=True)
    value = models.FloatField(default=0)

    class Meta:
        verbose_name_plural = "tallies"
        constraints = [models.UniqueConstraint(fields=["name", "labels"], name="one_row_per_tally")]

    def __str__(self) -> str:
        return f"{self.name} {self.labels}"
