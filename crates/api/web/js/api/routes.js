// The API's routes by name. What this server has beyond OpenAI's is read from its own description, so
// that a screen leaves out what the server cannot tell.

import { ask, send } from './client.js';

let described = null;

/** The server's description of its API; null before it was read. */
export const description = () => described;

/** Reads the description. */
export async function learn() {
  described = await ask('GET', '/openapi.json');
}

/** Whether the server has a route. */
export function has(method, path) {
  return Boolean(described?.paths?.[path]?.[method.toLowerCase()]);
}

/** Whether a route takes a parameter of that name. */
export function takes(path, name) {
  const parameters = described?.paths?.[path]?.get?.parameters ?? [];
  return parameters.some((parameter) => resolved(parameter).name === name);
}

// What the body of a creation may say.
function creation() {
  const body = resolved(described?.paths?.['/v1/batches']?.post?.requestBody);
  return resolved(body?.content?.['application/json']?.schema)?.properties ?? {};
}

/** Whether a batch can be tried without being created. */
export function canTry() {
  const own = resolved(creation().overnight);
  const forms = [own, ...(own?.anyOf ?? []).map(resolved)];
  return forms.some((form) => Boolean(form?.properties?.dry_run));
}

/** The values that a field of a creation may have. */
export const choices = (field) => resolved(creation()[field])?.enum ?? [];

function resolved(value) {
  if (!value?.$ref) return value;
  return value.$ref.replace(/^#\//, '').split('/').reduce((at, part) => at?.[part], described);
}

const batch = (id) => `/v1/batches/${encodeURIComponent(id)}`;
const file = (id) => `/v1/files/${encodeURIComponent(id)}`;

export const listBatches = (query, signal) => ask('GET', '/v1/batches', { query, signal });
export const getBatch = (id, signal) => ask('GET', batch(id), { signal });
export const getProgress = (id, signal) => ask('GET', `${batch(id)}/progress`, { signal });
export const createBatch = (json) => ask('POST', '/v1/batches', { json });
export const cancelBatch = (id) => ask('POST', `${batch(id)}/cancel`);
export const pauseBatch = (id) => ask('POST', `${batch(id)}/pause`);
export const resumeBatch = (id) => ask('POST', `${batch(id)}/resume`);

/** Runs failed lines again in a new batch; asked for twice under one key `once`, it is done once. */
export const retryBatch = (id, json, once) => ask('POST', `${batch(id)}/retry`, { json, more: once ? { 'idempotency-key': once } : {} });

export const deleteBatch = (id) => ask('DELETE', batch(id));
export const verifyBatch = (id) => ask('GET', `${batch(id)}/verify`);
export const listFailures = (id) => ask('GET', `${batch(id)}/failures`);
export const listLines = (id, query, signal) => ask('GET', `${batch(id)}/lines`, { query, signal });
export const getLine = (id, line) => ask('GET', `${batch(id)}/lines/${line}`);
export const listFiles = (query) => ask('GET', '/v1/files', { query });
export const getFile = (id) => ask('GET', file(id));
export const deleteFile = (id) => ask('DELETE', file(id));
export const listModels = () => ask('GET', '/v1/models');
export const listUpstreams = () => ask('GET', '/admin/upstreams');
export const getOverview = () => ask('GET', '/v1/overview');

/** The first bytes of a file, as text that ends with a whole line where it can. */
export async function head(id, bytesMax) {
  const answer = await send('GET', `${file(id)}/content`, { more: { range: `bytes=0-${bytesMax - 1}` } });
  const text = await answer.text();
  const isWhole = answer.status === 200;
  const end = text.lastIndexOf('\n');
  return isWhole || end < 0 ? text : text.slice(0, end);
}
