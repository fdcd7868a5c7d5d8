// Keys: the client with a wrong one throws its own type, and one of another project finds nothing.

import assert from 'node:assert/strict';
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import OpenAI, { toFile } from 'openai';

import { chatLine, jsonl } from './case.mjs';

const folder = mkdtempSync(join(tmpdir(), 'overnight-node-'));
after(() => rmSync(folder, { recursive: true }));

const baseURL = process.env.TEST_GUARDED_URL;
const owner = new OpenAI({ baseURL, apiKey: process.env.TEST_KEY });
const stranger = new OpenAI({ baseURL, apiKey: process.env.TEST_OTHER_KEY });
const nobody = new OpenAI({ baseURL, apiKey: 'sk-proj-0123456789abcdefghijsQoA' });

function isAuthenticationError(error) {
  assert.ok(error instanceof OpenAI.AuthenticationError, String(error));
  assert.equal(error.code, 'invalid_api_key');
  assert.match(error.message, /Incorrect API key provided: sk-proj-\.\.\.sQoA\./);
  return true;
}

test('a wrong key is an authentication error', async () => {
  await assert.rejects(nobody.models.list(), isAuthenticationError);
  await assert.rejects(nobody.batches.list(), isAuthenticationError);
});

test('a large upload with a wrong key is an authentication error and no broken connection', async () => {
  const path = join(folder, 'large.jsonl');
  writeFileSync(path, jsonl([chatLine('large', 'word '.repeat(20_000))]).repeat(160));
  const file = createReadStream(path);
  await assert.rejects(nobody.files.create({ file, purpose: 'batch' }), isAuthenticationError);
});

test('what another project has is not found', async () => {
  const file = await owner.files.create({
    file: await toFile(Buffer.from(jsonl([chatLine('only', 'Hi.')])), 'requests.jsonl'),
    purpose: 'batch',
  });
  assert.equal((await owner.files.retrieve(file.id)).id, file.id);
  for (const ask of [
    () => stranger.files.retrieve(file.id),
    () => stranger.files.content(file.id),
    () => stranger.files.delete(file.id),
  ]) {
    await assert.rejects(ask, OpenAI.NotFoundError);
  }
  assert.deepEqual((await stranger.files.list()).data, []);
});
