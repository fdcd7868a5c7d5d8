// Files to the server: in one request, or in parts when they are large. Nothing of a file is held in
// memory; a part that was lost is sent again.

import { ask, ApiError, headers, refused } from './client.js';

const PART_BYTES = 32 * 1024 * 1024;
const PARTS_AT_A_TIME = 2;
const TRIES = 4;

/** Uploads a file for a batch; tells the bytes that are there as they go. Answers the file. */
export function upload(file, onBytes, signal) {
  return file.size > 2 * PART_BYTES ? inParts(file, onBytes, signal) : inOne(file, onBytes, signal);
}

function inOne(file, onBytes, signal) {
  const form = new FormData();
  form.append('purpose', 'batch');
  form.append('file', file, file.name);
  return post('/v1/files', form, onBytes, signal);
}

async function inParts(file, onBytes, signal) {
  const { id } = await ask('POST', '/v1/uploads', {
    json: { bytes: file.size, filename: file.name, mime_type: 'application/jsonl', purpose: 'batch' },
    signal,
  });
  const total = Math.ceil(file.size / PART_BYTES);
  const there = new Array(total).fill(0);
  const ids = new Array(total);
  let next = 0;
  const work = async () => {
    while (next < total) {
      const part = next;
      next += 1;
      ids[part] = await sendPart(id, file.slice(part * PART_BYTES, (part + 1) * PART_BYTES), (sent) => {
        there[part] = sent;
        onBytes(there.reduce((sum, bytes) => sum + bytes, 0));
      }, signal);
    }
  };
  await Promise.all(Array.from({ length: PARTS_AT_A_TIME }, work));
  const made = await ask('POST', `/v1/uploads/${id}/complete`, { json: { part_ids: ids }, signal });
  return made.file;
}

async function sendPart(id, blob, onBytes, signal) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const form = new FormData();
      form.append('data', blob, 'part');
      return (await post(`/v1/uploads/${id}/parts`, form, onBytes, signal)).id;
    } catch (error) {
      const isLost = error instanceof ApiError && (error.status === 0 || error.status === 503);
      if (!isLost || attempt === TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** attempt));
    }
  }
}

// `fetch` tells nothing of how far an upload is.
function post(path, form, onBytes, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', path);
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => onBytes(event.loaded);
    request.onload = () => {
      if (request.status === 200) resolve(JSON.parse(request.responseText));
      else reject(refused(request.status, request.responseText));
    };
    request.onerror = () => reject(new ApiError(0, 'The connection broke while the file was sent.'));
    request.onabort = () => reject(new DOMException('The upload was given up.', 'AbortError'));
    signal?.addEventListener('abort', () => request.abort());
    request.send(form);
  });
}
