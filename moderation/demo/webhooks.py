"""Is it really Guardian? The signature of a webhook, by the Standard Webhooks specification."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError


class NotGenuine(Exception):
    """Not signed with our secret, too old, or too new: answer 401 and do nothing."""


def verified(body: bytes, headers: Mapping[str, str], secret: str) -> Any:
    """The JSON document in `body`, once its signature is known to be good. Raises NotGenuine.

    Give the bytes as they came: JSON that was parsed and written again has another signature. The check refuses what
    is more than five minutes old, so a recorded webhook cannot be played again later.
    """
    try:
        return Webhook(secret).verify(body, dict(headers))
    except (WebhookVerificationError, ValueError) as error:  # the library lets malformed base64 and UTF-8 through
        raise NotGenuine from error
