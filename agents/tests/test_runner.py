"""Start, resume, roll back on a real PostgreSQL: asked twice they answer the same, and all of a leg stands or none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from agents.checkpoints import BorrowedSaver
from agents.contract import LeaseLost, Leg, Route, TryLater
from agents.runner import GRAPH_VERSION, Agent
from agents.tests.cases import clean
from agents.tests.floor import FAILED, Analyst, Office, connect, database_url, floor


class Interrupted(Exception):
    """What befalls a leg's transaction after its work and before its commit."""


class Bench:
    """One agent, one thread, one back office. `leg` is a transaction as the back office opens it."""

    def __init__(self, agent: Agent, schema: str, thread_id: str) -> None:
        self.agent, self.schema, self.thread_id = agent, schema, thread_id
        self.office, self.analyst = Office(), Analyst()
        agent.assessor = self.analyst

    def start(self, *, fence: Any = lambda cursor: None) -> Leg:
        return self.agent.start(self.office, thread_id=self.thread_id, case_id="c1", round=1, fence=fence)

    def resume(self, round: int = 1, *, version: str = GRAPH_VERSION, fail: bool = False) -> Leg:
        return self._leg("resume", round, version, fail, decision_id=f"d{round}")

    def roll_back(self, round: int = 1, *, version: str = GRAPH_VERSION, fail: bool = False) -> Leg:
        return self._leg("roll_back", round, version, fail)

    def _leg(self, verb: str, round: int, version: str, fail: bool, **more: str) -> Leg:
        with connect(self.schema) as connection, connection.transaction():
            self.office.connection = connection
            leg: Leg = getattr(self.agent, verb)(
                self.office,
                connection=connection,
                thread_id=self.thread_id,
                case_id="c1",
                round=round,
                stored_version=version,
                **more,
            )
            if fail:
                raise Interrupted
            return leg

    def rows(self, table: str) -> int:
        where = "" if table == "acts" else f" WHERE thread_id = '{self.thread_id}'"
        with connect(self.schema) as connection:
            found = connection.execute(f"SELECT count(*) FROM {table}{where}").fetchone()
        return int(found[0])

    def forget(self) -> None:
        with connect(self.schema) as connection:
            BorrowedSaver(connection).delete_thread(self.thread_id)

    def state(self) -> Any:
        with connect(self.schema) as connection:
            procedure = self.agent._on(BorrowedSaver(connection))
            return procedure.get_state({"configurable": {"thread_id": self.thread_id}})


@pytest.fixture(scope="module")
def ground() -> Iterator[tuple[Agent, str]]:
    with floor() as schema:
        agent = Agent({}, database_url=database_url(), schema=schema, pool_size=4)
        yield agent, schema
        agent.close()


@pytest.fixture
def bench(ground: tuple[Agent, str], request: pytest.FixtureRequest) -> Iterator[Bench]:
    agent, schema = ground
    yield Bench(agent, schema, request.node.name)
    with connect(schema) as connection:
        connection.execute("TRUNCATE acts, checkpoints, checkpoint_blobs, checkpoint_writes")


# --- start -------------------------------------------------------------------------------------------------------


def test_a_start_pauses_and_a_second_one_answers_the_same_without_asking(bench: Bench) -> None:
    assert bench.start() == bench.start() == Leg(paused=True, round=1)
    assert bench.analyst.asked == 1
    assert bench.state().interrupts[0].value == {"case_id": "c1", "round": 1}


def test_a_cleared_case_has_ended_and_a_second_start_says_so(bench: Bench) -> None:
    bench.analyst.answer = clean()
    assert bench.start() == bench.start() == Leg(paused=False, round=1)
    assert bench.analyst.asked == 1


def test_a_start_that_died_before_its_pause_goes_on_with_what_was_recorded(bench: Bench) -> None:
    bench.office.routes = {1: Route.REVIEW}
    assert bench.start() == Leg(paused=True, round=1)
    assert bench.analyst.asked == 0


def test_a_failing_analyst_pauses_and_one_that_asks_for_patience_is_asked_again(bench: Bench) -> None:
    bench.analyst.answer = TryLater(3)
    with pytest.raises(TryLater):
        bench.start()
    assert bench.state().interrupts == ()
    bench.analyst.answer = FAILED
    assert bench.start().paused
    assert bench.analyst.asked == 2
    assert bench.office.assessments == {1: None}


def test_a_fence_that_refuses_leaves_no_trace(bench: Bench) -> None:
    def refuse(cursor: psycopg.Cursor[Any]) -> None:
        raise LeaseLost

    with pytest.raises(LeaseLost):
        bench.start(fence=refuse)
    assert (bench.analyst.asked, bench.rows("checkpoints")) == (0, 0)


def test_a_lease_lost_while_the_analyst_thinks_saves_no_pause(bench: Bench) -> None:
    def fence(cursor: psycopg.Cursor[Any]) -> None:
        if bench.analyst.asked:
            raise LeaseLost

    with pytest.raises(LeaseLost):
        bench.start(fence=fence)
    assert bench.analyst.asked == 1
    assert (bench.rows("checkpoints"), bench.rows("checkpoint_writes")) == (0, 0)


# --- resume ------------------------------------------------------------------------------------------------------


def test_a_resume_carries_the_decision_out_in_the_callers_transaction(bench: Bench) -> None:
    bench.start()
    assert bench.resume() == Leg(paused=False, round=1)
    assert bench.office.acts == ["order 1"]
    assert bench.rows("acts") == 1
    assert bench.state().values["decision_id"] == "d1"


@pytest.mark.parametrize("verb", ["resume", "roll_back"])
def test_a_leg_whose_transaction_fails_has_never_been(verb: str, bench: Bench) -> None:
    bench.start()
    if verb == "roll_back":
        bench.resume()
    before, acts = bench.state(), bench.rows("acts")
    with pytest.raises(Interrupted):
        getattr(bench, verb)(fail=True)
    assert bench.rows("acts") == acts
    after = bench.state()
    assert (after.config, after.next, after.values) == (before.config, before.next, before.values)
    assert getattr(bench, verb)().rebuilt == ""


def test_a_resume_asked_twice_answers_the_same_and_says_that_the_thread_had_ended(bench: Bench) -> None:
    bench.start()
    first, second = bench.resume(), bench.resume()
    assert (second.paused, second.round) == (first.paused, first.round)
    assert first.rebuilt == ""
    assert "should have paused at review for round 1" in second.rebuilt
    assert bench.state().next == ()


def test_a_resume_names_the_question_it_answers(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.start()
    question = bench.state().interrupts[0].id
    given = []
    invoke = bench.agent._invoke

    def spy(procedure: Any, casework: Any, config: Any, command: Any) -> None:
        given.append(command.resume)
        invoke(procedure, casework, config, command)

    monkeypatch.setattr(bench.agent, "_invoke", spy)
    bench.resume()
    assert given == [{question: {"decision_id": "d1"}}]


# --- roll back ---------------------------------------------------------------------------------------------------


def test_a_rollback_reverses_and_pauses_for_the_next_round(bench: Bench) -> None:
    bench.start()
    bench.resume()
    assert bench.roll_back() == Leg(paused=True, round=2)
    assert bench.state().interrupts[0].value["round"] == 2
    assert bench.resume(2) == Leg(paused=False, round=2)
    assert bench.office.acts == ["order 1", "reverse 1", "order 2"]


def test_a_rollback_asked_twice_pauses_once_for_the_same_round(bench: Bench) -> None:
    bench.start()
    bench.resume()
    first, second = bench.roll_back(), bench.roll_back()
    assert (first.paused, first.round) == (second.paused, second.round) == (True, 2)
    assert "ended after round 1" in second.rebuilt
    assert len(bench.state().interrupts) == 1


# --- the row is the truth ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", ["never written", "deleted", "other version", "other round", "not yet decided"])
def test_a_thread_that_differs_from_its_row_is_made_anew_and_said(lost: str, bench: Bench) -> None:
    if lost != "never written":
        bench.start()
        bench.resume()
        bench.roll_back()
    if lost == "deleted":
        bench.forget()
    version = "0" if lost == "other version" else GRAPH_VERSION
    bench.office.acts.clear()
    if lost == "not yet decided":  # waits for round 2, the row says that round 2 has been decided and is rolled back
        leg = bench.roll_back(2)
        assert (leg.paused, leg.round, bench.office.acts) == (True, 3, ["reverse 2"])
    else:
        round = 3 if lost == "other round" else 2
        leg = bench.resume(round, version=version)
        assert (leg.paused, leg.round, bench.office.acts) == (False, round, [f"order {round}"])
    words = {
        "never written": "no checkpoint was found",
        "deleted": "no checkpoint was found",
        "other version": "graph version 0",
        "other round": "should have paused at review for round 3",
        "not yet decided": "should have ended after round 2",
    }
    assert words[lost] in leg.rebuilt


def test_a_thread_without_a_stored_version_is_made_anew(bench: Bench) -> None:
    bench.start()
    assert bench.resume(version="").rebuilt != ""
