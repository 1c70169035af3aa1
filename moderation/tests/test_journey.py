"""The journey of a case through the API, each leg carried out in this thread."""

from __future__ import annotations

from moderation.tests.people import MILD, App, work
from moderation.tests.platform import Platform


def test_a_case_goes_all_the_way_and_back_and_through_a_second_review(client_app: App, platform: Platform) -> None:
    case_id = client_app.start()
    assert client_app.case(case_id)["status"] == "pending_analysis"
    work()
    case = client_app.case(case_id)
    assert (case["status"], case["round"], case["assessment"]["violation"]) == ("pending_review", 1, True)

    assert client_app.decide(case_id, "remove_content", "suspend_author", "warn_author").status_code == 202
    work()
    case = client_app.case(case_id)
    assert (case["status"], case["outcome"]) == ("completed", "violation")
    assert platform.actions == ["remove_content", "suspend_author", "warn_author"]

    assert client_app.roll_back(case_id).status_code == 202
    work()
    case = client_app.case(case_id)
    assert (case["status"], case["round"], case["decision"]) == ("pending_review", 2, None)
    assert client_app.statuses(case_id) == [
        ("remove_content", "reversed"),
        ("suspend_author", "reversed"),
        ("warn_author", "irreversible"),
    ]
    assert platform.actions[3:] == ["unsuspend_author", "restore_content"]

    assert client_app.decide(case_id, outcome="no_violation", by="Ben").status_code == 202
    work()
    case = client_app.case(case_id)
    assert (case["status"], case["outcome"], case["round"]) == ("completed", "no_violation", 2)
    assert [count for count in platform.tries().values() if count != 1] == []


def test_a_mild_post_is_cleared_without_a_human(client_app: App, platform: Platform) -> None:
    case_id = client_app.start(MILD)
    work()
    case = client_app.case(case_id)
    assert (case["status"], case["outcome"], case["decision"]) == ("completed", "cleared", None)
    assert platform.received == []
