"""Start, resume, roll back: the three legs of the agent's work. Asked twice, they answer the same.

LangGraph itself has no guard against two resumes at once (each would act), so the rule is the caller's row lock:
`resume` and `roll_back` run inside the caller's transaction, on its connection, while it holds the case's row.
`start` runs outside any transaction because the analyst may think for half a minute; there the fence takes its place.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

# Read once when langgraph's serialiser is imported: only plain data may come back out of a checkpoint.
os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")

import psycopg
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.types import Command

from agents import assessors, checkpoints, graph, tracing
from agents.contract import Assessor, Casework, Leg, Route
from agents.graph import GRAPH_VERSION

__all__ = ["GRAPH_VERSION", "Agent"]


class Agent:
    """One per process: the compiled graph, the analyst with its HTTP client, the pool and the tracer.

    Make it after a fork, never before: pools and HTTP clients do not survive one.
    """

    def __init__(self, settings: Mapping[str, str], *, database_url: str, schema: str, pool_size: int = 8) -> None:
        self.assessor: Assessor = assessors.build(settings)
        self._graph = graph.build()
        self._tracing = tracing.tracer(settings)
        self._pool = checkpoints.open_pool(database_url, schema=schema, size=pool_size)

    def close(self) -> None:
        """Give the connections back and send what is still to be traced (2 s at most)."""
        self._tracing.flush(timeout=2)
        self._pool.close()

    # --- the legs ----------------------------------------------------------------------------------------------

    def start(self, casework: Casework, *, thread_id: str, case_id: str, round: int, fence: checkpoints.Fence) -> Leg:
        """Analyse; ends paused at review, or with a cleared case.

        Raises TryLater (the analyst asks for patience) and LeaseLost (another worker has this leg).
        """
        procedure = self._on(checkpoints.FencedSaver(self._pool, fence))
        config = self._config(thread_id, case_id)
        trace_id = str(config["run_id"]) if self._tracing.on else ""
        here = procedure.get_state(config)
        if _paused_for(here, round):
            return Leg(paused=True, round=round)
        if here.values.get("status") == Route.CLEAR and not here.next:
            return Leg(paused=False, round=round)
        out = procedure.invoke(
            {"case_id": case_id, "round": round},
            config,
            context=graph.Context(casework, self.assessor, trace_id),
            durability="exit",
            version="v2",
        )
        return Leg(paused=bool(out.interrupts), round=round)

    def resume(
        self,
        casework: Casework,
        *,
        connection: psycopg.Connection[Any],
        thread_id: str,
        case_id: str,
        round: int,
        decision_id: str,
        stored_version: str,
    ) -> Leg:
        """Wake the thread with the decision of `round`; its orders are planned when this returns."""
        procedure = self._on(checkpoints.BorrowedSaver(connection))
        config = self._config(thread_id, case_id)
        rebuilt = ""
        here = procedure.get_state(config)
        if stored_version != GRAPH_VERSION or not _paused_for(here, round):
            rebuilt = _why(here, stored_version, f"paused at review for round {round}")
            here = self._rebuild(procedure, config, case_id=case_id, round=round, paused=True)
        # By id, never by a bare value: a bare value would answer whatever question is open.
        self._invoke(procedure, casework, config, Command(resume={here.interrupts[0].id: {"decision_id": decision_id}}))
        return Leg(paused=False, round=round, rebuilt=rebuilt)

    def roll_back(
        self,
        casework: Casework,
        *,
        connection: psycopg.Connection[Any],
        thread_id: str,
        case_id: str,
        round: int,
        stored_version: str,
    ) -> Leg:
        """Reverse what `round` did and pause for the next one; the reversals are planned when this returns."""
        procedure = self._on(checkpoints.BorrowedSaver(connection))
        config = self._config(thread_id, case_id)
        rebuilt = ""
        here = procedure.get_state(config)
        if stored_version != GRAPH_VERSION or not _ended_after(here, round):
            rebuilt = _why(here, stored_version, f"ended after round {round}")
            self._rebuild(procedure, config, case_id=case_id, round=round, paused=False)
        # Only on an ended thread: on a paused one this would run beside the open question.
        self._invoke(procedure, casework, config, Command(goto="rollback"))
        return Leg(paused=True, round=round + 1, rebuilt=rebuilt)

    # --- how ---------------------------------------------------------------------------------------------------

    def _on(self, saver: BaseCheckpointSaver[Any]) -> Any:
        return self._graph.copy(update={"checkpointer": saver})

    def _config(self, thread_id: str, case_id: str) -> dict[str, Any]:
        return {
            "configurable": {"thread_id": thread_id},
            "metadata": {"session_id": thread_id, "case_id": case_id},
            "callbacks": self._tracing.callbacks(),
            "run_id": self._tracing.run_id(),
        }

    def _invoke(self, procedure: Any, casework: Casework, config: dict[str, Any], command: Command[Any]) -> None:
        procedure.invoke(
            command, config, context=graph.Context(casework, self.assessor), durability="exit", version="v2"
        )

    def _rebuild(self, procedure: Any, config: dict[str, Any], *, case_id: str, round: int, paused: bool) -> Any:
        """Make the thread anew from what the case's row says, in the caller's transaction."""
        procedure.checkpointer.delete_thread(config["configurable"]["thread_id"])
        status = Route.REVIEW.value if paused else "executed"
        values = {"case_id": case_id, "round": round, "status": status}
        procedure.update_state(config, values, as_node="analyze" if paused else "execute")
        if paused:
            procedure.invoke(None, config, durability="exit", version="v2")
        return procedure.get_state(config)


def _paused_for(here: Any, round: int) -> bool:
    return here.next == ("review",) and len(here.interrupts) == 1 and here.interrupts[0].value.get("round") == round


def _ended_after(here: Any, round: int) -> bool:
    return bool(here.values) and not here.next and not here.interrupts and here.values.get("round") == round


def _why(here: Any, stored_version: str, wanted: str) -> str:
    if stored_version and stored_version != GRAPH_VERSION:
        return f"the thread was written by graph version {stored_version}, this is {GRAPH_VERSION}"
    if not here.values:
        return f"no checkpoint was found where the thread should have {wanted}"
    return f"the thread should have {wanted}, but was at {here.next or 'its end'}"
