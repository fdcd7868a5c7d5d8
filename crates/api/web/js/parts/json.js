// JSON that can be read: indented and coloured, each piece a text of its own.

import { h } from '../dom.js';
import { copyButton } from './bits.js';

const PIECES = /("(?:\\.|[^"\\])*")(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\b(?:true|false|null)\b/g;
const CHARS_MAX = 200_000;

/** A view of a value. A huge one is cut. */
export function json(value, label) {
  let text = JSON.stringify(value, null, 2) ?? 'null';
  if (text.length > CHARS_MAX) text = `${text.slice(0, CHARS_MAX)}\n… cut after ${CHARS_MAX} characters`;
  return h(
    'div',
    { class: 'code' },
    h('div', { class: 'json', tabindex: 0, role: 'region', 'aria-label': label }, h('pre', {}, coloured(text))),
    copyButton(text, `Copy ${label}`),
  );
}

function coloured(text) {
  const pieces = [];
  let at = 0;
  for (const found of text.matchAll(PIECES)) {
    pieces.push(text.slice(at, found.index));
    const [all, string, colon] = found;
    if (string) pieces.push(h('span', { class: colon ? 'k' : 's' }, string), colon ?? '');
    else pieces.push(h('span', { class: /\d/.test(all[0]) || all[0] === '-' ? 'n' : 'w' }, all));
    at = found.index + all.length;
  }
  pieces.push(text.slice(at));
  return pieces;
}
