"""Who may see or lock which case: the only fetchers the doors and the verbs use. They authorise in the query, so an
object of another client is simply not there."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet

from moderation.errors import NotFound
from moderation.models import Appeal, Case, Client, User

NO_SUCH_CASE = "There is no such case."


def cases_for(*, client: Client | None = None, user: User | None = None) -> QuerySet[Case]:
    """The cases this client, or this person, may see."""
    cases = Case.objects.all()
    if client is not None:
        return cases.filter(client=client)
    if user is not None and not user.is_active:
        return cases.none()
    return cases


def the_case(case_id: uuid.UUID, *, client: Client | None = None, user: User | None = None) -> Case:
    """One case, to read. Raises NotFound."""
    case = cases_for(client=client, user=user).filter(pk=case_id).first()
    if case is None:
        raise NotFound(NO_SUCH_CASE)
    return case


def locked_case(case_id: uuid.UUID, *, client: Client | None = None, user: User | None = None) -> Case:
    """One case with its row locked until the transaction ends; the first lock every verb takes. Raises NotFound."""
    case = (
        cases_for(client=client, user=user)
        .select_related("decision")
        .select_for_update(of=("self",), no_key=True)
        .filter(pk=case_id)
        .first()
    )
    if case is None:
        raise NotFound(NO_SUCH_CASE)
    return case


def the_appeal(appeal_id: uuid.UUID, *, client: Client) -> Appeal:
    """One appeal of this client's. Raises NotFound."""
    appeal = Appeal.objects.filter(pk=appeal_id, case__client=client).first()
    if appeal is None:
        raise NotFound("There is no such appeal.")
    return appeal


def the_appeal_behind(token: str) -> Appeal:
    """The appeal whose public page has this token. Raises NotFound."""
    appeal = Appeal.objects.select_related("case", "decision").filter(token=token).first()
    if appeal is None:
        raise NotFound("There is no such page.")
    return appeal
