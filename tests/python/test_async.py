"""The asynchronous client does what the other one does, many things at a time."""

import asyncio
import json

from conftest import ENDED, PATIENCE_S, chat_line, jsonl


async def run_one(client, number):
    custom_id = f"async-{number}"
    content = jsonl([chat_line(custom_id, "Hi.", max_tokens=2)])
    uploaded = await client.files.create(file=(f"{number}.jsonl", content), purpose="batch")
    batch = await client.batches.create(
        input_file_id=uploaded.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    while batch.status not in ENDED:
        await asyncio.sleep(0.1)
        batch = await client.batches.retrieve(batch.id)
    assert batch.status == "completed", batch
    output = await client.files.content(batch.output_file_id)
    [line] = [json.loads(line) for line in output.text.splitlines()]
    assert line["custom_id"] == custom_id
    assert line["response"]["status_code"] == 200
    return batch.id


def test_many_batches_run_at_a_time(async_client):
    async def run_all():
        async with async_client as client:
            created = await asyncio.gather(*(run_one(client, number) for number in range(6)))
            listed = [batch.id async for batch in client.batches.list(limit=2)]
            return created, listed

    created, listed = asyncio.run(asyncio.wait_for(run_all(), PATIENCE_S))
    assert len(set(created)) == 6
    assert len(listed) == len(set(listed))
    assert set(created) <= set(listed)
