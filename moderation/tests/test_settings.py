"""What the settings make of an environment: what starts, what is refused, and in which sentence.

One helper process reads them for every row, each time from the start.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
READ = """
import json, os, runpy, sys
base = dict(os.environ)
for line in sys.stdin:
    os.environ.clear()
    os.environ.update({**base, **json.loads(line)})
    try:
        read = runpy.run_module("moderation.settings")
        names = ("ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "PUBLIC", "ALLOW_LOOPBACK_WEBHOOKS", "SECRET_KEY")
        said = {name: read[name] for name in (*names, "PROXY_COUNT", "PUBLIC_URL", "AUDIT_KEY")}
    except Exception as error:
        said = {"refused": str(error), "kind": type(error).__name__}
    print(json.dumps(said), flush=True)
"""
KEY = "k7Fq-0pZ_w3TnXv8bLr2YsJc5HdGm1QeUa9oKiMfBtPz4NxWy6"
HERE = {"SECRET_KEY": KEY, "DATABASE_URL": "postgresql://guardian:pw@127.0.0.1:5432/guardian"}
OUT = {**HERE, "ALLOWED_HOSTS": "mod.example.org", "DATABASE_URL": "postgresql://guardian:pw@db.example.org/guardian"}
Read = Callable[[dict[str, str]], dict[str, Any]]


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """`none`: nobody tried the demo; `demo`: somebody did; `broken`: and its file was damaged."""
    homes = {name: tmp_path_factory.mktemp(name) for name in ("none", "demo", "broken")}
    kept = {"secret_key": KEY[::-1], "api_key": "", "webhook_secret": "whsec_" + "A" * 43 + "="}
    (homes["demo"] / "guardian.json").write_text(json.dumps({**kept, "allow_loopback_webhooks": True}))
    (homes["broken"] / "guardian.json").write_text("{")
    return homes


@pytest.fixture(scope="module")
def read(homes: dict[str, Path]) -> Iterator[Read]:
    """The settings, as this environment makes them. `GUARDIAN_HOME`: none (the default), demo or broken."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(homes["none"])}
    helper = subprocess.Popen(
        [sys.executable, "-c", READ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=homes["none"],
        env=environment,
    )
    assert helper.stdin
    assert helper.stdout
    asked, answers = helper.stdin, helper.stdout

    def ask(environment: dict[str, str]) -> dict[str, Any]:
        home = str(homes[environment.get("GUARDIAN_HOME", "none")])
        asked.write(json.dumps({**environment, "GUARDIAN_HOME": home}) + "\n")
        asked.flush()
        said: dict[str, Any] = json.loads(answers.readline())
        return said

    yield ask
    asked.close()
    assert helper.wait(10) == 0


REFUSED = [
    # the key
    ({}, "SECRET_KEY is not set"),
    ({**HERE, "SECRET_KEY": " "}, "SECRET_KEY is not set"),
    ({**HERE, "SECRET_KEY": "short"}, "SECRET_KEY is a placeholder or shorter"),
    ({**HERE, "SECRET_KEY": "please-change-me-0123456789-0123456789"}, "SECRET_KEY is a placeholder"),
    ({**HERE, "SECRET_KEY": "your-secret-key-8f3kq0zmv72xw1nd5cpl9ty4"}, "SECRET_KEY is a placeholder"),
    ({**HERE, "SECRET_KEY": "a" * 32 + "bcqzwxyk"}, "SECRET_KEY repeats itself"),
    ({**HERE, "SECRET_KEY": "a" * 50}, "SECRET_KEY repeats itself"),
    ({**HERE, "SECRET_KEY": "password" * 6}, "SECRET_KEY repeats itself"),
    ({**HERE, "SECRET_KEY": "0123456789" * 4 + "0123"}, "SECRET_KEY repeats itself"),
    ({**HERE, "SECRET_KEY": "abcabbcaccbaabcbbacbcaabcbacbbcaacb"}, "SECRET_KEY repeats itself or has too few"),
    # a public host beside what is the demo's
    ({"ALLOWED_HOSTS": "mod.example.org", "GUARDIAN_HOME": "demo"}, "SECRET_KEY comes from the data directory"),
    ({**OUT, "SECRET_KEY": "", "GUARDIAN_HOME": "demo"}, "SECRET_KEY comes from the data directory"),
    ({**OUT, "DATABASE_URL": ""}, "DATABASE_URL is not set while ALLOWED_HOSTS names a public host"),
    ({**OUT, "DATABASE_URL": "", "GUARDIAN_HOME": "demo"}, "the embedded database is for this machine only"),
    ({**OUT, "DATABASE_URL": "postgresql://guardian@%2Ftmp%2Fguardian-0123456789:5432/guardian"}, "embedded database"),
    ({**OUT, "DATABASE_URL": "postgresql:///guardian?host=/tmp/guardian-0123456789"}, "embedded database"),
    ({**OUT, "GUARDIAN_DEMO": "1"}, "the demo is for this machine only"),
    ({**OUT, "GUARDIAN_FORUM_API_KEY": "gk_x"}, "the demo is for this machine only"),
    ({**OUT, "GUARDIAN_FORUM_API_URL": "http://127.0.0.1:8000/api/v1/"}, "the demo is for this machine only"),
    ({**HERE, "GUARDIAN_FORUM_API_URL": "http://forum.example.org/"}, "the demo is for this machine only"),
    # hosts and origins
    ({**OUT, "DEBUG": "true"}, "DEBUG is on while ALLOWED_HOSTS names a public host"),
    ({**OUT, "DEBUG": "true", "ALLOWED_HOSTS": ".example.org"}, "DEBUG is on while"),
    ({**OUT, "DEBUG": "true", "ALLOWED_HOSTS": "localhost, [2001:db8::1]"}, "DEBUG is on while"),
    ({**OUT, "DEBUG": "true", "ALLOWED_HOSTS": "[::5]"}, "DEBUG is on while"),
    ({**OUT, "ALLOWED_HOSTS": "*"}, r"ALLOWED_HOSTS holds `\*`"),
    ({**OUT, "ALLOWED_HOSTS": "mod.example.org, * "}, r"ALLOWED_HOSTS holds `\*`"),
    ({**OUT, "ALLOWED_HOSTS": "*.example.org"}, r"ALLOWED_HOSTS holds `\*`"),
    ({**OUT, "ALLOWED_HOSTS": "."}, "ALLOWED_HOSTS takes names of hosts"),
    ({**OUT, "ALLOWED_HOSTS": "https://mod.example.org"}, "ALLOWED_HOSTS takes names of hosts"),
    ({**OUT, "CSRF_TRUSTED_ORIGINS": "https://mod.example.org, http://mod.example.org"}, "must begin with https://"),
    ({**OUT, "CSRF_TRUSTED_ORIGINS": "https://*.example.org"}, "hosts nobody has named"),
    ({**OUT, "CSRF_TRUSTED_ORIGINS": "https://*"}, "hosts nobody has named"),
    ({**OUT, "CSRF_TRUSTED_ORIGINS": "mod.example.org"}, "is no https://host"),
    ({**OUT, "CSRF_TRUSTED_ORIGINS": "https://mod.example.org?a=b"}, "is no https://host"),
    ({**OUT, "CSRF_TRUSTED_ORIGINS": "https://me@mod.example.org"}, "is no https://host"),
    ({**HERE, "PUBLIC_URL": "https://mod.example.org#x"}, "PUBLIC_URL must be https://host"),
    ({**HERE, "PUBLIC_URL": "mod.example.org"}, "PUBLIC_URL must be https://host"),
    ({**HERE, "PUBLIC_URL": "https://mod.example.org/guardian"}, "PUBLIC_URL must be https://host"),
    ({**OUT, "PUBLIC_URL": "http://mod.example.org"}, "PUBLIC_URL must begin with https://"),
    ({**OUT, "PROXY_COUNT": "one"}, "PROXY_COUNT"),
    # where it goes
    ({**HERE, "DATABASE_URL": "mysql://db/guardian"}, "PostgreSQL only"),
    ({**OUT, "DATABASE_URL": "postgresql://g:p@db.example.org/g?sslmode=disable"}, "DATABASE_URL turns TLS off"),
    ({**HERE, "DATABASE_URL": "postgresql:///g?host=10.0.0.7&sslmode=disable"}, "DATABASE_URL turns TLS off"),
    ({**HERE, "DATABASE_URL": "postgresql://g:p@db.example.org/g?sslmode=allow"}, "DATABASE_URL turns TLS off"),
    ({**HERE, "DATABASE_URL": "postgresql://10.0.0.7/g?host=localhost&sslmode=disable"}, "DATABASE_URL turns TLS off"),
    ({**HERE, "DATABASE_URL": "postgresql://localhost/g?hostaddr=10.0.0.7&sslmode=disable"}, "turns TLS off"),
    ({**HERE, "BROKER_URL": "amqp://gu%65st:guest@mq.example.org"}, "as guest"),
    ({**HERE, "BROKER_URL": "redis://127.0.0.1"}, "RabbitMQ only"),
    ({**HERE, "BROKER_URL": "amqp://guest:guest@mq.example.org:5672//"}, "as guest"),
    ({**HERE, "BROKER_URL": "amqp://mq.example.org"}, "as guest"),
    ({**HERE, "BROKER_URL": "amqp://g:p@127.0.0.1;amqp://guest@10.0.0.7"}, "as guest"),
    ({**HERE, "GROQ_API_BASE": "http://groq.example.org"}, "GROQ_API_BASE is http:// on another machine"),
    ({**HERE, "GROQ_API_BASE": " http://10.0.0.7:8080 "}, "GROQ_API_BASE is http:// on another machine"),
    ({**HERE, "GROQ_API_BASE": "ftp://127.0.0.1"}, "GROQ_API_BASE must begin with https://"),
    ({**HERE, "LANGSMITH_ENDPOINT": "http://traces.example.org"}, "LANGSMITH_ENDPOINT is http:// on another"),
    ({**HERE, "LANGSMITH_RUN_URL": "javascript:alert('{run_id}')"}, "LANGSMITH_RUN_URL must begin with https://"),
    ({**HERE, "LANGSMITH_RUN_URL": "traces.example.org/{run_id}"}, "LANGSMITH_RUN_URL must begin with https://"),
    ({**HERE, "LANGSMITH_RUN_URL": "https://traces.example.org/"}, "must hold {run_id}"),
]


@pytest.mark.parametrize(("environment", "sentence"), REFUSED)
def test_what_is_not_safe_does_not_start_and_says_why_in_one_sentence(
    read: Read, environment: dict[str, str], sentence: str
) -> None:
    said = read(environment)
    assert re.search(sentence, said.get("refused", "it started")), said
    assert said["kind"] in {"ImproperlyConfigured", "EnvValidationError"}
    assert "\n" not in said["refused"]
    assert KEY not in said["refused"]


STARTED = [
    HERE,
    OUT,
    {**HERE, "GUARDIAN_HOME": "broken"},
    {**OUT, "GUARDIAN_HOME": "broken"},
    {**OUT, "ALLOWED_HOSTS": ".example.org"},
    {**OUT, "CSRF_TRUSTED_ORIGINS": "https://mod.example.org,https://other.example.org:8443"},
    {**HERE, "CSRF_TRUSTED_ORIGINS": "http://localhost:8000"},
    {**HERE, "DEBUG": "true", "ALLOWED_HOSTS": "localhost, 127.0.0.1, [::1], guardian.localhost"},
    {**HERE, "DATABASE_URL": "postgresql://g@%2Frun%2Fpostgresql/g?sslmode=disable"},
    {**HERE, "DATABASE_URL": "postgresql://g:p@127.0.0.1/g?sslmode=disable"},
    {**OUT, "DATABASE_URL": "postgresql://g:p@db.example.org/g?sslmode=require"},
    {**HERE, "BROKER_URL": "amqp://guest:guest@localhost:5672//"},
    {**HERE, "BROKER_URL": "amqp://"},
    {**OUT, "BROKER_URL": "amqp://guardian:pw@rabbitmq:5672//"},
    {**HERE, "GROQ_API_BASE": "http://127.0.0.1:8080", "LANGSMITH_ENDPOINT": "http://[::1]:8080"},
    {**HERE, "LANGSMITH_RUN_URL": "https://traces.example.org/{run_id}"},
    {**HERE, "PUBLIC_URL": "http://127.0.0.1:8000/", "PROXY_COUNT": ""},
    {"GUARDIAN_HOME": "demo"},
    {"GUARDIAN_HOME": "demo", "DATABASE_URL": ""},
    {**HERE, "SECRET_KEY": "0123456789abcdef2468ace13579bdf0fedcba9876543210"},
]


@pytest.mark.parametrize("environment", STARTED)
def test_what_is_safe_starts(read: Read, environment: dict[str, str]) -> None:
    assert "refused" not in read(environment)


def test_where_database_and_key_are_set_nothing_is_taken_from_a_demo_of_this_machine(read: Read) -> None:
    demo = read({"GUARDIAN_HOME": "demo"})
    assert (demo["SECRET_KEY"], demo["ALLOW_LOOPBACK_WEBHOOKS"], demo["PUBLIC"]) == (KEY[::-1], True, False)
    for whole in (HERE, OUT):
        said = read({**whole, "GUARDIAN_HOME": "demo"})
        assert (said["SECRET_KEY"], said["ALLOW_LOOPBACK_WEBHOOKS"]) == (KEY, False)
    # The demo itself may have both set, and its webhooks go to this machine all the same.
    assert read({**HERE, "GUARDIAN_HOME": "demo", "GUARDIAN_DEMO": "1"})["ALLOW_LOOPBACK_WEBHOOKS"] is True


def test_lists_and_addresses_are_trimmed(read: Read) -> None:
    said = read(
        {
            **OUT,
            "ALLOWED_HOSTS": " a.example.org, b.example.org ,",
            "CSRF_TRUSTED_ORIGINS": "https://a.example.org , https://b.example.org/",
            "PUBLIC_URL": " https://a.example.org/ ",
        }
    )
    assert said["ALLOWED_HOSTS"] == ["a.example.org", "b.example.org"]
    assert said["CSRF_TRUSTED_ORIGINS"] == ["https://a.example.org", "https://b.example.org"]
    assert said["PUBLIC_URL"] == "https://a.example.org"


def test_the_word_of_proxies_counts_on_a_public_host_only(read: Read) -> None:
    assert read({**OUT, "PROXY_COUNT": "2"})["PROXY_COUNT"] == 2
    assert read({**HERE, "PROXY_COUNT": "2"})["PROXY_COUNT"] == 0
    assert read(OUT)["PROXY_COUNT"] == 0


def test_a_service_without_a_database_of_its_own_says_that_it_uses_the_embedded_one(homes: dict[str, Path]) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "SECRET_KEY": KEY}
    environment["GUARDIAN_HOME"] = str(homes["none"])

    def said(**more: str) -> str:
        start = [sys.executable, "-c", "import moderation.wsgi"]
        return subprocess.run(start, env={**environment, **more}, capture_output=True, text=True, check=True).stderr

    for unset in ({}, {"DATABASE_URL": ""}):
        lines = [line for line in said(**unset).splitlines() if "embedded database" in line]
        assert len(lines) == 1
        assert str(homes["none"]) in lines[0]
    assert "embedded" not in said(DATABASE_URL=HERE["DATABASE_URL"])
    assert "embedded" not in said(GUARDIAN_DEMO="1")


@pytest.mark.parametrize("part", ["worker", "beat"])
def test_a_part_that_needs_the_broker_says_so_when_there_is_none(tmp_path: Path, part: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "queueing", part],
        env={**HERE, "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "GUARDIAN_HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "BROKER_URL is not set" in done.stderr
    assert "Traceback" not in done.stderr
