"""The operators' commands that need no postman: making clients, verifying the history."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from moderation.models import Client, Event, Scope, Seal
from moderation.rights import Actor
from moderation.services.desk import clients
from moderation.services.record import audit
from moderation.tests.people import App, app


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_a_new_client_gets_a_key_that_works_and_all_scopes(database: None) -> None:
    made = json.loads(run("create_client", "shop", "--json"))
    assert set(made) == {"client", "api_key", "webhook_secret"}
    key = clients.authenticate(made["api_key"])
    assert key is not None
    assert (key.client.name, sorted(key.scopes)) == ("shop", sorted(Scope.values))
    assert key.client.webhook_secret == made["webhook_secret"]
    assert App(key.client, made["api_key"], made["webhook_secret"]).get("cases/").status_code == 200


def test_without_json_people_can_read_it(database: None) -> None:
    said = run(
        "create_client", "shop", "--webhook-url", "https://shop.example/hooks", "--scopes", "cases:read, cases:write"
    )
    client = Client.objects.get()
    assert client.webhook_url == "https://shop.example/hooks"
    assert sorted(client.keys.get().scopes) == ["cases:read", "cases:write"]
    assert "gk_" in said
    assert client.webhook_secret in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["shop", "--webhook-url", "ftp://x.example"], "must start with https"),
        (["shop", "--webhook-url", "not a url"], "address"),
        (["shop", "--webhook-url", "http://127.0.0.1/hooks"], "must start with https"),
        (["shop", "--scopes", "cases:read,cases:eat"], "Unknown scopes: cases:eat"),
        (["shop", "--scopes", " , "], "at least one scope"),
        (["  "], "1 to 200 characters"),
        (["x" * 201], "1 to 200 characters"),
        (["taken"], "already"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(database: None, arguments: list[str], sentence: str) -> None:
    app(name="taken")
    with pytest.raises(CommandError, match=sentence) as refused:
        run("create_client", *arguments)
    assert "\n" not in str(refused.value)
    assert Client.objects.count() == 1


def test_the_kept_client_is_the_same_again_whatever_happened_to_it(database: None, settings: Settings) -> None:
    settings.ALLOW_LOOPBACK_WEBHOOKS = True
    made = app(name="kept", webhook_url="http://127.0.0.1:1/")
    again = {"api_key": made.api_key, "webhook_secret": made.secret, "by": Actor.operator()}
    Client.objects.update(is_active=False, webhook_secret="lost")
    made.client.keys.update(revoked_at="2020-01-01T00:00:00Z")
    clients.ensure("kept", webhook_url="http://127.0.0.1:2/", **again)
    client = Client.objects.get()
    assert (client.webhook_url, client.webhook_secret) == ("http://127.0.0.1:2/", made.secret)
    assert clients.authenticate(made.api_key) is not None
    with pytest.raises(ValueError, match="form"):
        clients.ensure("kept", webhook_url="", **{**again, "api_key": "gk_x"})


def test_the_history_is_sealed_and_verified(client_app: App) -> None:
    for _ in range(3):
        client_app.start()
    assert run("verify_audit").startswith(f"{Event.objects.count()} entries")
    assert Seal.objects.count() == Event.objects.count()
    assert "holds" in run("verify_audit")


def test_a_changed_entry_is_named(client_app: App) -> None:
    client_app.start()
    client_app.start()
    audit.seal()
    victim = Event.objects.order_by("pk")[1]
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE moderation_event DISABLE TRIGGER USER")
        cursor.execute("UPDATE moderation_event SET actor = 'somebody else' WHERE id = %s", [victim.pk])
        cursor.execute("ALTER TABLE moderation_event ENABLE TRIGGER USER")
    with pytest.raises(CommandError, match=rf"Entry 2 \(event {victim.pk}\)"):
        run("verify_audit")
