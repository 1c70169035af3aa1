"""The procedure of a case: analyze -> review (waits for a human) -> execute, and rollback -> review.

The state holds ids and words only; content stays in the case's row. Node names are a contract with paused threads:
never rename one, and raise GRAPH_VERSION when the meaning of the state changes (paused threads are then rebuilt from
their rows). One interrupt per node, as its first statement: a resumed node runs again from its top.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import interrupt

from agents.assessors.screening import gates
from agents.contract import AnalysisFailed, Assessment, Assessor, Casework, Route

GRAPH_VERSION = "1"


class State(TypedDict, total=False):
    """What a thread remembers. `status`: `review`, `clear`, `decided`, `executed`."""

    case_id: str
    round: int
    status: str
    decision_id: str


@dataclass(frozen=True)
class Context:
    """What the nodes may call; given per leg, never stored."""

    casework: Casework
    assessor: Assessor
    trace_id: str = ""


def analyze(state: State, runtime: Runtime[Context]) -> State:
    """Ask the analyst once per round; a second try finds the answer recorded and does not ask again."""
    casework, assessor = runtime.context.casework, runtime.context.assessor
    case_id, round = state["case_id"], state["round"]
    route = casework.recall(case_id, round)
    if route is None:
        assessment: Assessment | None = None
        failure = ""
        brief = casework.brief(case_id, round)
        try:
            assessment = replace(assessor.assess(brief), trace_id=runtime.context.trace_id)
        except AnalysisFailed as failed:
            failure = str(failed)
        wanted = Route.REVIEW if assessment is None or gates(brief, assessment) else Route.CLEAR
        route = casework.record(case_id, round, assessment, wanted, failure)
    return {"status": route.value}


def after_analysis(state: State) -> str:
    return END if state["status"] == Route.CLEAR else "review"


def review(state: State) -> State:
    """Wait for a human. The answer carries the decision's id and nothing else."""
    answer = interrupt({"case_id": state["case_id"], "round": state["round"]})
    return {"status": "decided", "decision_id": answer["decision_id"]}


def execute(state: State, runtime: Runtime[Context]) -> State:
    """Order what the decision of this round asks for."""
    runtime.context.casework.order(state["case_id"], state["round"])
    return {"status": "executed"}


def rollback(state: State, runtime: Runtime[Context]) -> State:
    """Order the reversals of this round's decision, last first, and go back to a human."""
    runtime.context.casework.reverse(state["case_id"], state["round"])
    return {"round": state["round"] + 1, "status": Route.REVIEW.value}


def build() -> Any:
    """The compiled graph without a saver; a leg puts its own saver on a shallow copy (agents.runner)."""
    graph = StateGraph(State, context_schema=Context)
    graph.add_node("analyze", analyze)
    graph.add_node("review", review)
    graph.add_node("execute", execute)
    graph.add_node("rollback", rollback)
    graph.add_edge(START, "analyze")
    graph.add_conditional_edges("analyze", after_analysis, ["review", END])
    graph.add_edge("review", "execute")
    graph.add_edge("execute", END)
    graph.add_edge("rollback", "review")
    return graph.compile()
