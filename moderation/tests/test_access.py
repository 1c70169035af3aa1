"""Every URL as every role and as another client, walked from the resolver: a new URL without an entry fails."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import URLPattern, URLResolver, get_resolver

from moderation.models import Appeal, Order
from moderation.tests.people import RUDE, App, ana, app, sue, work

# What a stranger, a moderator and a supervisor get. `in`: sent to log in. Routes that only take a POST are posted to,
# and there it only counts that the stranger is sent away and the others are let in (`yes`).
PAGES: dict[str, tuple[str, str, str]] = {
    "": ("in", "302", "302"),
    "login/": ("200", "302", "302"),
    "login/link/<str:token>/": ("404", "404", "404"),
    "logout/": ("405", "405", "405"),
    "logout/everywhere/": ("405", "405", "405"),
    "session/": ("401", "204", "204"),
    "set-password/<str:token>/": ("404", "404", "404"),
    "language/": ("302", "302", "302"),
    "console/": ("in", "200", "200"),
    "console/news/": ("in", "200", "200"),
    "console/next/": ("in", "yes", "yes"),
    "console/cases/<uuid:case_id>/": ("in", "200", "200"),
    "console/cases/<uuid:case_id>/claim/": ("in", "yes", "yes"),
    "console/cases/<uuid:case_id>/release/": ("in", "yes", "yes"),
    "console/cases/<uuid:case_id>/heartbeat/": ("in", "yes", "yes"),
    "console/cases/<uuid:case_id>/decide/": ("in", "yes", "yes"),
    "console/cases/<uuid:case_id>/undo/": ("in", "yes", "yes"),
    "console/cases/<uuid:case_id>/rollback/": ("in", "yes", "yes"),
    "console/orders/<uuid:order_id>/replay/": ("in", "yes", "yes"),
    "console/appeals/": ("in", "200", "200"),
    "console/appeals/<uuid:appeal_id>/inadmissible/": ("in", "yes", "yes"),
    "appeals/<str:token>/": ("404", "404", "404"),
    "api/schema/": ("200", "200", "200"),
    "api/docs/": ("200", "200", "200"),
    "livez": ("200", "200", "200"),
    "readyz": ("200", "200", "200"),
    "metrics": ("200", "200", "200"),
}
API: dict[str, tuple[str, str, str]] = {  # GET or POST, what the client itself gets, what another client gets
    "cases/": ("GET", "200", "200"),
    "cases/batch/": ("POST", "422", "422"),
    "cases/<uuid:case_id>/": ("GET", "200", "404"),
    "cases/<uuid:case_id>/events/": ("GET", "200", "404"),
    "cases/<uuid:case_id>/statement/": ("GET", "200", "404"),
    "cases/<uuid:case_id>/decision-schema/": ("GET", "409", "404"),
    "cases/<uuid:case_id>/resume/": ("POST", "422", "404"),
    "cases/<uuid:case_id>/rollback/": ("POST", "422", "404"),
    "cases/<uuid:case_id>/withdraw/": ("POST", "422", "404"),
    "cases/<uuid:case_id>/appeals/": ("POST", "422", "404"),
    "appeals/": ("GET", "200", "200"),
    "policies/": ("GET", "200", "200"),
    "appeals/<uuid:appeal_id>/": ("GET", "200", "404"),
    "orders/": ("GET", "200", "200"),
    "orders/<uuid:order_id>/confirm/": ("POST", "422", "422"),
    "effects/": ("GET", "422", "422"),
    "events/": ("GET", "200", "200"),
}
ELSEWHERE = ("admin/", "demo/")  # test_admin walks the one; the other is a client app of its own


def routes(patterns: Any, prefix: str = "") -> list[str]:
    found: list[str] = []
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            found += routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            found.append(route)
    return [route for route in found if not route.startswith(ELSEWHERE)]


def test_every_url_has_an_entry() -> None:
    known = set(PAGES) | {f"api/v1/{route}" for route in API}
    assert set(routes(get_resolver().url_patterns)) == known


@pytest.fixture
def objects(client_app: App) -> dict[str, str]:
    """A decided case with an order and an appeal, by the names the routes use."""
    case_id = client_app.start(RUDE)
    work()
    client_app.decide(case_id, "remove_content")
    work()
    client_app.post(f"cases/{case_id}/appeals/", {"appellant_id": "author-1", "statement": "No."})
    client_app.decide(case_id, "remove_content", by="Ben", reason="Still so.")
    work()
    client_app.decide(case_id, "remove_content", by="Ben", reason="Still so.")
    work()
    return {
        "<uuid:case_id>": case_id,
        "<uuid:appeal_id>": str(Appeal.objects.get().pk),
        "<uuid:order_id>": str(Order.objects.all()[0].pk),
        "<str:token>": uuid.uuid4().hex,
    }


def filled(route: str, objects: dict[str, str]) -> str:
    for name, value in objects.items():
        route = route.replace(name, value)
    return "/" + route


@pytest.mark.parametrize("route", PAGES)
def test_pages(objects: dict[str, str], route: str) -> None:
    for user, expected in zip((None, ana(), sue()), PAGES[route], strict=True):
        browser = Browser()
        if user is not None:
            browser.force_login(user)
        path = filled(route, objects)
        answer = browser.post(path) if "yes" in PAGES[route] else browser.get(path)
        sent_away = answer.status_code == 302 and answer["Location"].startswith("/login/")
        let_in = expected == "yes" and answer.status_code not in (401, 404, 405)
        seen = "in" if sent_away else "yes" if let_in else str(answer.status_code)
        assert seen == expected, (route, user)


@pytest.mark.parametrize("route", API)
def test_the_api(client_app: App, objects: dict[str, str], route: str) -> None:
    method, own, others = API[route]
    path = filled(f"api/v1/{route}", objects)

    def ask(caller: App) -> str:
        return str((caller.get(path) if method == "GET" else caller.post(path, {})).status_code)

    assert (ask(client_app), ask(app())) == (own, others), route
    stranger = Browser()
    stranger.force_login(sue())
    answer = stranger.get(path) if method == "GET" else stranger.post(path, {}, content_type="application/json")
    assert answer.status_code == 401, "a session of the console is no key to the API"
