"""Who acts, and the one table of who may do what. The verbs ask it; no door does.

A person needs a role, a client's key a scope, and an operator at the shell may do what is marked so. What a verb asks
besides (four eyes, a live claim, one's own decision) is its own to judge: it depends on the case.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from moderation.errors import NotAllowed
from moderation.models import Case, Client, Decision, Person, Role, Scope, User
from moderation.states import Door


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, and through which door.

    `name`: a person's user name, or the client's own name, or the name of the person a client speaks for (its word:
    the actor stays the client). `label`: who it was, as the history shows it. `user`, `client`: ids, or None. `role`:
    a person's, None for everybody else. `scopes`: what the client's key may do.
    """

    name: str
    door: Door
    user: int | None = None
    client: int | None = None
    role: Role | None = None
    scopes: frozenset[str] = frozenset()
    label: str = ""

    @classmethod
    def of_user(cls, user: User, door: Door) -> Actor:
        """Somebody who is logged in. A superuser is a supervisor; an account that was closed has no role."""
        role = Role.SUPERVISOR if user.is_supervisor else Role(user.role)
        name = user.get_username()
        return cls(name, door, user=user.pk, role=role if user.is_active else None, label=name)

    @classmethod
    def of_client(cls, client: Client, scopes: Iterable[str] = ()) -> Actor:
        """A client app, with what its key may do: nothing, unless it is said."""
        scopes = frozenset(scopes)
        return cls(client.name, Door.API, client=client.pk, scopes=scopes, label=f"client:{client.name}")

    @classmethod
    def of_decision(cls, decision: Decision, case: Case) -> Actor:
        """Whoever made it, without any rights: for what follows from it."""
        client = case.client_id if decision.user_id is None else None
        name = decision.decided_by
        return cls(name, Door(decision.via), user=decision.user_id, client=client, label=name)

    @classmethod
    def operator(cls) -> Actor:
        """Somebody at the shell, whose name nobody knows."""
        return cls("operator", Door.COMMAND, label="operator")

    @classmethod
    def system(cls) -> Actor:
        """What happens by itself."""
        return cls("guardian", Door.SYSTEM, label="guardian")

    @classmethod
    def agent(cls) -> Actor:
        return cls("agent", Door.SYSTEM, label="agent")

    @property
    def person(self) -> Person:
        """As four eyes compare people."""
        return Person.called(self.name, self.user)

    def naming(self, person: str) -> Actor:
        """The same actor, speaking for `person`: `decided_by`, `requested_by`, an appellant."""
        return replace(self, name=person, label=person)


class Verb(StrEnum):
    """What somebody can want to do."""

    START = "start"
    CLAIM = "claim"
    RELEASE = "release"
    FREE = "free"  # take somebody else's claim away
    DECIDE = "decide"
    UNDO = "undo"
    ROLL_BACK = "roll_back"
    WITHDRAW = "withdraw"
    APPEAL = "appeal"
    CLOSE_APPEAL = "close_appeal"
    REPLAY = "replay"
    CONFIRM = "confirm"
    KEEP_CLIENTS = "keep_clients"
    KEEP_POLICIES = "keep_policies"
    KEEP_PEOPLE = "keep_people"
    ERASE = "erase"


@dataclass(frozen=True, slots=True)
class Right:
    """`role`: the least a person needs (a supervisor may do what a moderator may). `scope`: what a client's key needs.
    `operator`: from the shell too. None and false: not through these doors at all."""

    role: Role | None = None
    scope: Scope | None = None
    operator: bool = False


RIGHTS: dict[Verb, Right] = {
    Verb.START: Right(scope=Scope.CASES_WRITE),
    Verb.CLAIM: Right(role=Role.MODERATOR),
    Verb.RELEASE: Right(role=Role.MODERATOR),
    Verb.FREE: Right(role=Role.SUPERVISOR),
    Verb.DECIDE: Right(role=Role.MODERATOR, scope=Scope.DECISIONS_WRITE),
    Verb.UNDO: Right(role=Role.MODERATOR),
    Verb.ROLL_BACK: Right(role=Role.SUPERVISOR, scope=Scope.ROLLBACK_WRITE),
    Verb.WITHDRAW: Right(scope=Scope.CASES_WRITE),
    Verb.APPEAL: Right(scope=Scope.APPEALS_WRITE),
    Verb.CLOSE_APPEAL: Right(role=Role.MODERATOR),
    Verb.REPLAY: Right(role=Role.SUPERVISOR),
    Verb.CONFIRM: Right(scope=Scope.CASES_WRITE),
    Verb.KEEP_CLIENTS: Right(role=Role.SUPERVISOR, operator=True),
    Verb.KEEP_POLICIES: Right(role=Role.SUPERVISOR, operator=True),
    Verb.KEEP_PEOPLE: Right(role=Role.SUPERVISOR, operator=True),
    Verb.ERASE: Right(role=Role.SUPERVISOR, operator=True),
}


def scope_of(verb: Verb) -> Scope:
    """What a client's key needs for this. For the doors of the API, which ask it before they read a body."""
    scope = RIGHTS[verb].scope
    if scope is None:
        raise ValueError(f"no client may {verb.value}")
    return scope


def may(by: Actor, verb: Verb) -> bool:
    """Whether the table lets `by` do this at all."""
    right = RIGHTS[verb]
    if by.door in (Door.CONSOLE, Door.ADMIN):
        return right.role is not None and by.role in (right.role, Role.SUPERVISOR)
    if by.door == Door.API:
        return right.scope is not None and right.scope.value in by.scopes
    return by.door == Door.COMMAND and right.operator


def require(by: Actor, verb: Verb) -> None:
    """Raises NotAllowed (`supervisors_only`, `scope_missing`, `not_allowed`) unless `by` may do this."""
    if may(by, verb):
        return
    right = RIGHTS[verb]
    if by.door in (Door.CONSOLE, Door.ADMIN) and by.role is not None and right.role is Role.SUPERVISOR:
        raise NotAllowed("Only a supervisor can do this.", code="supervisors_only")
    if by.door == Door.API and right.scope is not None:
        raise NotAllowed(f"This key lacks the scope `{right.scope.value}`.", code="scope_missing")
    raise NotAllowed("This is not yours to do.")
