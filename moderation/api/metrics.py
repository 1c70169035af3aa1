"""/metrics for Prometheus: read from our own tables when asked, so that every process tells the same."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count, F, Sum
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from moderation.models import Appeal, Case, Client, Order, Worker
from moderation.services.post import outbox
from moderation.states import IN_LINE, OPEN_APPEALS, OrderStatus, Status


class Tables(Collector):
    """Gauges over cases, orders, appeals, clients and workers."""

    def collect(self) -> Iterator[Metric]:
        cases = GaugeMetricFamily("guardian_cases", "Cases not completed, by status", labels=["status"])
        counted = dict(
            Case.objects.exclude(status=Status.COMPLETED).values_list("status").annotate(n=Count("pk")).order_by()
        )
        for status in Status.values:
            if status != Status.COMPLETED:
                cases.add_metric([status], counted.get(status, 0))
        yield cases
        yield _gauge("guardian_cases_overdue", "Cases whose review is overdue", Case.objects.filter(
            status=Status.PENDING_REVIEW, due_at__lt=Now()).count())  # fmt: skip
        waits = Case.objects.filter(status=Status.PENDING_REVIEW).annotate(waits=Now() - F("moved_at"))
        longest = waits.order_by("moved_at").values_list("waits", flat=True).first()
        age = longest.total_seconds() if longest else 0
        yield _gauge("guardian_oldest_review_seconds", "How long the oldest case waits for review", age)
        yield _gauge(
            "guardian_outbox_age_seconds", "How long the oldest due row waits", outbox.oldest_waiting_seconds()
        )
        yield _gauge("guardian_orders_waiting", "Orders to deliver", Order.objects.filter(status__in=IN_LINE).count())
        yield _gauge(
            "guardian_orders_failed", "Orders given up", Order.objects.filter(status=OrderStatus.FAILED).count()
        )
        yield _gauge("guardian_appeals_open", "Appeals without an answer", Appeal.objects.filter(
            status__in=OPEN_APPEALS).count())  # fmt: skip
        failing = Client.objects.filter(failing_since__isnull=False).count()
        yield _gauge("guardian_endpoints_failing", "Clients whose endpoint fails", failing)
        threads = Worker.objects.aggregate(n=Sum("threads"))["n"] or 0
        yield _gauge("guardian_worker_threads", "Threads of all workers", threads)


def _gauge(name: str, said: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, said, value=value)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Counts only: nothing in it tells of a person or a text."""
    registry = CollectorRegistry()
    registry.register(Tables())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
