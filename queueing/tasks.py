"""The tasks: take an id, call the verb. Retries, waits and leases are columns of the row, never of the message."""

from __future__ import annotations

import functools
from collections.abc import Callable
from uuid import UUID

from celery import shared_task

from moderation.services.agent import runs
from moderation.services.chores import JOBS
from moderation.services.orders import delivery, notices
from moderation.services.post.outbox import NOTICE_KIND, ORDER_KIND
from moderation.services.story import legs
from moderation.standing import DATABASE, DATABASE_AWAY, Standing
from moderation.states import RunKind
from queueing.consumer import TAKING

_jobs = {name: Standing(f"the periodic job {name!r}") for name in JOBS}


def carried(work: Callable[[str], None]) -> Callable[[str], None]:
    """A database that is away is no error of the task's: it is said once, and the row, which is still due, is offered
    again."""

    @functools.wraps(work)
    def carry(argument: str) -> None:
        TAKING.works()
        try:
            work(argument)
        except DATABASE_AWAY as error:
            DATABASE.failed(error)
        else:
            DATABASE.works()

    return carry


@shared_task(name="start_agent")
@carried
def start_agent(run_id: str) -> None:
    runs.analyse(UUID(run_id))


@shared_task(name="resume_agent")
@carried
def resume_agent(run_id: str) -> None:
    legs.resume(UUID(run_id))


@shared_task(name="rollback_workflow")
@carried
def rollback_workflow(run_id: str) -> None:
    legs.roll_back(UUID(run_id))


@shared_task(name="deliver_order")
@carried
def deliver_order(order_id: str) -> None:
    delivery.deliver(UUID(order_id))


@shared_task(name="deliver_notice")
@carried
def deliver_notice(notice_id: str) -> None:
    notices.deliver(UUID(notice_id))


@shared_task(name="periodic")
@carried
def periodic(name: str) -> None:
    try:
        JOBS[name]()
    except DATABASE_AWAY:
        raise
    except Exception as error:  # noqa: BLE001 - it comes again in a second: said once, with its traceback
        _jobs[name].failed(error)
    else:
        _jobs[name].works()


TASK_OF = {
    RunKind.START.value: start_agent,
    RunKind.RESUME.value: resume_agent,
    RunKind.ROLLBACK.value: rollback_workflow,
    ORDER_KIND: deliver_order,
    NOTICE_KIND: deliver_notice,
}
"""Which task carries which kind of row."""
