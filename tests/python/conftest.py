"""What the tests share: the clients, input files, and a way to see what went over the wire.

The address of the server, the names of its models and the wire log are given by whoever starts the
tests; the clients are the official ones, told nothing but the address.
"""

import json
import os
import time
from collections import Counter
from pathlib import Path

import pytest
from openai import AsyncOpenAI, OpenAI

# How long a batch may take, in seconds: a small model on a busy machine is slow.
PATIENCE_S = 240

ENDED = {"completed", "failed", "expired", "cancelled"}


def required(name):
    """A variable that the tests cannot do without."""
    value = os.environ.get(name)
    if not value:
        raise RuntimeError(f"{name} is not set")
    return value


BASE_URL = required("TEST_BASE_URL")
CHAT_MODEL = required("TEST_CHAT_MODEL")
EMBEDDINGS_MODEL = required("TEST_EMBEDDINGS_MODEL")
WIRE_LOG = Path(required("TEST_WIRE_LOG"))
GUARDED_URL = required("TEST_GUARDED_URL")
KEY = required("TEST_KEY")
OTHER_KEY = required("TEST_OTHER_KEY")


@pytest.fixture(scope="session")
def client():
    return OpenAI(base_url=BASE_URL, api_key="no-key-is-needed")


@pytest.fixture
def async_client():
    return AsyncOpenAI(base_url=BASE_URL, api_key="no-key-is-needed")


@pytest.fixture(scope="session")
def owner():
    """A client with a key, at the server that asks for one."""
    return OpenAI(base_url=GUARDED_URL, api_key=KEY)


@pytest.fixture(scope="session")
def stranger():
    """A client with the key of another project."""
    return OpenAI(base_url=GUARDED_URL, api_key=OTHER_KEY)


def chat_line(custom_id, prompt, **more):
    """One request of an input file."""
    body = {
        "model": CHAT_MODEL,
        "messages": [{"role": "user", "content": prompt}],
        "temperature": 0,
        "max_tokens": 8,
        **more,
    }
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}


def jsonl(lines):
    """The bytes of an input file."""
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def upload(client, lines, name="requests.jsonl"):
    return client.files.create(file=(name, jsonl(lines)), purpose="batch")


def create(client, input_file, endpoint="/v1/chat/completions", **more):
    return client.batches.create(
        input_file_id=input_file.id, endpoint=endpoint, completion_window="24h", **more
    )


def until(client, batch, statuses=ENDED):
    """Polls, as the client's users do, until the batch has one of the statuses."""
    deadline = time.monotonic() + PATIENCE_S
    while batch.status not in statuses:
        assert time.monotonic() < deadline, f"in vain waited for {statuses}: {batch}"
        assert batch.status not in ENDED, f"ended otherwise: {batch}"
        time.sleep(0.1)
        batch = client.batches.retrieve(batch.id)
    return batch


def result_lines(client, file_id):
    """The lines of a result file, none when there is no file."""
    if file_id is None:
        return []
    text = client.files.content(file_id).read().decode()
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def check_each_once(results, custom_ids):
    """Every custom_id is in the results exactly once, and nothing else is."""
    assert Counter(line["custom_id"] for line in results) == Counter(custom_ids)


class Wire:
    """The request lines that went to the server."""

    def count(self, request):
        """How often a request such as `POST /v1/batches` was sent so far."""
        return WIRE_LOG.read_text().splitlines().count(request)


@pytest.fixture
def wire():
    return Wire()


@pytest.fixture(scope="session")
def completed(client):
    """A batch that is completed, for tests that only look at one."""
    lines = [chat_line(f"line-{number}", "Say hello.") for number in range(3)]
    batch = until(client, create(client, upload(client, lines)))
    assert batch.status == "completed", batch
    return batch
