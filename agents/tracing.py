"""LangSmith: traces of the agent's runs, with personal data masked, off unless asked for.

The library's own environment-driven tracing is always switched off: it would build a default client that masks nothing
and whose threads block the exit. Figures in shared/facts/langgraph.md section 8.
"""

from __future__ import annotations

import contextvars
import os
import re
import threading
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_core.callbacks import BaseCallbackHandler
    from langsmith import Client

DEFAULT_PROJECT = "guardian"

# In this order: an e-mail inside a URL goes with the e-mail, a card or an IBAN before the phone that it contains.
_MASKS = (
    (re.compile(r"\b(?:gsk|lsv2|sk)_[a-z0-9_-]{8,}", re.IGNORECASE), "[secret]"),
    (re.compile(r"[\w.+%-]{1,64}(?:@|%40)[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"), "[email]"),
    (re.compile(r"\b([a-z][a-z0-9+.-]{1,20}://[^\s?#\"'<>\\]{1,2000})[?#][^\s\"'<>\\]*", re.IGNORECASE), r"\1?[query]"),
    (re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b", re.IGNORECASE), "[iban]"),
    (re.compile(r"(?<![\w-])\d(?:[ -]?\d){12,18}(?![\w-])"), "[card]"),
    (re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\w)"), "[ip]"),
    (re.compile(r"(?<![\w:])(?:[0-9a-f]{1,4}:){3,7}[0-9a-f]{1,4}(?![\w:])", re.IGNORECASE), "[ip]"),
    (re.compile(r"(?<![\w:])(?:[0-9a-f]{1,4}:){1,6}(?::[0-9a-f]{1,4}){1,6}(?![\w:])", re.IGNORECASE), "[ip]"),
    (re.compile(r"(?<![\w-])(?:\+|\(\+?)?\d[\d ()./-]{6,18}\d(?![\w-])"), "[phone]"),
)


def mask(value: Any) -> Any:
    """A copy of a JSON value with e-mail, phone, card, IBAN, IP addresses, URL queries and keys masked in every string.

    Keys of objects too, at any depth (langsmith's own anonymizer stops at ten, and leaves keys alone).
    """
    if isinstance(value, str):
        for pattern, instead in _MASKS:
            value = pattern.sub(instead, value)
        return value
    if isinstance(value, dict):
        return {mask(key): mask(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [mask(inner) for inner in value]
    return value


class Tracing:
    """What a leg needs to be traced; with no client every method is a no-op. One per process, after the fork."""

    def __init__(self, client: Client | None, project: str) -> None:
        self._client = client
        self._project = project

    @property
    def on(self) -> bool:
        """Are runs sent anywhere?"""
        return self._client is not None

    def callbacks(self) -> list[BaseCallbackHandler]:
        """For `config["callbacks"]` of one run: a tracer of its own (it keeps the run tree), on the shared client."""
        if self._client is None:
            return []
        from langchain_core.tracers.langchain import LangChainTracer

        return [LangChainTracer(client=self._client, project_name=self._project)]

    def run_id(self) -> uuid.UUID:
        """For `config["run_id"]`, time-ordered as LangSmith wants it; also good as an id when tracing is off."""
        from langsmith import uuid7

        return uuid7()

    def flush(self, timeout: float = 2) -> None:
        """Send what is queued; back after `timeout` seconds at the latest, whatever the endpoint does."""
        if self._client is None:
            return
        # The client bounds only a part of its flush by the timeout, so the bound is kept from outside.
        worker = threading.Thread(target=self._client.flush, args=(timeout,), name="langsmith-flush", daemon=True)
        worker.start()
        worker.join(timeout)


def tracer(environ: Mapping[str, str]) -> Tracing:
    """Tracing by LANGSMITH_TRACING (true), LANGSMITH_API_KEY, LANGSMITH_ENDPOINT and LANGSMITH_PROJECT.

    Off without the first two. Call once per process, after the fork: a client used in the parent hangs the child.
    """
    _switch_off_the_default()
    key = environ.get("LANGSMITH_API_KEY", "").strip()
    project = environ.get("LANGSMITH_PROJECT", "").strip() or DEFAULT_PROJECT
    if environ.get("LANGSMITH_TRACING", "").strip().lower() != "true" or not key:
        return Tracing(None, project)
    return Tracing(_client(environ.get("LANGSMITH_ENDPOINT", "").strip() or None, key), project)


def _switch_off_the_default() -> None:
    import langsmith

    # In a copied context: `configure` sets a process-wide default, which is wanted, and a context variable, which would
    # silence our own tracer in this thread too.
    contextvars.copy_context().run(langsmith.configure, enabled=False)
    # With these set and tracing off, langchain-core raises in every run ("LangChainTracerV1 is no longer supported").
    for old in ("LANGCHAIN_TRACING", "LANGCHAIN_HANDLER"):
        os.environ.pop(old, None)


def _client(endpoint: str | None, key: str) -> Client:
    from langsmith import Client, utils
    from urllib3.util import Retry

    # The client reads these from the process environment only, and once. Without daemon threads a dead endpoint held
    # the exit of the process for 12 to 25 s.
    os.environ["LANGSMITH_USE_DAEMON"] = "true"
    os.environ.setdefault("LANGSMITH_TRACING_QUEUE_MAX_SIZE", "2000")
    os.environ.setdefault("LANGSMITH_MAX_INGEST_MEMORY_BYTES", str(64 * 2**20))
    utils.get_env_var.cache_clear()  # type: ignore[attr-defined]  # hidden behind its overloads
    return Client(
        api_url=endpoint or "https://api.smith.langchain.com",
        api_key=key,
        anonymizer=mask,
        hide_inputs=False,
        hide_outputs=False,
        hide_metadata=False,  # not hidden, masked: the thread and case ids in it group the runs
        omit_traced_runtime_info=True,
        tracing_mode="langsmith",
        timeout_ms=(1_000, 3_000),
        retry_config=Retry(total=1, backoff_factor=0.2, raise_on_status=False, raise_on_redirect=False),
    )
