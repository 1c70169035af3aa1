"""A case's history as it is told: the words it always had, though its events hold none of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from moderation.lifecycle import MOVES
from moderation.models import Case, Decision, Event, Withdrawal
from moderation.models.salted import Salted
from moderation.rights import Actor
from moderation.selectors.timeline import events_of, timeline
from moderation.services.record import audit, erasure
from moderation.tests.moderators import Moderator, plain
from moderation.tests.people import App
from moderation.tests.platform import Platform
from moderation.tests.walking import MARK, person, walk

BEFORE = Path(__file__).with_name("timelines.json")
"""What the same walk was told as when words and names still stood in the events themselves."""


def told(client_app: App, case_id: str) -> dict[str, Any]:
    """The timeline, as the API and the page tell it, without what differs at every run."""
    results = client_app.get(f"cases/{case_id}/events/").json()["results"]
    lines = [{name: line[name] for name in ("type", "actor", "data")} for line in results]
    page = plain(Moderator(person("reader")).look(case_id))
    history = page[page.index('<ol class="timeline">') : page.index("Newest first; times in UTC.")]
    lines_of_the_page = re.findall(r'class="said"[^>]*>(.*?)</li>', history, re.DOTALL)
    spoken = [re.sub(r"<[^>]+>", "", line).strip() for line in lines_of_the_page]
    return {"api": _plain(lines), "page": _plain(spoken)}


def _plain(said: Any) -> Any:
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "<id>", json.dumps(said))
    return json.loads(re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+[+Z\d:]+", "<time>", text))


@pytest.fixture
def walked(client_app: App, platform: Platform) -> list[str]:
    return walk(client_app, platform)


def test_a_walk_through_every_verb_is_told_as_it_always_was(client_app: App, walked: list[str]) -> None:
    Case.objects.update(client=client_app.client)  # one of them has another client
    said = [told(client_app, case_id) for case_id in walked]
    assert said == json.loads(BEFORE.read_text())


def test_no_event_holds_a_word_or_a_name_that_anybody_gave(walked: list[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT event::text FROM moderation_event AS event")
        rows = [row[0] for row in cursor.fetchall()]
    assert len(rows) > 50
    assert [row for row in rows if MARK in row] == []
    written = {step.event for step in MOVES.values()} - {"case.cleared"}
    assert written < set(Event.objects.values_list("type", flat=True)), "the walk leaves a move out"
    assert set(Event.objects.values_list("actor", flat=True)) == {"", "agent", "guardian"}


def test_events_of_before_are_told_as_before(client_app: App) -> None:
    case = Case.objects.get(pk=client_app.start())
    row = Event.objects.create(case=case, form=1, type="case.reported", actor="client:x", data={"reporter_id": "Rita"})
    last = client_app.get(f"cases/{case.pk}/events/").json()["results"][-1]
    assert (last["id"], last["actor"], last["data"]) == (row.pk, "client:x", {"reporter_id": "Rita"})


def test_what_was_erased_in_a_row_is_erased_in_the_history(client_app: App, walked: list[str]) -> None:
    case = Case.objects.get(pk=walked[0])
    erased: list[Salted] = [*case.reports.all(), *case.appeals.all(), *case.decisions.all(), *case.orders.all()]
    for row in [*erased, *case.runs.filter(kind="rollback"), Withdrawal.objects.get(case=case)]:
        erasure.erase(row, by=Actor.operator())
        erasure.erase(row, by=Actor.operator())  # a second time changes nothing
    lines = client_app.get(f"cases/{case.pk}/events/").json()["results"]
    said = {line["type"]: line for line in lines}
    assert said["case.reported"]["data"] == {"reporter_id": "erased"}
    assert said["case.rollback_requested"]["data"]["reason"] == said["case.withdrawn"]["data"]["reason"] == "erased"
    assert said["order.refused"]["data"]["detail"] == said["appeal.received"]["actor"] == "erased"
    assert said["erased"]["actor"] == "operator"
    assert len([line for line in lines if line["type"] == "erased"]) == len(erased) + 3
    moderator = Moderator(person("reader"))
    page = plain(moderator.look(str(case.pk)))
    assert "Withdrawn: erased" in page
    assert "Words were erased." in page
    moderator.browser.post("/language/", {"language": "de", "next": "/"})
    assert "Zurückgezogen: gelöscht" in plain(moderator.look(str(case.pk)))
    while audit.seal():
        pass
    assert audit.verify() == (Event.objects.count(), None)


def test_what_was_erased_is_still_covered(client_app: App, walked: list[str]) -> None:
    decision = Case.objects.get(pk=walked[1]).decisions.get()
    erasure.erase(decision, by=Actor.operator())
    Decision.objects.filter(pk=decision.pk).update(outcome="no_violation")
    while audit.seal():
        pass
    _, broken = audit.verify()
    assert f"the decision {decision.pk} it tells of is not what it was" in str(broken)
    assert broken is not None
    assert Event.objects.get(pk=broken.event_id).type == "erased"


def test_the_history_costs_the_same_however_long_it_is(client_app: App, walked: list[str]) -> None:
    def queries(case_id: str) -> int:
        with CaptureQueriesContext(connection) as seen:
            timeline(events_of(Case.objects.get(pk=case_id)).order_by("pk"))
        return len(seen)

    assert queries(walked[2]) <= 4
    assert queries(walked[0]) <= 9
