// What the client sends again by itself, and answers as they are.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';

import { chatLine, client, completedBatch, sent, upload } from './case.mjs';

// Has the relay do that to a request, the first time that it is sent.
function once(fault) {
  return { headers: { 'x-relay': `${fault} ${randomUUID()}` } };
}

for (const fault of ['cut-request', 'lose-answer']) {
  test(`a request whose connection breaks is sent again: ${fault}`, async () => {
    const inputFile = await upload([chatLine('only', 'Hi.')]);
    const request = `GET /v1/files/${inputFile.id}`;
    assert.deepEqual(await client.files.retrieve(inputFile.id, once(fault)), inputFile);
    assert.equal(sent(request), 2);
  });
}

test('a refusal is asked once', async () => {
  const missing = `batch_${'e'.repeat(32)}`;
  await assert.rejects(client.batches.retrieve(missing), { status: 404 });
  assert.equal(sent(`GET /v1/batches/${missing}`), 1);
});

test('a raw answer has its head, and its bytes in pieces', async () => {
  const batch = await completedBatch();
  const response = await client.files.content(batch.output_file_id).asResponse();
  assert.equal(response.headers.get('content-type'), 'application/octet-stream');
  let length = 0;
  for await (const piece of response.body) length += piece.length;
  assert.equal(length, Number(response.headers.get('content-length')));
});

test('pages are walked while new batches arrive, each once', async () => {
  const inputFile = await upload([chatLine('only', 'Hi.', { max_tokens: 1 })]);
  const make = () =>
    client.batches.create({
      input_file_id: inputFile.id,
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
    });
  const before = await Promise.all([make(), make(), make(), make(), make()]);
  const listed = [];
  for await (const batch of client.batches.list({ limit: 2 })) {
    if (listed.length < 4) await make();
    listed.push(batch.id);
  }
  assert.equal(new Set(listed).size, listed.length);
  for (const batch of before) assert.ok(listed.includes(batch.id));
});
