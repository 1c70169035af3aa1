"""The people who work here: made, changed, let in and logged out. Each verb leaves an event, which names nobody."""

from __future__ import annotations

import hashlib
import secrets
import unicodedata
from datetime import timedelta
from typing import Any

from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from agents.folding import INVISIBLE, fold_name
from moderation.errors import FieldTrouble, IllegalMove, NotAllowed, NotFound, Unacceptable
from moderation.models import Decision, Role, User
from moderation.rights import Actor, Verb, require
from moderation.services.record.history import note_desk
from moderation.states import Door

LINK_LASTS = timedelta(hours=72)
CHANGEABLE = ("username", "role", "is_active", "first_name", "last_name", "email")
LONGEST_NAME = 150
_NAMES = 0x67_6E_61_6D_65  # an advisory lock: two names that look alike are never made at once


def check_name(name: str, *, longest: int, whose: str) -> str:
    """The name, trimmed. Raises Unacceptable where it is empty, too long, or holds what cannot be seen."""
    name = name.strip()
    if not 1 <= len(name) <= longest:
        raise Unacceptable(f"{whose} name has 1 to {longest} characters.")
    unseen = {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}
    hidden = [letter for letter in name if unicodedata.category(letter) in unseen or INVISIBLE.match(letter)]
    if hidden:
        raise Unacceptable(
            f"{whose} name holds a character that cannot be seen (U+{ord(hidden[0]):04X}): leave it out."
        )
    return name


@transaction.atomic
def create(name: str, *, by: Actor, role: str, email: str = "", password: str | None = None) -> User:
    """Somebody new. Without a password nobody can log in as them until a link has been used (`link`).

    Raises Unacceptable for a role nobody has, and for a name that holds what cannot be seen, is made of nothing else,
    or reads like that of somebody who is there.
    """
    require(by, Verb.KEEP_PEOPLE)
    if role not in Role.values:
        raise Unacceptable(f"There is no role {role!r}. Known: {', '.join(Role.values)}.")
    user = User(username=free_name(name), role=role, email=email)
    user.password = make_password(password)
    user.save()
    tell_of(user, by=by)
    return user


def tell_of(user: User, *, by: Actor) -> None:
    """The event of somebody new; for Django's own command, which makes the row itself."""
    note_desk("person.created", by=by, person=user.pk, role=user.role)


@transaction.atomic
def change(user_id: int, *, by: Actor, **wanted: Any) -> User:
    """Give somebody another role, name or address, or close or open the account. What is as wanted stays, silently.

    Raises NotAllowed for somebody above, Unacceptable for another name of somebody who has decided.
    """
    require(by, Verb.KEEP_PEOPLE)
    user = _locked(user_id, by=by)
    if unknown := set(wanted) - set(CHANGEABLE):
        raise TypeError(f"people.change() cannot change {', '.join(sorted(unknown))}")
    changed = [name for name in CHANGEABLE if name in wanted and getattr(user, name) != wanted[name]]
    if "username" in changed:
        # By the account, or by an app that named this person, in whatever spelling.
        if user.has_decided or Decision.objects.filter(decider=fold_name(user.get_username())).exists():
            raise Unacceptable("Somebody who has decided keeps their name: decisions are compared by it.")
        wanted["username"] = free_name(wanted["username"], besides=user.pk)
    for name in changed:
        setattr(user, name, wanted[name])
    if not changed:
        return user
    user.save(update_fields=[*changed, "is_staff"])
    if "role" in changed:
        note_desk("person.role_changed", by=by, person=user.pk, role=user.role)
    if "is_active" in changed:
        note_desk("person.opened" if user.is_active else "person.closed", by=by, person=user.pk)
    if others := sorted(set(changed) - {"role", "is_active"}):
        note_desk("person.changed", by=by, person=user.pk, fields=others)
    return user


@transaction.atomic
def set_password(user_id: int, *, by: Actor, password: str | None) -> User:
    """Give somebody another password, or (None) none. Their sessions end, and links that are out."""
    require(by, Verb.KEEP_PEOPLE)
    user = _locked(user_id, by=by)
    _have_password(user, password)
    note_desk("person.password_set", by=by, person=user.pk)
    return user


@transaction.atomic
def link(user_id: int, *, by: Actor) -> str:
    """The token of a link with which somebody without a password can set one, once, within 72 hours; it ends the one
    before it. Raises IllegalMove `has_password`."""
    require(by, Verb.KEEP_PEOPLE)
    user = _locked(user_id, by=by)
    if user.has_usable_password():
        raise IllegalMove("This person has a password already.", code="has_password")
    token = secrets.token_urlsafe(32)
    User.objects.filter(pk=user.pk).update(password_link=_print(token), password_link_until=Now() + LINK_LASTS)
    note_desk("person.link_made", by=by, person=user.pk)
    return token


def behind_link(token: str) -> User | None:
    """Whose link this is; None where it was used, replaced, is too old or was never made."""
    return User.objects.filter(password_link=_print(token), password_link_until__gt=Now(), is_active=True).first()


@transaction.atomic
def set_password_by_link(token: str, password: str) -> User | None:
    """Use the link up; None where somebody was faster."""
    user = (
        User.objects.select_for_update(no_key=True)
        .filter(password_link=_print(token), password_link_until__gt=Now(), is_active=True)
        .first()
    )
    if user is None:
        return None
    _have_password(user, password)
    note_desk("person.password_set", by=Actor.of_user(user, Door.CONSOLE), person=user.pk)
    return user


@transaction.atomic
def log_out_everywhere(user_id: int, *, by: Actor) -> None:
    """End every session of somebody: one's own, or, for a supervisor, anybody's."""
    if by.user != user_id or by.role is None:
        require(by, Verb.KEEP_PEOPLE)
    user = _locked(user_id, by=by)
    User.objects.filter(pk=user.pk).update(logged_out=F("logged_out") + 1)
    note_desk("person.logged_out", by=by, person=user.pk)


def _locked(user_id: int, *, by: Actor) -> User:
    user = User.objects.select_for_update(no_key=True).filter(pk=user_id).first()
    if user is None:
        raise NotFound("There is no such person.")
    # A supervisor who could set a superuser's password would be one.
    above = user.is_superuser and by.door != Door.COMMAND and by.user != user_id
    if above and (by.user is None or not User.objects.filter(pk=by.user, is_superuser=True).exists()):
        raise NotAllowed("This person stands above a supervisor.")
    return user


def _have_password(user: User, password: str | None) -> None:
    user.password = make_password(password)
    user.password_link, user.password_link_until = "", None
    user.save(update_fields=["password", "password_link", "password_link_until"])


def free_name(name: str, *, besides: int | None = None) -> str:
    """The name as it is stored. Raises Unacceptable where nobody can have it. It stays free until the transaction
    ends."""
    name = check_name(unicodedata.normalize("NFKC", name), longest=LONGEST_NAME, whose="A person's")
    try:
        User.username_validator(name)
    except ValidationError:
        raise Unacceptable("A person's name is made of letters, digits and @ . + - _ only.") from None
    folded = fold_name(name)
    if not folded:
        raise Unacceptable("A person's name needs at least one letter or digit that can be seen.")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_NAMES])
    others = User.objects.exclude(pk=besides) if besides is not None else User.objects.all()
    for other in others.values_list("username", flat=True).iterator():
        if fold_name(other) == folded:
            said = "is there already" if other == name else "reads like somebody who is there"
            raise Unacceptable(
                f"{name} {said}: choose another name.", errors=[FieldTrouble("/username", "Taken.")], code="name_taken"
            )
    return name


def _print(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
