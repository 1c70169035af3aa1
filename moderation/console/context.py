"""What every page knows about this installation."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def installation(request: HttpRequest) -> dict[str, object]:
    """`analyst`: rules or groq. `demo`: whether this is the demo."""
    return {"analyst": "groq" if settings.AGENT["GROQ_API_KEY"] else "rules", "demo": settings.DEMO}
