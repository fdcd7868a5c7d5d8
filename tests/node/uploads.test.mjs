// Uploads: files that come in parts.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';

import OpenAI, { toFile } from 'openai';

import { chatLine, client, create, jsonl, until } from './case.mjs';

const LINES = Array.from({ length: 200 }, (_, number) => chatLine(`line-${number}`, 'Grüße, 世界 🌍'));
const CONTENT = Buffer.from(jsonl(LINES));
const PART_BYTES = 7_001;

function begin(content = CONTENT) {
  return client.uploads.create({
    bytes: content.length,
    filename: 'parts.jsonl',
    mime_type: 'application/jsonl',
    purpose: 'batch',
  });
}

function chunks(content, size) {
  const count = Math.ceil(content.length / size);
  return Array.from({ length: count }, (_, n) => content.subarray(n * size, (n + 1) * size));
}

async function sendPart(upload, chunk) {
  const data = await toFile(chunk, 'part');
  return client.uploads.parts.create(upload.id, { data });
}

test('parts that are sent at the same time make a file in the order of the completion', async () => {
  const upload = await begin();
  assert.equal(upload.status, 'pending');
  assert.equal(upload.file, undefined);
  assert.equal(upload.expires_at, upload.created_at + 3600);
  const backwards = chunks(CONTENT, PART_BYTES).reverse();
  const parts = await Promise.all(backwards.map((chunk) => sendPart(upload, chunk)));
  const completed = await client.uploads.complete(upload.id, {
    part_ids: parts.map((part) => part.id).reverse(),
    md5: createHash('md5').update(CONTENT).digest('hex'),
  });
  assert.equal(completed.status, 'completed');
  assert.equal(completed.file.bytes, CONTENT.length);
  assert.deepEqual(await client.files.retrieve(completed.file.id), completed.file);
  const response = await client.files.content(completed.file.id);
  assert.ok(CONTENT.equals(Buffer.from(await response.arrayBuffer())));
});

test('a batch runs on a file that came in parts', async () => {
  const content = Buffer.from(jsonl([chatLine('split', 'Say hello.')]));
  const upload = await begin(content);
  const part_ids = [];
  for (const chunk of chunks(content, 50)) part_ids.push((await sendPart(upload, chunk)).id);
  const { file } = await client.uploads.complete(upload.id, { part_ids });
  const batch = await until(await create(file));
  assert.equal(batch.status, 'completed', JSON.stringify(batch));
});

test('a cancelled upload takes no parts', async () => {
  const upload = await begin();
  assert.equal((await client.uploads.cancel(upload.id)).status, 'cancelled');
  await assert.rejects(sendPart(upload, CONTENT), OpenAI.BadRequestError);
});

test('a missing upload is not found', async () => {
  const missing = client.uploads.complete('upload_fake', { part_ids: ['part_fake'] });
  await assert.rejects(missing, OpenAI.NotFoundError);
});

test('parts of another size than was declared are refused', async () => {
  const upload = await begin();
  const part = await sendPart(upload, CONTENT.subarray(1));
  const short = client.uploads.complete(upload.id, { part_ids: [part.id] });
  await assert.rejects(short, { status: 400, param: 'part_ids' });
});

test('an idempotency key makes one batch', async () => {
  const file = await toFile(CONTENT, 'once.jsonl');
  const { id } = await client.files.create({ file, purpose: 'batch' });
  const asked = { input_file_id: id, endpoint: '/v1/chat/completions', completion_window: '24h' };
  const options = { headers: { 'Idempotency-Key': `once-${id}` } };
  const first = await client.batches.create(asked, options);
  assert.deepEqual(await client.batches.create(asked, options), first);
  const other = client.batches.create({ ...asked, metadata: { another: 'request' } }, options);
  await assert.rejects(other, { status: 400, code: 'idempotency_key_reused' });
  await client.batches.cancel(first.id);
});
