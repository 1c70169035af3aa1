"""`manage.py demo` as a person meets it: real processes, real ports, real kills."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from moderation.standalone.datadir import DataDir
from moderation.standalone.postgres import EmbeddedPostgres
from moderation.tests.people import until
from queueing.tests.demo import (
    APPEALS,
    FIRST_START_SECONDS,
    KEYS,
    ROOT,
    SECOND_START_SECONDS,
    STOP_SECONDS,
    Demo,
    at_leisure,
    environment,
    manage,
    running,
)
from queueing.tests.rabbit import free_port

pytest_plugins = ["queueing.tests.rabbit", "queueing.tests.demo"]

# --- the first start ---------------------------------------------------------------------------------------------


def test_the_first_start_says_one_line_with_all_one_needs(lived_in: tuple[Path, Demo, float]) -> None:
    home, demo, stopped_after = lived_in
    assert demo.seconds < FIRST_START_SECONDS
    assert stopped_after < STOP_SECONDS
    assert demo.rest == ""
    said = demo.said
    assert set(said) - {"cases", "forum_page", "appealed_pages"} == KEYS
    assert said["api_url"] == said["url"] + "/api/v1/"
    assert said["forum_url"] == said["url"] + "/demo/"
    assert (said["broker"], said["analyst"]) == (None, "rules")
    assert [(user["username"], user["role"]) for user in said["users"]] == [
        ("mia", "moderator"),
        ("noah", "moderator"),
        ("sofia", "supervisor"),
    ]
    assert len({user["password"] for user in said["users"]}) == 3
    kept = DataDir(home).load()
    assert kept is not None
    assert (kept.api_key, kept.webhook_secret) == (said["api_key"], said["webhook_secret"])
    assert kept.allow_loopback_webhooks
    assert {path.stat().st_mode & 0o077 for path in (DataDir(home).file, home / "postgres.log")} == {0}


def test_the_posts_have_come_to_every_state(lived_in: tuple[Path, Demo, float]) -> None:
    said = lived_in[1].said
    cases = said["cases"]
    assert 55 <= len(cases) <= 65
    assert {case["language"] for case in cases} >= {"en", "de", "es"}
    assert {(case["status"], case["outcome"], case["round"]) for case in cases} >= {
        ("completed", "cleared", 1),
        ("completed", "violation", 1),
        ("completed", "no_violation", 1),
        ("completed", "violation", 2),
        ("completed", "no_violation", 2),
        ("pending_review", None, 1),
        ("pending_review", None, 2),
    }
    assert {case["status"] for case in cases} == {"completed", "pending_review"}
    assert {case["priority"] for case in cases if case["status"] == "pending_review"} == {
        "low",
        "normal",
        "high",
        "urgent",
    }
    assert max(case["reports_total"] for case in cases) >= 2
    assert {action["status"] for case in cases for action in case["actions"]} >= {"applied", "reversed", "irreversible"}
    status, page = said["forum_page"]
    assert status == 200
    assert "removed by the moderators" in page


def test_some_of_the_posts_were_appealed(lived_in: tuple[Path, Demo, float]) -> None:
    said = lived_in[1].said
    appeals = sorted((a["side"], a["status"]) for case in said["cases"] for a in case["appeals"])
    assert appeals == [
        ("author", "denied"),
        ("author", "granted"),
        ("author", "under_review"),
        ("reporter", "under_review"),
    ]
    assert [sum(words in page for page in said["appealed_pages"]) for words in APPEALS] == [1, 1, 2]


# --- later starts ------------------------------------------------------------------------------------------------


def test_a_second_start_is_quick_and_finds_everything_again(lived_in: tuple[Path, Demo, float]) -> None:
    home, first, _ = lived_in
    seconds = []
    for number in (signal.SIGINT, signal.SIGTERM):
        with running(home) as again:
            seconds.append(again.seconds)
            assert [case["id"] for case in again.cases()] == [case["id"] for case in first.said["cases"]]
            for name in ("api_key", "webhook_secret"):
                assert again.said[name] == first.said[name]
            assert [u["password"] for u in again.said["users"]] == [u["password"] for u in first.said["users"]]
            # As a terminal does it: PostgreSQL is in the group and hears of it at the same moment.
            assert again.stop(number, group=number == signal.SIGINT) < STOP_SECONDS
    assert min(seconds) <= SECOND_START_SECONDS * at_leisure()


@pytest.mark.parametrize("group", [False, True], ids=["the process", "its whole group"])
def test_a_start_after_kill_9_is_quick_and_goes_on(home: Path, *, group: bool) -> None:
    seconds = []
    for again in (False, True):  # the quicker of two: others use this machine too
        content = {"content_id": f"killed-{group}-{again}", "author_id": "a", "text": "You are a loser."}
        with running(home) as victim:
            started = victim.post("cases/", {**content, "language": "en"})
            victim.kill(group=group)
        with running(home) as revived:
            seconds.append(revived.seconds)
            url = f"{revived.said['api_url']}cases/{started['id']}/"
            until(
                lambda revived=revived, url=url: json.loads(revived.get(url, key=revived.said["api_key"])[1])["status"],
                lambda status: status == "pending_review",
            )
            revived.stop()
    assert min(seconds) <= SECOND_START_SECONDS * at_leisure()


def test_a_decision_reaches_the_forum_at_its_new_port(home: Path) -> None:
    with running(home, "--port", str(free_port())) as demo:
        waiting = next(case for case in demo.cases() if case["content_id"] == "demo-023")
        if waiting["status"] == "pending_review":
            demo.post(
                f"cases/{waiting['id']}/resume/",
                {"outcome": "violation", "actions": ["remove_content"], "reason": "Rude.", "decided_by": "mia"},
            )
        page = f"{demo.said['forum_url']}posts/demo-023/"
        until(lambda: demo.get(page)[1], lambda text: "removed by the moderators" in text)
        demo.stop()


def test_a_login_link_lets_its_person_in_once(home: Path) -> None:
    with running(home) as demo:
        link = demo.said["users"][0]["login_url"]
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with browser.open(link, timeout=20) as answer:
            assert answer.status == 200
            assert urlsplit(answer.url).path.startswith("/console/")
            assert "mia" in answer.read().decode()
        again = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with contextlib.suppress(urllib.error.HTTPError), again.open(link, timeout=20) as answer:
            assert not urlsplit(answer.url).path.startswith("/console/")
        assert demo.get(demo.said["console_url"])[1].count("password") > 0
        demo.stop()


def test_other_commands_use_the_running_demo_and_leave_it_running(home: Path) -> None:
    with running(home) as demo:
        made = manage(home, "create_client", f"shop-{time.time()}", "--json")
        assert made.returncode == 0, made.stderr
        assert demo.get(f"{demo.said['api_url']}cases/", key=json.loads(made.stdout)["api_key"])[0] == 200
        audit = manage(home, "verify_audit")
        assert (audit.returncode, audit.stderr) == (0, "")
        doctor = manage(home, "doctor")
        assert doctor.returncode == 0, doctor.stdout
        with psycopg.connect(demo.said["database"]) as database:
            assert database.execute("SELECT count(*) FROM moderation_case").fetchone()
        second = manage(home, "demo")
        assert second.returncode == 1
        assert "already running" in second.stderr
        demo.stop()


def test_a_relay_alone_does_the_work_and_ends_when_asked(home: Path) -> None:
    relay = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "relay"],
        env=environment(home),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert relay.stderr is not None
        assert "No BROKER_URL" in relay.stderr.readline()
        with psycopg.connect(DataDir(home).database_url(), autocommit=True) as database:
            mine = "SELECT 1 FROM moderation_worker WHERE name LIKE %s"
            until(lambda: database.execute(mine, [f"%:{relay.pid}"]).fetchone(), bool)
        os.kill(relay.pid, signal.SIGTERM)
        assert relay.wait(10) == 0
        assert "Traceback" not in relay.stderr.read()
        assert not EmbeddedPostgres(DataDir(home)).running()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(relay.pid, signal.SIGKILL)
        relay.wait()
        if relay.stderr is not None:
            relay.stderr.close()
