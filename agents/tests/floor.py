"""The ground under the graph, the runner and the savers: a PostgreSQL schema of our own and a back office in memory.

No model of the house: `Casework` is our own protocol, and what the tests need to see of a transaction is one table.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from agents import checkpoints
from agents.contract import AnalysisFailed, Assessment, Brief, Route
from agents.tests.cases import brief, clean


def database_url() -> str:
    return os.environ["DATABASE_URL"]


def connect(schema: str, **options: Any) -> psycopg.Connection[Any]:
    return psycopg.connect(database_url(), options=f"-c search_path={schema} -c lock_timeout=5s", **options)


@contextmanager
def floor() -> Iterator[str]:
    """A schema with the checkpoint tables and a table `acts`; gone with the block."""
    schema = f"floor_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(database_url(), autocommit=True) as connection:
        checkpoints.set_up(connection, schema)
        connection.execute(f"CREATE TABLE {schema}.acts (what text NOT NULL)")
        try:
            yield schema
        finally:
            connection.execute(f"DROP SCHEMA {schema} CASCADE")


@dataclass
class Analyst:
    """Answers what it is given, and counts. An exception is raised."""

    answer: Assessment | Exception = field(default_factory=lambda: clean(violation=True))
    asked: int = 0
    name: str = "test"

    def assess(self, brief: Brief) -> Assessment:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@dataclass
class Office:
    """A back office in memory. With a connection, what is ordered is written there, in the caller's transaction."""

    connection: psycopg.Connection[Any] | None = None
    brief_: Brief = field(default_factory=brief)
    routes: dict[int, Route] = field(default_factory=dict)
    assessments: dict[int, Assessment | None] = field(default_factory=dict)
    failures: dict[int, str] = field(default_factory=dict)
    acts: list[str] = field(default_factory=list)

    def recall(self, case_id: str, round: int) -> Route | None:
        return self.routes.get(round)

    def brief(self, case_id: str, round: int) -> Brief:
        return self.brief_

    def record(self, case_id: str, round: int, assessment: Assessment | None, route: Route, failure: str) -> Route:
        if round not in self.routes:
            self.routes[round], self.assessments[round], self.failures[round] = route, assessment, failure
        return self.routes[round]

    def order(self, case_id: str, round: int) -> None:
        self._act(f"order {round}")

    def reverse(self, case_id: str, round: int) -> None:
        self._act(f"reverse {round}")

    def _act(self, what: str) -> None:
        self.acts.append(what)
        if self.connection is not None:
            self.connection.execute("INSERT INTO acts VALUES (%s)", [what])


FAILED = AnalysisFailed("The analyst has no answer.")
