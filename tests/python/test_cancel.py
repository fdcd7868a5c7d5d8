"""Cancelling: at any time, twice, and too late."""

import openai
import pytest
from conftest import chat_line, check_each_once, create, result_lines, until, upload


def test_a_running_batch_is_cancelled_and_keeps_what_it_has(client):
    custom_ids = [f"line-{number}" for number in range(120)]
    lines = [chat_line(custom_id, "Count to a hundred.", max_tokens=24) for custom_id in custom_ids]
    batch = until(client, create(client, upload(client, lines)), {"in_progress"})
    while batch.request_counts.completed == 0:
        batch = client.batches.retrieve(batch.id)
        assert batch.status == "in_progress"

    assert client.batches.cancel(batch.id).status in {"cancelling", "cancelled"}
    assert client.batches.cancel(batch.id).status in {"cancelling", "cancelled"}
    batch = until(client, client.batches.retrieve(batch.id))
    assert batch.status == "cancelled"
    assert batch.cancelling_at <= batch.cancelled_at
    again = client.batches.cancel(batch.id)
    assert again == batch

    done = result_lines(client, batch.output_file_id)
    unrun = result_lines(client, batch.error_file_id)
    check_each_once(done + unrun, custom_ids)
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (120, len(done), 0)
    assert 0 < len(done) < 120
    for line in unrun:
        assert line["response"] is None
        assert line["error"]["code"] == "batch_cancelled"


def test_cancelling_a_completed_batch_is_a_conflict_asked_once(client, wire, completed):
    cancel = f"POST /v1/batches/{completed.id}/cancel"
    before = wire.count(cancel)
    with pytest.raises(openai.ConflictError) as caught:
        client.batches.cancel(completed.id)
    assert wire.count(cancel) == before + 1, "the client was left to try again"
    assert caught.value.status_code == 409
    assert "completed" in caught.value.message
    assert client.batches.retrieve(completed.id) == completed
