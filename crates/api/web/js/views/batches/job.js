// An action that is being done to many batches, a few at a time. It goes on while other screens are
// looked at; there is one at a time.

import { few } from '../../few.js';
import { now } from '../../live.js';
import { say } from '../../parts/notes.js';
import { named } from './gather.js';
import { batchesOf } from './verbs.js';

const DRAW_MS = 100;

let job = null;
let draw = () => {};
let isDrawing = false;

/** The action: how many of `total` are `done`, which `failed` and why, which were not tried; or null. */
export const current = () => job;

/** Calls when the action has come further. */
export function onJob(call) {
  draw = call;
}

/** Does it to the items. */
export async function begin(verb, items) {
  const own = { verb, total: items.length, done: 0, failed: [], untried: new Set(items), isWorking: true, isStopped: false, trouble: null };
  job = own;
  drawSoon();
  await few(items, (item) => one(own, item), () => !own.isStopped);
  own.isWorking = false;
  if (own.done === own.total) {
    job = null;
    say(`${batchesOf(own.total)} ${verb.done}`);
  }
  drawSoon();
  await now();
}

async function one(own, item) {
  own.untried.delete(item);
  // A retry whose answer was lost is asked for again under the same key, and not done twice.
  item.once ??= keyOf(16);
  try {
    await own.verb.run(item);
    own.done += 1;
  } catch (error) {
    own.failed.push({ item, why: error.message });
    // Where nobody answers, or nobody may ask, there is no use in asking for the others.
    if (error.status === 0 || error.status === 401) {
      own.isStopped = true;
      own.trouble = error.message;
    }
  }
  drawSoon();
}

const keyOf = (bytes) => Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, '0')).join('');

/** Begins with no more batches; those that are under way are ended. */
export function stop() {
  if (job) job.isStopped = true;
  drawSoon();
}

/** Does it to what failed and to what was not tried, so far as it still fits. */
export async function again() {
  const own = job;
  if (!own || own.isWorking) return;
  const before = new Map([...own.failed.map(({ item }) => item), ...own.untried].map((item) => [item.id, item]));
  Object.assign(own, { isWorking: true, isStopped: false, trouble: null });
  drawSoon();
  try {
    const found = await named([...before.keys()], () => {});
    const items = found.map((item) => ({ ...before.get(item.id), batch: item.batch })).filter(own.verb.fits);
    own.isWorking = false;
    if (own.isStopped) drawSoon();
    else if (items.length) await begin(own.verb, items);
    else await leave();
  } catch (error) {
    Object.assign(own, { isWorking: false, trouble: error.message });
    drawSoon();
  }
}

async function leave() {
  dismiss();
  say('There is none left to which it can be done');
  await now();
}

/** Lets go of an action that has ended. */
export function dismiss() {
  if (!job?.isWorking) job = null;
  drawSoon();
}

// A thousand batches are no thousand drawings.
function drawSoon() {
  if (isDrawing) return;
  isDrawing = true;
  setTimeout(() => {
    isDrawing = false;
    draw();
  }, DRAW_MS);
}
