"""The official description, as the live service really answers.

It is read from the file that OFFICIAL_OPENAPI names. What recordings of the live service show to be
otherwise than it says is mended here, in memory, each with its reason; a mending that changes
nothing fails, so that none outlives its cause.
"""

import os
from pathlib import Path

import yaml

# The live service sends every key, and `null` for what is unset; these are typed as never null.
NULLED = {
    "Batch": [
        "model",
        "errors",
        "output_file_id",
        "error_file_id",
        "in_progress_at",
        "finalizing_at",
        "completed_at",
        "failed_at",
        "expired_at",
        "cancelling_at",
        "cancelled_at",
    ],
    "OpenAIFile": ["expires_at", "status_details"],
    # An empty page has no first and no last.
    "ListFilesResponse": ["first_id", "last_id"],
    "ListBatchesResponse": ["first_id", "last_id"],
}

# Files may be uploaded for it, so files have it.
PURPOSES_ADDED = ["evals"]

# Only 200 is described; a refusal has this form, with all four keys.
REFUSAL = {
    "description": "A refusal.",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["error"],
                "properties": {
                    "error": {
                        "type": "object",
                        "required": ["message", "type", "param", "code"],
                        "properties": {
                            "message": {"type": "string"},
                            "type": {"type": "string"},
                            "param": {"type": ["string", "null"]},
                            "code": {"type": ["string", "null"]},
                        },
                    }
                },
            }
        }
    },
}

# The bytes of a file are described as a JSON string.
BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


def load():
    """The description as it is written."""
    name = os.environ.get("OFFICIAL_OPENAPI")
    if not name:
        raise RuntimeError("OFFICIAL_OPENAPI is not set: it names the official openapi.yaml")
    path = Path(name)
    if not path.is_file():
        raise RuntimeError(f"OFFICIAL_OPENAPI names {path.resolve()}, which is not there")
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def mended():
    """The description as the live service answers."""
    document = load()
    schemas = document["components"]["schemas"]
    for name, keys in NULLED.items():
        properties = schemas[name]["properties"]
        for key in keys:
            assert properties[key]["type"] != "null", f"{name}.{key} may be null by itself"
            properties[key] = {"anyOf": [properties[key], {"type": "null"}]}
    purposes = schemas["OpenAIFile"]["properties"]["purpose"]["enum"]
    for purpose in PURPOSES_ADDED:
        assert purpose not in purposes, f"{purpose} is there by itself"
        purposes.append(purpose)
    download = document["paths"]["/files/{file_id}/content"]["get"]["responses"]
    assert list(download["200"]["content"]) == ["application/json"], "downloads were mended"
    download["200"]["content"] = BYTES
    for methods in document["paths"].values():
        for operation in methods.values():
            assert list(operation["responses"]) == ["200"], "refusals are described"
            operation["responses"]["4XX"] = REFUSAL
    return document
