"""Schemathesis over the whole OpenAPI document: whatever it makes up, the API answers as documented, never with 500."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from django.test import Client as Browser
from hypothesis import HealthCheck, given, settings, strategies
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from moderation.models import Case, Client
from moderation.tests.people import RUDE, App, work

CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]


@functools.cache
def _document() -> dict[str, Any]:
    """As it is served: loading it costs more than most of the tests."""
    answer = Browser().get("/api/schema/")
    assert answer.status_code == 200
    read: dict[str, Any] = answer.json()
    return read


@pytest.fixture
def api(client_app: App) -> Any:
    """The document as it is served, with some cases to find and no limit of calls."""
    Client.objects.update(rate_per_second=100_000, rate_burst=1_000_000)
    for _ in range(3):
        client_app.start(RUDE)
    work()
    document = schemathesis.openapi.from_dict(_document())
    document.app = get_wsgi_application()
    document.config.headers = {"Authorization": f"Bearer {client_app.api_key}"}
    return document


OPERATIONS = [
    "appeal", "confirm_order", "get_appeal", "get_case", "get_decision_schema", "get_statement", "list_appeals",
    "list_case_events", "list_cases", "list_effects", "list_events", "list_orders", "list_policies",
    "resume_case", "roll_back_case", "start_case", "start_cases", "withdraw_case",
]  # fmt: skip
"""Stable names: clients generate code from them. A new path without an entry here fails the test below."""


def test_every_operation_has_its_stable_name(api: Any) -> None:
    names = {result.ok().definition.raw["operationId"] for result in api.get_all_operations()}
    assert names == set(OPERATIONS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_api_keeps_its_word(api: Any, name: str) -> None:
    known = str(Case.objects.values_list("pk", flat=True)[0])

    @given(case=api.find_operation_by_id(name).as_strategy(), real=strategies.booleans())
    @settings(
        max_examples=40,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    def whatever_comes(case: Any, real: bool) -> None:
        if real and "case_id" in (case.path_parameters or {}):
            case.path_parameters["case_id"] = known
        case.call_and_validate(checks=CHECKS)

    whatever_comes()
