"""What tests of both rooms start from (a pytest plugin): the client's platform, and an app that delivers to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from moderation.tests.people import App, app
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
