"""What cannot be run here is at least read: compose.yaml, the Dockerfile, .env.example, and the README's commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
RUN = "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt && .venv/bin/python manage.py demo"
TEST = "python3 -m venv .venv && .venv/bin/pip install -r requirements-dev.txt && .venv/bin/pytest"


def test_compose_describes_a_whole_installation() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert set(services) == {"migrate", "web", "worker", "beat", "postgres", "rabbitmq"}
    assert services["worker"]["command"].startswith("celery -A queueing worker")
    assert services["beat"]["command"].startswith("celery -A queueing beat")
    assert services["migrate"]["command"] == "python manage.py migrate"
    for name in ("web", "worker", "beat", "migrate"):
        environment = services[name]["environment"]
        assert {"SECRET_KEY", "DATABASE_URL", "BROKER_URL", "ALLOWED_HOSTS"} <= set(environment)
        assert services[name]["read_only"] is True
    for service in services.values():
        for other in service.get("depends_on", {}):
            assert other in services


def test_the_dockerfile_runs_the_web_service_without_root() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    words = [line.split(" ", 1)[0] for line in lines if line and not line.startswith((" ", "#"))]
    assert words[0] == "FROM"
    assert words.index("USER") < words.index("CMD")
    command = next(line for line in lines if line.startswith("CMD"))
    assert yaml.safe_load(command.removeprefix("CMD "))[:2] == ["gunicorn", "moderation.wsgi"]


def test_env_example_lists_every_setting_with_a_line_each() -> None:
    listed = re.findall(r"^([A-Z_]+)=.*# \S", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert set(listed) == {
        "SECRET_KEY", "DEBUG", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "DATABASE_URL", "BROKER_URL", "GUARDIAN_HOME",
        "METRICS_TOKEN", "GROQ_API_KEY", "GROQ_API_BASE", "GROQ_MODEL", "GROQ_FALLBACK_MODEL",
        "LANGSMITH_TRACING", "LANGSMITH_API_KEY", "LANGSMITH_ENDPOINT", "LANGSMITH_PROJECT", "LANGSMITH_RUN_URL",
    }  # fmt: skip


@pytest.mark.parametrize(("heading", "command"), [("Run", RUN), ("Test", TEST)])
def test_the_readme_begins_each_part_with_its_one_command(heading: str, command: str) -> None:
    part = (ROOT / "README.md").read_text().split(f"\n## {heading}\n", 1)[1]
    block = part.split("```", 2)[1].split("\n", 1)[1].strip()
    assert shlex.split(block) == shlex.split(command)


def test_the_map_of_the_house_names_what_is_there() -> None:
    text = (ROOT / "README.md").read_text().split("## The map of the house", 1)[1].split("## The moves", 1)[0]
    top = {path.name for room in ("moderation", "agents", "queueing") for path in (ROOT / room).iterdir()}
    ignored = {"__init__.py", "__pycache__", "apps.py", "locale", "tests", "migrations", "settings.py"}
    missing = {name for name in top - ignored if name not in text and f"{name}/" not in text}
    services = {path.stem for path in (ROOT / "moderation" / "services").glob("*.py")} - {"__init__"}
    assert missing | {name for name in services if name not in text} == set()
