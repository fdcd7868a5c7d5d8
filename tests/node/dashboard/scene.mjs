// Batches to look at, made through the API as every client makes them.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

const PATIENCE_MS = 60_000;
const ENDED = ['completed', 'failed', 'expired', 'cancelled'];

/** A small client of one server. */
export function client(url, key) {
  const headers = key ? { authorization: `Bearer ${key}` } : {};
  const ask = async (method, path, json) => {
    const body = json instanceof FormData ? json : json && JSON.stringify(json);
    const type = json && !(json instanceof FormData) ? { 'content-type': 'application/json' } : {};
    const answer = await fetch(`${url}${path}`, { method, headers: { ...headers, ...type }, body });
    const text = await answer.text();
    assert.ok(answer.ok, `${method} ${path}: ${text}`);
    return JSON.parse(text);
  };
  return {
    ask,
    async upload(lines, name) {
      const form = new FormData();
      form.append('purpose', 'batch');
      form.append('file', new Blob([jsonl(lines)]), name);
      return ask('POST', '/v1/files', form);
    },
    async create(lines, name, metadata) {
      const file = await this.upload(lines, name);
      return ask('POST', '/v1/batches', { input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h', metadata });
    },
    /** Waits until a batch is as wanted; by default until it has ended. */
    async until(id, holds = (batch) => ENDED.includes(batch.status)) {
      const deadline = Date.now() + PATIENCE_MS;
      for (;;) {
        const batch = await ask('GET', `/v1/batches/${id}`);
        if (holds(batch)) return batch;
        assert.ok(Date.now() < deadline, `in vain waited for ${JSON.stringify(batch)}`);
        await sleep(50);
      }
    },
  };
}

/** The text of an input file. */
export const jsonl = (lines) => lines.map((line) => `${JSON.stringify(line)}\n`).join('');

const QUESTIONS = [
  'Summarise the complaint in one sentence.',
  'Which product is this review about?',
  'Is the customer angry? Answer yes or no.',
  'Translate the note into French.',
  'Extract the order number.',
];

/** One request. */
export function line(id, body = {}) {
  return {
    custom_id: `ticket-${String(id).padStart(5, '0')}`,
    method: 'POST',
    url: '/v1/chat/completions',
    body: { model: 'sim', messages: [{ role: 'user', content: `${QUESTIONS[id % QUESTIONS.length]} (${id})` }], max_tokens: 12, ...body },
  };
}

/** So many requests, of which some fail, for several causes. */
export function lines(count, wrong = {}) {
  return Array.from({ length: count }, (_, index) => {
    for (const [every, body] of Object.entries(wrong)) if ((index + 1) % every === 0) return line(index + 1, body);
    return line(index + 1);
  });
}

/** Bodies that the simulator refuses, each in words of its own, by how often. */
export const CAUSES = { 11: { max_tokens: 0 }, 17: { n: [] }, 29: { max_tokens: 'many' }, 41: { metadata: [] } };
