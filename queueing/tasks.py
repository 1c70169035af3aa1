"""The tasks: take an id, call the verb. Retries, waits and leases are columns of the row, never of the message."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from moderation.services.agent import runs
from moderation.services.chores import JOBS
from moderation.services.orders import delivery, notices
from moderation.services.post.outbox import NOTICE_KIND, ORDER_KIND
from moderation.services.story import legs
from moderation.states import RunKind


@shared_task(name="start_agent")
def start_agent(run_id: str) -> None:
    runs.analyse(UUID(run_id))


@shared_task(name="resume_agent")
def resume_agent(run_id: str) -> None:
    legs.resume(UUID(run_id))


@shared_task(name="rollback_workflow")
def rollback_workflow(run_id: str) -> None:
    legs.roll_back(UUID(run_id))


@shared_task(name="deliver_order")
def deliver_order(order_id: str) -> None:
    delivery.deliver(UUID(order_id))


@shared_task(name="deliver_notice")
def deliver_notice(notice_id: str) -> None:
    notices.deliver(UUID(notice_id))


@shared_task(name="periodic")
def periodic(name: str) -> None:
    JOBS[name]()


TASK_OF = {
    RunKind.START.value: start_agent,
    RunKind.RESUME.value: resume_agent,
    RunKind.ROLLBACK.value: rollback_workflow,
    ORDER_KIND: deliver_order,
    NOTICE_KIND: deliver_notice,
}
"""Which task carries which kind of row."""
