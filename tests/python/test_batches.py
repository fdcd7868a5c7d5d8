"""Batches: from a file of requests to a file of answers of real models."""

import json
import math
import re
import time

from conftest import (
    CHAT_MODEL,
    EMBEDDINGS_MODEL,
    chat_line,
    check_each_once,
    create,
    jsonl,
    result_lines,
    until,
    upload,
)

# A custom_id as it stands in a line, with its quotes and escapes.
CUSTOM_ID = re.compile(rb'"custom_id": ?("(?:[^"\\]|\\.)*")')

# Names that a careless reader or writer changes.
AWKWARD_IDS = [
    "plain",
    " spaces around ",
    'quotes " and \\ backslashes',
    "tab\tand newline\n",
    "Grüße, 世界 🌍",
    "../../etc/passwd",
    "null",
    "0",
    "x" * 400,
]


def test_a_chat_batch_is_answered_by_the_model(client):
    lines = [
        chat_line("play", "Who wrote Romeo and Juliet?", max_tokens=32),
        chat_line("sky", "What colour is the sky?", max_tokens=24),
    ]
    created = create(client, upload(client, lines), metadata={"purpose": "acceptance", "run": "1"})
    assert created.object == "batch"
    assert created.status in {"validating", "in_progress"}
    assert created.expires_at == created.created_at + 24 * 3600
    batch = until(client, created)

    assert batch.status == "completed"
    assert batch.model == CHAT_MODEL
    assert batch.metadata == {"purpose": "acceptance", "run": "1"}
    assert batch.errors is None
    assert batch.error_file_id is None
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (2, 2, 0)
    stamps = [batch.created_at, batch.in_progress_at, batch.finalizing_at, batch.completed_at]
    assert stamps == sorted(stamps)
    assert abs(batch.completed_at - time.time()) < 60

    results = result_lines(client, batch.output_file_id)
    check_each_once(results, ["play", "sky"])
    for line in results:
        assert list(line) == ["id", "custom_id", "response", "error"]
        assert line["id"].startswith("batch_req_")
        assert line["error"] is None
        assert line["response"]["status_code"] == 200
        assert line["response"]["body"]["object"] == "chat.completion"
    answers = {line["custom_id"]: line["response"]["body"] for line in results}
    assert "Shakespeare" in answers["play"]["choices"][0]["message"]["content"]
    check_usage(batch, [answer["usage"] for answer in answers.values()])


def check_usage(batch, usages):
    assert batch.usage.input_tokens == sum(usage["prompt_tokens"] for usage in usages) > 0
    output = sum(usage.get("completion_tokens", 0) for usage in usages)
    assert batch.usage.output_tokens == output
    assert batch.usage.total_tokens == batch.usage.input_tokens + output


def test_awkward_custom_ids_come_back_byte_by_byte(client):
    lines = [chat_line(custom_id, "Hi.", max_tokens=1) for custom_id in AWKWARD_IDS]
    # Half as JSON escapes, half as UTF-8: two spellings of the same texts must both survive.
    content = jsonl(lines[::2])
    content += "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines[1::2]).encode()
    input_file = client.files.create(file=("awkward.jsonl", content), purpose="batch")
    batch = until(client, create(client, input_file))
    assert batch.status == "completed", batch
    output = client.files.content(batch.output_file_id).read()
    assert sorted(CUSTOM_ID.findall(output)) == sorted(CUSTOM_ID.findall(content))
    check_each_once(result_lines(client, batch.output_file_id), AWKWARD_IDS)


def test_a_line_that_the_engine_refuses_fails_alone(client):
    too_long = chat_line("too-long", "word " * 5000)
    lines = [chat_line("before", "Hi."), too_long, chat_line("after", "Hi.")]
    batch = until(client, create(client, upload(client, lines)))
    assert batch.status == "completed", batch
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (3, 2, 1)
    check_each_once(result_lines(client, batch.output_file_id), ["before", "after"])
    [failed] = result_lines(client, batch.error_file_id)
    assert failed["custom_id"] == "too-long"
    assert failed["error"] is None
    assert failed["response"]["status_code"] == 400
    assert "exceed" in json.dumps(failed["response"]["body"]["error"])


def test_the_answer_has_the_form_that_the_line_asked_for(client):
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    line = chat_line(
        "form",
        "Ann is 31 years old. Give her name and age as JSON.",
        max_tokens=48,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "person", "strict": True, "schema": schema},
        },
    )
    batch = until(client, create(client, upload(client, [line])))
    [result] = result_lines(client, batch.output_file_id)
    person = json.loads(result["response"]["body"]["choices"][0]["message"]["content"])
    assert set(person) == {"name", "age"}
    assert isinstance(person["age"], int)


def embeddings_line(custom_id, texts):
    body = {"model": EMBEDDINGS_MODEL, "input": texts}
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/embeddings", "body": body}


def test_an_embeddings_batch_is_answered_by_the_model(client):
    lines = [
        embeddings_line("cat", "A cat sleeps on the sofa."),
        embeddings_line("others", ["A kitten naps on the couch.", "The central bank raised rates."]),
    ]
    batch = until(client, create(client, upload(client, lines), endpoint="/v1/embeddings"))
    assert batch.status == "completed", batch
    assert batch.model == EMBEDDINGS_MODEL
    results = result_lines(client, batch.output_file_id)
    check_each_once(results, ["cat", "others"])
    bodies = {line["custom_id"]: line["response"]["body"] for line in results}
    [cat] = [item["embedding"] for item in bodies["cat"]["data"]]
    kitten, bank = [item["embedding"] for item in bodies["others"]["data"]]
    assert len(cat) == len(kitten) == len(bank) == 384
    assert cosine(cat, kitten) > cosine(cat, bank) + 0.05
    check_usage(batch, [body["usage"] for body in bodies.values()])


def cosine(one, other):
    product = sum(a * b for a, b in zip(one, other))
    return product / math.hypot(*one) / math.hypot(*other)


def test_a_file_with_bad_lines_fails_with_every_reason(client):
    content = jsonl([chat_line("twice", "Hi."), chat_line("twice", "Hi.")]) + b"not json\n"
    input_file = client.files.create(file=("bad.jsonl", content), purpose="batch")
    batch = until(client, create(client, input_file))
    assert batch.status == "failed"
    assert batch.output_file_id is None
    reasons = [(error.line, error.code) for error in batch.errors.data]
    assert reasons == [(2, "duplicate_custom_id"), (3, "invalid_json_line")]
    assert all(error.message for error in batch.errors.data)


def test_batches_are_listed_page_by_page_each_once_while_new_ones_arrive(client):
    input_file = upload(client, [chat_line("only", "Hi.", max_tokens=1)])
    mine = [create(client, input_file).id for _ in range(5)]
    listed = []
    for batch in client.batches.list(limit=2):
        listed.append(batch.id)
        if len(listed) in (1, 4):
            create(client, input_file)
    assert len(listed) == len(set(listed))
    assert [batch_id for batch_id in listed if batch_id in mine] == mine[::-1]
    page = client.batches.list(limit=2)
    assert len(page.data) == 2
    assert page.has_next_page()
