"""The server's own description: valid, and of the same shapes as the official one where both speak
of the same thing.

An answer of ours must be an answer of theirs, and a request of theirs a request of ours. What
differs all the same is listed with its reason; a difference that is not listed fails, and so does a
reason without a difference.
"""

import os
import re

import pytest
import requests
from openapi_spec_validator import OpenAPIV31SpecValidator

import official

URL = os.environ["TEST_BASE_URL"]

DIFFERENCES = {
    "DELETE /v1/models/{}: missing": "models belong to the upstreams",
    "DELETE /v1/batches/{}: more": "an addition of ours",
    "GET /v1/batches query search: more": "an addition of ours",
    "GET /v1/batches query status: more": "an addition of ours",
    "GET /v1/batches/{}/failures: more": "an addition of ours",
    "GET /v1/batches/{}/lines/{}: more": "an addition of ours",
    "GET /v1/batches/{}/lines: more": "an addition of ours",
    "GET /v1/batches/{}/progress: more": "an addition of ours",
    "GET /v1/batches/{}/results: more": "an addition of ours",
    "GET /v1/batches/{}/verify: more": "an addition of ours",
    "GET /v1/events: more": "an addition of ours",
    "GET /v1/overview: more": "an addition of ours",
    "POST /v1/batches/{}/pause: more": "an addition of ours",
    "POST /v1/batches/{}/resume: more": "an addition of ours",
    "POST /v1/batches/{}/retry: more": "an addition of ours",
    "POST /v1/batches request.overnight: more": "the one key for additions of ours",
    "POST /v1/files request.expires_after[anchor]: more": "how the official clients write it",
    "POST /v1/files request.expires_after[seconds]: more": "how the official clients write it",
    "GET /v1/files/{}/content header Range: more": "downloads go on where they were cut",
    "POST /v1/batches header Idempotency-Key: more": "a request may be sent again",
    "POST /v1/uploads header Idempotency-Key: more": "a request may be sent again",
    "GET /v1/models/{} 200.shutdown_date: missing": "optional; no upstream tells one",
    "GET /v1/models 200.data[].shutdown_date: missing": "optional; no upstream tells one",
}


@pytest.fixture(scope="module")
def own():
    return requests.get(f"{URL}/openapi.json", timeout=60).json()


def test_it_is_valid(own):
    OpenAPIV31SpecValidator(own).validate()


def test_it_has_the_shapes_of_the_official_one(own):
    found = differences(Document(own, ""), Document(official.mended(), "/v1"))
    assert found == sorted(DIFFERENCES)


def test_a_changed_shape_is_noticed(own):
    batch = own["components"]["schemas"]["Batch"]
    before = differences(Document(own, ""), Document(official.mended(), "/v1"))
    batch["properties"]["status"] = {"type": "string", "enum": ["running"]}
    batch["properties"]["expires_at"]["type"] = ["integer", "null"]
    batch["required"].remove("endpoint")
    del batch["properties"]["model"]
    after = differences(Document(own, ""), Document(official.mended(), "/v1"))
    new = {line.split("{}/cancel ")[-1] for line in set(after) - set(before) if "cancel" in line}
    assert new == {
        "200.status: words",
        "200.expires_at: types",
        "200.endpoint: not always there",
        "200.model: missing",
    }


class Document:
    """A description, with its operations under names that do not depend on those of variables."""

    def __init__(self, raw, prefix):
        self.raw = raw
        self.operations = {}
        for path, methods in raw["paths"].items():
            name = prefix + re.sub(r"\{[^}]*\}", "{}", path)
            if not name.startswith("/v1/"):
                continue
            for method, operation in methods.items():
                self.operations[f"{method.upper()} {name}"] = operation

    def resolved(self, value):
        """What a reference leads to, and one schema instead of several that hold together."""
        while "$ref" in value:
            target = self.raw
            for part in value["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            value = target
        if "allOf" in value:
            merged = {}
            for part in value["allOf"]:
                merged |= self.resolved(part)
            return merged
        return value

    def choices(self, schema):
        """The schemas of which one holds."""
        schema = self.resolved(schema)
        if "anyOf" in schema:
            return [choice for part in schema["anyOf"] for choice in self.choices(part)]
        return [schema]

    def types(self, schema):
        found = set()
        for choice in self.choices(schema):
            implied = "object" if "properties" in choice else None
            kinds = choice.get("type", implied)
            found |= set(kinds if isinstance(kinds, list) else [kinds])
        return found

    def words(self, schema):
        """The words that are allowed, or None for any."""
        enums = [choice.get("enum") for choice in self.choices(schema) if self.is_text(choice)]
        return None if None in enums or not enums else {word for enum in enums for word in enum}

    def is_text(self, choice):
        return "string" in self.types(choice)

    def shape(self, schema, kind):
        """The one choice that is an object, or an array."""
        for choice in self.choices(schema):
            if kind in self.types(choice):
                return choice
        return {}

    def parameters(self, operation):
        found = {}
        for parameter in map(self.resolved, operation.get("parameters", [])):
            name = "" if parameter["in"] == "path" else f" {parameter['name']}"
            found[parameter["in"] + name] = parameter
        return found


def differences(own, theirs):
    """Every difference, as a line that names its place and kind."""
    found = []
    for name in sorted(own.operations.keys() | theirs.operations.keys()):
        if name not in own.operations:
            found.append(f"{name}: missing")
        elif name not in theirs.operations:
            found.append(f"{name}: more")
        else:
            operations = (own.operations[name], theirs.operations[name])
            for line in compare_operation(own, theirs, *operations):
                found.append(f"{name} {line}")
    return sorted(found)


def compare_operation(own, theirs, ours, official_one):
    own_parameters = own.parameters(ours)
    official_parameters = theirs.parameters(official_one)
    for name in own_parameters.keys() | official_parameters.keys():
        if name not in official_parameters:
            yield f"{name}: more"
        elif name not in own_parameters:
            yield f"{name}: missing"
        else:
            schemas = (own_parameters[name]["schema"], official_parameters[name]["schema"])
            yield from compare_request(own, theirs, *schemas, name)
    own_body = content_of(ours.get("requestBody"))
    official_body = content_of(official_one.get("requestBody"))
    if own_body.keys() != official_body.keys():
        yield "request: media types"
    for media_type in own_body.keys() & official_body.keys():
        yield from compare_request(
            own, theirs, own_body[media_type], official_body[media_type], "request"
        )
    own_answer = content_of(own.resolved(ours["responses"]["200"]))
    official_answer = content_of(theirs.resolved(official_one["responses"]["200"]))
    if own_answer.keys() != official_answer.keys():
        yield "200: media types"
    for media_type in own_answer.keys() & official_answer.keys():
        schemas = (own_answer[media_type], official_answer[media_type])
        yield from compare_answer(own, theirs, *schemas, "200")


def content_of(body):
    content = (body or {}).get("content", {})
    return {media_type: described["schema"] for media_type, described in content.items()}


def compare_request(own, theirs, ours, official_one, at):
    """Whatever the official one takes, ours must take."""
    if not takes(own.types(ours), theirs.types(official_one)):
        yield f"{at}: types"
    own_words, official_words = own.words(ours), theirs.words(official_one)
    if own_words is not None and (official_words is None or not official_words <= own_words):
        # A text whose words stand in prose only is told from one of any words by nobody.
        if official_words is not None:
            yield f"{at}: words"
    own_object = own.shape(ours, "object")
    official_object = theirs.shape(official_one, "object")
    for key in sorted(needed(own_object) - needed(official_object)):
        yield f"{at}.{key}: needed"
    yield from compare_keys(
        (own, theirs), (own_object, official_object), at, compare_request
    )
    own_items = own.shape(ours, "array").get("items")
    official_items = theirs.shape(official_one, "array").get("items")
    if own_items and official_items:
        yield from compare_request(own, theirs, own_items, official_items, f"{at}[]")


def compare_answer(own, theirs, ours, official_one, at):
    """Whatever ours answers, the official one might answer."""
    if not takes(theirs.types(official_one), own.types(ours)):
        yield f"{at}: types"
    own_words, official_words = own.words(ours), theirs.words(official_one)
    if official_words is not None and (own_words is None or not own_words <= official_words):
        yield f"{at}: words"
    own_object = own.shape(ours, "object")
    official_object = theirs.shape(official_one, "object")
    for key in sorted(needed(official_object) - needed(own_object)):
        yield f"{at}.{key}: not always there"
    yield from compare_keys((own, theirs), (own_object, official_object), at, compare_answer)
    own_items = own.shape(ours, "array").get("items")
    official_items = theirs.shape(official_one, "array").get("items")
    if bool(own_items) != bool(official_items):
        yield f"{at}[]: one only"
    elif own_items:
        yield from compare_answer(own, theirs, own_items, official_items, f"{at}[]")


def compare_keys(documents, objects, at, compare):
    own_keys, official_keys = (one.get("properties", {}) for one in objects)
    for key in sorted(own_keys.keys() | official_keys.keys()):
        if key not in official_keys:
            yield f"{at}.{key}: more"
        elif key not in own_keys:
            yield f"{at}.{key}: missing"
        else:
            yield from compare(*documents, own_keys[key], official_keys[key], f"{at}.{key}")


def takes(wide, narrow):
    """Whether every value of the narrow types is one of the wide ones."""
    return narrow <= (wide | {"integer"} if "number" in wide else wide)


def needed(schema):
    return set(schema.get("required", []))
