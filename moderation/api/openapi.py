"""What every path of the OpenAPI document shares: headers, problems, the API key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from moderation.api import shapes

EXAMPLES = Path(__file__).with_name("examples.json")
ALWAYS = {
    "401": "No live API key.",
    "403": "The key lacks the scope, or this is not this person's to do.",
    "404": "No such object, or another client's.",
    "429": "Too many requests; see Retry-After.",
    "503": "The database is away; see Retry-After.",
}
ON_POST = {
    "400": "The body is not JSON.",
    "409": "Not possible in this state, or somebody else is at it; see `code`.",
    "412": "`If-Match` named another version.",
    "413": "The body is too large.",
    "415": "Send application/json.",
    "422": "Values that cannot be accepted; see `errors`.",
}


class GuardianSchema(AutoSchema):
    """Adds to every path the headers it understands and the problems it may answer."""

    def get_description(self) -> str:  # type: ignore[override]
        """Only what was written for the public (extend_schema); docstrings of views are for us."""
        return ""

    def get_override_parameters(self) -> list[Any]:
        if self.method != "POST":
            return []
        return [
            OpenApiParameter(
                "Idempotency-Key",
                {"type": "string", "pattern": "^[!-~]+$", "minLength": 1, "maxLength": 255},
                OpenApiParameter.HEADER,
                description="1 to 255 visible ASCII characters. The same request under the same key answers the first"
                " answer again, for 48 hours.",
            ),
            *(
                [
                    OpenApiParameter(
                        "If-Match", str, OpenApiParameter.HEADER, description="The ETag the decision is based on"
                    )
                ]
                if "{case_id}" in self.path
                else []
            ),
        ]

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> Any:
        bodies = super()._get_response_bodies(direction)
        if direction == "response":
            problem = self.resolve_serializer(shapes.Problem, direction).ref
            told = {**ALWAYS, **(ON_POST if self.method == "POST" else {"422": ON_POST["422"]})}
            for status, description in told.items():
                bodies.setdefault(
                    status,
                    {"description": description, "content": {"application/problem+json": {"schema": problem}}},
                )
        return bodies


class ApiKeyScheme(OpenApiAuthenticationExtension):
    target_class = "moderation.api.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer gk_<id>_<secret>`"}


def with_types(result: Any, generator: Any, request: Any, public: bool) -> Any:  # noqa: FBT001 - the hook's form
    """Each `type` of an announcement as an enumeration of one, which every generator of clients understands. Only now:
    the hook that names enumerations would give each of them a name of its own. And alternatives without a
    discriminator may both hold: a case in full is also one in brief."""
    for shape in result["components"]["schemas"].values():
        said = shape.get("properties", {}).get("type", {})
        if "const" in said:
            said["enum"] = [said.pop("const")]
        if "oneOf" in shape and "discriminator" not in shape:
            shape["anyOf"] = shape.pop("oneOf")
    return result


def with_examples(result: Any, generator: Any, request: Any, public: bool) -> Any:  # noqa: FBT001 - the hook's form
    """Puts the examples into the document: real requests and answers (moderation/tests/test_api_examples.py)."""
    examples: dict[str, Any] = json.loads(EXAMPLES.read_text())
    for operation in (operation for path in result["paths"].values() for operation in path.values()):
        example = examples.get(operation.get("operationId", ""))
        if example is None:
            continue
        if "request" in example:
            operation["requestBody"]["content"]["application/json"]["example"] = example["request"]
        operation["responses"][example["status"]]["content"]["application/json"]["example"] = example["answer"]
    for name, webhook in result.get("webhooks", {}).items():
        if name in examples:
            webhook["post"]["requestBody"]["content"]["application/json"]["example"] = examples[name]["request"]
    return result
