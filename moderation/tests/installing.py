"""Programs the tests need and pip cannot bring: found, or installed with apt-get; else their tests are skipped.

With `CI=true` they fail instead.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from moderation.standalone.datadir import flock
from moderation.tests.environment import RUN_HOME


def provide(package: str, find: Callable[[], str]) -> str:
    """What `find` finds (empty: nothing), after installing the Debian package if need be. Called by fixtures that live
    as long as their session, so that nobody tries twice."""
    with flock(RUN_HOME / "apt.lock"):  # several workers may miss the same
        found = find()
        why = "" if found else _install(package)
        if found or (found := find()):
            return found
    sentence = f"{package} is missing ({why}); this mends it: sudo apt-get install {package}"
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(sentence)


def _install(package: str) -> str:
    """Why it may still be missing afterwards."""
    become_root = _become_root()
    if become_root is None:
        return "not installed, and there is no way to do that here"
    sys.stderr.write(f"{package} is missing: installing it with apt-get.\n")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in ("apt-get update -q", f"apt-get install -y --no-install-recommends {package}"):
        try:
            done = subprocess.run(
                [*become_root, *command.split()], env=environment, capture_output=True, check=False, timeout=600
            )
        except subprocess.TimeoutExpired:
            return f"`{command}` took more than ten minutes"
    return done.stderr.decode(errors="replace").strip()[-300:] or "apt-get brought something else"


def _become_root() -> list[str] | None:
    """What to put before a command to be root; None where this is no Debian or there is no way to be root."""
    if not (Path("/etc/debian_version").exists() and shutil.which("apt-get")):
        return None
    if os.geteuid() == 0:
        return []
    sudo = ["sudo", "-n"]
    if shutil.which("sudo") and subprocess.run([*sudo, "true"], capture_output=True, check=False).returncode == 0:
        return sudo
    return None
