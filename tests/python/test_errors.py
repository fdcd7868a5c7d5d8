"""Errors: the client raises its own types, with what a person needs to go on."""

import openai
import pytest
from conftest import chat_line, create, upload

UNKNOWN_BATCH = "batch_" + "0" * 32
UNKNOWN_FILE = "file-" + "0" * 22


def check_error(error, code, param):
    """The parts of the error object that the client reads."""
    assert (error.code, error.param) == (code, param), error
    assert error.type == "invalid_request_error"
    assert error.body["message"]
    assert error.request_id, "an error names its request"


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.batches.retrieve(UNKNOWN_BATCH),
        lambda client: client.batches.cancel(UNKNOWN_BATCH),
        lambda client: client.files.retrieve(UNKNOWN_FILE),
        lambda client: client.files.content(UNKNOWN_FILE),
        lambda client: client.files.delete(UNKNOWN_FILE),
        lambda client: client.models.retrieve("no-such-model"),
    ],
    ids=["batch", "cancel", "file", "content", "delete", "model"],
)
def test_what_is_not_there_is_not_found(client, ask):
    with pytest.raises(openai.NotFoundError) as caught:
        ask(client)
    assert caught.value.status_code == 404
    assert caught.value.type == "invalid_request_error"
    assert caught.value.request_id


def test_an_unknown_window_is_refused_by_name(client):
    input_file = upload(client, [chat_line("only", "Hi.")])
    with pytest.raises(openai.BadRequestError) as caught:
        client.batches.create(
            input_file_id=input_file.id,
            endpoint="/v1/chat/completions",
            completion_window="3 fortnights",
        )
    check_error(caught.value, "invalid_value", "completion_window")


def test_an_unknown_endpoint_is_refused_by_name(client):
    input_file = upload(client, [chat_line("only", "Hi.")])
    with pytest.raises(openai.BadRequestError) as caught:
        create(client, input_file, endpoint="/v1/horoscopes")
    check_error(caught.value, "invalid_value", "endpoint")


def test_an_unknown_purpose_is_refused_by_name(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.files.create(file=("a.jsonl", b"{}\n"), purpose="world-domination")
    assert caught.value.param == "purpose"
    assert caught.value.request_id


def test_too_long_a_page_is_refused_by_name(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.batches.list(limit=101)
    check_error(caught.value, "integer_above_max_value", "limit")


def test_every_answer_names_its_request(client, completed):
    raw = client.batches.with_raw_response.retrieve(completed.id)
    request_id = raw.headers["x-request-id"]
    assert request_id.startswith("req_")
    batch = raw.parse()
    assert batch == completed
    assert batch._request_id == request_id
    other = client.batches.with_raw_response.retrieve(completed.id)
    assert other.headers["x-request-id"] != request_id
