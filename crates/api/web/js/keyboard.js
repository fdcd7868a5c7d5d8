// Everything can be reached without a mouse: `/` searches, `j` and `k` move, Enter opens, `?` tells.

import { h } from './dom.js';
import { dialog } from './parts/notes.js';
import { go } from './router.js';

/** What each key does, for the page that tells. */
export const SHORTCUTS = [
  ['/', 'Search'],
  ['j  k', 'Next, previous row'],
  ['Enter', 'Open the row'],
  ['x', 'Select the row'],
  ['X', 'Select from the last one to the row'],
  ['a', 'Select the page'],
  ['A', 'Select all that match'],
  ['b', 'To what can be done with the selected'],
  ['Esc', 'Select nothing'],
  ['n', 'New batch'],
  ['r', 'Bring up to date'],
  ['g o', 'Overview'],
  ['g b', 'Batches'],
  ['g f', 'Files'],
  ['g u', 'Upstreams'],
  ['g s', 'Settings'],
  ['?', 'These keys'],
];

const PLACES = { o: 'overview', b: 'batches', f: 'files', u: 'upstreams', s: 'settings' };

/** Starts to listen. */
export function keyboard({ refresh }) {
  let isGoing = false;
  const simple = {
    '/': focusSearch,
    j: () => move(1),
    k: () => move(-1),
    Enter: open,
    x: () => tick(false),
    X: () => tick(true),
    b: () => document.querySelector('main [data-acts] button:enabled')?.focus(),
    n: () => go(['new']),
    r: refresh,
    '?': help,
  };
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (document.querySelector('dialog[open]')) return;
    const place = isGoing ? PLACES[event.key] : null;
    isGoing = event.key === 'g' && !isGoing;
    if (place) go([place]);
    else if (event.key === 'Enter' && isPressed(event.target)) return;
    else if (simple[event.key]) simple[event.key]();
    else if (!press(event.key)) return;
    event.preventDefault();
  });
}

const isTick = (target) => target.type === 'checkbox';
const isTyping = (target) => (/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) && !isTick(target)) || target.isContentEditable;

// Whether Enter means what has the focus, and not the row.
const isPressed = (target) => target !== document.body && target.tagName !== 'H1' && !isTick(target);

// What a screen says is to be pressed by a key.
function press(key) {
  const target = document.querySelector(`main [data-shortcut="${CSS.escape(key)}"]`);
  target?.click();
  return Boolean(target);
}

function tick(isReaching) {
  const box = picked()?.querySelector('input[type="checkbox"]');
  box?.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true, shiftKey: isReaching }));
}

function focusSearch() {
  document.querySelector('main input[type="search"]')?.focus();
}

const picked = () => document.querySelector('main [data-picked]');

function move(step) {
  const rows = [...document.querySelectorAll('main [data-href]')];
  if (rows.length === 0) return;
  const at = rows.indexOf(picked());
  const next = rows[Math.min(rows.length - 1, Math.max(0, at + step))];
  pick(next);
  next.scrollIntoView({ block: 'nearest' });
}

/** Marks a row as the one that Enter opens. */
export function pick(row) {
  picked()?.removeAttribute('data-picked');
  row.setAttribute('data-picked', '');
}

function open() {
  const row = picked();
  if (row) location.hash = row.getAttribute('data-href');
}

function help() {
  dialog({ title: 'Keys' }, shortcutList());
}

/** The keys and what they do. */
export const shortcutList = () =>
  h('dl', { class: 'shortcuts' }, SHORTCUTS.map(([keys, text]) => [h('dt', {}, text), h('dd', {}, keys.split(/ +/).map((key) => [h('kbd', {}, key), ' ']))]));
