"""The other end of `matching`: a process of its own that runs regular expressions and dies if one runs away.

Started as a bare script (`python -I -S`), so it imports nothing of the house. One request per line of JSON in, one line
per pattern out; see `matching.find` for the shapes.
"""

from __future__ import annotations

import functools
import json
import re
import signal
import sys


@functools.lru_cache(maxsize=4096)
def compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def answer(pattern: str, text: str, normalised: str, most: int) -> dict[str, object]:
    try:
        rule = compiled(pattern)
    except (re.error, OverflowError, RecursionError):
        return {"bad": True}
    spans: list[tuple[int, int]] = []
    for hit in rule.finditer(text):
        if hit.end() > hit.start():
            spans.append(hit.span())
            if len(spans) == most:
                break
    hidden = not spans and any(hit.end() > hit.start() for hit in rule.finditer(normalised))
    return {"spans": spans, "hidden": hidden}


def main() -> None:
    # The default action kills the process even inside the regular expression engine, where no Python code can step in.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGPROF])
    for line in sys.stdin:
        request = json.loads(line)
        for pattern in request["patterns"]:
            signal.setitimer(signal.ITIMER_PROF, request["seconds"])
            found = answer(pattern, request["text"], request["normalised"], request["most"])
            signal.setitimer(signal.ITIMER_PROF, 0)
            sys.stdout.write(json.dumps(found) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
