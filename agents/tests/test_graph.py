"""The procedure itself, on a saver in memory: who is asked, what is remembered, where it waits."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from agents import graph
from agents.contract import Route, TryLater
from agents.tests.cases import GOOD, brief, clean
from agents.tests.floor import FAILED, Analyst, Office

CONFIG: dict[str, Any] = {"configurable": {"thread_id": "t1"}}


class Thread:
    """One thread of the graph and what it may call."""

    def __init__(self, office: Office | None = None, analyst: Analyst | None = None) -> None:
        self.office, self.analyst = office or Office(), analyst or Analyst()
        self.saver = InMemorySaver()
        self.procedure = graph.build().copy(update={"checkpointer": self.saver})

    def go(self, command: Any) -> Any:
        context = graph.Context(self.office, self.analyst, "trace-1")
        return self.procedure.invoke(command, CONFIG, context=context, durability="exit", version="v2")

    def start(self, round: int = 1) -> Any:
        return self.go({"case_id": "c1", "round": round})

    def decide(self, decision_id: str = "d1") -> Any:
        return self.go(Command(resume={self.state.interrupts[0].id: {"decision_id": decision_id}}))

    @property
    def state(self) -> Any:
        return self.procedure.get_state(CONFIG)


def test_the_names_of_the_nodes_are_a_contract_with_threads_that_wait() -> None:
    nodes = set(graph.build().get_graph().nodes) - {"__start__", "__end__"}
    assert (nodes, graph.GRAPH_VERSION) == ({"analyze", "review", "execute", "rollback"}, "1"), (
        "a paused thread knows its node by name: never rename one; raise GRAPH_VERSION when the state's meaning changes"
    )


def test_a_violation_waits_for_a_human_with_nothing_but_ids() -> None:
    thread = Thread(Office(brief_=brief("A secret that no checkpoint may hold.")))
    out = thread.start()
    assert [pause.value for pause in out.interrupts] == [{"case_id": "c1", "round": 1}]
    assert thread.state.next == ("review",)
    assert thread.state.values == {"case_id": "c1", "round": 1, "status": "review"}
    assert "secret" not in str(vars(thread.saver))


def test_what_every_gate_lets_pass_ends_without_a_human() -> None:
    thread = Thread(analyst=Analyst(clean()))
    assert thread.start().interrupts == ()
    assert thread.state.next == ()
    assert thread.office.routes == {1: Route.CLEAR}


def test_one_gate_that_refuses_is_enough() -> None:
    thread = Thread(Office(brief_=brief(GOOD, report_reasons=("Look at this",))), Analyst(clean()))
    thread.start()
    assert thread.office.routes == {1: Route.REVIEW}
    assert thread.state.next == ("review",)


def test_an_analyst_that_fails_leads_to_a_human_and_says_why() -> None:
    thread = Thread(analyst=Analyst(FAILED))
    thread.start()
    assert (thread.office.assessments, thread.office.failures) == ({1: None}, {1: str(FAILED)})
    assert thread.state.next == ("review",)


def test_an_analyst_that_asks_for_patience_leaves_nothing_behind() -> None:
    thread = Thread(analyst=Analyst(TryLater(5)))
    with pytest.raises(TryLater):
        thread.start()
    assert thread.office.routes == {}
    assert thread.state.interrupts == ()


def test_a_round_that_is_recorded_is_not_asked_about_again() -> None:
    thread = Thread(Office(routes={1: Route.REVIEW}))
    thread.start()
    assert thread.analyst.asked == 0
    assert thread.state.next == ("review",)


def test_the_assessment_carries_the_id_of_its_trace() -> None:
    thread = Thread()
    thread.start()
    found = thread.office.assessments[1]
    assert found is not None
    assert found.trace_id == "trace-1"


def test_a_decision_is_carried_out_once_and_ends_the_thread() -> None:
    thread = Thread()
    thread.start()
    thread.decide()
    assert thread.office.acts == ["order 1"]
    assert thread.analyst.asked == 1
    assert thread.state.next == ()
    assert thread.state.values == {"case_id": "c1", "round": 1, "status": "executed", "decision_id": "d1"}


def test_a_rollback_reverses_its_round_and_waits_for_the_next() -> None:
    thread = Thread()
    thread.start()
    thread.decide()
    out = thread.go(Command(goto="rollback"))
    assert [pause.value["round"] for pause in out.interrupts] == [2]
    thread.decide("d2")
    assert thread.office.acts == ["order 1", "reverse 1", "order 2"]
    assert thread.analyst.asked == 1  # the second round is a human's


def test_an_answer_to_an_earlier_question_answers_no_later_one() -> None:
    thread = Thread()
    thread.start()
    first = thread.state.interrupts[0].id
    thread.decide()
    thread.go(Command(goto="rollback"))
    thread.go(Command(resume={first: {"decision_id": "d1"}}))
    assert thread.state.next == ("review",)
    assert thread.office.acts == ["order 1", "reverse 1"]


def test_an_order_that_fails_leaves_the_thread_where_it_was() -> None:
    class Broken(Office):
        def order(self, case_id: str, round: int) -> None:
            raise OSError("disk")

    thread = Thread(Broken())
    thread.start()
    with pytest.raises(OSError, match="disk"):
        thread.decide()
    assert thread.state.values["status"] in ("review", "decided")
    assert thread.state.values["round"] == 1
