"""What tests of both rooms start from (a pytest plugin): the client's platform, an app that delivers to it, a case."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from pytest_django import Settings
from whitenoise.middleware import WhiteNoiseMiddleware

from moderation.models import Event, Order
from moderation.models.facts import tell_standing
from moderation.tests.people import RUDE, App, app, work
from moderation.tests.platform import Platform


@pytest.fixture(scope="session", autouse=True)
def _static_files_are_looked_for_once() -> Iterator[None]:
    """Every test client builds the middleware anew, and WhiteNoise would look through all the static files each time:
    half of what a request costs in a test, and nothing a server does more than once."""
    look, found = WhiteNoiseMiddleware.add_files_from_finders, {}

    def look_once(middleware: WhiteNoiseMiddleware) -> None:
        if not found:
            look(middleware)
            found.update(middleware.files)
        middleware.files.update(found)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(WhiteNoiseMiddleware, "add_files_from_finders", look_once)
        yield


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


@pytest.fixture
def orders_are_told(database: None) -> Iterator[None]:
    """Whatever the test does: in the end every order stands where the history of its case has told last."""
    yield
    told: dict[tuple[uuid.UUID | None, str], str] = {}
    for event in Event.objects.filter(digests__isnull=False).order_by("pk"):
        told |= {(event.case_id, key): said for key, said in (event.digests or {}).items()}
    for order in Order.objects.all():
        for key, said in tell_standing(order).items():
            assert told[order.case_id, key] == said, f"the history does not tell that {order} stands there"


# --- decide ------------------------------------------------------------------------------------------------------


@pytest.fixture
def waiting(client_app: App) -> str:
    """A case that waits for review."""
    case_id = client_app.start(RUDE)
    work()
    assert client_app.case(case_id)["status"] == "pending_review"
    return case_id
