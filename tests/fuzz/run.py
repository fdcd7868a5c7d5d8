"""Fuzzes a server by a description of it: no failure of the server, and no answer off the description.

    run.py official | own

TEST_BASE_URL is the server's address, TEST_KEY an API key if it has any, OFFICIAL_OPENAPI the
official description. The fuzzer gets a
description, the ids of objects that are there (`hooks.py`) and a fixed seed; its output and its
status are this program's.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import requests

import official

URL = os.environ["TEST_BASE_URL"]
KEY = os.environ.get("TEST_KEY")

session = requests.Session()
if KEY:
    session.headers["Authorization"] = f"Bearer {KEY}"

SEED = 20_260_101

# How many requests of each kind are made for each operation by chance; those for the edges of each
# parameter come on top.
EXAMPLES_MAX = 25

# How long the server may take for its models and for a batch, in seconds.
PATIENCE_S = 60

# Every check of the fuzzer is made but these.
UNCHECKED = [
    # What is right in form may still be refused: a file that is not there, a batch that has ended.
    "positive_data_acceptance",
    # It needs two users.
    "object_level_authorization",
]

# By the official description these neither: it tells bounds in prose only, and clients depend on
# what it does not tell being taken.
OFFICIAL_UNCHECKED = ["negative_data_rejection"]

# Chance does not always make a good request of these; tests of their own do.
RARELY_WELL = {"POST /v1/batches/{id}/retry"}

LINE = {
    "custom_id": "a",
    "method": "POST",
    "url": "/v1/chat/completions",
    "body": {"messages": [{"role": "user", "content": "hi"}]},
}


def post(path, **request):
    answer = session.post(URL + path, timeout=60, **request)
    answer.raise_for_status()
    return answer.json()


def upload(text):
    return post("/v1/files", files={"file": ("in.jsonl", text)}, data={"purpose": "batch"})["id"]


def create_batch(file_id):
    body = {
        "input_file_id": file_id,
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    }
    return post("/v1/batches", json=body)["id"]


def create_upload():
    body = {
        "bytes": 10,
        "filename": "a.txt",
        "mime_type": "text/plain",
        "purpose": "user_data",
    }
    return post("/v1/uploads", json=body)["id"]


def until(path, holds):
    """What is answered as soon as that holds of it."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        answer = session.get(URL + path, timeout=60).json()
        if holds(answer):
            return answer
        time.sleep(0.02)
    raise RuntimeError(f"in vain waited for {path}: {answer}")


def ended(batch_id):
    """The batch when it has ended."""
    last = {"completed", "failed", "expired", "cancelled"}
    return until(f"/v1/batches/{batch_id}", lambda batch: batch["status"] in last)


def make_objects():
    """Something of every kind, in every state that can be had at once."""
    # The upstream's list is asked for when the server has started.
    models = until("/v1/models", lambda models: models["data"])["data"]
    LINE["body"]["model"] = models[0]["id"]
    good = json.dumps(LINE) + "\n"
    refused = json.dumps(LINE | {"body": {"model": LINE["body"]["model"]}})
    completed = ended(create_batch(upload(good)))
    failed = ended(create_batch(upload(f"{refused}\n{refused}\n")))
    cancelled = create_batch(upload(good))
    session.post(f"{URL}/v1/batches/{cancelled}/cancel", timeout=60)
    assert completed["status"] == "completed", completed
    assert failed["status"] == "failed", failed
    # Many lines, so that it is paused before it has ended.
    many = "".join(json.dumps(LINE | {"custom_id": str(n)}) + "\n" for n in range(5000))
    many = upload(many)
    paused = [create_batch(many) for _ in range(3)]
    for batch in paused:
        session.post(f"{URL}/v1/batches/{batch}/pause", timeout=60).raise_for_status()
    # Its lines never ran, so they can be retried.
    retried = paused.pop()
    session.post(f"{URL}/v1/batches/{retried}/cancel", timeout=60)
    assert ended(retried)["status"] == "cancelled", retried
    # Many, because the fuzzer deletes them.
    deleted = [ended(create_batch(upload(good)))["id"] for _ in range(20)]
    files = [upload(good) for _ in range(40)] + [completed["output_file_id"]]
    uploads = [create_upload() for _ in range(20)]
    whole = create_upload()
    part = post(f"/v1/uploads/{whole}/parts", files={"data": ("a", b"0123456789")})
    return {
        "files": files,
        # The last was cancelled for sure, the third unless it ended before.
        "batches": [completed["id"], failed["id"], cancelled, retried],
        "open_batches": paused,
        "retried_batches": [retried],
        "deleted_batches": deleted,
        "uploads": uploads,
        # Kept apart, so that they are not cancelled. One takes parts, the other one can be
        # completed any number of times.
        "open_upload": create_upload(),
        "whole_upload": {"id": whole, "part": part["id"]},
        "models": [model["id"] for model in models],
    }


def described(which):
    """The description, the address that its paths are below, and what is not checked."""
    if which == "official":
        document = official.mended()
        # Models belong to the upstreams: nobody deletes one here.
        del document["paths"]["/models/{model}"]["delete"]
        # An addition of ours, lest it is taken for a method that is not there.
        batch = document["paths"]["/batches/{batch_id}"]
        batch["delete"] = {
            "operationId": "deleteBatch",
            "parameters": batch["get"]["parameters"],
            "responses": {"default": {"description": "The batch is gone, or an error."}},
        }
        return document, f"{URL}/v1", UNCHECKED + OFFICIAL_UNCHECKED
    own = session.get(f"{URL}/openapi.json", timeout=60).json()
    # A stream of events never ends.
    del own["paths"]["/v1/events"]
    return own, URL, UNCHECKED


def main():
    document, url, unchecked = described(sys.argv[1])
    here = Path(__file__).parent
    environment = os.environ | {
        "FUZZ_OBJECTS": json.dumps(make_objects()),
        "SCHEMATHESIS_HOOKS": "hooks",
        "PYTHONPATH": str(here),
        "NO_COLOR": "1",
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "openapi.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        seen = Path(folder) / "seen"
        environment["FUZZ_SEEN"] = str(seen)
        command = [
            Path(sys.executable).with_name("st"),
            *("--config-file", str(here / "schemathesis.toml")),
            *("run", str(path), "--url", url),
            *("--exclude-checks", ",".join(unchecked)),
            *("--phases", "examples,coverage,fuzzing"),
            *("--max-examples", str(EXAMPLES_MAX)),
            *("--seed", str(SEED)),
            *("--generation-database", "none"),
            *("--warnings", "off"),
            "--continue-on-failure",
        ]
        if KEY:
            command += ["--header", f"Authorization:Bearer {KEY}"]
        fuzzed = subprocess.run(command, env=environment, cwd=folder, check=False)
        missed = never_answered_well(document, seen.read_text(encoding="utf-8"))
    if missed:
        sys.exit(f"never answered well, so hardly looked at: {missed}")
    sys.exit(fuzzed.returncode)


def never_answered_well(document, seen):
    """The operations of which the fuzzer saw nothing but refusals."""
    all_of_them = {
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method in methods
    }
    well = {line.rsplit(" ", 1)[0] for line in seen.splitlines() if line.split()[-1] < "300"}
    return sorted(all_of_them - well - RARELY_WELL)


main()
