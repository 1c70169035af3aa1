"""The desk: people and their first password, clients, policies; and that each change leaves its event."""

from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client as Browser
from django.urls import reverse
from pytest_django import Settings

from moderation.errors import ModerationError, NotAllowed, Unacceptable
from moderation.models import ApiKey, Client, Event, Policy, PolicyVersion, Role, User
from moderation.rights import Actor
from moderation.services.desk import clients, people, policies
from moderation.standalone.datadir import DataDir
from moderation.states import Door
from moderation.tests.moderators import Moderator, plain, sql
from moderation.tests.people import ana, app, ben, sue

GOOD = "a-decent-pass-9"
OPERATOR = Actor.operator()


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def invited(name: str = "dora", role: str = "moderator") -> str:
    """The path of the link that was printed for somebody."""
    return json.loads(run("create_user", name, "--role", role, "--json"))["set_password_url"]


def events() -> list[tuple[str, dict[str, Any]]]:
    return [(event.type, event.data) for event in Event.objects.filter(case=None).order_by("pk")]


# --- first people ------------------------------------------------------------------------------------------------


def test_somebody_new_sets_a_password_by_the_link_once_and_gets_in(database: None) -> None:
    path = invited()
    assert re.fullmatch(r"/set-password/[\w-]{40,}/", path)
    browser = Browser()
    page = browser.get(path)
    assert page.status_code == 200
    assert "no-store" in page["Cache-Control"]
    assert page["Referrer-Policy"] == "same-origin"
    weak = browser.post(path, {"new_password1": "12345678", "new_password2": "12345678"})
    assert weak.status_code == 422
    assert "too common" in plain(weak)
    assert browser.post(path, {"new_password1": GOOD, "new_password2": GOOD + "x"}).status_code == 422
    done = browser.post(path, {"new_password1": GOOD, "new_password2": GOOD}, follow=True)
    assert done.redirect_chain == [("/login/", 302)]
    assert "Your password is set" in plain(done)
    entered = browser.post("/login/", {"username": "dora", "password": GOOD}, follow=True)
    assert entered.redirect_chain[-1][0] == "/console/"
    for used in (Browser().get(path), Browser().post(path, {"new_password1": "other-9-pass", "new_password2": "x"})):
        assert used.status_code == 404
        assert "This link does not work any more" in plain(used)
    assert User.objects.get(username="dora").check_password(GOOD)


def test_a_link_that_is_old_or_made_up_says_what_to_do_in_three_languages(database: None) -> None:
    path = invited()
    sql("UPDATE moderation_user SET password_link_until = now() - interval '1 second'")
    said = {"en": "ask whoever sent you the link", "de": "bitten Sie um einen neuen Link", "es": "pida un enlace nuevo"}
    for language, words in said.items():
        for link in (path, "/set-password/made-up/", "/set-password/a%00b/"):
            answer = Browser(headers={"accept-language": language}).get(link)
            assert answer.status_code == 404
            assert words in plain(answer)


def test_run_again_it_prints_a_new_link_and_ends_the_old_one(database: None) -> None:
    old, new = invited(), invited()
    assert Browser().get(old).status_code == 404
    assert Browser().get(new).status_code == 200
    assert User.objects.count() == 1
    with pytest.raises(CommandError, match="as moderator"):
        invited(role="supervisor")
    Browser().post(new, {"new_password1": GOOD, "new_password2": GOOD})
    with pytest.raises(CommandError, match="has a password"):
        invited()


def test_a_closed_account_and_a_new_password_end_the_link(database: None) -> None:
    path = invited()
    dora = User.objects.get()
    people.change(dora.pk, by=OPERATOR, is_active=False)
    assert Browser().get(path).status_code == 404
    people.change(dora.pk, by=OPERATOR, is_active=True)
    assert Browser().get(path).status_code == 200
    people.set_password(dora.pk, by=OPERATOR, password=GOOD)
    assert Browser().get(path).status_code == 404


def test_the_link_is_printed_with_the_address_people_use(database: None, settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = DataDir(tmp_path)
    said = run("create_user", "dora", "--role", "supervisor", "--email", "dora@example.org")
    assert "\n/set-password/" in said
    assert "PUBLIC_URL" in said
    settings.DATA_DIR.create()
    settings.DATA_DIR.announce("http://127.0.0.1:8765")
    assert invited(role="supervisor").startswith("/set-password/")  # nobody holds it: that demo has ended
    with settings.DATA_DIR.hold():
        settings.DATA_DIR.announce("http://127.0.0.1:8765")
        assert invited(role="supervisor").startswith("http://127.0.0.1:8765/set-password/")
    settings.PUBLIC_URL = "https://mod.example.org"
    made = json.loads(run("create_user", "dora", "--role", "supervisor", "--json"))
    assert set(made) == {"username", "role", "set_password_url"}
    assert made["set_password_url"].startswith("https://mod.example.org/set-password/")
    assert (made["username"], made["role"]) == ("dora", "supervisor")
    assert User.objects.get().email == "dora@example.org"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("  ", "1 to 150 characters"),
        ("x" * 151, "1 to 150 characters"),
        ("do\nra", "cannot be seen"),
        ("do\u200bra", "cannot be seen"),
        ("\u202edora", "cannot be seen"),
        ("do ra", "letters, digits"),
        ("\u3164", "1 to 150 characters|cannot be seen|letters, digits|can be seen"),
        ("ANA", "reads like somebody"),
        ("\u0430n\u0430", "reads like somebody"),
        ("ana", "is there already"),
    ],
)
def test_a_name_nobody_can_have_is_refused(database: None, name: str, sentence: str) -> None:
    ana().set_password(GOOD)
    User.objects.update(password="pbkdf2_sha256$1$x$x")
    with pytest.raises(CommandError, match=sentence):
        run("create_user", name, "--role", "moderator")
    fields = {"username": name, "role": "moderator", "password1": GOOD, "password2": GOOD, "usable_password": "true"}
    assert Moderator(sue()).browser.post(reverse("admin:moderation_user_add"), fields).status_code == 200
    assert set(User.objects.values_list("username", flat=True)) == {"ana", "sue"}


def test_no_link_is_printed_that_leads_nowhere(database: None) -> None:
    invited("\uff44ora")
    assert User.objects.get().username == "dora"
    assert invited("\uff44ora") != invited()  # the same person: a new link
    User.objects.update(is_active=False)
    with pytest.raises(CommandError, match="closed"):
        run("create_user", "dora", "--role", "moderator")
    with pytest.raises(CommandError, match="no e-mail address"):
        run("create_user", "anna", "--role", "moderator", "--email", f"{'a' * 250}@example.org")
    assert User.objects.count() == 1


def test_createsuperuser_gives_a_supervisor_who_is_called_so(database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", GOOD)
    run("createsuperuser", "--noinput", "--username", "root", "--email", "root@example.org")
    root = User.objects.get()
    assert (root.role, root.is_supervisor, root.is_staff) == (Role.SUPERVISOR, True, True)
    assert events() == [("person.created", {"person": root.pk, "role": "supervisor"})]
    with pytest.raises(CommandError, match="reads like"):
        run("createsuperuser", "--noinput", "--username", "R00T".replace("0", "O"), "--email", "root@example.org")
    answer = Browser().post("/admin/login/", {"username": "root", "password": GOOD})
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")


# --- clients -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://10.0.0.7/hooks", "https://192.168.1.1/", "https://169.254.169.254/latest/", "https://127.0.0.1/",
        "https://127.1/", "https://0x7f000001/", "https://2130706433/", "https://[::1]/", "https://[fe80::1]/",
        "https://[fd00::1]/", "https://[::ffff:10.0.0.1]/", "https://localhost/", "https://a.localhost/",
        "https://forum/", "https://forum.local/", "https://forum.internal./", "https://0.0.0.0/", "https://224.0.0.1/",
        "https://forum.test/", "https://forum.corp/", "https://example..com/", f"https://{'a' * 64}.com/",
        "https://1.2.3.4.5/",
    ],
)  # fmt: skip
def test_an_address_that_can_never_be_public_is_refused_at_every_door(database: None, url: str) -> None:
    made = app(name="forum").client
    with pytest.raises(CommandError):
        run("create_client", "shop", "--webhook-url", url)
    with pytest.raises(Unacceptable):
        clients.change(made.pk, by=OPERATOR, webhook_url=url)
    fields = {"name": "forum", "is_active": "on", "webhook_url": url}
    assert (
        Moderator(sue()).browser.post(reverse("admin:moderation_client_change", args=[made.pk]), fields).status_code
        == 200
    )
    assert Client.objects.get().webhook_url == ""


def test_a_public_address_is_taken_and_this_machines_only_where_that_is_allowed(
    database: None, settings: Settings
) -> None:
    for url in ("https://shop.example/hooks", "https://93.184.215.14/", "https://[2606:2800:21f:cb07::1]:8443/x"):
        clients.check_webhook_url(url)
    settings.ALLOW_LOOPBACK_WEBHOOKS = True
    for url in ("http://127.0.0.1:9000/", "http://localhost:1/", "http://[::1]:1/"):
        clients.check_webhook_url(url)
    for url in ("http://10.0.0.7/", "https://forum.local/"):
        with pytest.raises(Unacceptable):
            clients.check_webhook_url(url)


@pytest.mark.parametrize("name", ["a\nb", "a\x00b", "a\u202eb", "a\u2028b", "\u200b"])
def test_a_clients_name_holds_nothing_that_cannot_be_seen(database: None, name: str) -> None:
    with pytest.raises(CommandError, match="cannot be seen"):
        run("create_client", name)
    assert not Client.objects.exists()


@pytest.mark.parametrize(
    "secret", ["lost", "whsec_", "whsec_" + "A" * 16, "whsec_" + "A" * 88 + "AAAA", "whsec_!!!" + "A" * 40, "A" * 44]
)
def test_a_malformed_webhook_secret_is_not_saved(database: None, secret: str) -> None:
    made = app(name="kept")
    with pytest.raises(Unacceptable, match="whsec_ and 24 to 64 bytes"):
        clients.create("shop", by=OPERATOR, secret=secret)
    with pytest.raises(Unacceptable, match="whsec_ and 24 to 64 bytes"):
        clients.ensure("kept", by=OPERATOR, api_key=made.api_key, webhook_secret=secret, webhook_url="")
    assert Client.objects.get().webhook_secret == made.secret


# --- every change leaves its event -------------------------------------------------------------------------------


def test_what_supervisors_change_about_clients_leaves_events_that_hold_no_name_and_no_secret(database: None) -> None:
    browser = Moderator(sue()).browser
    admin = lambda name, page, *args: reverse(f"admin:moderation_{name}_{page}", args=args)  # noqa: E731
    fields = {"name": "Forum", "is_active": "on", "webhook_url": "https://forum.example/hooks/s3cret"}
    assert browser.post(admin("client", "add"), fields).status_code == 302
    client = Client.objects.get()
    changed = {"name": "Forum 2", "webhook_url": "", "rate_per_second": "7"}
    assert browser.post(admin("client", "change", client.pk), changed).status_code == 302
    browser.post(admin("client", "changelist"), {"action": "rotate_secret", "_selected_action": [client.pk]})
    browser.post(admin("client", "changelist"), {"action": "rotate_secret", "_selected_action": [client.pk]})
    browser.post(admin("apikey", "add"), {"client": client.pk, "scopes": ["cases:read"]})
    first, second = ApiKey.objects.order_by("created_at")
    browser.post(admin("apikey", "changelist"), {"action": "rotate", "_selected_action": [first.pk]})
    browser.post(admin("apikey", "changelist"), {"action": "revoke", "_selected_action": [second.pk]})
    successor = ApiKey.objects.exclude(pk__in=[first.pk, second.pk]).get()
    assert events() == [
        ("client.created", {}),
        ("client.key_made", {"key": first.pk}),
        ("client.changed", {"fields": ["name", "is_active", "webhook_url", "rate_per_second"], "is_active": False}),
        ("client.secret_rotated", {}),
        ("client.key_made", {"key": second.pk}),
        ("client.key_rotated", {"key": first.pk, "successor": successor.pk}),
        ("client.key_revoked", {"key": second.pk}),
    ]
    assert {event.client_id for event in Event.objects.all()} == {client.pk}
    assert {event.user.username for event in Event.objects.all()} == {"sue"}
    page = plain(browser.get(admin("event", "changelist")))
    assert "client.secret_rotated" in page
    client.refresh_from_db()
    assert (client.rate_per_second, client.rate_burst) == (7, 1000)


def test_what_supervisors_change_about_people_leaves_events(database: None) -> None:
    browser = Moderator(sue()).browser
    url = lambda page, *args: reverse(f"admin:moderation_user_{page}", args=args)  # noqa: E731
    fields = {"username": "dora", "role": "moderator", "password1": GOOD, "password2": GOOD, "usable_password": "true"}
    assert browser.post(url("add"), fields).status_code == 302
    dora = User.objects.get(username="dora")
    assert dora.check_password(GOOD)
    there = Moderator(dora).browser
    change = {"username": "dora", "role": "supervisor", "is_active": "on", "first_name": "Dora"}
    assert browser.post(url("change", dora.pk), change).status_code == 302
    password = {"password1": "another-pass-9", "password2": "another-pass-9", "usable_password": "true"}
    path = reverse("admin:auth_user_password_change", args=[dora.pk])
    assert browser.post(path, {**password, "set-password": "1"}).status_code == 302
    assert User.objects.get(pk=dora.pk).check_password("another-pass-9")
    assert there.get("/session/").status_code == 401
    assert browser.post(url("change", dora.pk), {**change, "is_active": ""}).status_code == 302
    me = {"old_password": "another-pass-9", "new_password1": GOOD, "new_password2": GOOD}
    User.objects.filter(username="sue").update(password=User.objects.get(pk=dora.pk).password)
    browser.force_login(sue())
    assert browser.post("/admin/password_change/", me).status_code == 302
    assert browser.get("/session/").status_code == 204
    who = {"person": dora.pk}
    assert events() == [
        ("person.created", {**who, "role": "moderator"}),
        ("person.role_changed", {**who, "role": "supervisor"}),
        ("person.changed", {**who, "fields": ["first_name"]}),
        ("person.password_set", who),
        ("person.closed", who),
        ("person.password_set", {"person": sue().pk}),
    ]


def test_what_supervisors_change_about_policies_leaves_events(database: None) -> None:
    browser = Moderator(sue()).browser
    inline = {"versions-TOTAL_FORMS": 0, "versions-INITIAL_FORMS": 0}
    assert (
        browser.post("/admin/moderation/policy/add/", {"slug": "new", "is_active": "on", **inline}).status_code == 302
    )
    policy = Policy.objects.get(slug="new")
    try:
        said = {"title": "New", "text": "None of it.", "severity": "low", "allowed_actions": ["remove_content"]}
        version = policies.publish("new", by=OPERATOR, **said)
        change = f"/admin/moderation/policy/{policy.pk}/change/"
        assert browser.post(change, {"is_active": "", **inline}).status_code == 302
        assert browser.post(change, {"is_active": "", **inline}).status_code == 302
        assert browser.post(change, {"is_active": "on", **inline}).status_code == 302
        for wrong in ({"terms": ["a", "(b"]}, {"allowed_actions": ["fly"]}):
            with pytest.raises(Unacceptable, match=r"“\(b” is not a regular expression|Unknown actions: fly"):
                policies.publish("new", by=OPERATOR, **{**said, **wrong})
        who = {"policy": policy.pk}
        assert events() == [
            ("policy.added", who),
            ("policy.published", {**who, "version": version.pk, "number": 1}),
            ("policy.retired", who),
            ("policy.revived", who),
        ]
    finally:  # the policies outlive a test
        PolicyVersion.objects.filter(policy=policy).delete()
        policy.delete()


def test_the_verbs_ask_for_rights_themselves(database: None) -> None:
    made = app().client
    moderator = Actor.of_user(ana(), Door.CONSOLE)
    for attempt in (
        lambda: clients.create("shop", by=moderator),
        lambda: clients.change(made.pk, by=moderator, is_active=False),
        lambda: clients.rotate_secret(made.pk, by=moderator),
        lambda: policies.publish("spam", by=moderator),
        lambda: people.create("dora", by=moderator, role="moderator"),
        lambda: people.set_password(ben().pk, by=moderator, password=GOOD),
        lambda: people.log_out_everywhere(ben().pk, by=moderator),
        lambda: people.link(ben().pk, by=Actor.of_client(made, ["cases:write"])),
    ):
        with pytest.raises(NotAllowed):
            attempt()


def test_nobody_but_a_superuser_changes_a_superuser_and_who_has_decided_keeps_the_name(database: None) -> None:
    root = User.objects.create_superuser("root", password=GOOD)
    supervisor = Actor.of_user(sue(), Door.ADMIN)
    for attempt in (
        lambda: people.set_password(root.pk, by=supervisor, password=GOOD),
        lambda: people.change(root.pk, by=supervisor, is_active=False),
        lambda: people.log_out_everywhere(root.pk, by=supervisor),
    ):
        with pytest.raises(NotAllowed):
            attempt()
    shop = app()
    case_id = shop.start()
    from moderation.tests.people import work

    work()
    assert shop.decide(case_id, by="ana", outcome="no_violation").status_code == 202
    with pytest.raises(ModerationError):
        people.change(ana().pk, by=supervisor, username="anna")
    assert people.change(ben().pk, by=supervisor, username="benno").username == "benno"
