"""How often a password may be tried, and whom that locks out: whoever guesses, and nobody else."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.test import Client as Browser
from pytest_django import Settings

from moderation.models import LoginTries, User
from moderation.services.desk import logins
from moderation.tests.moderators import plain, sql
from moderation.tests.people import ana, sue

RIGHT = "right-horse-9-battery"
HASHED: list[str] = []


class CountingHasher(PBKDF2PasswordHasher):
    """Django's, which says how often it was asked; few rounds, as the figures here are not about time."""

    iterations = 10

    def verify(self, password: str, encoded: str) -> bool:
        HASHED.append(password)
        return super().verify(password, encoded)


@pytest.fixture(autouse=True)
def _counting(database: None, settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["moderation.tests.test_logins.CountingHasher"]
    HASHED.clear()
    for user in (ana(), sue()):
        user.set_password(RIGHT)
        user.save()


def enter(password: str, *, name: str = "ana", at: str = "192.0.2.7", door: str = "/login/", **headers: str) -> Any:
    return Browser(REMOTE_ADDR=at, headers=headers).post(door, {"username": name, "password": password})


def guess(times: int, **where: Any) -> list[int]:
    return [enter(f"wrong-{number}", **where).status_code for number in range(times)]


def pass_time(seconds: float) -> None:
    sql("UPDATE moderation_logintries SET at = at - %s * interval '1 second'", seconds)


@pytest.mark.parametrize(("door", "name"), [("/login/", "ana"), ("/admin/login/", "sue")])
def test_after_five_wrong_passwords_not_even_the_right_one_is_looked_at(door: str, name: str) -> None:
    assert guess(8, door=door, name=name) == [200] * 5 + [429] * 3
    assert len(HASHED) == 5
    answer = enter(RIGHT, door=door, name=name)
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 180
    assert "Too many passwords were tried for this name from here. Try again in 3 minutes." in plain(answer)
    assert len(HASHED) == 5
    assert answer.wsgi_request.user.is_anonymous


@pytest.mark.parametrize(("language", "said"), [("de", "zu viele Passwörter"), ("es", "demasiadas contraseñas")])
def test_it_is_said_in_three_languages(language: str, said: str) -> None:
    guess(5)
    assert said in plain(enter(RIGHT, **{"accept-language": language}))


def test_the_right_password_works_again_when_it_was_said_and_a_success_resets() -> None:
    guess(5)
    wait = int(enter(RIGHT)["Retry-After"])
    pass_time(wait - 5)
    assert enter(RIGHT).status_code == 429
    pass_time(5)
    assert enter(RIGHT).status_code == 302
    assert guess(5) == [200] * 5
    assert guess(1) == [429]


def test_nobody_else_is_locked_out_neither_from_elsewhere_nor_by_another_name() -> None:
    guess(6)
    assert enter(RIGHT, at="192.0.2.8").status_code == 302
    assert enter(RIGHT, name="sue").status_code == 302
    assert enter(RIGHT).status_code == 429


def test_guessing_many_names_from_one_address_ends_but_who_works_there_gets_in() -> None:
    assert enter(RIGHT).status_code == 302
    tried = [guess(1, name=f"name-{number}")[0] for number in range(70)]
    assert tried == [200] * 60 + [429] * 10
    assert enter(RIGHT, name="sue").status_code == 429
    assert enter(RIGHT).status_code == 302
    pass_time(logins.ADDRESS.seconds)
    assert enter(RIGHT, name="sue").status_code == 302


def test_guessing_one_name_from_many_addresses_ends_but_its_owner_gets_in() -> None:
    assert enter(RIGHT, at="198.51.100.1").status_code == 302
    tried = [guess(1, at=f"203.0.113.{number}")[0] for number in range(70)]
    assert tried == [200] * 60 + [429] * 10
    assert enter(RIGHT, at="198.51.100.1").status_code == 302


def test_of_many_guesses_at_once_no_more_pass_than_are_free() -> None:
    seen: list[int] = []
    together = threading.Barrier(12)

    def one(number: int) -> None:
        from django.db import connection

        together.wait()
        seen.append(enter(f"wrong-{number}").status_code)
        connection.close()

    threads = [threading.Thread(target=one, args=[number]) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [200] * 5 + [429] * 7
    assert len(HASHED) == 5


def test_neither_names_nor_addresses_are_kept_and_what_has_run_down_is_forgotten() -> None:
    guess(1, name="my-password-in-the-wrong-field")
    enter(RIGHT)
    for row in LoginTries.objects.all():
        assert len(row.key) == 64
    assert LoginTries.objects.count() == 5
    pass_time(3 * 86_400)
    assert logins.forget() == 4
    assert LoginTries.objects.get().good_at is not None


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "203.0.113.9", "192.0.2.7"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "1.1.1.1, 203.0.113.9", "203.0.113.9"),
        (2, "1.1.1.1, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
        (2, "203.0.113.9", "192.0.2.7"),
        (1, "", "192.0.2.7"),
    ],
)
def test_behind_proxies_of_ours_the_caller_is_whom_the_outermost_saw(
    settings: Settings, proxies: int, forwarded: str, address: str
) -> None:
    settings.PROXY_COUNT = proxies
    request = enter("x", **{"x-forwarded-for": forwarded}).wsgi_request
    assert logins.address_of(request) == address


def test_addresses_of_one_household_are_one_and_a_callers_port_is_none() -> None:
    assert logins._network("2001:db8:1:2:3::1") == logins._network("2001:db8:1:2:ffff::9")
    assert logins._network("2001:db8:1:3::1") != logins._network("2001:db8:1:2::1")
    assert logins._network("[2001:db8:1:2::1]:4711") == logins._network("2001:db8:1:2::1")
    assert logins._network("192.0.2.7:4711") == logins._network("::ffff:192.0.2.7") == "192.0.2.7"


def test_a_made_up_header_gives_no_new_tries(settings: Settings) -> None:
    settings.PROXY_COUNT = 1
    said = [enter("x", **{"x-forwarded-for": f"10.9.8.{number}, 203.0.113.9"}).status_code for number in range(7)]
    assert said == [200] * 5 + [429] * 2
    assert User.objects.filter(username="ana").exists()


def test_the_old_password_asked_for_a_new_one_is_a_try_like_any_other() -> None:
    browser = Browser(REMOTE_ADDR="192.0.2.7")
    browser.force_login(sue())
    new = {"new_password1": "another-pass-9-x", "new_password2": "another-pass-9-x"}
    for number in range(8):
        answer = browser.post("/admin/password_change/", {"old_password": f"wrong-{number}", **new})
    assert len(HASHED) == 5
    assert "Too many passwords were tried for this name from here. Try again in 3 minutes." in plain(answer)
    assert browser.post("/admin/password_change/", {"old_password": RIGHT, **new}).status_code == 200
    assert enter(RIGHT, name="sue").status_code == 429
    pass_time(180)
    assert browser.post("/admin/password_change/", {"old_password": RIGHT, **new}).status_code == 302


def test_a_name_of_a_hundred_thousand_marks_holds_nothing_up() -> None:
    """NFKC puts them in order in quadratic time, with the interpreter held: a log-in form is anybody's."""
    started = time.thread_time()
    assert enter("wrong", name="a" + "\u0301" * 20_000 + "\u0323" * 20_000).status_code == 200
    assert time.thread_time() - started < 1
