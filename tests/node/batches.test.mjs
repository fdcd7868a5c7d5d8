// Batches: from a file of requests to a file of answers of real models.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import OpenAI from 'openai';

import {
  CHAT_MODEL,
  EMBEDDINGS_MODEL,
  chatLine,
  checkEachOnce,
  client,
  completedBatch,
  create,
  resultLines,
  sent,
  until,
  upload,
} from './case.mjs';

test('a chat batch is answered by the model', async () => {
  const lines = [
    chatLine('play', 'Who wrote Romeo and Juliet?', { max_tokens: 32 }),
    chatLine('Grüße "世界" 🌍\n', 'What colour is the sky?'),
  ];
  const metadata = { purpose: 'acceptance' };
  const batch = await until(await create(await upload(lines), undefined, { metadata }));
  assert.equal(batch.status, 'completed');
  assert.equal(batch.model, CHAT_MODEL);
  assert.deepEqual(batch.metadata, metadata);
  assert.deepEqual(batch.request_counts, { total: 2, completed: 2, failed: 0 });
  const results = await resultLines(batch.output_file_id);
  checkEachOnce(results, ['play', 'Grüße "世界" 🌍\n']);
  const { body } = results.find((line) => line.custom_id === 'play').response;
  assert.match(body.choices[0].message.content, /Shakespeare/);
  const output = results.map((line) => line.response.body.usage.completion_tokens);
  assert.equal(
    batch.usage.output_tokens,
    output.reduce((sum, tokens) => sum + tokens, 0),
  );
});

test('an embeddings batch is answered by the model', async () => {
  const line = {
    custom_id: 'vectors',
    method: 'POST',
    url: '/v1/embeddings',
    body: { model: EMBEDDINGS_MODEL, input: ['one text', 'another text'] },
  };
  const batch = await until(await create(await upload([line]), '/v1/embeddings'));
  assert.equal(batch.status, 'completed', JSON.stringify(batch));
  const [result] = await resultLines(batch.output_file_id);
  const lengths = result.response.body.data.map((item) => item.embedding.length);
  assert.deepEqual(lengths, [384, 384]);
});

test('a line that the engine refuses fails alone', async () => {
  const lines = [chatLine('fine', 'Hi.'), chatLine('too-long', 'word '.repeat(5000))];
  const batch = await until(await create(await upload(lines)));
  assert.deepEqual(batch.request_counts, { total: 2, completed: 1, failed: 1 });
  const [failed] = await resultLines(batch.error_file_id);
  assert.equal(failed.custom_id, 'too-long');
  assert.equal(failed.response.status_code, 400);
});

test('batches are listed page by page, each once', async () => {
  const inputFile = await upload([chatLine('only', 'Hi.', { max_tokens: 1 })]);
  const mine = [];
  for (let number = 0; number < 5; number += 1) mine.push((await create(inputFile)).id);
  const listed = [];
  for await (const batch of client.batches.list({ limit: 2 })) listed.push(batch.id);
  assert.equal(new Set(listed).size, listed.length);
  assert.deepEqual(
    listed.filter((id) => mine.includes(id)),
    mine.reverse(),
  );
});

test('a running batch is cancelled, twice', async () => {
  const customIds = Array.from({ length: 80 }, (_, number) => `line-${number}`);
  const lines = customIds.map((id) => chatLine(id, 'Count to a hundred.', { max_tokens: 24 }));
  let batch = await until(await create(await upload(lines)), ['in_progress']);
  assert.match((await client.batches.cancel(batch.id)).status, /^cancell(ing|ed)$/);
  assert.match((await client.batches.cancel(batch.id)).status, /^cancell(ing|ed)$/);
  batch = await until(await client.batches.retrieve(batch.id));
  assert.equal(batch.status, 'cancelled');
  assert.deepEqual(await client.batches.cancel(batch.id), batch);
  const done = await resultLines(batch.output_file_id);
  const unrun = await resultLines(batch.error_file_id);
  checkEachOnce([...done, ...unrun], customIds);
  assert.ok(unrun.length > 0 && unrun.every((line) => line.error.code === 'batch_cancelled'));
});

test('cancelling a completed batch is a conflict, asked once', async () => {
  const batch = await completedBatch();
  const cancel = `POST /v1/batches/${batch.id}/cancel`;
  await assert.rejects(client.batches.cancel(batch.id), (error) => {
    assert.ok(error instanceof OpenAI.ConflictError);
    assert.equal(error.status, 409);
    assert.match(error.message, /completed/);
    return true;
  });
  assert.equal(sent(cancel), 1, 'the client was left to try again');
});

test('what is not there is not found', async () => {
  const missing = client.batches.retrieve(`batch_${'0'.repeat(32)}`);
  await assert.rejects(missing, (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.equal(error.type, 'invalid_request_error');
    assert.match(error.requestID, /^req_/);
    return true;
  });
});

test('a wrong request is refused by name', async () => {
  const inputFile = await upload([chatLine('only', 'Hi.')]);
  const refused = create(inputFile, undefined, { completion_window: '3 fortnights' });
  await assert.rejects(refused, (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.deepEqual([error.code, error.param], ['invalid_value', 'completion_window']);
    return true;
  });
});

test('every answer names its request', async () => {
  const { data, response, request_id: id } = await client.models.list().withResponse();
  assert.ok(data.data.some((model) => model.id === CHAT_MODEL));
  assert.match(id, /^req_/);
  assert.equal(response.headers.get('x-request-id'), id);
});
