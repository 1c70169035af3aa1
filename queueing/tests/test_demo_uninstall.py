"""`manage.py demo --uninstall`: what the demo made goes, by name; everything else stays, and is named."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from moderation.standalone import uninstall
from moderation.standalone.cluster import SHARED
from moderation.standalone.datadir import DataDir, DataDirError
from moderation.standalone.postgres import serve
from queueing.tests.demo import a_home, manage

pytest_plugins = ["queueing.tests.demo"]


def test_all_the_demo_made_goes_and_a_foreign_file_stays() -> None:
    with a_home("guardian uninstall ") as home:
        data = home / "data dir"
        # Any command makes what it needs: the embedded database of a new directory is created and migrated first.
        made = manage(home, "create_client", "shop", "--json", GUARDIAN_HOME=str(data))
        assert made.returncode == 0, made.stderr
        assert json.loads(made.stdout)["client"] == "shop"
        cluster = (data / "pg18").resolve()
        sockets = DataDir(data).socket_dir
        (data / "letter.txt").write_text("mine")
        (data / ".guardian-abc.json").write_text("{}")

        done = manage(home, "demo", "--uninstall", "--data-dir", str(data), DATABASE_URL="postgresql://elsewhere/x")
        assert (done.returncode, done.stderr) == (0, "")
        assert [path.name for path in data.iterdir()] == ["letter.txt"]
        assert not cluster.exists()
        assert not sockets.exists()
        removed = [line.split(None, 1)[1] for line in done.stdout.splitlines() if line.startswith("removed")]
        assert {str(data / name) for name in ("pg18", "guardian.json", "demo.lock", "postgres.log")} <= set(removed)
        left = [line for line in done.stdout.splitlines() if line.startswith("left")]
        assert any("letter.txt" in line for line in left)
        assert any("DATABASE_URL" in line for line in left)

        (data / "letter.txt").unlink()
        again = manage(home, "demo", "--uninstall", f"--data-dir={data}")
        assert (again.returncode, again.stdout.splitlines()[0]) == (0, f"nothing  of the demo is in {data}")
        assert data.exists()  # an empty directory may be anybody's


def test_it_is_refused_while_a_demo_or_a_command_is_at_work(tmp_path: Path) -> None:
    with a_home() as home:
        datadir = DataDir(home)
        datadir.load_or_create()
        with datadir.hold():
            refused = manage(home, "demo", "--uninstall")
        assert refused.returncode == 1
        assert "already running" in refused.stderr
        assert refused.stdout == ""
        with serve(datadir):
            busy = manage(home, "demo", "--uninstall")
        assert busy.returncode == 1
        assert "is in use" in busy.stderr
        assert (home / "pg18").exists()
        assert manage(home, "demo", "--uninstall", "--port", "1").returncode == 2  # it does nothing else besides
        assert manage(home, "demo", "--uninstall").returncode == 0
        assert not home.exists()
        home.mkdir()


def test_a_link_to_elsewhere_is_not_followed(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "PG_VERSION").write_text("18")
    datadir = DataDir(tmp_path / "data")
    datadir.load_or_create()
    (datadir.path / "pg18").symlink_to(theirs)
    lines = list(uninstall.uninstall(datadir))
    assert (theirs / "PG_VERSION").exists()
    assert any(line.startswith("left") and "pg18" in line for line in lines)
    assert not datadir.file.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's databases live outside their data directory")
def test_root_s_programs_go_with_the_last_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = tmp_path / "shared"
    for name in ("pgsql-0.6.0/bin", ".pgsql-half", "cluster-one", "cluster-two"):
        (shared / name).mkdir(parents=True)
    monkeypatch.setattr(uninstall, "SHARED", shared)

    def of(name: str) -> DataDir:
        datadir = DataDir(tmp_path / name)
        datadir.load_or_create()
        (datadir.path / "pg18").symlink_to(shared / f"cluster-{name}")
        return datadir

    one, two = of("one"), of("two")
    assert any("cluster-two" in line for line in uninstall.uninstall(one) if line.startswith("left"))
    assert sorted(path.name for path in shared.iterdir()) == [".lock", ".pgsql-half", "cluster-two", "pgsql-0.6.0"]
    list(uninstall.uninstall(two))
    assert not shared.exists()
    assert SHARED.name == "guardian"


def test_what_may_not_be_removed_is_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datadir = DataDir(tmp_path / "data")
    datadir.load_or_create()

    def denied(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    (datadir.path / "pg18").mkdir()
    monkeypatch.setattr(uninstall.shutil, "rmtree", denied)
    with pytest.raises(DataDirError, match=r"pg18 cannot be removed \(Permission denied\)"):
        list(uninstall.uninstall(datadir))
    assert datadir.file.exists()
