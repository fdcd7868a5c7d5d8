// What the tests share: the client, input files, and a way to see what went over the wire.
//
// The address of the server, the names of its models and the wire log are given by whoever starts
// the tests; the client is the official one, told nothing but the address.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import OpenAI, { toFile } from 'openai';

// How long a batch may take: a small model on a busy machine is slow.
const PATIENCE_MS = 240_000;

const ENDED = ['completed', 'failed', 'expired', 'cancelled'];

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

export const CHAT_MODEL = required('TEST_CHAT_MODEL');
export const EMBEDDINGS_MODEL = required('TEST_EMBEDDINGS_MODEL');

export const client = new OpenAI({
  baseURL: required('TEST_BASE_URL'),
  apiKey: 'no-key-is-needed',
});

// One request of an input file.
export function chatLine(customId, prompt, more = {}) {
  const body = {
    model: CHAT_MODEL,
    messages: [{ role: 'user', content: prompt }],
    temperature: 0,
    max_tokens: 8,
    ...more,
  };
  return { custom_id: customId, method: 'POST', url: '/v1/chat/completions', body };
}

// The text of an input file.
export function jsonl(lines) {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}

export async function upload(lines, name = 'requests.jsonl') {
  const file = await toFile(Buffer.from(jsonl(lines)), name);
  return client.files.create({ file, purpose: 'batch' });
}

export async function create(inputFile, endpoint = '/v1/chat/completions', more = {}) {
  return client.batches.create({
    input_file_id: inputFile.id,
    endpoint,
    completion_window: '24h',
    ...more,
  });
}

// Polls, as the client's users do, until the batch has one of the statuses.
export async function until(batch, statuses = ENDED) {
  const deadline = Date.now() + PATIENCE_MS;
  while (!statuses.includes(batch.status)) {
    assert.ok(Date.now() < deadline, `in vain waited for ${statuses}: ${JSON.stringify(batch)}`);
    assert.ok(!ENDED.includes(batch.status), `ended otherwise: ${JSON.stringify(batch)}`);
    await sleep(100);
    batch = await client.batches.retrieve(batch.id);
  }
  return batch;
}

// The lines of a result file, none when there is no file.
export async function resultLines(fileId) {
  if (fileId === null) return [];
  const text = await (await client.files.content(fileId)).text();
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

// Every custom_id is in the results exactly once, and nothing else is.
export function checkEachOnce(results, customIds) {
  assert.deepEqual(results.map((line) => line.custom_id).sort(), [...customIds].sort());
}

// How often a request such as `POST /v1/batches` was sent so far.
export function sent(request) {
  const log = readFileSync(required('TEST_WIRE_LOG'), 'utf8');
  return log.split('\n').filter((line) => line === request).length;
}

// A batch that is completed.
export async function completedBatch() {
  const batch = await until(await create(await upload([chatLine('only', 'Say hello.')])));
  assert.equal(batch.status, 'completed', JSON.stringify(batch));
  return batch;
}
