"""A file per word: fields, constraints, querysets that read; no verbs."""

from moderation.models.appeal import Appeal, Side
from moderation.models.case import Case, ContentType, Report, live_claim
from moderation.models.client import ApiKey, Client, IdempotentAnswer, Scope, TokenBucket
from moderation.models.event import Event, Seal
from moderation.models.judgement import Assessment, Decision, Person, barred
from moderation.models.notice import Notice
from moderation.models.order import Attempt, Order, Subject
from moderation.models.people import Role, User
from moderation.models.policy import AppealMode, Policy, PolicyVersion, Severity
from moderation.models.run import Run
from moderation.models.worker import Worker

__all__ = [
    "ApiKey",
    "Appeal",
    "AppealMode",
    "Assessment",
    "Attempt",
    "Case",
    "Client",
    "ContentType",
    "Decision",
    "Event",
    "IdempotentAnswer",
    "Notice",
    "Order",
    "Person",
    "Policy",
    "PolicyVersion",
    "Report",
    "Role",
    "Run",
    "Scope",
    "Seal",
    "Severity",
    "Side",
    "Subject",
    "TokenBucket",
    "User",
    "Worker",
    "barred",
    "live_claim",
]
