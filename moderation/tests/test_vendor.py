"""What others wrote and we ship is byte for byte what was looked at."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from django.conf import settings

VENDOR = Path(settings.BASE_DIR) / "static" / "vendor"


def test_every_vendored_file_has_the_hash_in_the_lock() -> None:
    lock = dict(reversed(line.split("  ")) for line in (VENDOR / "vendor.lock").read_text().splitlines())
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.iterdir()}
    del files["vendor.lock"]
    assert files == lock


def test_every_vendored_script_comes_with_its_licence_and_is_the_one_the_pages_load() -> None:
    scripts = {path.name for path in VENDOR.glob("*.js")}
    assert scripts == {"htmx-2.0.11.min.js"}
    for name in scripts:
        assert (VENDOR / name.replace(".min.js", ".LICENSE")).exists()
    loaded = re.findall(r"vendor/([\w.-]+)'", (Path(settings.BASE_DIR) / "templates/console/base.html").read_text())
    assert set(loaded) == scripts


def test_nothing_is_loaded_from_elsewhere() -> None:
    for path in [*(Path(settings.BASE_DIR) / "templates").rglob("*.html"), *VENDOR.parent.glob("guardian.*")]:
        assert not re.search(r"""(?:src|href)=["']https?:|url\(|@import""", path.read_text()), path
