"""A client without an address reads its feed: its notices never stand in the outbox, whatever its address becomes."""

from __future__ import annotations

import pytest
from django.db import connection

from moderation.models import Client, Notice
from moderation.rights import Actor
from moderation.services.desk import clients
from moderation.services.orders import announcements
from moderation.services.post import outbox
from moderation.tests.people import App, app, work
from moderation.tests.platform import Platform


def _feed(client_app: App) -> list[str]:
    announcements.place()
    return [row["type"] for row in client_app.get("events/").json()["results"]]


def _set_address(client: Client, url: str, door: str) -> None:
    """By a verb, by a form's save(), or past all of ours."""
    if door == "update":
        Client.objects.filter(pk=client.pk).update(webhook_url=url)
    elif door == "save":
        row = Client.objects.get(pk=client.pk)
        row.webhook_url = url
        row.save()
    else:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE moderation_client SET webhook_url = %s WHERE id = %s", [url, client.pk])


DOORS = ("update", "save", "sql")


@pytest.mark.parametrize("door", DOORS)
def test_an_address_set_later_is_not_sent_the_past(door: str, client_app: App, platform: Platform) -> None:
    pulling = app()
    for _ in range(3):
        announcements.ping(pulling.client)
    assert outbox.claim(starts_at_once=8) == []
    _set_address(pulling.client, platform.url, door)
    assert work() == 0
    platform.secret = pulling.secret
    announcements.ping(pulling.client)
    assert work() == 1
    assert len(platform.notices) == 1
    assert _feed(pulling) == ["ping"] * 4


@pytest.mark.parametrize("door", DOORS)
def test_an_address_that_is_removed_leaves_what_waits_to_the_feed(
    door: str, client_app: App, platform: Platform
) -> None:
    announcements.ping(client_app.client)
    _set_address(client_app.client, "", door)
    assert work() == 0
    _set_address(client_app.client, platform.url, door)
    assert work() == 0
    assert platform.notices == []
    assert _feed(client_app) == ["ping"]


def test_another_address_is_sent_what_waits(client_app: App, platform: Platform) -> None:
    Client.objects.update(webhook_url="http://127.0.0.1:1/old")
    announcements.ping(client_app.client)
    Client.objects.update(webhook_url=platform.url)
    assert work() == 1
    assert [document["type"] for document in platform.notices] == ["ping"]


def test_what_a_pull_client_is_told_is_in_no_index_of_what_waits(database: None) -> None:
    pulling = clients.create("pulling", by=Actor.operator()).client
    announcements.ping(pulling)
    notice = Notice.objects.get()
    assert notice.feed_only
    assert Notice.objects.waiting().count() == 0
