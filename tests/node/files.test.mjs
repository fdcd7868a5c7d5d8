// Files: every way to upload one, and what can be done with it then.

import assert from 'node:assert/strict';
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import OpenAI, { toFile } from 'openai';

import { chatLine, client, jsonl } from './case.mjs';

const folder = mkdtempSync(join(tmpdir(), 'overnight-node-'));
after(() => rmSync(folder, { recursive: true }));

const CONTENT = jsonl([1, 2, 3].map((number) => chatLine(`line-${number}`, 'Grüße, 世界 🌍')));

async function checkUploaded(uploaded, filename) {
  assert.equal(uploaded.object, 'file');
  assert.equal(uploaded.purpose, 'batch');
  assert.equal(uploaded.filename, filename);
  assert.equal(uploaded.bytes, Buffer.byteLength(CONTENT));
  assert.equal(await (await client.files.content(uploaded.id)).text(), CONTENT);
  assert.deepEqual(await client.files.retrieve(uploaded.id), uploaded);
}

test('a file is streamed from disk', async () => {
  const path = join(folder, 'stream.jsonl');
  writeFileSync(path, CONTENT);
  const file = createReadStream(path);
  await checkUploaded(await client.files.create({ file, purpose: 'batch' }), 'stream.jsonl');
});

test('a large file is streamed from disk', async () => {
  const path = join(folder, 'large.jsonl');
  const line = jsonl([chatLine('large', 'word '.repeat(20_000))]);
  const content = Buffer.from(line.repeat(160));
  writeFileSync(path, content);
  const uploaded = await client.files.create({ file: createReadStream(path), purpose: 'batch' });
  assert.equal(uploaded.bytes, content.length);
  const response = await client.files.content(uploaded.id);
  assert.ok(content.equals(Buffer.from(await response.arrayBuffer())));
  await client.files.delete(uploaded.id);
});

test('bytes with a name are uploaded', async () => {
  const file = await toFile(Buffer.from(CONTENT), 'bytes.jsonl');
  await checkUploaded(await client.files.create({ file, purpose: 'batch' }), 'bytes.jsonl');
});

test('a web file is uploaded', async () => {
  const file = new File([CONTENT], 'web.jsonl', { type: 'application/jsonl' });
  await checkUploaded(await client.files.create({ file, purpose: 'batch' }), 'web.jsonl');
});

test('an uploaded file needs no waiting', async () => {
  const file = await toFile(Buffer.from(CONTENT), 'wait.jsonl');
  const uploaded = await client.files.create({ file, purpose: 'batch' });
  assert.deepEqual(await client.files.waitForProcessing(uploaded.id), uploaded);
});

test('a deleted file is gone', async () => {
  const file = await toFile(Buffer.from(CONTENT), 'gone.jsonl');
  const { id } = await client.files.create({ file, purpose: 'batch' });
  const deleted = await client.files.delete(id);
  assert.deepEqual([deleted.id, deleted.deleted], [id, true]);
  await assert.rejects(client.files.retrieve(id), OpenAI.NotFoundError);
  await assert.rejects(client.files.content(id), OpenAI.NotFoundError);
});

test('files are listed page by page, each once', async () => {
  const mine = [];
  for (let number = 0; number < 5; number += 1) {
    const file = await toFile(Buffer.from(CONTENT), `page-${number}.jsonl`);
    mine.push((await client.files.create({ file, purpose: 'batch' })).id);
  }
  const listed = [];
  for await (const file of client.files.list({ limit: 2 })) listed.push(file.id);
  assert.equal(new Set(listed).size, listed.length);
  assert.deepEqual(
    listed.filter((id) => mine.includes(id)),
    mine.reverse(),
  );
});
