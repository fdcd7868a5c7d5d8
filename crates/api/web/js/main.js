// The start: the frame, the screen that the address names, and what keeps it true.

import { key, keep, onKeyNeeded, ApiError } from './api/client.js';
import { learn } from './api/routes.js';
import { h, patch } from './dom.js';
import { keyboard } from './keyboard.js';
import * as live from './live.js';
import { notice, waiting, empty } from './parts/bits.js';
import { here, onAddress } from './router.js';
import { gate } from './gate.js';
import { shell, showState } from './shell.js';
import { screenOf } from './screens.js';

let screen = null;
let frame = null;
let trouble = null;
let isLocked = false;

function draw() {
  if (!frame || isLocked || !screen) return;
  const seen = screen.missing
    ? empty('search', 'There is no such thing here', screen.missing)
    : screen.isLoaded ? screen.view.draw() : [h('h1', { class: 'sr', tabindex: -1 }, screen.view.title), waiting(6)];
  patch(frame.main, trouble ? h('div', { 'data-key': 'trouble', class: 'trouble' }, notice('bad', trouble)) : null, seen);
  document.title = `${screen.view.title} · Overnight`;
}

async function refresh() {
  const asked = screen;
  try {
    await asked.view.refresh();
    trouble = null;
    asked.isLoaded = true;
    asked.missing = null;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401) return;
    if (error.status === 404 || (error.status === 400 && !asked.isLoaded)) {
      asked.missing = error.message;
    } else {
      trouble = error.message;
      asked.isLoaded = true;
      draw();
      throw error;
    }
  } finally {
    if (asked === screen) draw();
  }
}

// The same screen with other filters keeps its place; another one begins at the top.
function follow() {
  if (isLocked || !frame) return;
  const address = here();
  const next = screenOf(address);
  if (screen && screen.name === next.name) {
    screen.view.refined?.(address.query);
    draw();
    live.now();
    return;
  }
  screen?.view.leave?.();
  trouble = null;
  screen = { name: next.name, view: next.open(address, draw), isLoaded: false, missing: null };
  frame.mark(next.section);
  document.querySelectorAll('dialog').forEach((dialog) => dialog.close());
  draw();
  scrollTo(0, 0);
  live.watch(refresh).then(() => document.querySelector('#main h1')?.focus({ preventScroll: true }));
}

async function start() {
  isLocked = false;
  try {
    await learn();
  } catch (error) {
    if (error.status === 401) return;
    document.querySelector('#app').replaceChildren(
      h('main', { id: 'main', class: 'main' }, h('h1', {}, 'Overnight'), notice('bad', error.message), h('p', {}, h('a', { href: location.pathname }, 'Try again'))),
    );
    return;
  }
  frame = shell(document.querySelector('#app'));
  screen = null;
  follow();
  live.follow();
}

onKeyNeeded((why) => {
  if (isLocked) return;
  isLocked = true;
  frame = null;
  const wasWrong = Boolean(key());
  keep(null);
  gate(document.querySelector('#app'), wasWrong ? why : null, start);
});
live.onState(showState);
onAddress(follow);
keyboard({ refresh: live.now });
start();
