"""The OpenAPI 3.1 document, made of the endpoints and their models: GET /api/openapi.json."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import pydantic
from pydantic.json_schema import models_json_schema

from web.endpoint import COOKIE, CSRF_HEADER, Endpoint
from web.problems import PROBLEMS

REF = "#/components/schemas/{model}"
PROBLEM_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "description": "RFC 9457. `code` is stable; the words come in zh-CN or en.",
    "required": ["type", "title", "status", "detail", "code", "action"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "what is wrong"},
        "code": {"type": "string", "enum": sorted(PROBLEMS)},
        "action": {"type": "string", "description": "what to do about it"},
    },
}
LIVE_PATH: Mapping[str, Any] = {
    "get": {
        "operationId": "live",
        "tags": ["live"],
        "summary": "The live connection (WebSocket); its messages are described in docs/api.md",
        "security": [{"session": []}],
        "responses": {"101": {"description": "WebSocket"}},
    }
}


def document(endpoints: Iterable[Endpoint], version: str) -> dict[str, Any]:
    """The whole document."""
    endpoints = list(endpoints)
    schemas = _schemas(endpoints)
    paths: dict[str, dict[str, Any]] = {}
    for each in endpoints:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each)
    paths["/api/v1/live"] = dict(LIVE_PATH)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "zuoxi",
            "version": version or "0",
            "summary": "Agents, queues and calls of a call centre on Asterisk",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": {**schemas, "Problem": dict(PROBLEM_SCHEMA)},
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
            },
        },
    }


def _schemas(endpoints: list[Endpoint]) -> dict[str, Any]:
    models: dict[type[pydantic.BaseModel], None] = {}
    for each in endpoints:
        for model in (each.input, each.output):
            if model is not None:
                models[model] = None
    _, schema = models_json_schema([(model, "serialization") for model in models], ref_template=REF)
    found: dict[str, Any] = schema.get("$defs", {})
    return found


def _operation(described: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{_tag(described)}_{described.handler.__name__}",
        "tags": [_tag(described)],
        "summary": described.summary,
        "description": _description(described),
        "security": [] if described.public else [{"session": []}],
        "responses": _responses(described),
    }
    parameters = list(_parameters(described))
    if parameters:
        operation["parameters"] = parameters
    if described.input and described.mutates:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _ref(described.input)}},
        }
    return operation


def _tag(described: Endpoint) -> str:
    return described.handler.__module__.rpartition(".")[2]


def _description(described: Endpoint) -> str:
    words = (described.handler.__doc__ or "").strip().partition("\n\n")[0]
    words = " ".join(words.split())
    return f"{words} Needs the right `{described.right}`." if described.right else words


def _parameters(described: Endpoint) -> Iterable[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", described.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
    if described.mutates and not described.public:
        yield {
            "name": CSRF_HEADER,
            "in": "header",
            "required": True,
            "description": "`csrf` of GET /api/v1/session",
            "schema": {"type": "string"},
        }
    if described.input and not described.mutates:
        yield from _query(described.input)


def _query(model: type[pydantic.BaseModel]) -> Iterable[dict[str, Any]]:
    schema = model.model_json_schema(ref_template=REF, by_alias=True)
    required = schema.get("required", [])
    for name, field in schema["properties"].items():
        parameter = {"name": name, "in": "query", "required": name in required, "schema": field}
        if "description" in field:
            parameter["description"] = field["description"]
        yield parameter


def _responses(described: Endpoint) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    if described.output:
        for status in described.statuses:
            responses[str(status)] = {
                "description": "Done" if status < 400 else "Not now; the answer says why",
                "content": {"application/json": {"schema": _ref(described.output)}},
            }
    elif described.media:
        content: dict[str, Any] = {media: {} for media in described.media}
        responses["200"] = {"description": "Done", "content": content}
    else:
        responses["204"] = {"description": "Done"}
    for status, codes in sorted(_codes(described).items()):
        responses[str(status)] = {
            "description": "One of: " + ", ".join(codes),
            "content": {
                "application/problem+json": {"schema": {"$ref": REF.format(model="Problem")}}
            },
        }
    return responses


def _codes(described: Endpoint) -> dict[int, list[str]]:
    """The problems by status, those of every endpoint of the kind among them."""
    codes = set(described.problems)
    if not described.public:
        codes |= {"signed_out", "database_away"}
    if described.mutates:
        codes |= {"wrong_origin"} if described.public else {"wrong_origin", "csrf"}
    if described.right:
        codes.add("no_right")
    if described.input:
        codes.add("invalid")
    if described.input and described.mutates:
        codes |= {"malformed", "unsupported_media", "too_large", "too_slow"}
    grouped: dict[int, list[str]] = {}
    for code in sorted(codes):
        grouped.setdefault(PROBLEMS[code].status, []).append(code)
    return grouped


def _ref(model: type[pydantic.BaseModel]) -> dict[str, str]:
    return {"$ref": REF.format(model=model.__name__)}
