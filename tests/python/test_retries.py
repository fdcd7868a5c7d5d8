"""What the client sends again by itself, and what it asks only once."""

import uuid

import openai
import pytest
from conftest import chat_line, create, upload


def once(fault):
    """Has the relay do that to a request, the first time that it is sent."""
    return {"x-relay": f"{fault} {uuid.uuid4().hex}"}


@pytest.mark.parametrize("fault", ["cut-request", "lose-answer"])
def test_a_request_whose_connection_breaks_is_sent_again(client, wire, completed, fault):
    request = f"GET /v1/batches/{completed.id}"
    before = wire.count(request)
    assert client.batches.retrieve(completed.id, extra_headers=once(fault)) == completed
    assert wire.count(request) == before + 2


def test_an_upload_whose_connection_breaks_is_sent_again(client, wire):
    content = b'{"custom_id": "only"}\n' * 1000
    before = wire.count("POST /v1/files")
    uploaded = client.files.create(
        file=("again.jsonl", content), purpose="batch", extra_headers=once("cut-request")
    )
    assert wire.count("POST /v1/files") == before + 2
    assert client.files.content(uploaded.id).read() == content
    names = [file.filename for file in client.files.list()]
    assert names.count("again.jsonl") == 1, "nothing is left of the first try"


def test_a_create_whose_answer_is_lost_makes_one_batch_under_its_key(client, wire):
    input_file = upload(client, [chat_line("only", "Hi.", max_tokens=1)])
    before = wire.count("POST /v1/batches")
    headers = {**once("lose-answer"), "idempotency-key": uuid.uuid4().hex}
    batch = create(client, input_file, extra_headers=headers)
    assert wire.count("POST /v1/batches") == before + 2
    made = [listed.id for listed in client.batches.list() if listed.input_file_id == input_file.id]
    assert made == [batch.id]


def test_a_refusal_is_asked_once(client, wire):
    missing = "batch_" + "f" * 32
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve(missing)
    assert wire.count(f"GET /v1/batches/{missing}") == 1
    before = wire.count("POST /v1/batches")
    with pytest.raises(openai.BadRequestError):
        create(client, upload(client, [chat_line("only", "Hi.")]), endpoint="/v1/horoscopes")
    assert wire.count("POST /v1/batches") == before + 1
