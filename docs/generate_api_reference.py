"""Write docs/api-reference.md from the OpenAPI document: `python -m docs.generate_api_reference`.

The document is made of the endpoints themselves, so the page cannot say anything else than what the
server does. A test fails where the file is not what this gives.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from web.endpoint import CSRF_HEADER
from web.openapi import document
from web.problems import PROBLEMS
from web.server import ENDPOINTS

FILE: Final = Path(__file__).with_name("api-reference.md")
HEAD: Final = f"""# API reference

Written by `python -m docs.generate_api_reference` from the OpenAPI document that every server gives
out at `GET /api/openapi.json`; do not edit. How one signs in, how errors read and how the live
connection speaks is told in [api.md](api.md). *The header* is `{CSRF_HEADER}`. Every request but a
GET has to come from an origin of ours.
"""
PLAIN: Final = {
    "string": "text",
    "number": "number",
    "integer": "integer",
    "boolean": "true or false",
}
LIMITS: Final = (
    ("minimum", "at least {}"),
    ("maximum", "at most {}"),
    ("minLength", "at least {} long"),
    ("maxLength", "at most {} long"),
    ("pattern", "`{}`"),
)
Schema = Mapping[str, Any]


def kind(schema: Schema) -> str:
    """The type of a field in words."""
    if "$ref" in schema:
        name = _name(schema)
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return "; or ".join(kind(each) for each in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{each}`" for each in schema.get("enum", (schema.get("const"),)))
    if "type" not in schema:
        return "anything"
    return _container(schema) or _plain(schema)


def _container(schema: Schema) -> str | None:
    if schema["type"] == "array":
        return f"list of {kind(schema['items'])}"
    if schema["type"] == "object":
        patterns = list(schema.get("patternProperties", {}).values())
        values = patterns[0] if patterns else schema["additionalProperties"]
        return "object" if values is True else f"object of {kind(values)}"
    return None


def _plain(schema: Schema) -> str:
    limits = [words.format(schema[name]) for name, words in LIMITS if name in schema]
    return ", ".join([PLAIN.get(schema["type"], str(schema["type"])), *limits])


def cell(text: str) -> str:
    """The text as it can stand in a table."""
    return text.replace("|", r"\|").replace("\n", " ")


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """The lines of a table, none without rows."""
    rows = list(rows)
    if rows:
        lines = [head, ("---",) * len(head), *rows]
        yield from (f"| {' | '.join(cell(each) for each in line)} |" for line in lines)
        yield ""


def fields(schema: Schema) -> Iterator[tuple[str, ...]]:
    """A row for each field of an object that is sent: name, type, default."""
    for name, field in schema["properties"].items():
        needed = name in schema.get("required", ())
        default = "has to be sent" if needed else f"`{json.dumps(field.get('default'))}`"
        yield f"`{name}`", kind(field), default, field.get("description", "")


def operation(method: str, path: str, told: Schema, schemas: Mapping[str, Schema]) -> str:
    """One method of one path."""
    lines = [
        f"### {method.upper()} {path}",
        "",
        f"{told['summary']}. {told.get('description', '')}",
    ]
    lines += ["", f"Asks for: {', '.join(_asked(told))}. Answers: {', '.join(_answers(told))}.", ""]
    parameters = [each for each in told.get("parameters", ()) if each["in"] == "query"]
    lines += table(("query", "type", "default", ""), fields(_as_object(parameters)))
    body = told.get("requestBody", {}).get("content", {}).get("application/json")
    if body:
        lines += table(("body", "type", "default", ""), fields(schemas[_name(body["schema"])]))
    problems = list(_problems(told))
    if problems:
        lines += [f"Problems: {'; '.join(problems)}.", ""]
    return "\n".join(lines)


def _as_object(parameters: Iterable[Schema]) -> Schema:
    return {
        "properties": {each["name"]: each["schema"] for each in parameters},
        "required": [each["name"] for each in parameters if each["required"]],
    }


def _name(schema: Schema) -> str:
    return str(schema["$ref"].rpartition("/")[2])


def _asked(told: Schema) -> Iterator[str]:
    """What has to be there beside the fields."""
    yield "a session" if told["security"] else "no session"
    if any(each["in"] == "header" for each in told.get("parameters", ())):
        yield "the header"


def _answers(told: Schema) -> Iterator[str]:
    for status, answer in told["responses"].items():
        if not _is_problem(answer):
            types = [
                kind(how["schema"]) if "schema" in how else f"`{media}`"
                for media, how in answer.get("content", {}).items()
            ]
            yield " ".join([status, *types])


def _problems(told: Schema) -> Iterator[str]:
    for status, answer in told["responses"].items():
        if _is_problem(answer):
            codes = answer["description"].removeprefix("One of: ").split(", ")
            yield f"{status} {', '.join(f'`{code}`' for code in codes)}"


def _is_problem(answer: Schema) -> bool:
    return "application/problem+json" in answer.get("content", {})


def model(name: str, schema: Schema) -> str:
    """An object that is answered."""
    rows = ((f"`{key}`", kind(field)) for key, field in schema["properties"].items())
    return "\n".join(
        [f"### {name}", "", schema["description"], "", *table(("field", "type"), rows)]
    )


def _answered(schemas: Mapping[str, Schema], paths: Mapping[str, Any]) -> Iterator[str]:
    """The names of the objects in answers, for what is sent stands with its path."""
    answers = [each["responses"] for methods in paths.values() for each in methods.values()]
    mentioned = set(re.findall(r"/schemas/(\w+)", str((answers, schemas))))
    yield from (each for each in schemas if each in mentioned and each != "Problem")


def reference() -> str:
    """The whole file."""
    openapi = document(ENDPOINTS, "")
    paths, schemas = openapi["paths"], openapi["components"]["schemas"]
    parts = [HEAD]
    tag = None
    for path, methods in paths.items():
        for method, told in methods.items():
            if told["tags"][0] != tag:
                tag = told["tags"][0]
                parts.append(f"## Paths: {tag}\n")
            parts.append(operation(method, path, told, schemas))
    parts.append("## Objects\n")
    parts += [model(name, schemas[name]) for name in _answered(schemas, paths)]
    parts.append("## Problem codes\n")
    rows = (
        (f"`{code}`", str(each.status), each.en.title, each.en.action)
        for code, each in sorted(PROBLEMS.items())
    )
    parts.append("\n".join(table(("code", "status", "what is wrong", "what to do"), rows)))
    return "\n".join(parts)


if __name__ == "__main__":
    FILE.write_text(reference(), encoding="utf-8")
