"""The supervisors' door: everything can be looked at, what the services own cannot be changed, no secret leaves."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from moderation.models import ApiKey, Case, Client, IdempotentAnswer, Policy, PolicyVersion, Role, User, Worker
from moderation.rights import Actor
from moderation.services.desk import clients
from moderation.services.record import audit
from moderation.tests.people import App, ana, sue, work
from moderation.tests.platform import Platform

MODELS = {model.__name__: model for model in apps.get_app_config("moderation").get_models()}
THROUGH_SERVICES = {"User", "Client", "ApiKey", "Policy", "PolicyVersion"}
READ_ONLY = sorted(set(MODELS) - THROUGH_SERVICES)
# One journey serves all models: set up for each, it would cost the run half a minute.


@pytest.fixture
def everything(client_app: App, platform: Platform) -> App:
    """At least one row of as many models as a journey makes."""
    case_id = client_app.start(report={"reporter_id": "reader", "reason": "<b>rude</b>"})
    work()
    client_app.decide(case_id, "remove_content", by="Cleo", reason="<script>alert(1)</script>")
    work()
    client_app.post(
        f"cases/{case_id}/rollback/", {"reason": "x", "requested_by": "y"}, idempotency_key="a-long-key-123"
    )
    work()
    Worker.objects.create(name="worker-1", threads=4)
    audit.seal()
    return client_app


def browser_of(user: User) -> Browser:
    browser = Browser()
    browser.force_login(user)
    return browser


def path(name: str, page: str, *args: Any) -> str:
    return reverse(f"admin:moderation_{name.lower()}_{page}", args=args)


def test_every_model_is_there_and_nothing_else() -> None:
    assert {model.__name__ for model in admin.site._registry} == set(MODELS)


def test_a_supervisor_sees_every_list_and_every_row(everything: App) -> None:
    browser = browser_of(sue())
    for name, model in MODELS.items():
        assert browser.get(path(name, "changelist")).status_code == 200
        assert browser.get(path(name, "changelist"), {"q": "x%_'\"\\"}).status_code == 200
        assert browser.get(path(name, "changelist"), {"q": "\x00"}).status_code == 200
        for row in model._default_manager.all()[:2]:
            answer = browser.get(path(name, "change", row.pk))
            assert answer.status_code == 200
            assert b"<script>alert" not in answer.content
            assert browser.get(path(name, "history", row.pk)).status_code == 200


def test_a_moderator_gets_nothing(everything: App) -> None:
    browser = browser_of(ana())
    pages = [reverse("admin:index")]
    for name, model in MODELS.items():
        row = model._default_manager.first()
        pages += [path(name, "changelist"), path(name, "add")]
        pages += [path(name, page, row.pk) for page in ("change", "delete", "history")] if row else []
    for page in pages:
        assert browser.get(page).status_code == 302
        assert browser.post(page, {}).status_code == 302


def test_somebody_with_the_staff_flag_alone_gets_nothing_either(everything: App) -> None:
    browser = browser_of(ana())
    User.objects.filter(username="ana").update(is_staff=True)
    for name in MODELS:
        assert browser.get(path(name, "changelist")).status_code == 403


def test_what_the_services_own_can_only_be_looked_at(everything: App) -> None:
    browser = browser_of(sue())
    for name in READ_ONLY:
        rows = MODELS[name]._default_manager
        before, row = rows.count(), rows.first()
        assert browser.get(path(name, "add")).status_code == 403
        assert browser.post(path(name, "add"), {}).status_code == 403
        if row is not None:
            assert browser.post(path(name, "change", row.pk), {"status": "completed"}).status_code == 403
            assert browser.post(path(name, "delete", row.pk), {"post": "yes"}).status_code == 403
            browser.post(path(name, "changelist"), {"action": "delete_selected", "_selected_action": [str(row.pk)]})
        assert rows.count() == before


def test_no_secret_is_in_any_page(everything: App) -> None:
    browser = browser_of(sue())
    Client.objects.update(old_webhook_secret="whsec_b2xkLXNlY3JldC1vbGQtc2VjcmV0LW9sZA==")
    Case.objects.update(
        claimed_by=sue(), claim_token="0192f0a0-0000-7000-8000-00000000beef", claim_until="2099-01-01T00:00Z"
    )
    client = Client.objects.get()
    key = ApiKey.objects.get()
    secrets = [client.webhook_secret, client.old_webhook_secret, key.secret_hash, everything.api_key.split("_")[2]]
    secrets += ["0192f0a0-0000-7000-8000-00000000beef", sue().password]
    for name, model in MODELS.items():
        pages = [browser.get(path(name, "changelist")).content.decode()]
        pages += [
            browser.get(path(name, "change", row.pk)).content.decode() for row in model._default_manager.all()[:3]
        ]
        for secret in filter(None, secrets):
            assert all(secret not in page for page in pages), (name, secret)
    assert IdempotentAnswer.objects.exists()


def test_the_number_of_queries_does_not_grow_with_the_rows(everything: App) -> None:
    browser = browser_of(sue())

    def counts() -> dict[str, int]:
        found = {}
        for name in MODELS:
            with CaptureQueriesContext(connection) as seen:
                assert browser.get(path(name, "changelist")).status_code == 200
            found[name] = len(seen)
        return found

    counts()
    before = counts()
    for number in range(8):
        case_id = everything.start(f"You are a loser {number}", report={"reporter_id": "r", "reason": "x"})
        work()
        everything.decide(case_id, "remove_content", "warn_author", by="Cleo")
        clients.create(f"app {number}", by=Actor.operator())
        User.objects.create(username=f"u{number}")
    work()
    audit.seal()
    assert counts() == before
    assert max(before.values()) <= 12


# --- what supervisors change -------------------------------------------------------------------------------------


def test_a_new_key_is_shown_once_and_works(everything: App) -> None:
    browser = browser_of(sue())
    fields = {"client": everything.client.pk, "scopes": ["cases:read"]}
    page = browser.post(path("ApiKey", "add"), fields, follow=True).content.decode()
    full = re.search(r"gk_\w{8}_\w+", page)
    assert full is not None
    key = clients.authenticate(full[0])
    assert key is not None
    assert (key.client, key.scopes) == (everything.client, ["cases:read"])
    assert full[0] not in browser.get(path("ApiKey", "changelist")).content.decode()
    assert browser.post(path("ApiKey", "change", key.pk), {"scopes": ["cases:write"]}).status_code == 403
    browser.post(path("ApiKey", "changelist"), {"action": "revoke", "_selected_action": [key.pk]})
    assert clients.authenticate(full[0]) is None
    assert browser.post(path("ApiKey", "add"), {**fields, "scopes": ["everything"]}).status_code == 200
    assert ApiKey.objects.count() == 2


def test_a_new_client_gets_its_secrets_shown_once_and_only_a_decent_address(everything: App) -> None:
    browser = browser_of(sue())
    fields = {"name": "Forum", "is_active": "on", "webhook_url": "https://forum.example/hooks"}
    page = browser.post(path("Client", "add"), fields, follow=True).content.decode()
    assert re.search(r"gk_\w{8}_\w+", page)
    made = Client.objects.get(name="Forum")
    assert made.webhook_secret in page.replace("&#x27;", "'")
    assert made.webhook_url == "https://forum.example/hooks"
    answer = browser.post(path("Client", "change", made.pk), {**fields, "webhook_url": "javascript:alert(1)"})
    assert answer.status_code == 200
    assert "https://" in answer.content.decode()
    Client.objects.filter(pk=made.pk).update(failing_since="2026-01-01T00:00Z")
    assert browser.post(path("Client", "change", made.pk), {"name": "Forum 2", "webhook_url": ""}).status_code == 302
    made.refresh_from_db()
    assert (made.name, made.is_active, made.webhook_url) == ("Forum 2", False, "")
    assert made.failing_since is not None


def test_a_policy_gets_a_new_version_and_the_old_one_stays(everything: App) -> None:
    browser = browser_of(sue())
    policy = Policy.objects.get(slug="spam")
    old = PolicyVersion.objects.get(policy=policy)
    page = browser.get(path("PolicyVersion", "add"), {"policy": policy.pk}).content.decode()
    assert old.title in page
    fields = {"policy": policy.pk, "title": "Spam", "text": "None of it.", "severity": "low", "threshold": "0.5"}
    fields |= {"terms": "\\bbuy, now\\b\n\n\\bsale\\b", "examples": "", "allowed_actions": ["remove_content"]}
    fields |= {"appeal_mode": "restore_first", "appeal_window_days": "30", "category": "OTHER"}
    try:
        assert browser.post(path("PolicyVersion", "add"), {**fields, "terms": "(("}).status_code == 200
        assert browser.post(path("PolicyVersion", "add"), {**fields, "threshold": "7"}).status_code == 200
        assert browser.post(path("PolicyVersion", "add"), {**fields, "threshold": "nan"}).status_code == 200
        assert PolicyVersion.objects.filter(policy=policy).count() == 1
        assert browser.post(path("PolicyVersion", "add"), fields).status_code == 302
        new = PolicyVersion.objects.filter(policy=policy).first()
        assert new is not None
        assert (new.number, new.terms) == (2, ["\\bbuy, now\\b", "\\bsale\\b"])
        assert browser.post(path("PolicyVersion", "change", old.pk), fields).status_code == 403
        answer = browser.post(
            path("Policy", "change", policy.pk),
            {"is_active": "", "slug": "x", "versions-TOTAL_FORMS": 0, "versions-INITIAL_FORMS": 0},
        )
        assert answer.status_code == 302
        policy.refresh_from_db()
        assert (policy.slug, policy.is_active) == ("spam", False)
    finally:  # the policies outlive a test
        PolicyVersion.objects.filter(policy=policy, number__gt=1).delete()
        Policy.objects.filter(pk=policy.pk).update(is_active=True)


def test_a_supervisor_makes_moderators_but_nobody_above(everything: App) -> None:
    browser = browser_of(sue())
    fields = {"username": "dora", "role": "moderator", "password1": "a-decent-pass-9", "password2": "a-decent-pass-9"}
    answer = browser.post(path("User", "add"), {**fields, "is_superuser": "on", "usable_password": "true"})
    assert answer.status_code == 302
    dora = User.objects.get(username="dora")
    assert (dora.role, dora.is_superuser, dora.is_staff) == (Role.MODERATOR, False, False)
    assert Browser().login(username="dora", password="a-decent-pass-9")
    change = {"username": "dora", "role": "supervisor", "is_active": "on", "is_superuser": "on", "is_staff": "on"}
    assert browser.post(path("User", "change", dora.pk), change).status_code == 302
    dora.refresh_from_db()
    assert (dora.is_supervisor, dora.is_superuser) == (True, False)
    root = User.objects.create_superuser("root", password="x")
    assert browser.post(path("User", "change", root.pk), change).status_code == 403
    password = reverse("admin:auth_user_password_change", args=[root.pk])
    taken = {"password1": "a-decent-pass-9", "password2": "a-decent-pass-9", "usable_password": "true"}
    assert browser.post(password, taken).status_code == 403
    assert browser.post(path("User", "delete", dora.pk), {"post": "yes"}).status_code == 403
