// A first look at a file, in a thread of its own while it is being uploaded: what is in it, and which
// lines the server would refuse. The server's word is the last; this is to know early.

const ERRORS_MAX = 200;
const TELL_MS = 250;

const found = { lines: 0, bytes: 0, models: {}, urls: {}, errors: [], wrong: 0 };
const ids = new Set();
let told = 0;
let number = 0;

onmessage = async ({ data: file }) => {
  const reader = file.stream().pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const lines = (rest + value).split('\n');
    rest = lines.pop();
    for (const line of lines) look(line);
    tell(false);
  }
  if (rest) look(rest);
  tell(true, file.size);
};

function look(text) {
  number += 1;
  found.bytes += text.length + 1;
  const line = number === 1 ? text.replace(/^\uFEFF/, '') : text;
  if (line.trim() === '') return;
  found.lines += 1;
  const request = parsed(line);
  if (request) check(request);
}

function parsed(line) {
  try {
    const value = JSON.parse(line);
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) return value;
    wrong('It is JSON, but not an object.', line, 1);
  } catch (error) {
    const at = Number(/position (\d+)/.exec(error.message)?.[1] ?? 0);
    wrong('It is not valid JSON.', line.slice(Math.max(0, at - 30), at + 30), at + 1);
  }
  return null;
}

function check({ custom_id: id, method, url, body }) {
  if (typeof id !== 'string' || id === '') wrong('It has no custom_id.');
  else if (ids.has(id)) wrong(`The custom_id ${JSON.stringify(id).slice(0, 80)} is there twice.`);
  else ids.add(id);
  if (method !== 'POST') wrong('Its method is not POST.');
  if (typeof url !== 'string') wrong('It has no url.');
  else found.urls[url] = (found.urls[url] ?? 0) + 1;
  if (body === null || typeof body !== 'object') wrong('It has no body.');
  else if (typeof body.model !== 'string') wrong('Its body names no model.');
  else found.models[body.model] = (found.models[body.model] ?? 0) + 1;
}

function wrong(message, excerpt = '', column = null) {
  found.wrong += 1;
  if (found.errors.length < ERRORS_MAX) found.errors.push({ line: number, column, message, excerpt });
}

function tell(isDone, size) {
  const now = Date.now();
  if (!isDone && now - told < TELL_MS) return;
  told = now;
  postMessage({ ...found, bytes: isDone ? size : found.bytes, isDone });
}
