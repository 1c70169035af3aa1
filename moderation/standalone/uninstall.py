"""`manage.py demo --uninstall`: removes what the demo left on this machine, by name, and nothing else.

Django is not needed for it, nor settings that are in order; a database named by DATABASE_URL is never touched.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from moderation.standalone.cluster import CLUSTER, COPYING, SHARED, SYSTEM_USER, has_account
from moderation.standalone.datadir import DataDir, DataDirError, flock
from moderation.standalone.postgres import EmbeddedPostgres

LOCK = "demo.lock"
FILES = (
    "guardian.json",
    "guardian.lock",
    "migrate.lock",
    "postgres.lock",
    "postgres.users",
    "postgres.log",
    "postgres.log.1",
    "worker.log",
    LOCK,
)
HALF_WRITTEN = ".guardian-*.json"
CLUSTERS = ("pg18", "pg18.new")
SOCKETS = (".s.PGSQL.5432", ".s.PGSQL.5432.lock")


def main(arguments: list[str], environ: Mapping[str, str]) -> None:
    """Prints what was removed and what was left. Raises DataDirError while a demo or another command is at work."""
    parser = argparse.ArgumentParser(prog="manage.py demo", allow_abbrev=False)
    parser.add_argument("--uninstall", action="store_true", help="remove what the demo left on this machine")
    parser.add_argument("--data-dir", help="where everything is kept ($GUARDIAN_HOME, else ~/.guardian)")
    chosen = parser.parse_args(arguments).data_dir
    datadir = DataDir.locate({**environ, **({"GUARDIAN_HOME": chosen} if chosen else {})})
    for line in uninstall(datadir):
        sys.stdout.write(f"{line}\n")
    if environ.get("DATABASE_URL"):
        sys.stdout.write("left     the database that DATABASE_URL names: it is not the demo's to remove\n")


def uninstall(datadir: DataDir) -> Iterator[str]:
    """Line by line what was removed, and what was left and why."""
    try:
        if any(_ours(datadir)):
            with datadir.hold():
                if not EmbeddedPostgres(datadir).stop_unless_used():
                    raise DataDirError(f"The database of {datadir.path} is in use: end what uses it, then try again.")
                yield from _empty(datadir)
        else:
            yield f"nothing  of the demo is in {datadir.path}"
        if os.geteuid() == 0 and SHARED.is_dir():
            yield from _remove_shared()
    except OSError as error:
        what = error.filename or datadir.path
        raise DataDirError(f"{what} cannot be removed ({error.strerror}): mend that, then try again.") from error


def _ours(datadir: DataDir) -> Iterator[Path]:
    """Databases first: what is cut short is found again by its lock and its keys."""
    for name in (*CLUSTERS, *FILES):
        if os.path.lexists(datadir.path / name):
            yield datadir.path / name
    yield from datadir.path.glob(HALF_WRITTEN)


def _empty(datadir: DataDir) -> Iterator[str]:
    for path in list(_ours(datadir)):
        if path.name == LOCK:
            continue  # it holds others off until the end
        if path.is_symlink() and not (path.name in CLUSTERS and _is_cluster_of_ours(path.readlink())):
            yield f"left     {path}: a link that is not of the demo's making"
            continue
        if path.is_symlink():
            shutil.rmtree(path.readlink(), ignore_errors=not path.exists())
            yield f"removed  {path.readlink()}"
            path.unlink()
        elif path.is_dir() and path.name in CLUSTERS:
            shutil.rmtree(path)
        elif path.is_dir():
            yield f"left     {path}: a directory that is not of the demo's making"
            continue
        else:
            path.unlink()
        yield f"removed  {path}"
    for name in SOCKETS:
        (datadir.socket_dir / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        datadir.socket_dir.rmdir()
        yield f"removed  {datadir.socket_dir}"
    (datadir.path / LOCK).unlink()
    yield f"removed  {datadir.path / LOCK}"
    foreign = sorted(path.name for path in datadir.path.iterdir())
    if foreign:
        yield f"left     {datadir.path}: it holds what the demo did not make: {', '.join(foreign)}"
    elif datadir.path.is_symlink():
        yield f"left     {datadir.path}: a link to a directory, which is empty now"
    else:
        datadir.path.rmdir()
        yield f"removed  {datadir.path}"


def _is_cluster_of_ours(target: Path) -> bool:
    return target.parent == SHARED and target.name.startswith(CLUSTER)


def _remove_shared() -> Iterator[str]:
    """Root's copy of the programs, once no data directory's database needs it any more."""
    with flock(SHARED / ".lock"):
        others = sorted(path.name for path in SHARED.glob(f"{CLUSTER}*"))
        if others:
            named = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
            yield f"left     {SHARED}: other data directories have their databases in it: {named}"
            return
        for path in (*SHARED.glob("pgsql-*"), *SHARED.glob(f"{COPYING}*")):
            shutil.rmtree(path)
            yield f"removed  {path}"
        (SHARED / ".lock").unlink()
        foreign = sorted(path.name for path in SHARED.iterdir())
        if foreign:
            yield f"left     {SHARED}: it holds what the demo did not make: {', '.join(foreign)}"
        else:
            SHARED.rmdir()
            yield f"removed  {SHARED}"
    if has_account():
        yield f"left     the system user {SYSTEM_USER}: `userdel {SYSTEM_USER}` removes it, if nobody else wants it"
