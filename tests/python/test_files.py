"""Files: every way to upload one, and what can be done with it then."""

import time

import openai
import pytest
from conftest import chat_line, jsonl

CONTENT = jsonl(chat_line(f"line-{number}", "Grüße, 世界 🌍") for number in range(5))


def check_uploaded(client, uploaded, filename):
    assert uploaded.object == "file"
    assert uploaded.id.startswith("file-")
    assert uploaded.purpose == "batch"
    assert uploaded.bytes == len(CONTENT)
    assert uploaded.filename == filename
    assert abs(uploaded.created_at - time.time()) < 60
    assert client.files.content(uploaded.id).read() == CONTENT
    assert client.files.retrieve(uploaded.id) == uploaded


def test_an_open_file_is_uploaded(client, tmp_path):
    path = tmp_path / "open.jsonl"
    path.write_bytes(CONTENT)
    with path.open("rb") as file:
        uploaded = client.files.create(file=file, purpose="batch")
    check_uploaded(client, uploaded, "open.jsonl")


def test_a_path_is_uploaded(client, tmp_path):
    path = tmp_path / "path.jsonl"
    path.write_bytes(CONTENT)
    check_uploaded(client, client.files.create(file=path, purpose="batch"), "path.jsonl")


def test_bytes_with_a_name_are_uploaded(client):
    uploaded = client.files.create(file=("tuple.jsonl", CONTENT), purpose="batch")
    check_uploaded(client, uploaded, "tuple.jsonl")


def test_bytes_with_a_name_and_a_type_are_uploaded(client):
    file = ("typed.jsonl", CONTENT, "application/jsonl")
    check_uploaded(client, client.files.create(file=file, purpose="batch"), "typed.jsonl")


def test_bare_bytes_are_uploaded(client):
    uploaded = client.files.create(file=CONTENT, purpose="batch")
    check_uploaded(client, uploaded, "upload")


def test_an_uploaded_file_needs_no_waiting(client):
    uploaded = client.files.create(file=("wait.jsonl", CONTENT), purpose="batch")
    assert client.files.wait_for_processing(uploaded.id, max_wait_seconds=5) == uploaded
    assert uploaded.status == "processed"


def test_a_file_can_expire(client):
    uploaded = client.files.create(
        file=("short.jsonl", CONTENT),
        purpose="batch",
        expires_after={"anchor": "created_at", "seconds": 3600},
    )
    assert uploaded.expires_at == uploaded.created_at + 3600


def test_content_is_streamed_to_disk(client, tmp_path):
    uploaded = client.files.create(file=("stream.jsonl", CONTENT), purpose="batch")
    target = tmp_path / "download.jsonl"
    with client.files.with_streaming_response.content(uploaded.id) as response:
        response.stream_to_file(target)
    assert target.read_bytes() == CONTENT


def test_a_deleted_file_is_gone(client):
    uploaded = client.files.create(file=("gone.jsonl", CONTENT), purpose="batch")
    deleted = client.files.delete(uploaded.id)
    assert (deleted.id, deleted.deleted, deleted.object) == (uploaded.id, True, "file")
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(uploaded.id)
    with pytest.raises(openai.NotFoundError):
        client.files.content(uploaded.id)


def test_files_are_listed_page_by_page_each_once(client):
    mine = [
        client.files.create(file=(f"page-{number}.jsonl", CONTENT), purpose="batch").id
        for number in range(5)
    ]
    listed = [file.id for file in client.files.list(limit=2)]
    assert len(listed) == len(set(listed))
    assert [file_id for file_id in listed if file_id in mine] == mine[::-1]
    assert len(client.files.list(limit=2).data) == 2
    ascending = [file.id for file in client.files.list(limit=2, order="asc", purpose="batch")]
    assert [file_id for file_id in ascending if file_id in mine] == mine
