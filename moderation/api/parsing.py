"""Bodies come in: strict JSON of a bounded size, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser

from moderation.api.strict_json import MalformedJSON, parse
from moderation.errors import FieldTrouble, ModerationError, Unacceptable

BODY_LIMIT = 1024 * 1024
BATCH_LIMIT = 16 * 1024 * 1024


class Malformed(ModerationError):
    """The body is not JSON."""

    status = 400
    code = "malformed_json"
    title = "The body is not valid JSON"


class TooLarge(ModerationError):
    """The body is larger than this path takes."""

    status = 413
    code = "too_large"
    title = "The body is too large"


class StrictJSONParser(BaseParser):
    """Refuses what other parsers let through: duplicate keys, NaN, NUL, lone surrogates, absurd numbers and depths."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        view = parser_context["view"]
        limit = getattr(view, "body_limit", BODY_LIMIT)
        item_pointer: str | None = getattr(view, "item_pointer", None)
        # Read with one byte to spare: the length a client declares is only its word.
        data: bytes = stream.read(limit + 1)
        if len(data) > limit:
            raise TooLarge(f"At most {limit // 1024} KiB are taken here. Nothing was stored.")
        try:
            parsed = parse(data, item_pointer=item_pointer)
        except MalformedJSON as error:
            where = [FieldTrouble(error.pointer, error.detail)] if error.pointer else []
            raise Malformed(f"{error.detail} Nothing was stored.", errors=where) from None
        troubles = tuple(FieldTrouble(trouble.pointer, trouble.detail) for trouble in parsed.troubles)
        if troubles and item_pointer is not None:
            return Doubtful(parsed.value, troubles)
        if troubles:
            raise Unacceptable("The body holds values that cannot be kept. Nothing was stored.", errors=troubles[:100])
        return parsed.value


@dataclass(frozen=True)
class Doubtful:
    """A batch in which some values cannot be kept; only their items are refused."""

    value: Any
    troubles: tuple[FieldTrouble, ...]


class AlwaysJson(BaseContentNegotiation):
    """The API speaks JSON whatever a client says it would rather have."""

    def select_parser(self, request: Any, parsers: Any) -> Any:
        sent, _, parameters = (request.content_type or "").lower().partition(";")
        charset = parameters.strip().removeprefix("charset=").strip('"') or "utf-8"
        packed = request.META.get("HTTP_CONTENT_ENCODING", "identity")
        if charset not in ("utf-8", "utf8") or packed != "identity":
            return None
        sent = sent.strip()
        return next((parser for parser in parsers if parser.media_type == sent), None)

    def select_renderer(self, request: Any, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type
