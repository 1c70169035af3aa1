"""The analyst behind Groq: one model after the other, and a human when none gives an answer that holds.

Facts by experiment in shared/facts/langgraph.md section 7; errors of the API: https://console.groq.com/docs/errors
"""

from __future__ import annotations

import contextvars
import dataclasses
import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import groq
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable
from langchain_groq import ChatGroq
from pydantic import SecretStr

from agents.assessors.breaker import Breaker
from agents.assessors.prompts import messages, new_nonce
from agents.assessors.screening import screen_brief
from agents.assessors.verdict import ModelAnswer, believe
from agents.contract import AnalysisFailed, Assessment, Brief, TryLater

TOTAL_SECONDS = 33.0
"""All models together, whatever the provider does: the leg's deadline is 35 s."""
BASE_URL = "https://api.groq.com"
_MAX_TOKENS = 4096
_DEFAULT_WAIT = 10.0

# US dollars per million tokens (input, output). Source: https://groq.com/pricing and https://console.groq.com/docs/models
# as quoted by braintrustdata/braintrust-proxy issues 566, 609, 925 (May 2026) and vercel.com/ai-gateway/models.
PRICES: dict[str, tuple[float, float]] = {
    "openai/gpt-oss-20b": (0.075, 0.30),
    "openai/gpt-oss-120b": (0.15, 0.60),
}

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Rung:
    model: str
    chain: Runnable[Any, Any]
    breaker: Breaker


@dataclass(slots=True)
class _Spent:
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0

    def add(self, model: str, raw: AIMessage) -> None:
        usage = raw.usage_metadata
        if usage is None:
            return
        price_in, price_out = PRICES.get(model, (0.0, 0.0))
        self.input_tokens += usage["input_tokens"]
        self.output_tokens += usage["output_tokens"]
        self.cost_usd += (usage["input_tokens"] * price_in + usage["output_tokens"] * price_out) / 1e6


class _BadAnswer(Exception):
    """The model answered, and the answer is worth nothing; says why in words."""


class GroqAssessor:
    """Asks `models` in order, each at most once, and takes the first answer that passes every check.

    `timeout_seconds` bounds one model; it shrinks so that all together stay within TOTAL_SECONDS. `base_url` is the
    root WITHOUT /openai/v1 (taken off if it is there). Builds its HTTP clients here (40 ms a model): make one per
    process, after the fork.
    """

    name = "groq"

    def __init__(
        self, api_key: str, base_url: str | None, models: tuple[str, ...], timeout_seconds: float = 16.0
    ) -> None:
        models = tuple(dict.fromkeys(models))
        if not models:
            raise ValueError("at least one model is needed")
        self._seconds = min(timeout_seconds, TOTAL_SECONDS / len(models))
        root = (base_url or BASE_URL).rstrip("/").removesuffix("/openai/v1")
        self._rungs = [self._rung(model, api_key, root) for model in models]

    def _rung(self, model: str, api_key: str, root: str) -> _Rung:
        chat = ChatGroq(
            model=model,
            api_key=SecretStr(api_key),
            base_url=root,
            temperature=0,
            max_tokens=_MAX_TOKENS,
            timeout=self._seconds * 0.97,
            max_retries=0,  # the runs are retried by the queue; retries here would multiply and sleep in the worker
        )
        chain = chat.with_structured_output(ModelAnswer, method="json_schema", strict=True, include_raw=True)
        return _Rung(model, chain, Breaker())

    def assess(self, brief: Brief) -> Assessment:
        """See `Assessor.assess`. The message of AnalysisFailed says for each model why it gave nothing.

        TryLater only if every model answered 429; its seconds are the shortest Retry-After, between 1 and 60.
        """
        started = time.monotonic()
        screened = screen_brief(brief).flags
        spent = _Spent()
        reasons: list[str] = []
        waits: list[float] = []
        for rung in self._rungs:
            if not rung.breaker.lets_through():
                reasons.append(f"{rung.model} is resting after repeated outages")
                continue
            try:
                answer = self._ask(rung, brief, spent)
            except groq.RateLimitError as error:
                rung.breaker.answered()
                waits.append(_retry_after(error.response.headers))
                reasons.append(f"{rung.model} is rate limited")
            except _BadAnswer as error:
                rung.breaker.answered()
                reasons.append(f"{rung.model} {error}")
            except Exception as error:  # noqa: BLE001 - rubbish from outside may surface as anything (IndexError, ...)
                reasons.append(f"{rung.model} {_explain(error, rung.breaker)}")
                _log.warning("groq: %s gave no answer (%s)", rung.model, type(error).__name__)
            else:
                rung.breaker.answered()
                return dataclasses.replace(
                    believe(answer, brief, screened),
                    analyst=self.name,
                    model=rung.model,
                    seconds=time.monotonic() - started,
                    **dataclasses.asdict(spent),
                )
        if len(waits) == len(self._rungs):
            raise TryLater(min(waits))
        raise AnalysisFailed(f"The model gave no usable answer: {'; '.join(reasons)}.")

    def _ask(self, rung: _Rung, brief: Brief, spent: _Spent) -> ModelAnswer:
        nonce = new_nonce()
        reply = _within(self._seconds, lambda: rung.chain.invoke(messages(brief, nonce)))
        raw, parsed = reply["raw"], reply["parsed"]
        spent.add(rung.model, raw)
        # Before anything else: an answer cut off in the middle can still be valid JSON of the right shape.
        finish = raw.response_metadata.get("finish_reason")
        if finish != "stop":
            raise _BadAnswer("broke off its answer" if finish == "length" else "did not finish its answer")
        if not raw.content:
            raise _BadAnswer("gave an empty answer")
        # parsed can be None without a parsing error.
        if not isinstance(parsed, ModelAnswer):
            raise _BadAnswer("did not keep to the form of the answer")
        if parsed.nonce != nonce:
            raise _BadAnswer("did not repeat the code of this question, so the answer was discarded")
        return parsed


def _explain(error: Exception, breaker: Breaker) -> str:
    """Why a call failed, in words without content. Raises AnalysisFailed when no other model can do better."""
    if isinstance(error, TimeoutError | groq.APITimeoutError):
        breaker.outage()
        return "did not answer in time"
    if isinstance(error, groq.APIConnectionError):
        breaker.outage()
        return "could not be reached"
    if isinstance(error, groq.APIStatusError):
        status = error.status_code
        if status in (401, 403):
            raise AnalysisFailed(f"Groq refuses the key ({status}): check the setting GROQ_API_KEY.") from None
        if status >= 500:
            breaker.outage()
            return f"had an error of its own ({status})"
        breaker.answered()
        return f"refused the question ({status})"
    breaker.answered()
    return "gave something that is no answer"


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds from a Retry-After header (a number or an HTTP date), between 1 and 60; 10 if there is none."""
    value = headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError):
            seconds = _DEFAULT_WAIT
    return min(60.0, max(1.0, seconds)) if math.isfinite(seconds) else _DEFAULT_WAIT


def _within(seconds: float, call: Callable[[], Any]) -> Any:
    """`call()`, or TimeoutError after `seconds`.

    The HTTP timeout counts from the last byte, so a server that drips bytes holds a request for ever, and a name
    look-up knows no timeout at all. Only another thread bounds the whole; an abandoned one ends with its request. The
    context goes along: LangChain's callbacks travel in it.
    """
    box: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()
    context = contextvars.copy_context()

    def work() -> None:
        try:
            box.put((context.run(call), None))
        except Exception as error:  # noqa: BLE001 - handed over to the caller, whatever it is
            box.put((None, error))

    threading.Thread(target=work, name="groq-call", daemon=True).start()
    try:
        value, error = box.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    if error is not None:
        raise error
    return value
