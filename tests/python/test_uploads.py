"""Uploads: files that come in parts."""

import asyncio
import hashlib
import time
from io import BytesIO

import openai
import pytest
from conftest import chat_line, create, jsonl, until

LINES = [chat_line(f"line-{number}", "Grüße, 世界 🌍") for number in range(200)]
CONTENT = jsonl(LINES)
PART_BYTES = 7_001


def begin(client, content=CONTENT, **more):
    asked = {
        "bytes": len(content),
        "filename": "parts.jsonl",
        "mime_type": "application/jsonl",
        "purpose": "batch",
        **more,
    }
    return client.uploads.create(**asked)


def check_completed(client, upload):
    assert upload.status == "completed"
    assert upload.file.bytes == upload.bytes == len(CONTENT)
    assert upload.file.status == "processed"
    assert client.files.retrieve(upload.file.id) == upload.file
    assert client.files.content(upload.file.id).read() == CONTENT


def test_a_file_is_uploaded_in_chunks(client, tmp_path):
    path = tmp_path / "chunked.jsonl"
    path.write_bytes(CONTENT)
    upload = client.uploads.upload_file_chunked(
        file=path,
        mime_type="application/jsonl",
        purpose="batch",
        part_size=PART_BYTES,
        md5=hashlib.md5(CONTENT).hexdigest(),
    )
    check_completed(client, upload)
    assert upload.filename == upload.file.filename == "chunked.jsonl"


def test_bytes_are_uploaded_in_one_chunk(client):
    upload = client.uploads.upload_file_chunked(
        file=CONTENT,
        filename="memory.jsonl",
        bytes=len(CONTENT),
        mime_type="application/jsonl",
        purpose="batch",
    )
    check_completed(client, upload)


def test_parts_are_sent_at_the_same_time_by_the_async_client(client, async_client):
    chunks = [CONTENT[at : at + PART_BYTES] for at in range(0, len(CONTENT), PART_BYTES)]

    async def send():
        upload = await begin(async_client)
        assert upload.status == "pending"
        assert upload.file is None
        assert upload.expires_at == upload.created_at + 3600
        assert abs(upload.created_at - time.time()) < 60
        sent = [
            async_client.uploads.parts.create(upload.id, data=BytesIO(chunk))
            for chunk in reversed(chunks)
        ]
        parts = await asyncio.gather(*sent)
        assert {part.upload_id for part in parts} == {upload.id}
        assert {part.object for part in parts} == {"upload.part"}
        order = [part.id for part in reversed(parts)]
        return await async_client.uploads.complete(upload.id, part_ids=order)

    check_completed(client, asyncio.run(send()))


def test_a_batch_runs_on_a_file_that_came_in_parts(client):
    content = jsonl([chat_line("split", "Say hello.")])
    upload = client.uploads.upload_file_chunked(
        file=content,
        filename="split.jsonl",
        bytes=len(content),
        mime_type="application/jsonl",
        purpose="batch",
        part_size=50,
    )
    batch = until(client, create(client, upload.file))
    assert batch.status == "completed", batch
    assert batch.request_counts.completed == 1


def test_a_cancelled_upload_takes_no_parts(client):
    upload = begin(client)
    cancelled = client.uploads.cancel(upload.id)
    assert (cancelled.id, cancelled.status) == (upload.id, "cancelled")
    with pytest.raises(openai.BadRequestError, match="has status 'cancelled'"):
        client.uploads.parts.create(upload.id, data=b"late")


def test_another_checksum_is_refused_and_the_right_one_then_taken(client):
    upload = begin(client)
    part = client.uploads.parts.create(upload.id, data=CONTENT)
    with pytest.raises(openai.BadRequestError, match="MD5") as refusal:
        client.uploads.complete(upload.id, part_ids=[part.id], md5="0" * 32)
    assert refusal.value.param == "md5"
    checksum = hashlib.md5(CONTENT).hexdigest()
    upload = client.uploads.complete(upload.id, part_ids=[part.id], md5=checksum)
    check_completed(client, upload)


def test_a_missing_upload_is_not_found(client):
    with pytest.raises(openai.NotFoundError, match="No such Upload object: upload_fake"):
        client.uploads.complete("upload_fake", part_ids=["part_fake"])


def test_an_idempotency_key_makes_one_batch(client):
    file = client.files.create(file=("once.jsonl", CONTENT), purpose="batch")
    key = {"Idempotency-Key": f"once-{file.id}"}
    first = create(client, file, extra_headers=key)
    assert create(client, file, extra_headers=key) == first
    with pytest.raises(openai.BadRequestError) as refusal:
        create(client, file, metadata={"another": "request"}, extra_headers=key)
    assert refusal.value.code == "idempotency_key_reused"
    client.batches.cancel(first.id)
