"""Traces: off by default for good, masked when on, and harmless when LangSmith is dead."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import zstandard
from langchain_core.runnables import RunnableConfig, RunnableLambda

from agents.tests.analysts import analyst, scripted
from agents.tests.cases import brief
from agents.tests.stub_groq import verdict
from agents.tracing import mask, tracer

PLANTED = {
    "mail": "ada.gardener@example.org",
    "phone": "+49 170 1234567",
    "card": "4111 1111 1111 1111",
    "iban": "DE89 3704 0044 0532 0130 00",
    "ip": "203.0.113.77",
    "ip6": "2001:db8:0:0:0:ff00:42:8329",
    "query": "token=sesame",
    "key": "gsk_abcdefghijkl",
}
SENTENCE = (
    "Write to {mail} or {phone}, pay {card} to {iban}, from {ip} or {ip6}, https://shop.example/beans?{query} {key}"
).format(**PLANTED)


class Stub:
    """A LangSmith endpoint that keeps what it is sent, decompressed."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                batches = {"use_multipart_endpoint": True, "size_limit": 100, "size_limit_bytes": 20_971_520}
                threads = {
                    "scale_up_qsize_trigger": 1000,
                    "scale_up_nthreads_limit": 16,
                    "scale_down_nempty_trigger": 4,
                }
                info = {"batch_ingest_config": batches | threads, "instance_flags": {"zstd_compression_enabled": True}}
                self._answer(json.dumps({"version": "0.12", **info}).encode())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if "Transfer-Encoding" in self.headers:
                    while size := int(self.rfile.readline(), 16):
                        body += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                if self.headers.get("Content-Encoding") == "zstd":
                    body = zstandard.ZstdDecompressor().decompressobj().decompress(body)
                stub.bodies.append(body)
                self._answer(b"{}")

            def _answer(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    @property
    def everything(self) -> str:
        return b"\n".join(self.bodies).decode("utf-8", "replace")


@pytest.fixture
def stub() -> Iterator[Stub]:
    served = Stub()
    threading.Thread(target=served.server.serve_forever, args=(0.02,), daemon=True).start()
    yield served
    served.server.shutdown()
    served.server.server_close()


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in list(os.environ):
        if name.startswith(("LANGSMITH_", "LANGCHAIN_")):
            monkeypatch.delenv(name)
    before = dict(os.environ)
    yield
    for name in set(os.environ) - set(before):
        if name.startswith("LANGSMITH_"):
            del os.environ[name]


def settings(endpoint: str, **more: str) -> dict[str, str]:
    return {
        "LANGSMITH_TRACING": "true",
        "LANGSMITH_API_KEY": "lsv2_stub_key_12345",
        "LANGSMITH_ENDPOINT": endpoint,
        "LANGSMITH_PROJECT": "garden",
        **more,
    }


def shout(words: str) -> dict[str, str]:
    if words.startswith("fail"):
        raise ValueError(words)
    return {"loud": words.upper(), "deep": json.loads("[" * 12 + json.dumps(words) + "]" * 12), words: "as a key"}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LANGSMITH_TRACING": "true"},
        {"LANGSMITH_API_KEY": "k"},
        {"LANGSMITH_TRACING": "false", "LANGSMITH_API_KEY": "k"},
    ],
)
def test_tracing_is_off_unless_both_settings_say_so(environ: dict[str, str]) -> None:
    tracing = tracer(environ)
    assert not tracing.on
    assert tracing.callbacks() == []
    tracing.flush()
    assert tracing.run_id().version == 7


@pytest.mark.parametrize("on", [False, True])
def test_the_librarys_own_tracing_never_sends_anything(stub: Stub, on: bool) -> None:
    """In a fresh process with LANGSMITH_TRACING set, which is where it would start by itself; in a thread as well."""
    code = """if True:
        import os, sys, threading
        from agents.tracing import tracer
        from langchain_core.runnables import RunnableLambda
        tracing = tracer(dict(os.environ) if sys.argv[1] == "True" else {})
        def run(): RunnableLambda(lambda x: x).invoke("seedling-word")
        run()
        t = threading.Thread(target=run); t.start(); t.join()
        import langsmith.run_trees
        assert langsmith.run_trees._CLIENT is None
        tracing.flush()
    """
    env = {**os.environ, **settings(stub.url), "LANGCHAIN_TRACING": "true", "LANGCHAIN_TRACING_V2": "true"}
    subprocess.run([sys.executable, "-c", code, str(on)], check=True, timeout=20, env=env)
    assert "seedling-word" not in stub.everything


def test_a_traced_run_arrives_and_nothing_personal_does(stub: Stub) -> None:
    tracing = tracer(settings(stub.url))
    run_id = tracing.run_id()
    config: RunnableConfig = {
        "run_id": run_id,
        "callbacks": tracing.callbacks(),
        "metadata": {"case_id": "case-7", "note": SENTENCE},
    }
    assert tracing.on
    RunnableLambda(shout).invoke(f"marker-ok {SENTENCE}", config)
    with pytest.raises(ValueError, match="fail"):
        RunnableLambda(shout).invoke(f"fail {SENTENCE}", {"callbacks": tracing.callbacks()})
    tracing.flush(timeout=5)
    deadline = time.monotonic() + 5
    while "marker-ok" not in stub.everything and time.monotonic() < deadline:
        time.sleep(0.02)
    assert str(run_id) in stub.everything
    assert "case-7" in stub.everything
    assert "garden" in stub.everything
    seen = stub.everything.lower()
    assert [name for name, secret in PLANTED.items() if secret.lower() in seen] == []
    assert "[email]" in seen


def test_a_model_call_is_traced_under_its_run_though_it_runs_in_a_thread_and_its_prompt_is_masked(stub: Stub) -> None:
    tracing = tracer(settings(stub.url))
    case = brief(f"Roses. {SENTENCE}", report_reasons=(SENTENCE,), context={"bio": SENTENCE})
    with scripted(verdict(summary=f"Somebody writes {SENTENCE}")) as groq:
        leg: RunnableLambda[str, str] = RunnableLambda(lambda _: analyst(groq).assess(case).model)
        leg.invoke("case-7", {"callbacks": tracing.callbacks(), "run_id": tracing.run_id()})
        sent = groq.requests[0]["messages"][1]["content"]
    tracing.flush(timeout=5)
    assert PLANTED["mail"] in sent
    assert "ChatGroq" in stub.everything
    assert "Roses." in stub.everything
    seen = stub.everything.lower()
    assert [name for name, secret in PLANTED.items() if secret.lower() in seen] == []
    assert "gsk_stub" not in seen


def test_masking_leaves_ordinary_words_ids_and_dates_readable() -> None:
    words = "Case 01890a5d-ac96-774b-bcce-b302099a8057, round 2, at 07:53:12, costs 3.50, version 1.2.3"
    assert mask(words) == words
    assert mask({"a": [1, None, True, {"x@example.org": 2.5}]}) == {"a": [1, None, True, {"[email]": 2.5}]}


@pytest.mark.parametrize("kind", ["refused", "black hole"])
def test_a_dead_endpoint_neither_slows_the_run_nor_blocks_flush_or_exit(kind: str) -> None:
    hole = socket.socket()
    hole.bind(("127.0.0.1", 0))
    if kind == "black hole":
        hole.listen(50)
    code = """if True:
        import os, time
        from agents.tracing import tracer
        from langchain_core.runnables import RunnableLambda
        tracing = tracer(os.environ)
        work = RunnableLambda(lambda x: x)
        work.invoke("warm")
        started = time.monotonic()
        for n in range(50):
            work.invoke("hello", {"callbacks": tracing.callbacks(), "run_id": tracing.run_id()})
        ran = time.monotonic() - started
        started = time.monotonic()
        tracing.flush(timeout=1)
        print(ran, time.monotonic() - started, time.time())
    """
    env = {**os.environ, **settings(f"http://127.0.0.1:{hole.getsockname()[1]}")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, env=env, check=True)
    ended = time.time()
    hole.close()
    ran, flushed, finished = map(float, done.stdout.split())
    print(kind, f"50 runs {ran:.3f} s, flush {flushed:.2f} s, exit {ended - finished:.2f} s")  # noqa: T201
    assert ran < 1
    assert flushed < 1.3
    assert ended - finished < 2
