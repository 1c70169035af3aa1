"""The pages in a real browser: the whole flow by keyboard, no accessibility violation, no breach of the CSP."""

from __future__ import annotations

import os
import shutil
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from django.db import connection
from pytest_django import Settings

from moderation.console import login_links
from moderation.models import Appeal, User
from moderation.services.story import review
from moderation.tests.installing import provide
from moderation.tests.people import RUDE, THREAT, App, ana, ben, console, sue, work
from moderation.tests.platform import Platform

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadedWSGIServer):
    daemon_threads = True

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        super().process_request_thread(request, client_address)
        connection.close()


@pytest.fixture
def live(database: None, settings: Settings) -> Iterator[str]:
    """The address of this very process's application, on loopback."""
    settings.DEMO = True
    server = Server(("127.0.0.1", 0), Quiet)
    server.set_app(StaticFilesHandler(get_wsgi_application()))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    path = provide("chromium", lambda: next(filter(None, map(shutil.which, CHROMIUM)), ""))
    # Playwright's sync API runs a loop in this thread, and Django would take that for asynchronous code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield running
        running.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


class Desk:
    """One person at a browser of their own; remembers everything its console complained about."""

    def __init__(self, browser: Any, live: str, user: User | None = None, **options: Any) -> None:
        self.live, self.complaints = live, []
        self.context = browser.new_context(**{"viewport": WIDE, **options})
        self.page = self.context.new_page()
        self.page.set_default_timeout(10_000)
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        if user is not None:
            self.go(login_links.link_for(user))

    def go(self, path: str) -> None:
        self.page.goto(self.live + path)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def see(self, selector: str) -> Any:
        return self.page.wait_for_selector(selector)

    def text(self, selector: str) -> str:
        return self.see(selector).inner_text()

    def violations(self) -> list[str]:
        """What axe finds. It comes in by evaluate, as the CSP rightly lets no script tag in."""
        found = Axe().run(self.page).response["violations"]
        return [f"{item['id']}: {[node['html'][:160] for node in item['nodes'][:3]]}" for item in found]

    def overflows(self) -> bool:
        width = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        return bool(self.page.evaluate(width))


def lose_the_claim(case_id: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE moderation_case SET claim_until = now() - interval '1 second' WHERE id = %s", [uuid.UUID(case_id)]
        )


@pytest.fixture
def cases(client_app: App) -> list[str]:
    """A calm case, an urgent one, and one full of hidden characters; all wait for review."""
    made = [
        client_app.start(report={"reporter_id": "reader", "reason": "Please look at this."}),
        client_app.start(THREAT, priority="urgent", url="https://forum.example/" + "long" * 60),
        client_app.start(f"{RUDE} \u202etxet\u200b {'Longword' * 60}", priority="low", context={"thread": "walks"}),
    ]
    work()
    return made


def test_the_whole_flow_by_keyboard(live: str, browser: Any, cases: list[str], platform: Platform) -> None:
    desk = Desk(browser, live, ana())
    desk.see(".queue")
    desk.press("j", "j", "k", "o")
    assert THREAT in desk.text(".content")
    desk.press("c")
    desk.see("#decide")
    assert desk.page.evaluate("document.activeElement.id") == "decision-title"
    desk.press("a")
    assert desk.page.evaluate("document.activeElement.id") == "decide"
    desk.press("7")
    ticked = "[...document.querySelectorAll('#decision-form :checked')].map(box => box.value)"
    assert desk.page.evaluate(ticked) == ["violation", "remove_content", "spam", "threats"]
    desk.page.focus("#note")
    desk.page.keyboard.type("a note with keys: a 1 u ?")
    assert desk.page.input_value("#note") == "a note with keys: a 1 u ?"
    desk.press("Control+Enter")
    assert "Violation: Remove the content" in desk.text(".undo ~ h3 + .lines")
    desk.press("u")
    desk.see("#decide")
    assert not desk.page.query_selector("#undo")
    desk.press("a", "Enter")
    desk.see("#undo")
    desk.press("n")
    desk.page.wait_for_url(f"**/cases/{cases[0]}/")
    desk.see("#decide")
    desk.press("?")
    desk.see("dialog[open]")
    desk.press("x")  # keys sleep while a dialog is open
    desk.press("Escape")
    desk.press("x")
    desk.see("#claim")
    desk.press("q")
    desk.see(".queue")
    assert desk.complaints == []
    desk.context.close()


def test_a_claim_lost_while_typing_keeps_every_word(live: str, browser: Any, cases: list[str]) -> None:
    desk = Desk(browser, live, ana())
    desk.go(f"/console/cases/{cases[0]}/")
    desk.press("c")
    desk.see("#decide")
    desk.press("a")
    desk.page.fill("#note", "What I thought.")
    lose_the_claim(cases[0])
    review.claim(uuid.UUID(cases[0]), by=console(ben()))
    beat = "document.querySelector('[data-beat]').dispatchEvent(new Event('guardian:beat'))"
    desk.page.evaluate(beat)
    assert "ben is reading this case" in desk.text(".panel")
    assert desk.page.input_value("#note") == "What I thought."
    review.release(uuid.UUID(cases[0]), by=console(ben()))
    desk.page.click("#decide")
    assert "Your claim has run out" in desk.text("#panel-title:text('run out')")
    desk.page.click(".panel .go")
    desk.see("#decide")
    assert desk.page.input_value("#note") == "What I thought."
    desk.page.click("#decide")
    desk.see("#undo")
    desk.context.close()


def test_somebody_who_is_logged_out_meanwhile_keeps_what_they_typed(live: str, browser: Any, cases: list[str]) -> None:
    desk = Desk(browser, live, ana())
    desk.go(f"/console/cases/{cases[0]}/")
    desk.press("c")
    desk.see("#decide")
    desk.page.fill("#note", "What I thought.")
    cookies = desk.context.cookies()
    desk.context.clear_cookies()
    desk.context.add_cookies([cookie for cookie in cookies if cookie["name"] == "csrftoken"])
    desk.page.click("#decide")
    assert "logged out" in desk.text("[data-when=out] p")
    other = desk.context.new_page()
    other.goto(live + login_links.link_for(ana()))
    assert desk.page.input_value("#note") == "What I thought."
    desk.page.click("text=No violation")
    desk.page.click("#decide")
    desk.see("#undo")
    desk.context.close()


def test_what_others_do_shows_by_itself_while_nothing_is_typed(live: str, browser: Any, cases: list[str]) -> None:
    desk = Desk(browser, live, ana())
    desk.go(f"/console/cases/{cases[0]}/")
    review.claim(uuid.UUID(cases[0]), by=console(ben()))
    desk.page.evaluate("document.querySelector('[data-tick]').dispatchEvent(new Event('guardian:tick'))")
    desk.see("#decision p:text('ben is reading this case')")
    assert desk.complaints == []
    desk.context.close()


def test_everything_works_without_javascript(live: str, browser: Any, cases: list[str]) -> None:
    desk = Desk(browser, live, ana(), java_script_enabled=False)
    desk.page.click("text=Take the next case")
    desk.page.click("#agree")
    desk.page.fill("#note", "By hand.")
    desk.page.click("#decide")
    assert "Undo" in desk.text("#undo")
    desk.page.click("#undo")
    desk.page.click("text=No violation")
    desk.page.click("#decide")
    assert "No violation" in desk.text("#decision .lines")
    desk.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_an_accessibility_violation_or_breaks_the_csp(
    live: str, browser: Any, cases: list[str], client_app: App, platform: Platform, scheme: str
) -> None:
    platform.behave = lambda document: (500, b"")
    client_app.decide(cases[2], "remove_content", "warn_author", by="Cleo", reason="Rude.")
    work()
    desk = Desk(browser, live, color_scheme=scheme)
    found: dict[str, list[str]] = {}

    def judge(name: str) -> None:
        # axe looks at the light pages on a desk and at the dark ones on a phone: the two differ in nothing else.
        for size, judged in ((WIDE, scheme == "light"), (PHONE, scheme == "dark")):
            desk.page.set_viewport_size(size)
            found[f"{name} {size['width']}"] = ["too wide"] if desk.overflows() else []
            found[f"{name} {size['width']}"] += desk.violations() if judged else []
        desk.page.set_viewport_size(WIDE)

    desk.go("/login/")
    judge("login")
    desk.page.fill("#id_username", "nobody")
    desk.page.fill("#id_password", "wrong")
    desk.page.click("main .go")
    judge("login refused")
    desk.go(login_links.link_for(ana()))
    judge("queue")
    desk.go(f"/console/cases/{cases[2]}/")
    judge("failing delivery")
    desk.go(f"/console/cases/{cases[0]}/")
    judge("open case")
    desk.press("c")
    desk.see("#decide")
    desk.press("a")
    judge("form")
    desk.press("?")
    judge("help")
    desk.press("Escape")
    desk.page.click("text=No violation")
    desk.page.evaluate("document.querySelector('#actions').disabled = false")
    desk.page.click("#decide")
    desk.see(".error")
    judge("refused")
    lose_the_claim(cases[0])
    desk.page.click("text=No violation")
    desk.page.click("#decide")
    desk.see("#panel-title:text('run out')")
    judge("lost claim")
    desk.page.click(".panel .go")
    desk.see("#decide")
    desk.page.evaluate("document.querySelectorAll('[name=policies]').forEach(box => { box.checked = false })")
    desk.page.click("#decide")
    desk.see("#next")  # not #undo: on a busy machine its ten seconds may be over before axe has come to it
    judge("decided")
    expected = [said for said in desk.complaints if "status of 4" in said]
    assert [said for said in desk.complaints if said not in expected] == []
    desk.go("/nothing-here/")
    judge("404")
    assert {name: said for name, said in found.items() if said} == {}
    desk.context.close()


@pytest.fixture
def appealed(client_app: App, cases: list[str]) -> Appeal:
    """The author of the first case has been warned, restricted and heard; the case waits for its second review."""
    client_app.decide(cases[0], "remove_content", "warn_author", by="Cleo", policies=["harassment"], reason="Rude.")
    work()
    statement = f"It was <b>irony</b>. {'Longword' * 60}"
    client_app.post(f"cases/{cases[0]}/appeals/", {"appellant_id": "author-1", "statement": statement})
    work()
    return Appeal.objects.get()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_appeals_pages_are_accessible_light_and_dark_on_desk_and_phone(
    live: str, browser: Any, cases: list[str], client_app: App, appealed: Appeal, platform: Platform, scheme: str
) -> None:
    stranger, desk = (Desk(browser, live, user, color_scheme=scheme) for user in (None, sue()))
    found: dict[str, list[str]] = {}

    def judge(who: Desk, name: str, path: str = "") -> None:
        if path:
            who.go(path)
        for size in (WIDE, PHONE):
            who.page.set_viewport_size(size)
            found[f"{name} {size['width']}"] = who.violations() + (["too wide"] if who.overflows() else [])

    page = f"/appeals/{appealed.token}/"
    judge(stranger, "open", page)
    assert "Second review" in stranger.text("[aria-current=step]")
    stranger.page.click("text=Deutsch")
    assert stranger.page.get_attribute("html", "lang") == "de"
    desk.go(f"/console/cases/{cases[0]}/")
    desk.page.click("#appeals summary")
    desk.page.click("#appeals .ask button")
    assert desk.text("#panel-title") == "A reason is needed"
    judge(desk, "empty reason")
    judge(desk, "list", "/console/appeals/")
    platform.behave = lambda document: (500, b"")
    client_app.decide(cases[0], "remove_content", "suspend_author", by="Dora", reason="Still rude.")
    work()
    judge(stranger, "answered", page)
    desk.go(f"/console/cases/{cases[0]}/")
    desk.page.set_viewport_size(WIDE)
    for summary in desk.page.query_selector_all(".log summary, #rollback summary"):
        summary.click()
    judge(desk, "delivery log")
    judge(desk, "no appeals", "/console/appeals/")
    assert {name: said for name, said in found.items() if said} == {}
    assert stranger.complaints == []
    assert [said for said in desk.complaints if "status of 422" not in said] == []
    for who in (stranger, desk):
        who.context.close()


def test_what_others_do_never_wipes_a_reason_that_is_being_typed(
    live: str, browser: Any, cases: list[str], client_app: App, platform: Platform
) -> None:
    client_app.decide(cases[0], "remove_content", by="Cleo", reason="Rude.")
    work()
    desk = Desk(browser, live, sue())
    desk.go(f"/console/cases/{cases[0]}/")
    desk.page.click("#rollback summary")
    desk.page.fill("#rollback-why", "It was a quot")
    client_app.post(f"cases/{cases[0]}/appeals/", {"appellant_id": "author-1", "statement": "No."})
    desk.page.wait_for_timeout(6500)  # the page looks again every five seconds
    assert desk.page.input_value("#rollback-why") == "It was a quot"
    desk.page.click("#rollback button")
    assert desk.text("#panel-title") == "Not possible now"
    assert "Being rolled back" in desk.text(".panel")
    assert desk.page.evaluate("document.activeElement.className") == "panel"
    desk.context.close()


def test_the_admin_obeys_the_csp_too(live: str, browser: Any, cases: list[str]) -> None:
    desk = Desk(browser, live, sue())
    for path in ("", "moderation/case/", f"moderation/case/{cases[0]}/change/", "moderation/policyversion/add/"):
        desk.go(f"/admin/{path}")
        assert "Guardian" in desk.text("#site-name")
    assert desk.complaints == []
    desk.context.close()
