"""The OpenAPI document is valid and names everything."""

import json
import re

import openapi_spec_validator
import pytest

from web.openapi import document
from web.problems import PROBLEMS
from web.server import ENDPOINTS


@pytest.fixture(scope="module")
def spec():
    """Return the document as clients get it."""
    return json.loads(json.dumps(document(ENDPOINTS, "1.2.3")))


def test_it_is_valid_openapi_3_1(spec):
    validator = openapi_spec_validator.OpenAPIV31SpecValidator(spec)
    assert [error.message for error in validator.iter_errors()] == []


def test_every_endpoint_is_there_with_its_words(spec):
    for each in ENDPOINTS:
        operation = spec["paths"][each.path][each.method.lower()]
        assert operation["summary"]
        assert operation["description"]
        assert set(each.problems) <= set(re.findall(r"\w+", str(operation["responses"])))
    identifiers = [
        operation["operationId"] for path in spec["paths"].values() for operation in path.values()
    ]
    assert len(identifiers) == len(set(identifiers)) == len(ENDPOINTS) + 1


def test_endpoints_name_known_problems_only():
    assert {code for each in ENDPOINTS for code in each.problems} <= set(PROBLEMS)


def test_mutations_ask_for_the_csrf_token_unless_public(spec):
    for each in ENDPOINTS:
        names = [
            parameter["name"]
            for parameter in spec["paths"][each.path][each.method.lower()].get("parameters", [])
        ]
        assert ("X-Zuoxi-Csrf" in names) == (each.mutates and not each.public)


def test_health_is_told_with_both_statuses(spec):
    answers = spec["paths"]["/healthz"]["get"]["responses"]
    assert {"200", "503"} <= set(answers)
    assert answers["200"]["content"] == answers["503"]["content"]


def test_only_these_are_public():
    public = {f"{each.method} {each.path}" for each in ENDPOINTS if each.public}
    assert public == {"POST /api/v1/session", "GET /healthz", "GET /metrics"}
