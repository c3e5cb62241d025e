from docs.generate_api_reference import FILE, kind, operation, reference
from web.server import ENDPOINTS


def test_the_committed_page_is_that_of_the_endpoints():
    told = FILE.read_text(encoding="utf-8")
    assert told == reference(), "run python -m docs.generate_api_reference"


def test_every_endpoint_stands_there_with_its_right_and_its_problems():
    told = reference()
    for each in ENDPOINTS:
        part = told.split(f"### {each.method} {each.path}\n", 1)[1].split("\n#", 1)[0]
        assert each.summary in part
        assert each.right is None or f"`{each.right}`" in part
        assert all(f"`{code}`" in part for code in each.problems)


def test_types_in_words():
    assert kind({"anyOf": [{"type": "string", "maxLength": 9}, {"type": "null"}]}) == (
        "text, at most 9 long; or null"
    )
    assert kind({"type": "array", "items": {"$ref": "#/components/schemas/Leg"}}) == (
        "list of [Leg](#leg)"
    )
    assert kind({"type": "object", "additionalProperties": {"type": "integer"}}) == (
        "object of integer"
    )
    assert kind({"enum": ["a", "b"], "type": "string"}) == "`a`, `b`"
    assert kind({"const": "a", "type": "string"}) == "`a`"


def test_an_operation_tells_fields_answers_and_problems():
    reason = {"type": "string", "pattern": "a|b"}
    told = operation(
        "put",
        "/rest",
        {
            "summary": "Rest",
            "description": "Needs the right `rest`.",
            "security": [{"session": []}],
            "parameters": [{"name": "token", "in": "header", "required": True, "schema": {}}],
            "requestBody": {
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Wish"}}}
            },
            "responses": {
                "204": {"description": "Done"},
                "409": {
                    "description": "One of: tired, late",
                    "content": {"application/problem+json": {}},
                },
            },
        },
        {"Wish": {"properties": {"reason": reason}, "required": ["reason"]}},
    )
    assert told.splitlines() == [
        "### PUT /rest",
        "",
        "Rest. Needs the right `rest`.",
        "",
        "Asks for: a session, the header. Answers: 204.",
        "",
        "| body | type | default |  |",
        "| --- | --- | --- | --- |",
        r"| `reason` | text, `a\|b` | has to be sent |  |",
        "",
        "Problems: 409 `tired`, `late`.",
    ]
