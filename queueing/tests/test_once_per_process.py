"""Pools, the graph and the analyst are made once per process, never per case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import psycopg
import pytest
from django.db import connection

from agents import assessors, graph
from moderation.models import Case
from moderation.services.agent import runs
from moderation.tests.people import App, until
from moderation.tests.platform import Platform
from queueing.embedded import THREADS, Embedded

CASES = 50


def test_many_cases_open_no_connection_each_and_one_agent_serves_them_all(
    client_app: App, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[str] = []
    runs.agent().close()
    runs._agent.cache_clear()
    for module in (graph, assessors):
        monkeypatch.setattr(module, "build", _noting(module.build, built, module.__name__))
    opened: list[str] = []
    connect = psycopg.Connection.connect.__func__  # type: ignore[attr-defined]

    def counted(cls: type, *args: Any, **kwargs: Any) -> Any:
        opened.append(cls.__name__)
        return connect(cls, *args, **kwargs)

    ending = Embedded()
    with patch.object(psycopg.Connection, "connect", classmethod(counted)):
        ending.start()
        try:
            _review_and_complete(client_app, 20)
            warm = len(opened)
            _review_and_complete(client_app, CASES)
        finally:
            ending.stop()
    assert warm > 0
    # The pools may still grow to the number of threads that happen to be busy at once; one a case would be 50 more.
    assert len(opened) - warm <= THREADS
    assert sorted(built) == ["agents.assessors", "agents.graph"]
    until(lambda: _at_work(), lambda count: count == 0)


def _review_and_complete(client_app: App, count: int) -> None:
    ids = [client_app.start(author_id=f"author-{number}") for number in range(count)]
    until(lambda: _statuses(ids), lambda found: found == {"pending_review"})
    for case_id in ids:
        assert client_app.decide(case_id, "label_content").status_code == 202
    until(lambda: _statuses(ids), lambda found: found == {"completed"})


def _statuses(ids: list[str]) -> set[str]:
    return set(Case.objects.filter(pk__in=ids).values_list("status", flat=True))


def _noting(build: Callable[..., Any], built: list[str], name: str) -> Callable[..., Any]:
    def noted(*args: Any) -> Any:
        built.append(name)
        return build(*args)

    return noted


def _at_work() -> int:
    """Connections of the ending's threads that are still in the middle of something."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend' AND state <> 'idle'"
        )
        row: tuple[int] = cursor.fetchone()
        return row[0]
