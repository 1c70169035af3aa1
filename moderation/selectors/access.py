"""Who may see or lock which case: the only fetchers the doors and the verbs use. They authorise in the query, so an
object of another client is simply not there."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet

from moderation.errors import NotFound
from moderation.models import Appeal, Case, Client, User

NO_SUCH_CASE = "There is no such case."
NO_SUCH_APPEAL = "There is no such appeal."


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


def appeals_of(client: Client) -> QuerySet[Appeal]:
    """The appeals of this client's cases."""
    return Appeal.objects.filter(client=client)


def the_appeal(appeal_id: uuid.UUID, *, client: Client) -> Appeal:
    """One appeal of this client's. Raises NotFound."""
    appeal = Appeal.objects.filter(pk=appeal_id, case__client=client).first()
    if appeal is None:
        raise NotFound(NO_SUCH_APPEAL)
    return appeal


def locked_appeal(appeal_id: uuid.UUID, *, user: User) -> Appeal:
    """One appeal with its case's row locked until the transaction ends, as `appeal.case`. Raises NotFound."""
    case_id = Appeal.objects.filter(pk=appeal_id).values_list("case_id", flat=True).first()
    if case_id is None:
        raise NotFound(NO_SUCH_APPEAL)
    case = locked_case(case_id, user=user)
    # Read after the lock was had: whoever closed it a moment ago has been waited for.
    appeal = Appeal.objects.select_related("decision").get(pk=appeal_id)
    appeal.case = case
    return appeal


def case_of_appeal(appeal_id: uuid.UUID, *, user: User) -> uuid.UUID:
    """The id of the case this appeal belongs to. Raises NotFound."""
    return _case_id(cases_for(user=user).filter(appeals__pk=appeal_id), NO_SUCH_APPEAL)


def case_of_order(order_id: uuid.UUID, *, user: User) -> uuid.UUID:
    """The id of the case this order belongs to. Raises NotFound."""
    return _case_id(cases_for(user=user).filter(orders__pk=order_id), "There is no such order.")


def _case_id(cases: QuerySet[Case], otherwise: str) -> uuid.UUID:
    case_id = cases.values_list("pk", flat=True).first()
    if case_id is None:
        raise NotFound(otherwise)
    return case_id


def the_appeal_behind(token: str) -> Appeal:
    """The appeal whose public page has this token. Raises NotFound."""
    if "\x00" in token:  # PostgreSQL takes no NUL in a text
        raise NotFound("There is no such page.")
    appeal = Appeal.objects.select_related("case__client", "decision").filter(token=token).first()
    if appeal is None:
        raise NotFound("There is no such page.")
    return appeal
