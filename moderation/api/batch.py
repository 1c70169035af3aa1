"""cases/batch/: many starts in one request, one result for each."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from rest_framework.serializers import ValidationError

from moderation.api import bodies
from moderation.api.parsing import Doubtful
from moderation.api.problems import field_troubles
from moderation.errors import FieldTrouble, Unacceptable
from moderation.rights import Actor
from moderation.services.story import intake

LARGEST = 1000
_ITEM = re.compile(r"/cases/(\d+)(?:/|$)")


def start(body: Any, *, by: Actor) -> dict[str, Any]:
    """Start every good item of `body` and say of each what became of it. Raises Unacceptable for the body as a whole.

    Items the parser found fault with (NUL, duplicate keys, ...) are refused alone.
    """
    troubles = list(body.troubles) if isinstance(body, Doubtful) else []
    sent = body.value if isinstance(body, Doubtful) else body
    if not isinstance(sent, dict) or not isinstance(sent.get("cases"), list):
        raise Unacceptable("Nothing was stored.", errors=[FieldTrouble("/cases", "Must be a list of cases.")])
    items: list[Any] = sent["cases"]
    if len(items) > LARGEST or not items:
        raise Unacceptable("Nothing was stored.", errors=[FieldTrouble("/cases", f"1 to {LARGEST} cases.")])
    faults: dict[int, list[FieldTrouble]] = defaultdict(list)
    for trouble in [*troubles, *(FieldTrouble(f"/{name}", "Unknown field.") for name in sent if name != "cases")]:
        place = _ITEM.match(trouble.pointer)
        if place is None:
            raise Unacceptable("Nothing was stored.", errors=[trouble])
        faults[int(place[1])].append(trouble)
    good: dict[int, intake.Submission] = {}
    for index, item in enumerate(items):
        if index in faults:
            continue
        checked = bodies.StartBody(data=item)
        try:
            checked.is_valid(raise_exception=True)
            good[index] = checked.submission()
        except ValidationError as error:
            faults[index] = field_troubles(error.detail, f"/cases/{index}")
    accepted = dict(zip(good, intake.start_many(list(good.values()), by=by), strict=True))
    results = [_result(index, accepted.get(index), faults.get(index, [])) for index in range(len(items))]
    merged = sum(one.merged for one in accepted.values())
    return {
        "accepted": len(accepted) - merged,
        "merged": merged,
        "rejected": len(items) - len(accepted),
        "results": results,
    }


def _result(index: int, accepted: intake.Accepted | None, faults: list[FieldTrouble]) -> dict[str, Any]:
    return {
        "index": index,
        "result": "rejected" if accepted is None else "merged" if accepted.merged else "accepted",
        "id": str(accepted.case.pk) if accepted else None,
        "errors": [{"pointer": fault.pointer, "detail": fault.detail} for fault in faults],
    }
