"""Getting in, staying in and being let out, in a real browser: what is warned of, in three languages, at both sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from moderation.models import User
from moderation.rights import Actor
from moderation.services.desk import people
from moderation.tests.people import ana, sue
from moderation.tests.test_pages_in_chromium import PHONE, WIDE, Desk, browser, live  # noqa: F401
from moderation.tests.test_sessions import pass_time

STAY = {"en": "Stay logged in", "de": "Angemeldet bleiben", "es": "Mantener la sesión"}
PICTURES = Path("/tmp/desk")  # noqa: S108


def picture(desk: Desk, name: str) -> None:
    if PICTURES.is_dir():
        desk.page.screenshot(path=PICTURES / f"{name}.png")


@pytest.mark.parametrize(("language", "shape"), [("en", "wide-light"), ("de", "phone-dark"), ("es", "phone-light")])
def test_one_is_warned_two_minutes_before_and_stays_at_a_press(
    live: str,  # noqa: F811
    browser: Any,  # noqa: F811
    language: str,
    shape: str,
) -> None:
    size, scheme = shape.split("-")
    desk = Desk(browser, live, ana(), viewport=WIDE if size == "wide" else PHONE, color_scheme=scheme, locale=language)
    desk.go("/console/")
    assert not desk.page.is_visible("[data-stay]")
    pass_time(1700)
    # As if all this time had passed for the page as well; it asks the server before it warns.
    desk.page.evaluate("Date.now = (now => () => now() + 1690000)(Date.now)")
    desk.see("[data-when=soon] p")
    picture(desk, f"warned-{language}-{shape}")
    assert desk.text("[data-stay]") == STAY[language]
    assert desk.page.get_attribute("#session", "role") == "status"
    assert (desk.violations(), desk.overflows()) == ([], False)
    desk.page.click("[data-stay]")
    desk.page.wait_for_selector("[data-when=soon] p", state="hidden")
    assert desk.complaints == []
    desk.context.close()


def test_a_session_that_has_ended_is_said_so_and_a_log_in_elsewhere_is_noticed(
    live: str,  # noqa: F811
    browser: Any,  # noqa: F811
) -> None:
    for user, page in ((ana(), "/console/"), (sue(), "/admin/moderation/client/add/")):
        desk = Desk(browser, live, user)
        desk.go(page)
        people.log_out_everywhere(user.pk, by=Actor.operator())
        desk.page.evaluate("Date.now = (now => () => now() + 1801000)(Date.now)")
        assert not desk.page.is_visible("[data-when=soon] p")
        desk.see("[data-when=out] p")
        picture(desk, f"out-{user}")
        assert "/login/" in (desk.page.get_attribute("[data-when=out] a", "href") or "")
        other = desk.context.new_page()
        from moderation.console import login_links

        other.goto(live + login_links.link_for(User.objects.get(pk=user.pk)))
        desk.page.evaluate("Date.now = (now => () => now() + 16000)(Date.now)")
        desk.page.wait_for_selector("[data-when=out] p", state="hidden")
        desk.context.close()


@pytest.mark.parametrize("shape", ["wide-dark", "phone-light"])
def test_the_pages_of_the_entrance_are_accessible_at_both_sizes(
    live: str,  # noqa: F811
    browser: Any,  # noqa: F811
    shape: str,
) -> None:
    size, scheme = shape.split("-")
    dora = people.create("dora", by=Actor.operator(), role="moderator")
    token = people.link(dora.pk, by=Actor.operator())
    desk = Desk(browser, live, viewport=WIDE if size == "wide" else PHONE, color_scheme=scheme)
    for name, path in (("set", f"/set-password/{token}/"), ("used", "/set-password/used/"), ("login", "/login/")):
        desk.go(path)
        picture(desk, f"{name}-{shape}")
        assert (desk.violations(), desk.overflows()) == ([], False), path
    for _ in range(6):
        desk.go("/login/")
        desk.page.fill("#id_username", "dora")
        desk.page.fill("#id_password", "wrong")
        desk.press("Enter")
        desk.see("[role=alert]")
    assert "Too many passwords" in desk.text("[role=alert]")
    picture(desk, f"locked-{shape}")
    assert (desk.violations(), desk.overflows()) == ([], False)
    desk.context.close()


def test_a_password_is_set_by_keyboard_and_lets_one_in(live: str, browser: Any) -> None:  # noqa: F811
    dora = people.create("dora", by=Actor.operator(), role="moderator")
    desk = Desk(browser, live)
    desk.go(f"/set-password/{people.link(dora.pk, by=Actor.operator())}/")
    desk.page.keyboard.type("a-decent-pass-9")
    desk.press("Tab")
    desk.page.keyboard.type("a-decent-pass-9")
    desk.press("Enter")
    assert "Your password is set" in desk.text("#messages")
    desk.page.fill("#id_username", "dora")
    desk.press("Tab")
    desk.page.keyboard.type("a-decent-pass-9")
    desk.press("Enter")
    desk.page.wait_for_url("**/console/")
    assert desk.complaints == []
    desk.context.close()
