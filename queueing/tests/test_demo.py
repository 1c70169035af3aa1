"""`manage.py demo` as a person meets it: real processes, real ports, real kills."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest

from moderation.standalone.cluster import SHARED
from moderation.standalone.datadir import DataDir
from moderation.standalone.postgres import EmbeddedPostgres
from moderation.tests.people import until
from queueing.tests.processes import url_of_the_test_database
from queueing.tests.rabbit import Node, free_port

pytest_plugins = ["queueing.tests.rabbit"]
ROOT = Path(__file__).resolve().parents[2]
KEYS = {
    "url",
    "api_url",
    "console_url",
    "admin_url",
    "docs_url",
    "forum_url",
    "api_key",
    "webhook_secret",
    "users",
    "database",
    "broker",
    "analyst",
}
APPEALS = ("The appeal was granted.", "The appeal was denied.", "A second moderator looks at it.")
FIRST_START_SECONDS = 60
SECOND_START_SECONDS = 3
STOP_SECONDS = 5
NOISE = re.compile(r"Traceback|WARNING|ERROR|Exception")


def environment(home: Path, **more: str) -> dict[str, str]:
    """A clean one: this process's own is the test suite's."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "GUARDIAN_HOME": str(home), "LANG": "C.UTF-8", **more}


def manage(home: Path, *arguments: str, project: Path = ROOT, **more: str) -> subprocess.CompletedProcess[str]:
    """A command to its end, in a session of its own and without a terminal."""
    return subprocess.run(
        [sys.executable, str(project / "manage.py"), *arguments],
        env=environment(home, **more),
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        start_new_session=True,
        check=False,
    )


@dataclass
class Demo:
    """A running demo."""

    popen: subprocess.Popen[str]
    said: dict[str, Any]
    errors: Path
    seconds: float
    rest: str = ""
    pids: set[int] = field(default_factory=set)

    def get(self, url: str, *, key: str = "") -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            self.said["api_url"] + path,
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {self.said['api_key']}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read())

    def cases(self) -> list[dict[str, Any]]:
        return json.loads(self.get(f"{self.said['api_url']}cases/?limit=200", key=self.said["api_key"])[1])["results"]

    def family(self) -> set[int]:
        """Everything in its process group, and everything it started."""
        mine = psutil.Process(self.popen.pid)
        group = {p.pid for p in psutil.process_iter() if _group_of(p.pid) == self.popen.pid}
        return group | {child.pid for child in mine.children(recursive=True)}

    def stop(self, number: int = signal.SIGTERM, *, group: bool = False) -> float:
        """Seconds until it has ended; nothing of it may be left then, nor may it have complained."""
        family = self.family()
        began = time.monotonic()
        (os.killpg if group else os.kill)(self.popen.pid, number)
        code = self.popen.wait(20)
        seconds = time.monotonic() - began
        assert code == 0, self.errors.read_text()
        until(lambda: [pid for pid in family if _lives(pid)], lambda left: not left, 2)
        assert self.popen.stdout is not None
        self.rest = self.popen.stdout.read()
        assert not NOISE.search(self.errors.read_text()), self.errors.read_text()
        return seconds

    def kill(self, *, group: bool) -> None:
        (os.killpg if group else os.kill)(self.popen.pid, signal.SIGKILL)
        self.popen.wait()


def start(home: Path, *arguments: str, project: Path = ROOT, **more: str) -> Demo:
    """Until its line of JSON is there."""
    errors = home / "errors.txt"
    began = time.monotonic()
    with open(errors, "w") as output:
        popen = subprocess.Popen(
            [sys.executable, str(project / "manage.py"), "demo", "--json", *arguments],
            env=environment(home, **more),
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
            start_new_session=True,
        )
    assert popen.stdout is not None
    line = popen.stdout.readline()
    seconds = time.monotonic() - began
    if not line:
        popen.wait(20)
        pytest.fail(f"the demo did not start:\n{errors.read_text()}")
    return Demo(popen, json.loads(line), errors, seconds)


@contextlib.contextmanager
def running(home: Path, *arguments: str, **more: Any) -> Iterator[Demo]:
    demo = start(home, *arguments, **more)
    try:
        yield demo
    finally:
        if demo.popen.poll() is None:
            demo.kill(group=True)
        if demo.popen.stdout is not None:
            demo.popen.stdout.close()


@contextlib.contextmanager
def a_home(prefix: str = "guardian-demo-") -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield home
    finally:
        EmbeddedPostgres(DataDir(home)).stop()
        cluster = (home / "pg18").resolve()
        if cluster.parent == SHARED:
            shutil.rmtree(cluster, ignore_errors=True)
        shutil.rmtree(DataDir(home).socket_dir, ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def lived_in() -> Iterator[tuple[Path, Demo, float]]:
    """A data directory after its first start and its first end; the start itself, and how long the end took."""
    with a_home() as home, running(home) as demo:
        cases = demo.cases()
        demo.said["cases"] = cases
        demo.said["forum_page"] = demo.get(demo.said["forum_url"])
        appealed = [case["content_id"] for case in cases if case["appeals"]]
        # Notices have no order and keep nobody waiting: the forum may hear of the last answer after the demo is ready.
        demo.said["appealed_pages"] = until(
            lambda: [demo.get(f"{demo.said['forum_url']}posts/{post}/")[1] for post in appealed],
            lambda pages: all(words in " ".join(pages) for words in APPEALS),
        )
        yield home, demo, demo.stop()


@pytest.fixture
def home(lived_in: tuple[Path, Demo, float]) -> Path:
    return lived_in[0]


def at_leisure() -> float:
    """How much longer than on a machine with nothing else to do things may take now; 1 there."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)) * 1.1


def _group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


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
    with running(home) as victim:
        started = victim.post(
            "cases/", {"content_id": f"killed-{group}", "author_id": "a", "text": "You are a loser.", "language": "en"}
        )
        victim.kill(group=group)
    with running(home) as again:
        assert again.seconds <= SECOND_START_SECONDS * at_leisure()
        url = f"{again.said['api_url']}cases/{started['id']}/"
        until(
            lambda: json.loads(again.get(url, key=again.said["api_key"])[1])["status"],
            lambda status: status == "pending_review",
        )
        again.stop()


def test_a_decision_reaches_the_forum_at_its_new_port(home: Path) -> None:
    with running(home, "--port", str(free_port())) as demo:
        waiting = next(case for case in demo.cases() if case["content_id"] == "demo-023")
        if waiting["status"] == "pending_review":
            demo.post(
                f"cases/{waiting['id']}/resume/",
                {"outcome": "violation", "actions": ["remove_content"], "decided_by": "mia"},
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


# --- ports and hosts ---------------------------------------------------------------------------------------------


def test_a_taken_port_is_said_in_one_sentence_or_passed_over(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = manage(home, "demo", "--port", str(port))
        assert refused.returncode == 1
        assert refused.stdout == ""
        assert refused.stderr.strip() == (
            f"Port {port} is taken: stop what uses it, choose another, or leave --port out."
        )
    with contextlib.ExitStack() as stack:
        busy = stack.enter_context(socket.socket())
        busy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # taken already: as good
            busy.bind(("127.0.0.1", 8000))
            busy.listen()
        demo = stack.enter_context(running(home))
        assert urlsplit(demo.said["url"]).port not in (None, 8000)
        demo.stop()


@pytest.mark.parametrize(
    ("arguments", "more", "sentence"),
    [
        (["--host", "0.0.0.0"], {}, "for this machine only"),  # noqa: S104
        (["--port", "70000"], {}, "no port"),
        ([], {"ALLOWED_HOSTS": "mod.example.org"}, "for this machine only"),
        ([], {"SECRET_KEY": "change-me"}, "SECRET_KEY is a placeholder"),
        ([], {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}, "database cannot be used"),
        ([], {"BROKER_URL": "amqp://guest:secret@127.0.0.1:1//"}, "does not answer"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(
    home: Path, arguments: list[str], more: dict[str, str], sentence: str
) -> None:
    refused = manage(home, "demo", *arguments, **more)
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert sentence in refused.stderr
    assert not NOISE.search(refused.stderr)
    assert "secret@" not in refused.stderr


# --- once, reset, other databases, other places ------------------------------------------------------------------


def test_once_takes_a_case_through_its_life_from_a_path_with_spaces() -> None:
    with a_home("guardian demo ") as home:
        project = home / "my projects" / "guardian"
        ignored = shutil.ignore_patterns(".*", "__pycache__", "tests")
        shutil.copytree(ROOT, project, ignore=ignored)
        data = home / "data dir"
        said = manage(home, "demo", "--once", "--data-dir", str(data), project=project, GUARDIAN_HOME="")
        try:
            assert said.returncode == 0, said.stderr
            for step in ("start", "pause", "decision", "enforcement", "rollback", "second pause", "second decision"):
                assert step in said.stdout
            assert "NO" not in said.stdout
        finally:
            cluster = (data / "pg18").resolve()
            if cluster.parent == SHARED:
                shutil.rmtree(cluster, ignore_errors=True)


def test_once_works_with_all_its_streams_closed(home: Path) -> None:
    closed = f'exec "{sys.executable}" "{ROOT}/manage.py" demo --once <&- >&- 2>&-'
    assert subprocess.run(["sh", "-c", closed], env=environment(home), timeout=60, check=False).returncode == 0


def test_once_speaks_json_too(home: Path) -> None:
    done = manage(home, "demo", "--once", "--json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    said = json.loads(done.stdout)
    assert said["ok"] is True
    assert [step["held"] for step in said["steps"]] == [True] * 7
    assert not EmbeddedPostgres(DataDir(home)).running()


def test_reset_empties_only_what_is_ours_and_keeps_the_key(database: None, home: Path) -> None:
    server = url_of_the_test_database()
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute("DROP DATABASE IF EXISTS demo_elsewhere WITH (FORCE)")
        admin.execute("CREATE DATABASE demo_elsewhere")
    url = server.rpartition("/")[0] + "/demo_elsewhere"
    try:
        with running(home, "--no-seed", DATABASE_URL=url) as demo:
            assert demo.said["database"] == url
            assert demo.cases() == []
            demo.post("cases/", {"content_id": "1", "author_id": "a", "text": "Hello", "language": "en"})
            key = demo.said["api_key"]
            demo.stop()
        with psycopg.connect(url, autocommit=True) as theirs:
            theirs.execute("CREATE TABLE somebody_elses (id int)")
        with running(home, "--no-seed", "--reset", DATABASE_URL=url) as demo:
            assert demo.said["api_key"] == key
            assert demo.cases() == []
            assert "Dropped Guardian's own" in demo.errors.read_text()
            demo.stop()
        with psycopg.connect(url) as theirs:
            theirs.execute("SELECT * FROM somebody_elses")
    finally:
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute("DROP DATABASE IF EXISTS demo_elsewhere WITH (FORCE)")


def test_with_a_broker_a_real_worker_does_the_work_and_ends_with_the_demo(home: Path, broker: Node) -> None:
    with running(home, BROKER_URL=broker.url) as demo:
        assert demo.said["broker"] == broker.url.replace("guest:guest", "guest:**")
        case = demo.post(
            "cases/", {"content_id": "by-rabbit", "author_id": "a", "text": "You are a moron.", "language": "en"}
        )
        url = f"{demo.said['api_url']}cases/{case['id']}/"
        until(
            lambda: json.loads(demo.get(url, key=demo.said["api_key"])[1])["status"],
            lambda status: status == "pending_review",
            40,
        )
        assert demo.stop() < STOP_SECONDS
    with running(home, "--no-seed", BROKER_URL=broker.url) as demo:
        children = [p.pid for p in psutil.Process(demo.popen.pid).children(recursive=True) if "celery" in p.cmdline()]
        assert len(children) == 2
        demo.kill(group=False)
        until(lambda: [pid for pid in children if _lives(pid)], lambda left: not left, 10)


def test_an_ordinary_user_can_run_it_too() -> None:
    if os.geteuid() != 0:
        pytest.skip("every other test here runs as an ordinary user")
    nobody = 65534
    python = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    site = Path(sys.prefix) / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    with a_home("guardian-nobody-") as home:
        os.chown(home, nobody, nobody)
        who: dict[str, Any] = {"user": nobody, "group": nobody, "extra_groups": []}
        reachable = [python, "-c", f"import os; os.stat({str(site)!r}), open({str(ROOT / 'manage.py')!r})"]
        if not Path(python).exists() or subprocess.run(reachable, check=False, capture_output=True, **who).returncode:
            pytest.skip("no Python, packages or project that an ordinary user may read")
        done = subprocess.run(
            [python, str(ROOT / "manage.py"), "demo", "--once"],
            env=environment(home, PYTHONPATH=str(site)),
            cwd=home,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            **who,
        )
        assert done.returncode == 0, done.stderr
