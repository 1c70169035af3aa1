import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import dj_database_url
import pytest
from psycopg.conninfo import conninfo_to_dict

from moderation.standalone.datadir import DataDir, DataDirError

ROOT = Path(__file__).resolve().parents[2]
BOTH_AT_ONCE = """
import sys
from pathlib import Path
from moderation.standalone.datadir import DataDir
sys.stdin.readline()
print(DataDir(Path(sys.argv[1])).load_or_create().secret_key)
"""


@pytest.fixture
def datadir(tmp_path: Path) -> DataDir:
    return DataDir(tmp_path / "data dir")


def test_the_place_comes_from_the_environment_else_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert DataDir.locate({}).path == tmp_path / ".guardian"
    assert DataDir.locate({"GUARDIAN_HOME": ""}).path == tmp_path / ".guardian"
    assert DataDir.locate({"GUARDIAN_HOME": "a/../b"}).path == tmp_path / "b"


def test_secrets_are_made_once_and_are_private(datadir: DataDir) -> None:
    assert datadir.load() is None
    made = datadir.load_or_create()
    assert len(made.secret_key) >= 50
    assert made.webhook_secret.startswith("whsec_")
    assert (made.api_key, made.allow_loopback_webhooks) == ("", False)
    assert datadir.load_or_create() == datadir.load() == made
    assert stat.S_IMODE(datadir.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(datadir.path.stat().st_mode) == 0o700


def test_saving_keeps_what_it_does_not_know(datadir: DataDir) -> None:
    made = datadir.load_or_create()
    datadir.file.write_text(json.dumps({**json.loads(datadir.file.read_text()), "later": 1}))
    datadir.save(replace(made, api_key="key", allow_loopback_webhooks=True))
    assert datadir.load() == replace(made, api_key="key", allow_loopback_webhooks=True)
    assert json.loads(datadir.file.read_text())["later"] == 1
    assert stat.S_IMODE(datadir.file.stat().st_mode) == 0o600
    assert not list(datadir.path.glob(".guardian-*"))


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"secret_key": 1, "webhook_secret": "x"}', "\udcff"])
def test_a_damaged_file_is_named_with_its_mend(datadir: DataDir, content: str) -> None:
    datadir.create()
    datadir.file.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(DataDirError, match=r"guardian\.json is damaged: delete it"):
        datadir.load_or_create()


def test_a_directory_that_cannot_be_is_named_with_its_mend(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataDirError, match=r"cannot be created .*--data-dir"):
        DataDir(tmp_path / "file" / "data").load_or_create()


def test_two_processes_at_once_agree(datadir: DataDir) -> None:
    command = [sys.executable, "-c", BOTH_AT_ONCE, str(datadir.path)]
    children = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(4)
    ]
    for child in children:
        assert child.stdin
        child.stdin.write("\n")
        child.stdin.flush()
    keys = {child.communicate(timeout=20)[0] for child in children}
    assert len(keys) == 1
    assert len(keys.pop().strip()) >= 50


def test_a_second_demo_is_refused(datadir: DataDir) -> None:
    second = pytest.raises(DataDirError, match=f"already running .*process {os.getpid()}")
    with datadir.hold(), second, datadir.hold():
        pass
    with datadir.hold():
        pass


def test_the_hold_of_a_killed_demo_is_gone(datadir: DataDir) -> None:
    holding = """
import sys, time
from pathlib import Path
from moderation.standalone.datadir import DataDir
with DataDir(Path(sys.argv[1])).hold():
    print("held", flush=True)
    time.sleep(60)
"""
    command = [sys.executable, "-c", holding, str(datadir.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        assert child.stdout
        assert child.stdout.readline() == "held\n"
        with pytest.raises(DataDirError, match=f"process {child.pid}"), datadir.hold():
            pass
        child.kill()
        child.wait()
    with datadir.hold():
        pass


def test_the_url_means_the_same_to_everybody(datadir: DataDir) -> None:
    url = datadir.database_url()
    plain = conninfo_to_dict(url)
    assert plain == {"user": "guardian", "dbname": "guardian", "host": str(datadir.socket_dir), "port": "5432"}
    django = dj_database_url.parse(url)
    assert (django["HOST"], django["NAME"], django["USER"]) == (plain["host"], "guardian", "guardian")
    assert len(f"{datadir.socket_dir}/.s.PGSQL.5432") < 100
    datadir.create()
    link = datadir.path.with_name("link")
    link.symlink_to(datadir.path)
    assert DataDir(link).database_url() == url
