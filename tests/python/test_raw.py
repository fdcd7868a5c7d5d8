"""Answers as they are: their heads, their bytes, and bodies that are streamed."""

from conftest import chat_line, jsonl, upload


def test_the_head_of_an_upload_is_there(client):
    content = jsonl([chat_line("only", "Hi.")])
    raw = client.files.with_raw_response.create(file=("raw.jsonl", content), purpose="batch")
    assert raw.status_code == 200
    assert raw.headers["content-type"] == "application/json"
    assert raw.headers["openai-version"] == "2020-10-01"
    assert int(raw.headers["openai-processing-ms"]) >= 0
    assert raw.parse().bytes == len(content)


def test_a_page_is_parsed_from_its_raw_answer(client, completed):
    raw = client.batches.with_raw_response.list(limit=1)
    page = raw.parse()
    assert len(page.data) == 1
    assert raw.headers["x-request-id"].startswith("req_")
    listed = [batch.id for batch in page]
    assert completed.id in listed, "a raw page is followed by the others as well"


def test_content_is_streamed_piece_by_piece(client):
    lines = [chat_line(f"line-{number}", "word " * 200) for number in range(2000)]
    uploaded = upload(client, lines)
    received = b""
    with client.files.with_streaming_response.content(uploaded.id) as response:
        assert int(response.headers["content-length"]) == uploaded.bytes
        for piece in response.iter_bytes():
            received += piece
    assert received == jsonl(lines)


def test_a_part_of_a_file_is_read_by_its_range(client):
    content = jsonl([chat_line(f"line-{number}", "Hi.") for number in range(10)])
    uploaded = client.files.create(file=("ranges.jsonl", content), purpose="batch")
    whole = client.files.with_raw_response.content(uploaded.id)
    headers = {"range": "bytes=100-199", "if-range": whole.headers["etag"]}
    part = client.files.with_raw_response.content(uploaded.id, extra_headers=headers)
    assert part.status_code == 206
    assert part.headers["content-range"] == f"bytes 100-199/{len(content)}"
    assert part.parse().read() == content[100:200]
