"""Signatures of webhooks (Standard Webhooks) and the making, splitting and printing of secrets. No models here."""

import base64
import hashlib
import re
import secrets as random
import string
from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

ALPHANUMERIC = string.ascii_letters + string.digits
MESSAGE_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
# Without `_` and `-` in its parts a key splits one way only, and a double click selects all of it.
API_KEY = re.compile(r"gk_([a-z0-9]{8})_([A-Za-z0-9]{43})")


def sign(secrets: Sequence[str], message_id: str, timestamp: datetime, body: bytes) -> dict[str, str]:
    """Returns the headers `webhook-id`, `webhook-timestamp` (whole seconds) and `webhook-signature`.

    One signature per secret, in the given order, separated by spaces: two while a secret is being rotated.
    Raises ValueError for no secrets, a malformed secret or message id, a naive timestamp, or a body not in UTF-8.
    """
    if not secrets:
        raise ValueError("A message needs at least one secret.")
    # The id is signed as `id.timestamp.body`: a dot inside would let two messages share a signature.
    if not MESSAGE_ID.fullmatch(message_id):
        raise ValueError("A message id consists of letters, digits, - and _.")
    if timestamp.tzinfo is None:
        raise ValueError("The timestamp needs a time zone.")
    # The library relabels the time as UTC instead of converting it.
    moment = timestamp.astimezone(UTC).replace(microsecond=0)
    text = body.decode("utf-8")
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(_webhook(secret).sign(message_id, moment, text) for secret in secrets),
    }


def check_secret(secret: str) -> bytes:
    """The key in a webhook secret; raises ValueError unless it is `whsec_` and 24 to 64 bytes in base64."""
    try:
        # The library skips what is not base64, and so would sign with a shorter key than the one meant.
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not secret.startswith("whsec_") or not 24 <= len(key) <= 64:
        raise ValueError("A webhook secret is whsec_ and 24 to 64 bytes in base64.")
    return key


def _webhook(secret: str) -> Webhook:
    return Webhook(check_secret(secret))


def new_secret() -> str:
    """A webhook secret: `whsec_` and 32 random bytes in base64."""
    return "whsec_" + base64.b64encode(random.token_bytes(32)).decode("ascii")


def print_of(key: str) -> str:
    """The SHA-256 of an API key as 64 hex digits. A fast hash is right: the key holds 256 random bits."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def new_api_key() -> tuple[str, str, str]:
    """A new API key as (id, secret, full): 8 characters, 43 characters (256 bits) and `gk_<id>_<secret>`."""
    key_id = "".join(random.choice(string.ascii_lowercase + string.digits) for _ in range(8))
    secret = "".join(random.choice(ALPHANUMERIC) for _ in range(43))
    return key_id, secret, f"gk_{key_id}_{secret}"


def split_api_key(text: str) -> tuple[str, str] | None:
    """The (id, secret) of a full API key, or None if the text does not have the form of one."""
    match = API_KEY.fullmatch(text)
    return (match[1], match[2]) if match else None
