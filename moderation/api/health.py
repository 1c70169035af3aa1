"""Is the process alive; can it work."""

from __future__ import annotations

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from moderation.middleware import DATABASE_AWAY, RETRY_AFTER_SECONDS
from moderation.services.post import outbox

LATE_SECONDS = 60


@require_safe
def livez(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 `ok` or `degraded` (work waits too long); 503 when the database is away or its migrations are missing."""
    try:
        executor = MigrationExecutor(connection)
        missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
        waiting = outbox.oldest_waiting_seconds() if not missing else 0.0
    except DATABASE_AWAY:
        return _not_ready("database", "cannot be reached")
    if missing:
        return _not_ready("migrations", f"{missing} missing: run manage.py migrate")
    late = waiting > LATE_SECONDS
    return JsonResponse(
        {
            "status": "degraded" if late else "ok",
            "database": "ok",
            "migrations": "ok",
            "outbox_age_seconds": round(waiting, 1),
        }
    )


def _not_ready(part: str, why: str) -> JsonResponse:
    response = JsonResponse({"status": "unavailable", part: why}, status=503)
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
