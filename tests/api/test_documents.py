"""The committed documents as others read them: valid by the validators of their own specifications, and true of every
golden frame that the code reads and writes."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

ROOT = Path(__file__).resolve().parents[2]
SPECS = Path(__file__).parent / "node_modules/@asyncapi/specs/schemas"


def read(path: str) -> Any:
    return json.loads((ROOT / path).read_text())


ASYNCAPI = read("docs/schema/asyncapi.json")
FRAMES = [read(f"tests/wire/{path.name}") for path in sorted((ROOT / "tests/wire").glob("*.json"))]


def asyncapi_validator() -> jsonschema.Draft7Validator:
    """By the schema of AsyncAPI 3.0 that its makers publish."""
    return jsonschema.Draft7Validator(json.loads((SPECS / "3.0.0.json").read_text()))


def test_the_api_is_a_valid_openapi_document() -> None:
    OpenAPIV31SpecValidator(read("docs/schema/openapi.json")).validate()


def test_a_damaged_openapi_document_is_none() -> None:
    damaged = read("docs/schema/openapi.json")
    damaged["paths"]["/api/v1/rooms"]["post"]["responses"]["200"] = {}
    assert list(OpenAPIV31SpecValidator(damaged).iter_errors())


def test_the_frames_are_a_valid_asyncapi_document() -> None:
    errors = [f"{error.json_path}: {error.message[:200]}" for error in asyncapi_validator().iter_errors(ASYNCAPI)]
    assert errors == []


def test_a_damaged_asyncapi_document_is_none() -> None:
    damaged = deepcopy(ASYNCAPI)
    damaged["operations"]["sendFrame"]["action"] = "shout"
    assert list(asyncapi_validator().iter_errors(damaged))


def payload(frame: dict[str, Any]) -> jsonschema.Draft7Validator:
    """The schema of one frame's message, with the document around it for its references."""
    direction = "command" if frame["direction"] == "client" else "reply"
    message = f"{direction}.{frame['frame']['type']}"
    return jsonschema.Draft7Validator({**ASYNCAPI, "$ref": f"#/components/messages/{message}/payload"})


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: str(frame["name"]))
def test_each_golden_frame_fits_its_message(frame: dict[str, Any]) -> None:
    payload(frame).validate(frame["frame"])


def test_a_frame_without_a_field_fits_no_message() -> None:
    """The twin of the test above: a schema that takes anything would pass it."""
    taken = []
    for frame in FRAMES:
        kept = {"id", "type"} if frame["frame"]["type"] in ("ping", "pong", "hello") else {"type"}
        poorer = {name: value for name, value in frame["frame"].items() if name in kept}
        if poorer != frame["frame"] and payload(frame).is_valid(poorer):
            taken.append(frame["frame"]["type"])
    # Those of which every field may be absent.
    assert set(taken) <= {"hello", "rooms", "people", "browse", "ping", "pong"}
