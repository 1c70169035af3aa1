"""Who may see or lock which case: the only fetchers the doors and the verbs use. They authorise in the query, so an
object of another client is simply not there; what is nobody's is shown to nobody."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from django.db.models import QuerySet

from moderation.errors import NotFound, PreconditionFailed
from moderation.models import Appeal, Case, Client, User
from moderation.models.case import CaseQuerySet
from moderation.rights import Actor, Verb, require

NO_SUCH_CASE = "There is no such case."
NO_SUCH_APPEAL = "There is no such appeal."


# --- to read -----------------------------------------------------------------------------------------------------


def cases_of(client: Client) -> CaseQuerySet:
    """This client's cases."""
    return Case.objects.filter(client=client)


def cases_for(user: User) -> CaseQuerySet:
    """The cases this person may see: whoever works here sees all."""
    return Case.objects.all() if user.is_authenticated and user.is_active else Case.objects.none()


def appeals_of(client: Client) -> QuerySet[Appeal]:
    """The appeals of this client's cases."""
    return Appeal.objects.filter(client=client)


def case_of(client: Client, case_id: uuid.UUID) -> Case:
    """One case of this client's, to read. Raises NotFound."""
    return _found(cases_of(client).filter(pk=case_id))


def case_for(user: User, case_id: uuid.UUID) -> Case:
    """One case, to be read by this person. Raises NotFound."""
    return _found(cases_for(user).filter(pk=case_id))


def appeal_of(client: Client, appeal_id: uuid.UUID) -> Appeal:
    """One appeal of this client's. Raises NotFound."""
    appeal = appeals_of(client).filter(pk=appeal_id).first()
    if appeal is None:
        raise NotFound(NO_SUCH_APPEAL)
    return appeal


def case_of_appeal(user: User, appeal_id: uuid.UUID) -> uuid.UUID:
    """The id of the case this appeal belongs to. Raises NotFound."""
    return _case_id(cases_for(user).filter(appeals__pk=appeal_id), NO_SUCH_APPEAL)


def case_of_order(user: User, order_id: uuid.UUID) -> uuid.UUID:
    """The id of the case this order belongs to. Raises NotFound."""
    return _case_id(cases_for(user).filter(orders__pk=order_id), "There is no such order.")


def the_appeal_behind(token: str) -> Appeal:
    """The appeal whose public page has this token. Raises NotFound."""
    if "\x00" in token:  # PostgreSQL takes no NUL in a text
        raise NotFound("There is no such page.")
    appeal = Appeal.objects.select_related("case__client", "decision").filter(token=token).first()
    if appeal is None:
        raise NotFound("There is no such page.")
    return appeal


# --- to change ---------------------------------------------------------------------------------------------------


def opened(case_id: uuid.UUID, verb: Verb, *, by: Actor) -> Case:
    """The case for `by` to do `verb` on, its row locked until the transaction ends: the first step of every verb.

    `is_claimed` says whether its claim lives. Raises NotAllowed as the table of rights says, NotFound also for another
    client's case.
    """
    require(by, verb)
    return _locked(_reach(by), case_id)


def expect(case: Case, version: Collection[int] | None) -> None:
    """Raises PreconditionFailed unless the case is at one of these versions (`If-Match`); None: any. Asked once the
    state allows the verb: that a case is decided says more than that it has changed."""
    if version is not None and case.version not in version:
        raise PreconditionFailed(f"The case is at version {case.version} now. Nothing was changed; look again.")


def opened_appeal(appeal_id: uuid.UUID, verb: Verb, *, by: Actor) -> Appeal:
    """One appeal for `by` to do `verb` on, its case's row locked as `appeal.case`. Raises NotAllowed, NotFound."""
    require(by, verb)
    case_id = Appeal.objects.filter(pk=appeal_id).values_list("case_id", flat=True).first()
    if case_id is None:
        raise NotFound(NO_SUCH_APPEAL)
    case = _locked(_reach(by), case_id, otherwise=NO_SUCH_APPEAL)
    # Read after the lock was had: whoever closed it a moment ago has been waited for.
    appeal = Appeal.objects.select_related("decision").get(pk=appeal_id)
    appeal.case = case
    return appeal


def locked(case_id: uuid.UUID) -> Case:
    """One case with its row locked until the transaction ends, for what happens by itself: asks for no rights. Raises
    NotFound."""
    return _locked(Case.objects.all(), case_id)


def _reach(by: Actor) -> CaseQuerySet:
    """The cases that `by` can get hold of: a client its own, whoever works here all."""
    if by.client is not None:
        return Case.objects.filter(client_id=by.client)
    return Case.objects.all() if by.user is not None and by.role is not None else Case.objects.none()


def _locked(cases: CaseQuerySet, case_id: uuid.UUID, otherwise: str = NO_SUCH_CASE) -> Case:
    rows = cases.filter(pk=case_id).select_related("decision").with_claim()
    return _found(rows.select_for_update(of=("self",), no_key=True), otherwise)


def _found(cases: CaseQuerySet, otherwise: str = NO_SUCH_CASE) -> Case:
    case = next(iter(cases), None)  # one row at most: `first()` would sort
    if case is None:
        raise NotFound(otherwise)
    return case


def _case_id(cases: CaseQuerySet, otherwise: str) -> uuid.UUID:
    case_id = cases.values_list("pk", flat=True).first()
    if case_id is None:
        raise NotFound(otherwise)
    return case_id
