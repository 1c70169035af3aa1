"""Regular expressions written by policy authors, run over text written by anybody, without ever hanging.

Python's engine cannot be interrupted in a thread and holds the GIL: `(a+)+$` over thirty letters would stop the whole
process, however short the text is cut. So the patterns run in one small child process per process, which the kernel
kills when one pattern has used up its CPU time; the next call starts another.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MAX_TEXT = 20_000
"""Code points of a text that a pattern gets to see; what follows is not matched."""
CPU_SECONDS = 0.5
"""CPU seconds one pattern may use on one text."""
MAX_RUNAWAYS = 4
"""After so many runaways in one call the remaining patterns are not tried: the call ends within about 3 s."""
MAX_HITS = 20
"""Spans kept per pattern."""


@dataclass(frozen=True, slots=True)
class Hits:
    """What one pattern found. `spans`: (start, end) in code points of the original, at most MAX_HITS, never empty
    spans. `hidden`: it hits the normalised form only. `bad`: invalid, or it ran away; it found nothing."""

    spans: tuple[tuple[int, int], ...] = ()
    hidden: bool = False
    bad: bool = False


class _Child:
    def __init__(self) -> None:
        script = str(Path(__file__).with_name("matcher_process.py"))
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,  # a Ctrl-C in the terminal is for us; the child ends with our pipe
        )
        self._rest = b""

    def send(self, request: bytes) -> None:
        assert self.process.stdin is not None  # noqa: S101 - Popen opened it
        while request:
            request = request[os.write(self.process.stdin.fileno(), request) :]

    def line(self) -> bytes:
        """One line, or b"" when the child is dead."""
        assert self.process.stdout is not None  # noqa: S101 - Popen opened it
        while b"\n" not in self._rest:
            chunk = os.read(self.process.stdout.fileno(), 65_536)
            if not chunk:
                return b""
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def close(self, *, wait: bool) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        if wait:
            self.process.kill()
            self.process.wait()
        else:
            self.process.returncode = 0


class _State:
    lock = threading.Lock()
    child: _Child | None = None


def _after_fork() -> None:
    # The child belongs to the parent. Holding its pipes open here would keep it alive after the parent's death, and
    # the lock may have been held by a thread that does not exist on this side.
    _State.lock = threading.Lock()
    if _State.child is not None:
        _State.child.close(wait=False)
        _State.child = None


def _discard() -> None:
    if _State.child is not None:
        _State.child.close(wait=True)
        _State.child = None


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_discard)


def find(patterns: Sequence[str], text: str, normalised: str) -> list[Hits]:
    """Try every pattern (Python `re`, ignoring case) on `text`, and on `normalised` when the text gives nothing.

    Answers in the order of `patterns`. Both texts are cut at MAX_TEXT. Raises OSError if no process can be started.
    """
    results: list[Hits] = []
    runaways = 0
    with _State.lock:
        while len(results) < len(patterns):
            if runaways == MAX_RUNAWAYS:
                return results + [Hits(bad=True)] * (len(patterns) - len(results))
            results += _ask(patterns[len(results) :], text[:MAX_TEXT], normalised[:MAX_TEXT])
            if len(results) < len(patterns):
                results.append(Hits(bad=True))  # the child died on this one
                runaways += 1
    return results


def _ask(patterns: Sequence[str], text: str, normalised: str) -> list[Hits]:
    """The answers up to the pattern that killed the child, if one did."""
    body = {"patterns": list(patterns), "text": text, "normalised": normalised}
    request = json.dumps({**body, "seconds": CPU_SECONDS, "most": MAX_HITS}).encode() + b"\n"
    child = _State.child = _State.child or _Child()
    try:
        child.send(request)
    except BrokenPipeError:  # somebody ended it while it was idle: that is no pattern's fault
        _discard()
        child = _State.child = _Child()
        child.send(request)
    answers: list[Hits] = []
    for _ in patterns:
        line = child.line()
        if not line:
            _discard()
            break
        found = json.loads(line)
        spans = tuple((int(start), int(end)) for start, end in found.get("spans", ()))
        answers.append(Hits(spans, bool(found.get("hidden")), bool(found.get("bad"))))
    return answers
