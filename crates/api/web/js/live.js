// Keeps the screen true: by the server's events where it has them, else by asking every two seconds;
// not at all while nobody looks.

import { listen } from './api/events.js';
import { has } from './api/routes.js';

const POLL_MS = 2000;
const SLOW_MS = 15_000;
const EVENT_GAP_MS = 1000;

let screen = null;
let timer = 0;
let stream = null;
let isStreaming = false;
let busy = null;
let due = false;
let last = 0;
let shown = () => {};

/** Says what to do when a screen is to be brought up to date, until the next one says so. */
export function watch(refresh) {
  screen = refresh;
  busy = null;
  due = false;
  return now();
}

/** Tells how the connection is: `live`, `late`, `down` or `paused`, and since when what is seen is true. */
export function onState(call) {
  shown = call;
}

/** Brings the screen up to date at once. */
export function now() {
  if (busy) {
    due = true;
    return busy;
  }
  clearTimeout(timer);
  const own = refresh().then(() => {
    // Another screen may have begun meanwhile.
    if (busy !== own) return;
    busy = null;
    if (due) soon(EVENT_GAP_MS / 4);
    else soon(isStreaming ? SLOW_MS : POLL_MS);
    due = false;
  });
  busy = own;
  return own;
}

async function refresh() {
  try {
    await screen?.();
    last = Date.now();
    shown('live', last);
  } catch (error) {
    if (error.name === 'AbortError') return;
    shown(error.status === 0 ? 'down' : 'late', last, error);
    // A mistake of this page, and no refusal of the server.
    if (error.status === undefined) reportError(error);
  }
}

function soon(delay) {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(now, delay);
}

/** Opens the stream of events if there is one and somebody looks; it opens again when it broke. */
export async function follow() {
  if (stream || document.hidden || !has('GET', '/v1/events')) return;
  stream = new AbortController();
  const { signal } = stream;
  try {
    isStreaming = true;
    await listen(() => {
      // Events come at most once a second; several at once are one look.
      if (!busy) soon(Math.max(50, EVENT_GAP_MS - (Date.now() - last)));
      else due = true;
    }, signal);
  } catch { /* Asking goes on. */ }
  isStreaming = false;
  stream = null;
  if (signal.aborted || document.hidden) return;
  now();
  setTimeout(follow, POLL_MS);
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) {
    clearTimeout(timer);
    stream?.abort();
    stream = null;
    shown('paused', last);
  } else {
    now();
    follow();
  }
});
