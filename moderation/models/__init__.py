"""A file per word: fields, constraints, querysets that read; no verbs."""

from moderation.models.appeal import Appeal, Side
from moderation.models.case import Case, ContentType, Report, live_claim
from moderation.models.client import ApiKey, Client, IdempotentAnswer, Scope, TokenBucket
from moderation.models.event import AuditHead, Event, Seal
from moderation.models.judgement import Assessment, Decision, Person, barred
from moderation.models.notice import Notice
from moderation.models.order import Attempt, Order, Subject
from moderation.models.people import LoginTries, Role, User
from moderation.models.policy import AppealMode, Policy, PolicyVersion, Severity
from moderation.models.run import Run
from moderation.models.tally import Tally
from moderation.models.withdrawal import Withdrawal
from moderation.models.worker import Worker

__all__ = [
    "ApiKey",
    "Appeal",
    "AppealMode",
    "Assessment",
    "Attempt",
    "AuditHead",
    "Case",
    "Client",
    "ContentType",
    "Decision",
    "Event",
    "IdempotentAnswer",
    "LoginTries",
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
    "Tally",
    "TokenBucket",
    "User",
    "Withdrawal",
    "Worker",
    "barred",
    "live_claim",
]
