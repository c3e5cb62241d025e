"""Every endpoint with every role and requests made by chance of the server's own OpenAPI document.

What comes back is never a failure of the server, and always what the document says may come.
"""

import json
import random
import re
import string
import time
from typing import Any
from urllib.parse import quote

import jsonschema
import pytest

from cti import domain
from tests.integration.web.conftest import USERS

EXAMPLES = 30
SEED = 20260722
EVERYWHERE = {"400", "404", "405", "413", "415", "422"}
"""What any address may answer to what is no request of it."""
STRINGS = [
    "", "1001", "support", "8001", "c1", "zh-CN", "ready", "2026-11-22", "0", "-1", "1e9",
    "\0", "\u202e", "\ud7ff", "😀", "' OR 1=1 --", "%00", "../../etc/passwd", "<script>", "{}",
    "x" * 5_000, "9" * 400, "NaN", "\r\nX: y", "null", "٣",
]  # fmt: skip
JUNK = [None, True, 0, -1, 2**63, 2**200, 1.5, 1e308, "", [], {}, [[[[]]]], {"a": {"b": []}}]


class Maker:
    """Requests by chance, of the document's schemas."""

    def __init__(self, spec: dict[str, Any], chance: random.Random) -> None:
        self.spec = spec
        self.chance = chance

    def resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema behind references."""
        while "$ref" in schema:
            schema = self.spec["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return schema

    def value(self, schema: dict[str, Any], depth: int = 0) -> Any:
        """Mostly what the schema asks for, sometimes not."""
        schema = self.resolved(schema)
        if self.chance.random() < 0.15 or depth > 5:
            return self.chance.choice(JUNK)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self.chance.choice(schema["enum"])
        for several in ("anyOf", "oneOf"):
            if several in schema:
                return self.value(self.chance.choice(schema[several]), depth + 1)
        return self._typed(schema, depth)

    def _typed(self, schema: dict[str, Any], depth: int) -> Any:
        match schema.get("type"):
            case "string":
                return self.text()
            case "integer" | "number":
                near = schema.get("minimum", 0), schema.get("maximum", 100)
                return self.chance.choice([*near, near[0] - 1, near[1] + 1, 7])
            case "boolean":
                return self.chance.random() < 0.5
            case "array":
                items = schema.get("items", {})
                return [self.value(items, depth + 1) for _ in range(self.chance.randint(0, 3))]
            case "object":
                made = {
                    name: self.value(each, depth + 1)
                    for name, each in schema.get("properties", {}).items()
                    if self.chance.random() < 0.9
                }
                return made if self.chance.random() < 0.9 else made | {"unknown": 1}
        return self.chance.choice(JUNK)

    def text(self) -> str:
        """A word that means something here, one that is hostile, or letters."""
        if self.chance.random() < 0.7:
            return self.chance.choice(STRINGS)
        return "".join(self.chance.choices(string.printable, k=self.chance.randint(1, 30)))

    def request(self, path: str, operation: dict[str, Any]) -> tuple[str, Any]:
        """An address and a body."""
        filled = re.sub(r"{\w+}", lambda _: quote(self.text() or "x", safe=""), path)
        query = "&".join(
            f"{each['name']}={quote(str(self.value(each['schema'])), safe='')}"
            for each in operation.get("parameters", [])
            if each["in"] == "query" and self.chance.random() < 0.5
        )
        body = None
        if "requestBody" in operation:
            body = self.value(operation["requestBody"]["content"]["application/json"]["schema"])
        return (f"{filled}?{query}" if query else filled), body


def complaint(spec: dict[str, Any], operation: dict[str, Any], answer: Any, text: str) -> str:
    """What is wrong with an answer; empty: nothing."""
    status = str(answer.status)
    if status not in set(operation["responses"]) | EVERYWHERE:
        return f"{status} is not in the document"
    told = operation["responses"].get(status, {}).get("content", {})
    if answer.content_type == "application/problem+json":
        told = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    if not told:
        return f"{text[:80]!r} where nothing was to come" if text else ""
    schema = told.get(answer.content_type, {}).get("schema")
    if answer.content_type not in told:
        return f"{answer.content_type} is not in the document"
    if schema is None or not text:
        return ""
    validator = jsonschema.Draft202012Validator({**schema, "components": spec["components"]})
    return "; ".join(error.message[:200] for error in validator.iter_errors(json.loads(text)))


def operations(spec: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and operation of all but the live connection."""
    return [
        (method.upper(), path, operation)
        for path, methods in spec["paths"].items()
        for method, operation in methods.items()
        if path != "/api/v1/live"
    ]


@pytest.mark.parametrize("role", [*USERS, None])
async def test_no_request_breaks_the_server_and_answers_are_as_described(site, journalled, role):
    await journalled(_call())
    browser = await site.browser(role) if role else site.anonymous()
    async with browser.client.get(f"{site.url}/api/openapi.json") as answer:
        spec = await answer.json()
    maker = Maker(spec, random.Random(f"{SEED} {role}"))
    wrong: list[str] = []
    for method, path, operation in operations(spec):
        if (method, path) == ("POST", "/api/v1/session") and role:
            continue  # guesses by chance would throttle the signing in below
        for _ in range(EXAMPLES):
            address, body = maker.request(path, operation)
            headers = {"Origin": site.origin, "X-Zuoxi-Csrf": browser.csrf}
            more = {} if body is None and "requestBody" not in operation else {"json": body}
            async with browser.client.request(
                method, _exactly(site.url + address), headers=headers, **more
            ) as answer:
                text = (await answer.read()).decode("utf-8", "replace")
                found = complaint(spec, operation, answer, text)
            if found:
                wrong.append(f"{method} {address[:120]} {str(body)[:120]}: {found}")
            if (method, path, answer.status) == ("DELETE", "/api/v1/session", 204):
                await browser.sign_in(role)
    assert wrong == []


def _exactly(url: str) -> Any:
    from yarl import URL

    return URL(url, encoded=True)


def _call() -> domain.CallStarted:
    return domain.CallStarted(
        at=time.time(),
        call_id="c1",
        direction="inbound",
        caller_number="+8613800138000",
        caller_name="<b>",
        called_number=None,
        linkedid="c1",
    )
