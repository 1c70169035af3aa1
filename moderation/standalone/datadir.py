"""The demo's data directory: its secrets, its locks, and the address of its embedded database.

Read before Django is configured, so nothing here imports it.
"""

import base64
import contextlib
import errno
import hashlib
import json
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

if sys.platform != "win32":
    import fcntl


class DataDirError(RuntimeError):
    """One sentence for the person at the terminal: what is wrong, and what mends it."""


@dataclass(frozen=True)
class Secrets:
    secret_key: str
    api_key: str
    webhook_secret: str
    allow_loopback_webhooks: bool


@contextlib.contextmanager
def flock(path: Path, *, blocking: bool = True) -> Iterator[int]:
    """Hold an exclusive lock on `path`. The kernel lets go of it when this process dies, however it dies.

    Raises BlockingIOError if it is taken and `blocking` is false.
    """
    descriptor = open_private(path)
    try:
        if sys.platform != "win32":
            fcntl.flock(descriptor, fcntl.LOCK_EX if blocking else fcntl.LOCK_EX | fcntl.LOCK_NB)
            while not _is_still(path, descriptor):  # `demo --uninstall` removed it while we waited
                os.close(descriptor)
                descriptor = open_private(path)
                fcntl.flock(descriptor, fcntl.LOCK_EX if blocking else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    finally:
        os.close(descriptor)


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def open_private(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise cannot(path, "cannot be opened", error) from error


def cannot(path: Path, what: str, error: OSError) -> DataDirError:
    if error.errno in FULL:
        return DataDirError(f"{path} {what}: the disk is full. Make room on it, or {_ANOTHER}.")
    return DataDirError(f"{path} {what} ({error.strerror}): {_ANOTHER}.")


FULL = (errno.ENOSPC, errno.EDQUOT)
_ANOTHER = "choose another data directory with --data-dir or GUARDIAN_HOME"


@dataclass(frozen=True)
class DataDir:
    path: Path

    @classmethod
    def locate(cls, environ: Mapping[str, str] = os.environ) -> "DataDir":
        chosen = environ.get("GUARDIAN_HOME") or "~/.guardian"
        try:
            return cls(Path(os.path.abspath(Path(chosen).expanduser())))
        except RuntimeError as error:
            raise DataDirError(f"{chosen} means no directory, as this user has no home: {_ANOTHER}.") from error

    @property
    def file(self) -> Path:
        return self.path / "guardian.json"

    @property
    def socket_dir(self) -> Path:
        """Where the embedded database listens.

        A socket's path must stay below about 100 bytes, which a data directory's need not. Every process has to
        come to the same answer, hence /tmp and not $TMPDIR, and one answer for all spellings of the path.
        """
        digest = hashlib.sha256(os.fsencode(os.path.realpath(self.path))).hexdigest()
        return Path("/tmp") / f"guardian-{digest[:10]}"  # noqa: S108  the server refuses it unless it is ours, 0700

    def database_url(self, database: str = "guardian") -> str:
        # The port is spelt out, or libpq would take it from a PGPORT that is meant for another server.
        return f"postgresql://guardian@{quote(str(self.socket_dir), safe='')}:5432/{database}"

    def create(self) -> None:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise cannot(self.path, "cannot be created", error) from error

    def load(self) -> Secrets | None:
        kept = self._read()
        if kept is None:
            return None
        found = Secrets(
            secret_key=kept.get("secret_key", ""),
            api_key=kept.get("api_key", ""),
            webhook_secret=kept.get("webhook_secret", ""),
            allow_loopback_webhooks=kept.get("allow_loopback_webhooks", False),
        )
        texts = (found.secret_key, found.api_key, found.webhook_secret)
        if (
            not all(isinstance(text, str) for text in texts)
            or not isinstance(found.allow_loopback_webhooks, bool)
            or not found.secret_key
            or not found.webhook_secret
        ):
            raise self._damaged()
        return found

    def load_or_create(self) -> Secrets:
        self.create()
        with self._locked():
            found = self.load()
            if found is None:
                found = Secrets(
                    secret_key=secrets.token_urlsafe(48),
                    api_key="",
                    webhook_secret="whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(),
                    allow_loopback_webhooks=False,
                )
                self._write(asdict(found))
            return found

    def save(self, changed: Secrets) -> None:
        self.create()
        with self._locked():
            self._write({**(self._read() or {}), **asdict(changed)})

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Be the only demo of this data directory."""
        self.create()
        lock = self.path / "demo.lock"
        with contextlib.ExitStack() as stack:
            try:
                descriptor = stack.enter_context(flock(lock, blocking=False))
            except BlockingIOError as error:
                pid = lock.read_text(errors="replace").partition("\n")[0] or "unknown"
                raise DataDirError(
                    f"A demo is already running on {self.path} (process {pid}): stop it, or {_ANOTHER}."
                ) from error
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
            yield

    def announce(self, url: str) -> None:
        """Say where the demo that holds this directory can be reached; it is believed for as long as it is held."""
        (self.path / "demo.lock").write_text(f"{os.getpid()}\n{url}\n")

    def demo_url(self) -> str:
        """Where the demo of this directory runs; empty if none does."""
        lock = self.path / "demo.lock"
        if not lock.exists():
            return ""
        try:
            with flock(lock, blocking=False):
                return ""
        except BlockingIOError:
            return lock.read_text(errors="replace").partition("\n")[2].strip()

    def _locked(self) -> contextlib.AbstractContextManager[int]:
        return flock(self.path / "guardian.lock")

    def _damaged(self) -> DataDirError:
        return DataDirError(f"{self.file} is damaged: delete it, and the next start makes new keys.")

    def _read(self) -> dict[str, Any] | None:
        try:
            kept = json.loads(self.file.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise cannot(self.file, "cannot be read", error) from error
        except ValueError as error:
            raise self._damaged() from error
        if not isinstance(kept, dict):
            raise self._damaged()
        return kept

    def _write(self, kept: dict[str, Any]) -> None:
        try:
            descriptor, name = tempfile.mkstemp(dir=self.path, prefix=".guardian-", suffix=".json")
        except OSError as error:
            raise cannot(self.path, "cannot be written to", error) from error
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump(kept, file, indent=2)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self.file)
        except BaseException as error:
            os.unlink(name)
            if isinstance(error, OSError):
                raise cannot(self.path, "cannot be written to", error) from error
            raise
