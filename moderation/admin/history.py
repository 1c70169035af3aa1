"""Everything else the services own: cases and what belongs to them, the work, the history and its seal. Read-only."""

from __future__ import annotations

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from moderation.admin.rights import FoundById, ReadOnly
from moderation.models import (
    Appeal,
    Assessment,
    AuditHead,
    Case,
    Decision,
    Event,
    IdempotentAnswer,
    Notice,
    Report,
    Run,
    Seal,
    Tally,
    TokenBucket,
    Withdrawal,
    Worker,
)


@admin.register(Case)
class CaseAdmin(FoundById, ReadOnly):
    list_display = ["content_id", "client", "status", "outcome", "priority", "round", "due_at", "claimed_by", "page"]
    list_select_related = ["client", "claimed_by"]
    list_filter = ["status", "outcome", "priority", "client"]
    search_fields = ["content_id", "author_id"]
    search_help_text = _("Id of the case or the content, or the author")
    date_hierarchy = "created_at"
    ordering = ["-created_at"]
    exclude = ["claim_token"]
    readonly_fields = ["page"]

    @admin.display(description=_("Console"))
    def page(self, case: Case) -> str:
        return format_html('<a href="{}">{}</a>', reverse("console:case", args=[case.pk]), _("Open"))


@admin.register(Report)
class ReportAdmin(ReadOnly):
    list_display = ["reporter_id", "case", "created_at"]
    list_select_related = ["case"]
    search_fields = ["reporter_id", "case__content_id"]
    search_help_text = _("Reporter, or id of the content")
    date_hierarchy = "created_at"


@admin.register(Assessment)
class AssessmentAdmin(ReadOnly):
    list_display = ["case", "round", "violation", "confidence", "severity", "analyst", "model", "seconds", "created_at"]
    list_select_related = ["case"]
    list_filter = ["violation", "severity", "analyst", "route"]
    search_fields = ["case__content_id"]
    search_help_text = _("Id of the content")
    date_hierarchy = "created_at"
    ordering = ["-created_at"]


@admin.register(Decision)
class DecisionAdmin(ReadOnly):
    list_display = ["case", "round", "outcome", "decided_by", "via", "decided_at", "withdrawn_at"]
    list_select_related = ["case"]
    list_filter = ["outcome", "via"]
    search_fields = ["decided_by", "case__content_id"]
    search_help_text = _("Who decided, or id of the content")
    date_hierarchy = "decided_at"
    ordering = ["-decided_at"]


@admin.register(Appeal)
class AppealAdmin(FoundById, ReadOnly):
    list_display = ["case", "side", "appellant_id", "status", "created_at", "closed_at"]
    list_select_related = ["case"]
    list_filter = ["status", "side"]
    search_fields = ["appellant_id", "case__content_id"]
    id_lookups = ("pk", "case_id")
    search_help_text = _("Who appealed, or id of the appeal, the case or the content")
    date_hierarchy = "created_at"
    ordering = ["-created_at"]
    exclude = ["token"]


@admin.register(Run)
class RunAdmin(FoundById, ReadOnly):
    list_display = ["case", "kind", "round", "attempts", "due_at", "done_at", "cancelled_at", "last_error"]
    list_select_related = ["case"]
    list_filter = ["kind", ("done_at", admin.EmptyFieldListFilter), ("last_error", admin.EmptyFieldListFilter)]
    search_fields = ["case__content_id"]
    id_lookups = ("pk", "case_id")
    search_help_text = _("Id of the leg, the case or the content")
    date_hierarchy = "created_at"
    ordering = ["-created_at"]
    exclude = ["lease_token"]


@admin.register(Event)
class EventAdmin(ReadOnly):
    list_display = ["at", "type", "case", "client", "door", "user", "actor"]
    list_select_related = ["case", "client", "user"]
    list_filter = ["type", "door", "client"]
    search_fields = ["user__username", "actor", "case__content_id"]
    search_help_text = _("Who did it, or id of the content")
    date_hierarchy = "at"
    ordering = ["-pk"]


@admin.register(Seal)
class SealAdmin(ReadOnly):
    list_display = ["position", "event", "hash", "key_id"]
    list_select_related = ["event"]
    search_fields = ["=position", "=hash"]
    search_help_text = _("Position or hash")
    ordering = ["-position"]


@admin.register(Tally)
class TallyAdmin(ReadOnly):
    list_display = ["name", "labels", "value"]
    ordering = ["name", "pk"]


@admin.register(AuditHead)
class AuditHeadAdmin(ReadOnly):
    list_display = ["entries", "hash", "key_id", "at"]
    fields = ["entries", "hash", "key_id", "mac", "at"]


@admin.register(Withdrawal)
class WithdrawalAdmin(ReadOnly):
    list_display = ["case", "keep_in_force", "user", "created_at"]
    list_select_related = ["case", "user"]
    search_fields = ["case__content_id"]
    search_help_text = _("Id of the content")
    date_hierarchy = "created_at"
    ordering = ["-created_at"]


@admin.register(IdempotentAnswer)
class IdempotentAnswerAdmin(ReadOnly):
    """Their bodies may hold other people's content: only that there is an answer is shown."""

    list_display = ["key", "client", "status", "created_at"]
    list_select_related = ["client"]
    list_filter = ["status", "client"]
    date_hierarchy = "created_at"
    ordering = ["-created_at"]
    fields = ["key", "client", "status", "created_at"]


@admin.register(Notice)
class NoticeAdmin(FoundById, ReadOnly):
    list_display = ["type", "client", "case", "position", "attempts", "delivered_at", "failed_at", "last_error"]
    list_select_related = ["client", "case"]
    list_filter = ["type", "client", ("failed_at", admin.EmptyFieldListFilter)]
    search_fields = ["case__content_id"]
    id_lookups = ("pk", "case_id")
    search_help_text = _("Id of the notice, the case or the content")
    date_hierarchy = "created_at"
    ordering = ["-created_at"]
    exclude = ["document", "lease_token"]  # an appeal's document holds the address of its public page


@admin.register(TokenBucket)
class TokenBucketAdmin(ReadOnly):
    list_display = ["key", "tokens", "filled_at"]
    list_select_related = ["key"]


@admin.register(Worker)
class WorkerAdmin(ReadOnly):
    list_display = ["name", "threads", "seen_at"]
    ordering = ["-seen_at"]
