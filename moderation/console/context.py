"""What every page knows about this installation."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest

from moderation.middleware import request_id


def installation(request: HttpRequest) -> dict[str, object]:
    """`analyst`: rules or groq. `demo`: whether this is the demo. `request_id`: the request's name in the logs."""
    return {
        "analyst": "groq" if settings.AGENT["GROQ_API_KEY"] else "rules",
        "demo": settings.DEMO,
        "request_id": request_id.get(),
    }
