// What the dashboard says in passing, and what it asks before it does something that cannot be undone.

import { h } from '../dom.js';
import { icon } from './icons.js';

const SHOWN_MS = 5000;

function shelf() {
  let own = document.querySelector('.toasts');
  if (!own) {
    own = h('div', { class: 'toasts', role: 'status', 'aria-live': 'polite' });
    document.body.append(own);
  }
  return own;
}

/** Says something for a few seconds. */
export function say(text, kind = 'good') {
  const note = h('div', { class: 'toast', 'data-kind': kind }, icon(kind === 'bad' ? 'warn' : 'check'), h('span', {}, text));
  shelf().append(note);
  setTimeout(() => note.remove(), SHOWN_MS);
}

/** Does something, and says when it did not work. Answers whether it did. */
export async function attempt(work, done) {
  try {
    await work();
    if (done) say(done);
    return true;
  } catch (error) {
    if (error.name !== 'AbortError') say(error.message, 'bad');
    return false;
  }
}

/** A window over the page; it is gone when it is closed. Answers its element. */
export function dialog({ title, kind = '', onClose }, ...children) {
  const own = h(
    'dialog',
    { class: kind, 'aria-label': title, on: { close: () => { own.remove(); onClose?.(); }, click: outside } },
    h(
      'div',
      { class: 'sheet' },
      h('div', { class: 'row spread' }, h('h2', {}, title), h('button', { class: 'button plain icon', type: 'button', 'aria-label': 'Close', on: { click: () => own.close() } }, icon('cross'))),
      ...children,
    ),
  );
  document.body.append(own);
  own.showModal();
  return own;
}

function outside(event) {
  if (event.target === event.currentTarget) event.currentTarget.close();
}

/** Asks whether to do it; answers true or false. */
export function confirm({ title, text, yes, kind = 'danger' }) {
  return new Promise((resolve) => {
    let answer = false;
    const decide = (value) => () => {
      answer = value;
      own.close();
    };
    const own = dialog(
      { title, onClose: () => resolve(answer) },
      h('p', { class: 'muted' }, text),
      h(
        'div',
        { class: 'foot' },
        h('button', { class: 'button', type: 'button', on: { click: decide(false) } }, 'Leave it'),
        h('button', { class: `button primary ${kind}`, type: 'button', on: { click: decide(true) } }, yes),
      ),
    );
    own.querySelector('.foot .button').focus();
  });
}
