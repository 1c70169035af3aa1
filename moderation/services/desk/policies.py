"""Which policies are in force, publishing a new version of one, and retiring one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, Q, QuerySet

from agents import matching
from moderation.errors import Unacceptable
from moderation.models import Assessment, Decision, Policy, PolicyVersion
from moderation.models.actions import ACTIONS
from moderation.rights import Actor, Verb, require
from moderation.services.record.history import note_desk


def current_versions() -> list[PolicyVersion]:
    """The newest version of every active policy, by slug. One query."""
    return list(
        PolicyVersion.objects.filter(pk__in=_newest(), policy__is_active=True)
        .select_related("policy")
        .order_by("policy__slug")
    )


def known_here(case_id: UUID, assessment: Assessment | None) -> dict[str, PolicyVersion]:
    """The policies a decision on this case can name, by slug: those in force, and whatever its newest `assessment` or
    a decision before names, in that version, though it be out of force by now. One query."""
    seen = {finding.get("version") for finding in assessment.findings} - {None} if assessment else set()
    ruled = Decision.policies.through.objects.filter(decision__case=case_id, decision__withdrawn_at=None)
    rows = (
        PolicyVersion.objects.annotate(pinned=Q(pk__in=seen) | Exists(ruled.filter(policyversion=OuterRef("pk"))))
        .filter(Q(pinned=True) | Q(pk__in=_newest(), policy__is_active=True))
        .select_related("policy")
        .order_by("policy__slug", "pinned", "number")
    )
    return {version.policy.slug: version for version in rows}


def _newest() -> QuerySet[Any]:
    return PolicyVersion.objects.order_by("policy_id", "-number").distinct("policy_id").values("pk")


def bad_term(terms: list[str]) -> tuple[str, str] | None:
    """The first of the terms that the rules analyst could not use, and why."""
    for term in terms:
        try:
            matching.compiled(term)
        except ValueError as error:
            return term, str(error)
    return None


@transaction.atomic
def publish(slug: str, *, by: Actor, **fields: Any) -> PolicyVersion:
    """Make `fields` the version of policy `slug` that is in force from now on; older versions stay as they are.
    Raises Unacceptable for an action nobody knows and a term that is no regular expression."""
    require(by, Verb.KEEP_POLICIES)
    unknown = [name for name in fields.get("allowed_actions", []) if name not in ACTIONS]
    if unknown:
        raise Unacceptable(f"Unknown actions: {', '.join(unknown)}.")
    if bad := bad_term(fields.get("terms", [])):
        raise Unacceptable(f"“{bad[0]}” is not a regular expression: {bad[1]}")
    policy = Policy.objects.filter(slug=slug).first() or add(slug, by=by)
    Policy.objects.select_for_update(no_key=True).get(pk=policy.pk)
    last: int = policy.versions.aggregate(last=Max("number"))["last"] or 0
    version = PolicyVersion(policy=policy, number=last + 1, **fields)
    version.full_clean(exclude=["created_at"])
    version.save()
    note_desk("policy.published", by=by, policy=policy.pk, version=version.pk, number=version.number)
    return version


@transaction.atomic
def add(slug: str, *, by: Actor, is_active: bool = True) -> Policy:
    """A policy without a text yet: it is in force with its first version."""
    require(by, Verb.KEEP_POLICIES)
    policy = Policy(slug=slug, is_active=is_active)
    policy.full_clean()
    policy.save()
    note_desk("policy.added", by=by, policy=policy.pk)
    return policy


@transaction.atomic
def switch(policy_id: int, *, by: Actor, on: bool) -> Policy:
    """Retire a policy, or have it in force again. What was decided by it stays."""
    require(by, Verb.KEEP_POLICIES)
    policy = Policy.objects.select_for_update(no_key=True).get(pk=policy_id)
    if policy.is_active != on:
        policy.is_active = on
        policy.save(update_fields=["is_active"])
        note_desk("policy.revived" if on else "policy.retired", by=by, policy=policy.pk)
    return policy
