"""Webhook signatures as a receiver checks them, and the form of keys."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from moderation import signing

BODY = '{"type":"ping","data":{"text":"Grüße\\u0000 \U0001f600"}}'.encode()


def test_the_signature_is_the_hmac_of_id_time_and_body():
    secret = signing.new_secret()
    moment = datetime(2026, 11, 22, 12, 0, 0, 999_999, tzinfo=UTC)
    headers = signing.sign([secret], "msg_1", moment, BODY)
    key = base64.b64decode(secret.removeprefix("whsec_"))
    seconds = str(int(moment.replace(microsecond=0).timestamp()))
    mac = hmac.new(key, b"msg_1." + seconds.encode() + b"." + BODY, hashlib.sha256).digest()
    assert headers == {
        "webhook-id": "msg_1",
        "webhook-timestamp": seconds,
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
    }


@pytest.mark.parametrize("hours", [-11, -1, 0, 5.5, 14])
def test_a_receiver_accepts_it_whatever_the_time_zone(hours):
    secret = signing.new_secret()
    now = datetime.now(UTC).astimezone(timezone(timedelta(hours=hours)))
    assert Webhook(secret).verify(BODY, signing.sign([secret], "m-1", now, BODY)) == json.loads(BODY)


def test_two_live_secrets_give_two_signatures_and_each_verifies():
    old, new, other = (signing.new_secret() for _ in range(3))
    headers = signing.sign([new, old], "m", datetime.now(UTC), BODY)
    assert [part[:3] for part in headers["webhook-signature"].split(" ")] == ["v1,", "v1,"]
    for secret in (old, new):
        Webhook(secret).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(BODY + b" ", headers)


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_replay_is_refused_in_both_directions(minutes):
    secret = signing.new_secret()
    headers = signing.sign([secret], "m", datetime.now(UTC) + timedelta(minutes=minutes), BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY, headers)


@pytest.mark.parametrize(
    ("secrets", "message_id", "moment", "body"),
    [
        ([], "m", datetime.now(UTC), BODY),
        (["whsec_"], "m", datetime.now(UTC), BODY),
        (["whsec_!!!!"], "m", datetime.now(UTC), BODY),
        (["whsec_c2hvcnQ="], "m", datetime.now(UTC), BODY),
        (["A" * 44], "m", datetime.now(UTC), BODY),
        (None, "a.b", datetime.now(UTC), BODY),
        (None, "", datetime.now(UTC), BODY),
        (None, "a\n", datetime.now(UTC), BODY),
        (None, "m", datetime(2026, 1, 1), BODY),  # noqa: DTZ001 - the refusal is the point
        (None, "m", datetime.now(UTC), b"\xff"),
    ],
)
def test_what_cannot_be_signed_is_a_value_error(secrets, message_id, moment, body):
    with pytest.raises(ValueError):  # noqa: PT011 - the type is the promise
        signing.sign([signing.new_secret()] if secrets is None else secrets, message_id, moment, body)


def test_secrets_are_random_and_of_32_bytes():
    made = {signing.new_secret() for _ in range(100)}
    assert len(made) == 100
    assert {len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) for secret in made} == {32}


def test_a_key_splits_into_what_it_was_made_of():
    for _ in range(200):
        key_id, secret, full = signing.new_api_key()
        assert (len(key_id), len(secret), full.count("_")) == (8, 43, 2)
        assert full == f"gk_{key_id}_{secret}"
        assert signing.split_api_key(full) == (key_id, secret)


@pytest.mark.parametrize(
    "damage",
    [
        lambda key: "",
        lambda key: key[:-1],
        lambda key: key + "a",
        lambda key: key + "\n",
        lambda key: " " + key,
        lambda key: key.upper(),
        lambda key: key.replace("gk_", "mk_"),
        lambda key: key[:-1] + "_",
        lambda key: key[:-1] + "ü",
        lambda key: key[:-1] + "\u0661",
        lambda key: key[:-1] + "\ud800",
    ],
)
def test_what_is_no_key_does_not_split(damage):
    assert signing.split_api_key(damage(signing.new_api_key()[2])) is None


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_can_be_split_and_printed(text):
    assert signing.split_api_key(text) is None
    assert len(signing.print_of(text)) == 64


def test_the_print_is_sha256():
    assert signing.print_of("abc") == hashlib.sha256(b"abc").hexdigest()
