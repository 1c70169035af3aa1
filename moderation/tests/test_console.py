"""The console's rules through Django's test client: claims, decisions, conflicts, undo, the second look."""

from __future__ import annotations

import html
import re
import uuid

import pytest

from moderation.errors import Conflict
from moderation.models import Case, Decision
from moderation.services.story import review
from moderation.tests.moderators import Moderator, end_the_undo_window, hidden, lose_the_claim
from moderation.tests.people import App, ana, ben, console, sue, work
from moderation.tests.platform import Platform

pytest_plugins = ["moderation.tests.moderators"]

# --- claiming ----------------------------------------------------------------------------------------------------


def test_two_moderators_cannot_have_the_same_case(case_id: str) -> None:
    first, second = Moderator(ana()), Moderator(ben(), htmx=True)
    assert first.do("claim", case_id)["Location"] == f"/console/cases/{case_id}/"
    answer = second.do("claim", case_id)
    assert (answer.status_code, answer["X-Guardian-Panel"]) == (409, "1")
    page = answer.content.decode()
    assert "ana is reading this case" in page
    assert "<html" not in page
    assert "Next case" in page
    assert Case.objects.get().claimed_by == ana()


def test_a_claim_that_ran_out_can_be_taken_by_somebody_else(case_id: str) -> None:
    first, second = Moderator(ana()), Moderator(ben())
    first.do("claim", case_id)
    ticket = first.ticket(case_id)
    lose_the_claim(case_id)
    assert second.do("claim", case_id).status_code == 302
    answer = first.decide(case_id, **ticket, note="I had typed this.")
    assert answer.status_code == 409
    page = answer.content.decode()
    assert "ben is reading this case" in page
    assert "I had typed this." in page
    assert not Decision.objects.exists()


def test_a_lost_claim_keeps_everything_typed_and_is_claimed_again(case_id: str) -> None:
    moderator = Moderator(ana(), htmx=True)
    moderator.do("claim", case_id)
    ticket = moderator.ticket(case_id)
    lose_the_claim(case_id)
    answer = moderator.decide(case_id, **ticket, policies=["harassment"], note="I had <typed> this.")
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "Your claim has run out" in page
    assert "I had &lt;typed&gt; this.</textarea>" in page
    typed = {"outcome": "violation", "actions": ["remove_content"], "policies": ["harassment"], "note": "I had <typed>"}
    typed["reason"] = "Rude."
    page = moderator.do("claim", case_id, **typed).content.decode()
    assert "I had &lt;typed&gt;</textarea>" in page
    assert re.search(r'value="harassment" checked', page)
    assert re.search(r'value="remove_content" checked', page)
    assert (
        moderator.do("decide", case_id, **typed, claim_token=hidden(page, "claim_token"), version="2").status_code
        == 200
    )
    assert Decision.objects.get().note == "I had <typed>"


def test_a_heartbeat_renews_ones_own_claim_and_never_takes_one(case_id: str) -> None:
    moderator = Moderator(ana(), htmx=True)
    moderator.do("claim", case_id)
    token = moderator.ticket(case_id)["claim_token"]
    lose_the_claim(case_id)
    assert moderator.do("heartbeat", case_id, claim_token=token).status_code == 204
    with pytest.raises(Conflict):
        review.claim(uuid.UUID(case_id), by=console(ben()))
    moderator.do("release", case_id)
    answer = moderator.do("heartbeat", case_id, claim_token=token)
    assert answer.status_code == 409
    assert answer.content.decode().lstrip().startswith('<div class="panel"')
    assert Case.objects.get().claimed_by is None


def test_take_the_next_case_passes_over_what_others_read(client_app: App) -> None:
    urgent, calm = client_app.start(priority="urgent"), client_app.start()
    work()
    first, second, third = (Moderator(user) for user in (ana(), ben(), sue()))
    assert first.browser.post("/console/next/")["Location"] == f"/console/cases/{urgent}/"
    assert second.browser.post("/console/next/")["Location"] == f"/console/cases/{calm}/"
    assert third.browser.post("/console/next/")["Location"] == "/console/"
    assert "Nothing waits" in third.browser.get("/console/").content.decode()


def test_a_supervisor_can_free_a_case_and_a_colleague_cannot(case_id: str) -> None:
    Moderator(ana()).do("claim", case_id)
    colleague = Moderator(ben())
    assert "Free this case" not in colleague.look(case_id).content.decode()
    colleague.do("release", case_id)
    assert Case.objects.get().claimed_by == ana()
    supervisor = Moderator(sue())
    assert "Free this case" in supervisor.look(case_id).content.decode()
    supervisor.do("release", case_id)
    assert Case.objects.get().claimed_by is None


# --- deciding ----------------------------------------------------------------------------------------------------


def test_a_decision_is_kept_whole_and_takes_effect_after_the_undo_window(case_id: str, platform: Platform) -> None:
    moderator = Moderator(ana())
    moderator.do("claim", case_id)
    fields = {"actions": ["remove_content", "suspend_author"], "days": "30", "policies": ["harassment"]}
    assert moderator.decide(case_id, **fields).status_code == 302
    decision = Decision.objects.get()
    assert (decision.user, decision.reason, decision.note, decision.via) == (ana(), "Rude.", "mine", "console")
    assert decision.actions[1] == {"action": "suspend_author", "params": {"days": 30}}
    assert [version.policy.slug for version in decision.policies.all()] == ["harassment"]
    work()
    assert platform.received == []
    end_the_undo_window(case_id)
    work()
    assert platform.actions == ["remove_content", "suspend_author"]
    page = moderator.look(case_id).content.decode()
    assert "Completed: Violation" in page
    assert "Suspend the author for 30 days" in page


def test_bad_values_come_back_marked_with_everything_kept(case_id: str) -> None:
    moderator = Moderator(ana(), htmx=True)
    moderator.do("claim", case_id)
    for fields, said in [
        ({"outcome": ""}, "Choose one of the two."),
        ({"outcome": "cleared"}, "cleared"),
        ({"outcome": "no_violation"}, "takes no actions"),
        ({"actions": ["suspend_author"], "days": "0"}, "greater than or equal to 1"),
        ({"actions": ["sing_a_song"]}, "sing_a_song"),
        ({"policies": ["no-such-policy"]}, "no-such-policy"),
        ({"reason": "x" * 5001}, "5000"),
        ({"reason": "nul \x00"}, "Null characters"),
    ]:
        answer = moderator.decide(case_id, **{"note": "kept note", **fields})
        assert answer.status_code == 422, fields
        page = html.unescape(answer.content.decode())
        assert said in page, fields
        assert "kept note</textarea>" in page
    assert not Decision.objects.exists()
    assert Case.objects.get().claimed_by == ana()


def test_a_stale_version_is_refused_and_nothing_typed_is_lost(case_id: str) -> None:
    moderator = Moderator(ana(), htmx=True)
    moderator.do("claim", case_id)
    ticket = {**moderator.ticket(case_id), "version": "1"}
    for version in ("1", "", "x", "9" * 40, "²"):
        answer = moderator.decide(case_id, **{**ticket, "version": version}, note="my words")
        assert (answer.status_code, answer["X-Guardian-Panel"]) == (412, "1")
        page = answer.content.decode()
        assert "has changed since you opened it" in page
        assert "my words</textarea>" in page
    assert moderator.decide(case_id).status_code == 200


def test_a_forged_claim_token_decides_nothing(case_id: str) -> None:
    moderator = Moderator(ana())
    moderator.do("claim", case_id)
    for token in ("", "x", str(uuid.uuid4())):
        assert moderator.decide(case_id, claim_token=token, version="2").status_code == 409
    assert not Decision.objects.exists()


def test_the_slower_of_two_reads_who_decided_and_what(case_id: str) -> None:
    first, second = Moderator(ana()), Moderator(ben(), htmx=True)
    second.do("claim", case_id)
    ticket = second.ticket(case_id)
    lose_the_claim(case_id)
    first.do("claim", case_id)
    first.decide(case_id)
    answer = second.decide(case_id, **ticket, note="I saw it otherwise.")
    assert answer.status_code == 409
    page = html.unescape(answer.content.decode())
    assert "This case is decided" in page
    assert re.search(r"Decided by ana \d+ s ago: Violation: Remove the content\.", page)
    assert "I saw it otherwise." in page
    assert "Next case" in page


def test_the_api_cannot_decide_while_a_moderator_reads(case_id: str, client_app: App) -> None:
    Moderator(ana()).do("claim", case_id)
    answer = client_app.decide(case_id, "remove_content", by="Cleo")
    assert (answer.status_code, answer.json()["code"]) == (409, "claimed")
    lose_the_claim(case_id)
    assert client_app.decide(case_id, "remove_content", by="Cleo").status_code == 202


# --- undo --------------------------------------------------------------------------------------------------------


def test_undo_gives_the_case_back_to_the_same_person(case_id: str, platform: Platform) -> None:
    moderator = Moderator(ana(), htmx=True)
    moderator.do("claim", case_id)
    assert re.search(r'data-seconds="(9|10)"', moderator.decide(case_id).content.decode())
    assert "data-seconds" not in Moderator(ben()).look(case_id).content.decode()
    assert 'id="decision-form"' in moderator.do("undo", case_id).content.decode()
    assert moderator.decide(case_id, actions=["limit_visibility"]).status_code == 200
    end_the_undo_window(case_id)
    work()
    assert platform.actions == ["limit_visibility"]
    assert Decision.objects.filter(withdrawn_at=None).count() == 1


def test_undo_too_late_says_so_and_changes_nothing(case_id: str) -> None:
    moderator = Moderator(ana(), htmx=True)
    moderator.do("claim", case_id)
    moderator.decide(case_id)
    end_the_undo_window(case_id)
    answer = moderator.do("undo", case_id)
    assert answer.status_code == 409
    assert "Too late to undo" in answer.content.decode()
    assert Decision.objects.get().withdrawn_at is None
    work()
    assert moderator.do("undo", case_id).status_code == 409


def test_nobody_undoes_somebody_elses_decision(case_id: str) -> None:
    Moderator(ana()).do("claim", case_id)
    Moderator(ana()).decide(case_id)
    for user in (ben(), sue()):
        answer = Moderator(user).do("undo", case_id)
        assert answer.status_code == 403
        assert "Not yours to undo" in answer.content.decode()
    assert Decision.objects.get().withdrawn_at is None


# --- the second look ---------------------------------------------------------------------------------------------


def test_the_first_decider_sees_that_somebody_else_must_look(case_id: str, client_app: App) -> None:
    first, second = Moderator(ana(), htmx=True), Moderator(ben())
    first.do("claim", case_id)
    first.decide(case_id)
    end_the_undo_window(case_id)
    work()
    client_app.roll_back(case_id)
    work()
    page = first.look(case_id).content.decode()
    assert "another pair of eyes" in page
    assert 'id="claim"' not in page
    assert "for somebody else: you decided it first" in Moderator(ana()).browser.get("/console/").content.decode()
    answer = first.do("claim", case_id)
    assert (answer.status_code, answer["X-Guardian-Panel"]) == (403, "1")
    assert "Somebody else must decide this" in answer.content.decode()
    assert Moderator(ana()).browser.post("/console/next/")["Location"] == "/console/"
    assert second.browser.post("/console/next/")["Location"] == f"/console/cases/{case_id}/"
    assert "Round 2: a second look" in second.look(case_id).content.decode()
    assert second.decide(case_id, outcome="no_violation", actions=[], policies=[]).status_code == 302
