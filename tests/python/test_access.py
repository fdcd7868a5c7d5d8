"""Keys: the client with a wrong one raises its own type, and one of another project finds nothing."""

import openai
import pytest
from conftest import GUARDED_URL, KEY, chat_line, create, result_lines, until, upload
from openai import AzureOpenAI, OpenAI


@pytest.fixture(scope="module")
def finished(owner):
    """A batch of the owner's that is completed."""
    line = chat_line("only", "Hi.", model="sim")
    batch = until(owner, create(owner, upload(owner, [line])))
    assert batch.status == "completed", batch
    return batch


def test_a_key_runs_a_batch_as_without_keys(owner, finished):
    results = result_lines(owner, finished.output_file_id)
    assert [line["custom_id"] for line in results] == ["only"]
    raw = owner.batches.with_raw_response.retrieve(finished.id)
    assert raw.headers["openai-project"] == "research"


def test_a_wrong_key_is_an_authentication_error():
    client = OpenAI(base_url=GUARDED_URL, api_key="sk-proj-0123456789abcdefghijsQoA")
    for ask in [
        client.models.list,
        client.files.list,
        client.batches.list,
        lambda: client.files.create(file=("a.jsonl", b"{}\n" * 1_000_000), purpose="batch"),
    ]:
        with pytest.raises(openai.AuthenticationError) as caught:
            ask()
        error = caught.value
        assert (error.status_code, error.code, error.param) == (401, "invalid_api_key", None)
        assert error.type == "invalid_request_error"
        assert "Incorrect API key provided: sk-proj-...sQoA." in error.message
        assert error.request_id


def test_a_role_that_may_not_is_told_so():
    client = OpenAI(base_url=GUARDED_URL.removesuffix("/v1"), api_key=KEY)
    with pytest.raises(openai.PermissionDeniedError) as caught:
        client.get("/admin/upstreams", cast_to=object)
    assert caught.value.code == "insufficient_permissions"


@pytest.mark.parametrize(
    "ask",
    [
        lambda client, batch: client.batches.retrieve(batch.id),
        lambda client, batch: client.batches.cancel(batch.id),
        lambda client, batch: client.batches.list(after=batch.id),
        lambda client, batch: client.files.retrieve(batch.input_file_id),
        lambda client, batch: client.files.content(batch.output_file_id),
        lambda client, batch: client.files.delete(batch.output_file_id),
        lambda client, batch: client.files.list(after=batch.input_file_id),
    ],
    ids=["batch", "cancel", "batches-after", "file", "content", "delete", "files-after"],
)
def test_what_another_project_has_is_not_found(stranger, finished, ask):
    with pytest.raises(openai.NotFoundError) as caught:
        ask(stranger, finished)
    assert caught.value.type == "invalid_request_error"


def test_what_another_project_has_is_in_no_list(owner, stranger, finished):
    assert finished.id in [batch.id for batch in owner.batches.list()]
    assert [batch.id for batch in stranger.batches.list()] == []
    assert [file.id for file in stranger.files.list()] == []


def test_the_names_of_another_service_lock_nobody_out():
    client = OpenAI(
        base_url=GUARDED_URL, api_key=KEY, organization="org-elsewhere", project="proj_elsewhere"
    )
    raw = client.files.with_raw_response.list()
    assert raw.headers["openai-project"] == "research"
    assert raw.headers["openai-organization"] == "overnight"


def test_the_client_for_azure_sends_its_key_in_a_header_of_its_own():
    client = AzureOpenAI(base_url=GUARDED_URL, api_key=KEY, api_version="2026-01-01")
    assert client.files.list() is not None
    wrong = client.with_options(api_key="wrong")
    with pytest.raises(openai.AuthenticationError):
        wrong.files.list()
