"""The legs in ONE transaction that holds the case's row: resume and rollback.

Checkpoint, orders, answers of appeals, state and event commit together or not at all. Everything here may be called
twice for the same run and acts once.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from agents.contract import Leg
from agents.runner import GRAPH_VERSION
from moderation.faultpoints import reach
from moderation.models import Case, Run
from moderation.rights import Actor
from moderation.services.agent import runs
from moderation.services.agent.casework import CaseRows
from moderation.services.orders import closing
from moderation.services.record.history import note
from moderation.services.story import answers
from moderation.states import RunKind, Status


def resume(run_id: uuid.UUID) -> None:
    """Carry out a resume run: wake the agent with the decision; its orders and their event commit with its thread."""
    _in_one_transaction(run_id, RunKind.RESUME, Status.ENFORCING, _resume)


def roll_back(run_id: uuid.UUID) -> None:
    """Carry out a rollback run: plan the reversals and pause the agent for the next round."""
    _in_one_transaction(run_id, RunKind.ROLLBACK, Status.ROLLING_BACK, _roll_back)


def _resume(case: Case, run: Run) -> Leg:
    leg = runs.agent().resume(
        CaseRows(case, run),
        connection=_raw_connection(),
        thread_id=case.thread_id,
        case_id=str(case.pk),
        round=run.round,
        decision_id=str(run.decision_id),
        stored_version=case.thread_version,
    )
    if case.decision is not None:
        answers.answer(case, case.decision)
    return leg


def _roll_back(case: Case, run: Run) -> Leg:
    return runs.agent().roll_back(
        CaseRows(case, run),
        connection=_raw_connection(),
        thread_id=case.thread_id,
        case_id=str(case.pk),
        round=run.round,
        stored_version=case.thread_version,
    )


def _in_one_transaction(run_id: uuid.UUID, kind: RunKind, status: Status, leg: Callable[[Case, Run], Leg]) -> None:
    try:
        with transaction.atomic():
            # The case first: the order of locks is cases, subjects, orders, everywhere.
            case = (
                Case.objects.select_for_update(of=("self",), no_key=True)
                .select_related("decision")
                .filter(runs__pk=run_id, status=status)
                .first()
            )
            if case is None:
                return
            run = Run.objects.filter(
                pk=run_id, kind=kind, round=case.round, done_at=None, cancelled_at=None, due_at__lte=Now()
            ).first()
            if run is None:
                return
            ended = leg(case, run)
            Run.objects.filter(pk=run_id).update(done_at=Now(), rebuilt=ended.rebuilt)
            if ended.rebuilt:
                note(
                    case,
                    "agent.thread_rebuilt",
                    by=Actor.agent(),
                    run_id=str(run_id),
                    leg=kind.value,
                    round=run.round,
                )
            if case.thread_version != GRAPH_VERSION:
                Case.objects.filter(pk=case.pk).update(thread_version=GRAPH_VERSION)
            closing.settle_or_reopen(case)
            reach(f"{kind.value}.before_commit")
        reach(f"{kind.value}.after_commit")
    except Exception as error:
        _try_again_later(run_id, error)
        raise


def _try_again_later(run_id: uuid.UUID, error: Exception) -> None:
    """These legs never give up: the decision stands, so its orders must come. Shown on the case page and by doctor."""
    run = Run.objects.filter(pk=run_id, done_at=None, cancelled_at=None).first()
    if run is not None:
        Run.objects.filter(pk=run_id).update(
            attempts=F("attempts") + 1,
            published_until=None,
            due_at=Now() + timedelta(seconds=runs.backoff(run.attempts + 1)),
            last_error=f"{type(error).__name__}: {error}"[:2000],
        )


def _raw_connection() -> psycopg.Connection[Any]:
    connection.ensure_connection()
    raw: psycopg.Connection[Any] = connection.connection
    return raw
