"""What tests of both rooms start from (a pytest plugin): the client's platform, an app that delivers to it, a case."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from moderation.tests.people import RUDE, App, app, work
from moderation.tests.platform import Platform


@pytest.fixture
def platform() -> Iterator[Platform]:
    running = Platform()
    yield running
    running.close()


@pytest.fixture
def client_app(database: None, platform: Platform, settings: Settings) -> App:
    """A client app whose webhooks arrive at `platform`."""
    settings.ALLOW_LOOPBACK_WEBHOOKS = True
    made = app(webhook_url=platform.url)
    platform.secret = made.secret
    return made


# --- decide ------------------------------------------------------------------------------------------------------


@pytest.fixture
def waiting(client_app: App) -> str:
    """A case that waits for review."""
    case_id = client_app.start(RUDE)
    work()
    assert client_app.case(case_id)["status"] == "pending_review"
    return case_id
