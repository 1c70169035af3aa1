"""`manage.py demo` at other places: ports, hosts, databases, brokers, users; and once, for those in a hurry."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
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
from queueing.tests.demo import NOISE, ROOT, STOP_SECONDS, a_home, environment, lives, manage, running
from queueing.tests.processes import url_of_the_test_database
from queueing.tests.rabbit import Node

pytest_plugins = ["queueing.tests.rabbit", "queueing.tests.demo"]

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
        ([], {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}, "at 127.0.0.1:1 cannot be reached: start it"),
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
        until(lambda: [pid for pid in children if lives(pid)], lambda left: not left, 10)


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
