"""What can go wrong with a request, in words for the person who made it.

Wrong state is 409, wrong person is 403, unacceptable values are 422. Every error has a machine code, a public
sentence and an HTTP status; the doors only render them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FieldTrouble:
    """One bad field: an RFC 6901 pointer into the body, and what is wrong with it. `code`, `about`: the same for a door
    that says it in its own words."""

    pointer: str
    detail: str
    code: str = ""
    about: str = ""


class ModerationError(Exception):
    """Base of all refusals. `detail` is public: it says what happened, what was kept and what to do next."""

    status = 400
    code = "error"
    title = "The request cannot be carried out"

    def __init__(self, detail: str, *, code: str | None = None, errors: Sequence[FieldTrouble] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.code
        self.errors = tuple(errors)


class IllegalMove(ModerationError):
    """The case, order or appeal is not in a state that allows this."""

    status = 409
    code = "illegal_move"
    title = "Not possible in this state"


class Conflict(ModerationError):
    """Somebody else is at it, or was faster."""

    status = 409
    code = "conflict"
    title = "Somebody else is working on this"


class PreconditionFailed(ModerationError):
    """`If-Match` named another version than the present one."""

    status = 412
    code = "precondition_failed"
    title = "The object has changed"


class NotAllowed(ModerationError):
    """Not this person's, or this key's, to do."""

    status = 403
    code = "not_allowed"
    title = "Not yours to do"


class NotFound(ModerationError):
    """No such object, or another client's: the two are never told apart."""

    status = 404
    code = "not_found"
    title = "Not found"


class Unacceptable(ModerationError):
    """Well-formed, but the values cannot be accepted."""

    status = 422
    code = "unacceptable"
    title = "Some values cannot be accepted"
