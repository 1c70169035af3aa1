"""Finds or provides Chromium for the tests that need a real browser."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
INSTALL = "apt-get update && apt-get install -y --no-install-recommends chromium"


@functools.cache
def provide() -> tuple[str, str]:
    """(path, "") of a Chromium, installed with apt-get if need be; or ("", why there is none and what mends it)."""
    if path := _find():
        return path, ""
    sudo = _sudo()
    if sudo is None:
        return "", f"Chromium is missing; install it with: sudo sh -c '{INSTALL}'"
    sys.stderr.write("Chromium is missing: installing it with apt-get.\n")
    try:
        done = subprocess.run(
            [*sudo, "sh", "-c", INSTALL],
            capture_output=True,
            check=False,
            timeout=600,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )
    except subprocess.TimeoutExpired:
        return "", f"Chromium could not be installed within ten minutes; install it with: {INSTALL}"
    if path := _find():
        return path, ""
    why = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["apt-get failed"]
    return "", f"Chromium could not be installed ({why[0]}); install it with: {INSTALL}"


def _find() -> str:
    return next((path for name in NAMES if (path := shutil.which(name))), "")


def _sudo() -> list[str] | None:
    """What to put before a command to be root; None where this is no Debian or there is no way to be root."""
    if not (Path("/etc/debian_version").exists() and shutil.which("apt-get")):
        return None
    if os.geteuid() == 0:
        return []
    if (
        shutil.which("sudo")
        and subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
    ):
        return ["sudo", "-n"]
    return None
