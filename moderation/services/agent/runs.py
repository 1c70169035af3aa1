"""The seam to the agent: queue a leg, take it, carry it out, record how it ended.

The analysing leg runs under a lease, outside any transaction, because the analyst may think for half a minute.
The other two run in ONE transaction that holds the case's row: checkpoint, orders, state and event commit together or
not at all. Everything here may be called twice for the same run and acts once.
"""

from __future__ import annotations

import logging
import random
import threading
import uuid
from collections.abc import Sequence
from datetime import timedelta
from functools import cache

import psycopg
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from agents.contract import LeaseLost, Route, TryLater
from agents.runner import GRAPH_VERSION, Agent
from moderation.faultpoints import reach
from moderation.lifecycle import move
from moderation.models import Case, Decision, Run
from moderation.models.facts import tell
from moderation.rights import Actor
from moderation.services.agent.casework import CaseRows
from moderation.services.orders import announcements
from moderation.services.post.wakeup import wake_relay
from moderation.states import Move, Outcome, RunKind

LEASE = timedelta(seconds=45)
"""An analysing leg is bounded to 35 s; after this another worker may take it."""
ANALYSIS_TRIES = 4
"""Leases an analysis may take before the case goes to a human without it."""
LONGEST_WAIT_SECONDS = 600

_log = logging.getLogger(__name__)
_building = threading.Lock()


@cache
def _agent() -> Agent:
    return Agent(
        settings.AGENT,
        database_url=_database_url(),
        schema=settings.CHECKPOINT_SCHEMA,
    )


def agent() -> Agent:
    """This process's agent, built on first use (so always after a fork)."""
    with _building:
        return _agent()


def _database_url() -> str:
    database = connection.settings_dict
    return psycopg.conninfo.make_conninfo(
        "",
        **{
            key: value
            for key, value in {
                "dbname": database["NAME"],
                "user": database["USER"],
                "password": database["PASSWORD"],
                "host": database["HOST"],
                "port": database["PORT"],
                "sslmode": database["OPTIONS"].get("sslmode"),
                "sslrootcert": database["OPTIONS"].get("sslrootcert"),
            }.items()
            if value
        },
    )


def queue(
    case: Case,
    kind: RunKind,
    *,
    decision: Decision | None = None,
    delay: timedelta = timedelta(0),
    requested_by: str = "",
    reason: str = "",
    keep_in_force: bool = False,
) -> Run:
    """Write the row that makes a worker carry out `kind` for the case's present round, in the caller's transaction."""
    run = Run.objects.create(
        case=case,
        kind=kind,
        round=case.round,
        decision=decision,
        priority=case.priority,
        due_at=Now() + delay,
        requested_by=requested_by,
        reason=reason,
        keep_in_force=keep_in_force,
    )
    wake_relay()
    return run


def queue_starts(cases: Sequence[Case]) -> None:
    """Write the start runs of new cases, in one statement: due when their case came."""
    Run.objects.bulk_create(
        [
            Run(
                case=case,
                kind=RunKind.START,
                round=case.round,
                priority=case.priority,
                due_at=case.created_at,
                created_at=case.created_at,
            )
            for case in cases
        ]
    )
    wake_relay()


# --- the analysing leg -------------------------------------------------------------------------------------------


def analyse(run_id: uuid.UUID) -> None:
    """Carry out a start run: think, then pause for a human or clear the case."""
    run = _lease(run_id)
    if run is None:
        return
    rows = CaseRows(run.case, run)
    try:
        if run.attempts > ANALYSIS_TRIES:
            rows.record_failure(f"The analysis was tried {ANALYSIS_TRIES} times and did not end: {run.last_error}")
        else:
            agent().start(
                rows,
                thread_id=run.case.thread_id,
                case_id=str(run.case.pk),
                round=run.round,
                fence=rows.fence,
            )
        reach("analysis.before_pause")
        _end_analysis(run, rows)
        reach("analysis.after_pause")
    except TryLater as later:
        _postpone(run, later.seconds, str(later))
    except LeaseLost:
        _log.warning("run %s was taken over by another worker; nothing was written", run.pk)
    except Exception as error:
        _postpone(run, backoff(run.attempts), f"{type(error).__name__}: {error}")
        raise


def _lease(run_id: uuid.UUID) -> Run | None:
    token = uuid.uuid4()
    taken = (
        Run.objects.filter(pk=run_id, kind=RunKind.START, done_at=None, cancelled_at=None, due_at__lte=Now())
        .filter(Q(lease_until=None) | Q(lease_until__lte=Now()))
        .update(lease_token=token, lease_until=Now() + LEASE, attempts=F("attempts") + 1)
    )
    if not taken:
        return None
    return Run.objects.select_related("case").filter(pk=run_id, lease_token=token).first()


def _end_analysis(run: Run, rows: CaseRows) -> None:
    with transaction.atomic():
        case = Case.objects.select_for_update(no_key=True).get(pk=run.case_id)
        ended = Run.objects.filter(pk=run.pk, lease_token=run.lease_token, done_at=None, cancelled_at=None).update(
            done_at=Now(), lease_until=None
        )
        if not ended:
            raise LeaseLost
        thought = rows.assessment()
        how = Move.CLEAR if thought is not None and thought.route == Route.CLEAR else Move.PAUSE
        move(
            case,
            how,
            by=Actor.agent(),
            thread_version=GRAPH_VERSION,
            data={"run_id": str(run.pk)},
            tells=tell("assessment", thought) if thought is not None else None,
            **({"outcome": Outcome.CLEARED.value} if how is Move.CLEAR else {}),
        )
        if how is Move.CLEAR:
            announcements.announce_completed(case)
        else:
            announcements.announce_case(case, "case.review_requested")
        wake_relay()  # there is room for another analysis
        reach("analysis.in_pause")


def _postpone(run: Run, seconds: float, why: str) -> None:
    Run.objects.filter(pk=run.pk, lease_token=run.lease_token, done_at=None).update(
        lease_until=None,
        published_until=None,
        due_at=Now() + timedelta(seconds=seconds),
        last_error=why[:2000],
    )


def backoff(attempts: int) -> float:
    """Seconds before the next try: 1, 4, 16, 64 … up to ten minutes, with a fifth of jitter."""
    return float(min(LONGEST_WAIT_SECONDS, 4 ** max(0, attempts - 1)) * random.uniform(0.8, 1.2))
