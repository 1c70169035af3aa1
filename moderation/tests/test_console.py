"""The console's rules through Django's test client: rights, claims, conflicts, undo, hostile text, queries."""

from __future__ import annotations

import html
import re
import uuid
from typing import Any

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import translation
from pytest_django import Settings

from moderation.console import login_links, words
from moderation.console.words.visible import pieces, true_spans
from moderation.errors import Conflict
from moderation.models import Assessment, Case, Decision, Event, Run, User
from moderation.services.story import review
from moderation.tests.people import RUDE, App, ana, app, ben, sue, work
from moderation.tests.platform import Platform


class Moderator:
    """Somebody at the console: reads the page's own forms and sends them back, as a browser does."""

    def __init__(self, user: User, *, htmx: bool = False) -> None:
        self.user = user
        self.browser = Browser(headers={"hx-request": "true"} if htmx else {})
        self.browser.force_login(user)

    def look(self, case_id: str) -> Any:
        return self.browser.get(f"/console/cases/{case_id}/")

    def do(self, verb: str, case_id: str, **fields: Any) -> Any:
        return self.browser.post(f"/console/cases/{case_id}/{verb}/", fields)

    def ticket(self, case_id: str) -> dict[str, str]:
        """The claim token and the version that stand in the page's form."""
        page = self.look(case_id).content.decode()
        return {name: _hidden(page, name) for name in ("claim_token", "version")}

    def decide(self, case_id: str, **fields: Any) -> Any:
        said = {"outcome": "violation", "actions": ["remove_content"], "reason": "Rude.", "note": "mine", **fields}
        if "claim_token" not in said:
            said = {**self.ticket(case_id), **said}
        return self.do("decide", case_id, **said)


def _hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    return found[1] if found else ""


@pytest.fixture
def case_id(client_app: App) -> str:
    """A rude post that waits for review."""
    made = client_app.start()
    work()
    return made


def sql(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def lose_the_claim(case_id: str) -> None:
    sql("UPDATE moderation_case SET claim_until = now() - interval '1 second' WHERE id = %s", uuid.UUID(case_id))


def end_the_undo_window(case_id: str) -> None:
    sql("UPDATE moderation_run SET due_at = now() WHERE case_id = %s AND kind = 'resume'", uuid.UUID(case_id))


# --- who gets in -------------------------------------------------------------------------------------------------


def test_nobody_gets_in_without_logging_in(case_id: str) -> None:
    stranger = Browser()
    for path in ("/console/", f"/console/cases/{case_id}/", "/console/news/"):
        answer = stranger.get(path)
        assert (answer.status_code, answer["Location"]) == (302, f"/login/?next={path}")
    for verb in ("claim", "release", "heartbeat", "decide", "undo", "rollback"):
        answer = stranger.post(f"/console/cases/{case_id}/{verb}/")
        assert (answer.status_code, answer["Location"]) == (302, f"/login/?next=/console/cases/{case_id}/")
    # htmx would put the log-in page into the fragment, over what somebody has typed.
    assert stranger.post(f"/console/cases/{case_id}/claim/", headers={"hx-request": "true"}).status_code == 401
    assert Case.objects.get().claimed_by is None


def test_an_account_that_was_switched_off_is_out_at_once(case_id: str) -> None:
    moderator = Moderator(ana())
    User.objects.update(is_active=False)
    assert moderator.look(case_id).status_code == 302


def test_the_start_page_sends_everybody_to_their_place(database: None) -> None:
    assert Browser().get("/")["Location"] == "/login/"
    assert Moderator(ana()).browser.get("/")["Location"] == "/console/"
    assert Moderator(sue()).browser.get("/")["Location"] == "/admin/"


def test_pages_with_content_are_never_stored(case_id: str) -> None:
    for path in ("/console/", f"/console/cases/{case_id}/"):
        answer = Moderator(ana()).browser.get(path)
        assert answer["Cache-Control"] == "no-store"
        assert "HX-Request" in answer["Vary"]


def test_a_case_that_is_not_there_is_404_and_a_get_of_a_verb_405(case_id: str) -> None:
    moderator = Moderator(ana())
    assert moderator.look(str(uuid.uuid4())).status_code == 404
    assert moderator.do("claim", str(uuid.uuid4())).status_code == 404
    assert moderator.browser.get(f"/console/cases/{case_id}/decide/").status_code == 405


def test_forms_are_refused_without_their_csrf_token(case_id: str) -> None:
    strict = Browser(enforce_csrf_checks=True)
    strict.force_login(ana())
    assert strict.post(f"/console/cases/{case_id}/claim/").status_code == 403
    assert Case.objects.get().claimed_by is None


# --- one-time links ----------------------------------------------------------------------------------------------


def test_a_login_link_works_once_in_the_demo_on_this_machine_only(database: None, settings: Settings) -> None:
    path = login_links.link_for(ana())
    assert Browser().get(path).status_code == 404
    settings.DEMO = True
    assert Browser(REMOTE_ADDR="192.0.2.7").get(path).status_code == 404
    browser = Browser(REMOTE_ADDR="::ffff:127.0.0.1")
    assert browser.get(path)["Location"] == "/"
    assert browser.get("/console/").status_code == 200
    again = Browser()
    assert again.get(path)["Location"] == "/login/"
    assert "used already" in again.get("/login/").content.decode()
    assert again.get("/console/").status_code == 302


def test_a_login_link_of_somebody_else_or_made_up_is_worth_nothing(database: None, settings: Settings) -> None:
    settings.DEMO = True
    path = login_links.link_for(ana())
    for bad in (path.replace(f"/{ana().pk}@", f"/{sue().pk}@"), "/login/link/x:y:z/", "/login/link/x/"):
        browser = Browser()
        assert browser.get(bad)["Location"] == "/login/"
        assert browser.get("/console/").status_code == 302
    User.objects.update(is_active=False)
    assert Browser().get(path)["Location"] == "/login/"


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
    page = moderator.do("claim", case_id, **typed).content.decode()
    assert "I had &lt;typed&gt;</textarea>" in page
    assert re.search(r'value="harassment" checked', page)
    assert re.search(r'value="remove_content" checked', page)
    assert (
        moderator.do("decide", case_id, **typed, claim_token=_hidden(page, "claim_token"), version="2").status_code
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
        review.claim(uuid.UUID(case_id), ben())
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
    assert moderator.decide(case_id, actions=["label_content"]).status_code == 200
    end_the_undo_window(case_id)
    work()
    assert platform.actions == ["label_content"]
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
    assert second.decide(case_id, outcome="no_violation", actions=[]).status_code == 302


# --- what the page tells -----------------------------------------------------------------------------------------


def test_agreeing_fills_in_what_the_agent_recommends(case_id: str) -> None:
    moderator = Moderator(ana())
    moderator.do("claim", case_id)
    page = moderator.look(case_id).content.decode()
    assert not re.search(r'name="(outcome|actions|policies)" value="\w+" checked', page)
    page = moderator.browser.get(f"/console/cases/{case_id}/?agree=1").content.decode()
    ticked = re.findall(r'name="(\w+)" value="([\w-]+)" checked', page)
    assert ticked == [("outcome", "violation"), ("actions", "remove_content"), ("policies", "harassment")]
    assert "Nobody may insult" in page


def test_a_failed_analysis_says_why_and_can_be_decided_without_it(case_id: str) -> None:
    Assessment.objects.all().delete()
    Run.objects.filter(kind="start").update(failure="The model gave no answer.")
    moderator = Moderator(ana())
    page = moderator.look(case_id).content.decode()
    assert "The agent failed" in page
    assert "The model gave no answer." in page
    assert "no answer from the agent" in moderator.browser.get("/console/").content.decode()
    moderator.do("claim", case_id)
    assert 'id="agree"' not in moderator.look(case_id).content.decode()
    assert moderator.decide(case_id).status_code == 302


def test_a_failing_delivery_and_a_leg_that_fails_are_shown(case_id: str, client_app: App, platform: Platform) -> None:
    platform.behave = lambda document: (500, b"")
    client_app.decide(case_id, "remove_content", "warn_author", by="Cleo")
    work()
    page = html.unescape(Moderator(ana()).look(case_id).content.decode())
    assert "Delivery keeps failing" in page
    assert "Tried again in" in page or "Tried again now" in page
    assert "The endpoint answered 500." in page
    assert "Waits for the order before it." in page
    sql("UPDATE moderation_run SET done_at = NULL, attempts = 3, last_error = 'Boom' WHERE kind = 'resume'")
    page = Moderator(ana()).look(case_id).content.decode()
    assert "Enforcement has failed 3 times and is tried again now. Last error: Boom" in page


def test_a_client_without_a_webhook_is_waited_for(database: None) -> None:
    pulling = app()
    case_id = pulling.start()
    work()
    pulling.decide(case_id, "remove_content", by="Cleo")
    work()
    page = Moderator(ana()).look(case_id).content.decode()
    assert "Waits for the client, which fetches its orders itself." in page


def test_a_page_that_looks_again_gets_nothing_while_nothing_has_changed(case_id: str, client_app: App) -> None:
    moderator = Moderator(ana(), htmx=True)
    seen = re.search(r"\?seen=(\w+)", moderator.look(case_id).content.decode())
    assert seen is not None
    path = f"/console/cases/{case_id}/?seen={seen[1]}"
    assert moderator.browser.get(path).status_code == 204
    Moderator(ben()).do("claim", case_id)
    answer = moderator.browser.get(path)
    assert answer.status_code == 200
    assert "is reading this case" in answer.content.decode()


def test_the_queue_tells_what_is_new_without_moving_its_rows(client_app: App) -> None:
    moderator = Moderator(ana())
    empty = moderator.browser.get("/console/").content.decode()
    assert "Nothing waits for a human" in empty
    path = re.search(r'hx-get="(/console/news/\?since=[^"]+)"', empty)
    assert path is not None
    assert moderator.browser.get(path[1]).content.strip() == b""
    client_app.start()
    client_app.start()
    assert "being analysed" in moderator.browser.get("/console/").content.decode()
    work()
    assert "2 new cases" in moderator.browser.get(path[1]).content.decode()
    for since in ("", "x", "2026-13-45T00:00:00Z", "2026-01-01", "\x00"):
        assert moderator.browser.get("/console/news/", {"since": since}).content.strip() == b""


def test_the_queue_stands_in_the_order_of_urgency_and_says_lateness_in_words(client_app: App) -> None:
    calm, urgent = client_app.start(priority="low"), client_app.start(priority="urgent")
    work()
    sql("UPDATE moderation_case SET due_at = now() - interval '14 minutes' WHERE id = %s", uuid.UUID(calm))
    page = Moderator(ana()).browser.get("/console/").content.decode()
    assert page.index(urgent) < page.index(calm)
    assert "14 min late" in page
    assert "1 of them late" in page
    for number in ("2", "0", "-1", "x", "9" * 30, "²"):
        assert Moderator(ana()).browser.get("/console/", {"page": number}).status_code == 200


# --- hostile text ------------------------------------------------------------------------------------------------

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<iframe srcdoc='<b>x</b>'></iframe>",
    "</pre></article></textarea></title><style>@import 'x'</style>",
    '<base href="//evil.example"><meta http-equiv=refresh content=0>',
    '" onmouseover="alert(1)',
    "' autofocus onfocus='alert(1)",
    "<form action=//evil.example><button formaction=javascript:alert(1)>",
    '<div hx-get="/console/next/" hx-trigger="load" data-hx-on="x">',
    "{{ 7|add:7 }} {% debug %} ${7} #{7}",
    "--><!-- ]]>",
    "<a id=case name=config href=JaVaScRiPt:alert(1)>Approved by supervisor</a>",
    "[x](javascript:alert(1)) \r\nSet-Cookie: a=b",
]


def test_hostile_text_is_shown_and_never_becomes_markup(client_app: App) -> None:
    moderator = Moderator(ana())
    for text in HOSTILE:
        case_id = client_app.start(
            f"loser {text}",
            content_id=f"c {text}",
            author_id=text,
            context={"note": text},
            report={"reporter_id": text, "reason": text},
        )
        work()
        about = {"summary": text, "doubts": [text], "flags": [text], "model": text[:100], "analyst": text[:40]}
        Assessment.objects.filter(case=case_id).update(**about)
        queue = moderator.browser.get("/console/").content.decode()
        moderator.do("claim", case_id)
        refused = moderator.decide(case_id, note=text, reason=text, outcome="").content.decode()
        moderator.decide(case_id, note=text, reason=text)
        Run.objects.filter(kind="resume").update(last_error=text)
        for page in (queue, refused, moderator.look(case_id).content.decode()):
            for tag in re.findall(r"<(?:script|img|iframe|base|style|object|form|a|button|div)\b[^>]*>", page):
                assert not re.search(r"alert\(|evil|srcdoc|data-hx-on", tag), text
            assert not re.search(r"<[^>]*\s(?:style|on\w+)=", page), text
            assert page.count('id="case"') <= 1, text
            assert "<" not in text or text not in page
            shown = html.unescape(re.sub(r"<[^>]*>", "", page))
            assert re.sub(r"\s+", " ", text) in re.sub(r"\s+", " ", shown), text


def test_nothing_is_marked_safe_and_no_template_turns_escaping_off(settings: Settings) -> None:
    for place, pattern in (("templates", "*.html"), ("moderation/console", "*.py"), ("moderation/admin", "*.py")):
        for file in (settings.BASE_DIR / place).rglob(pattern):
            source = file.read_text()
            assert not re.search(r"\|\s*safe\b|autoescape off|mark_safe|<script>|\sstyle=|\son\w+=\"", source), file


def test_hidden_characters_become_chips_and_quotes_become_marks() -> None:
    text = "a\u202eb\u200b\u200bc \U000e0068\U000e0069 tab\there\r\nnext \u2028"
    shown = pieces(text)
    assert [piece.chip for piece in shown if piece.chip] == ["RLO", "ZWSP ×2", "TAG “hi”", "LS"]
    assert "".join(piece.text for piece in shown) == "abc  tab\there\nnext "
    assert "RIGHT-TO-LEFT OVERRIDE (U+202E)" in {piece.title for piece in shown}
    family = "👨\u200d👩\u200d👧 ❤\ufe0f"
    assert [piece.text for piece in pieces(family)] == [family]
    marked = pieces("one two three", [(4, 7), (0, 5)])
    assert [(piece.text, piece.marked) for piece in marked] == [("one t", True), ("wo", True), (" three", False)]
    quotes = [
        {"start": 4, "end": 7, "text": "two"},
        {"start": 0, "end": 3, "text": "two"},
        {"start": -3, "end": 99, "text": "x"},
    ]
    assert true_spans("one two three", quotes) == ([(4, 7)], ["two", "x"])


def test_an_invented_quote_is_struck_out(case_id: str) -> None:
    assessment = Assessment.objects.get()
    assessment.findings[0]["quotes"].append({"start": 0, "end": 4, "text": "Nope"})
    assessment.save()
    page = Moderator(ana()).look(case_id).content.decode()
    assert "<mark>loser</mark>" in page
    assert re.search(r"<s dir=\"auto\">Nope</s>", page)


def test_a_long_text_of_hidden_characters_is_still_drawn_quickly(client_app: App) -> None:
    case_id = client_app.start("\u200b\u200c" * 10_000)
    work()
    assert Moderator(ana()).look(case_id).status_code == 200


# --- queries and words -------------------------------------------------------------------------------------------


def queries(browser: Browser, path: str) -> int:
    browser.get(path)
    with CaptureQueriesContext(
        connection,
    ) as seen:
        assert browser.get(path).status_code == 200
    return len(seen)


def test_the_number_of_queries_does_not_grow_with_the_cases(client_app: App) -> None:
    browser = Moderator(ana()).browser
    one = client_app.start(report={"reporter_id": "r", "reason": "x"})
    work()
    assert queries(browser, "/console/") == 6
    before = queries(browser, f"/console/cases/{one}/")
    for number in range(12):
        client_app.start(RUDE + str(number))
        client_app.start(
            RUDE, content_id=Case.objects.get(pk=one).content_id, report={"reporter_id": f"r{number}", "reason": "x"}
        )
    work(rounds=400)
    assert Case.objects.count() == 13
    assert queries(browser, "/console/") == 6
    client_app.decide(
        one, "remove_content", "suspend_author", "warn_author", by="Cleo", policies=["spam", "harassment"]
    )
    work()
    assert before == 12
    assert queries(browser, f"/console/cases/{one}/") == 14


def test_every_event_that_is_written_has_words(case_id: str, client_app: App) -> None:
    client_app.decide(case_id, "remove_content", by="Cleo")
    work()
    client_app.roll_back(case_id)
    work()
    for language in ("en", "de", "es"):
        with translation.override(language):
            for event in Event.objects.all():
                assert words.event(event) not in ("", event.type)


def test_the_language_can_be_changed(case_id: str) -> None:
    moderator = Moderator(ana())
    moderator.browser.post("/language/", {"language": "de", "next": "/console/"})
    page = moderator.browser.get("/console/").content.decode()
    assert '<html lang="de"' in page
    assert "Warteschlange" in page


@pytest.mark.parametrize("name", ["500.html", "503.html", "403_csrf.html"])
def test_the_pages_for_bad_days_need_neither_database_nor_request(name: str) -> None:
    from django.template.loader import get_template

    assert "Guardian" in get_template(name).render({})
