"""A client that has caught up by `effects/` keeps the subject's newest number for every effect (contract sections 3 and
5): what is let go of afterwards is taken back all the same."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils.timezone import now

from moderation.demo import orders
from moderation.demo.models import Author, Receipt
from moderation.tests.people import app, work
from moderation.tests.stopped import decided


def test_a_reversal_in_the_place_of_an_apply_that_was_read_beside_a_newer_one_is_given_again(database: None) -> None:
    client_app = app()
    case_id = decided(client_app, "remove_content", "label_content", content_id="post-1")
    read = client_app.get("effects/", content_id="post-1").json()
    marks = dict.fromkeys((effect["action"] for effect in read["results"]), read["sequence"])
    assert marks == {"remove_content": 2, "label_content": 2}
    in_force = set(marks)
    assert client_app.roll_back(case_id).status_code == 202
    work()
    undone = {"restore_content": "remove_content", "unlabel_content": "label_content"}
    for _ in range(5):
        for document in client_app.get("orders/", status="pending").json()["results"]:
            data = document.get("data", document)
            effect = undone[data["action"]]
            overtaken = data["sequence"] < marks[effect]
            if not overtaken:
                marks[effect] = data["sequence"]
                in_force.discard(effect)
            said = {"result": "already", "detail": "overtaken"} if overtaken else {"result": "applied"}
            assert client_app.post(f"orders/{data['order_id']}/confirm/", said).status_code == 200
    assert in_force == set()
    assert client_app.case(case_id)["status"] == "pending_review"
    assert client_app.get("effects/", content_id="post-1").json()["results"] == []


def test_the_forum_ends_a_longer_suspension_though_it_never_obeyed_the_shorter_one(database: None) -> None:
    """A catch-up knows only the longest; the other's webhook comes late and is overtaken, and then it is sent again."""
    author = Author.objects.create(name="author-1")
    short, long = (now() + timedelta(days=days) for days in (3, 30))
    with transaction.atomic():
        orders.keep_mark(orders.AUTHOR, "author-1", orders.SUSPEND, 2, is_reversal=False)
    Receipt.objects.create(
        webhook_id="long",
        type="action.apply",
        action=orders.SUSPEND,
        case_id="b",
        decision_id="2",
        author_id="author-1",
        result="applied",
        expires_at=long,
    )
    Author.objects.update(suspended_until=long)
    said = ("action.apply", orders.SUSPEND, "a", "1", "post-1", "author-1")
    assert orders.obey("short", orders.Order(*said, 1, short)) == ("already", "overtaken")
    assert orders.obey("again", orders.Order(*said, 3, short)) == ("applied", "")
    author.refresh_from_db()
    assert author.suspended_until == short
