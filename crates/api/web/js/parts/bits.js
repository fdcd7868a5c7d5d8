// Small pieces that every screen is made of.

import { h } from '../dom.js';
import { ago, instant } from '../format.js';
import { icon } from './icons.js';
import { say } from './notes.js';

/** Puts a text on the clipboard. */
export async function copy(text, what = 'Copied') {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    copyByHand(text);
  }
  say(what);
}

// The clipboard is for pages with TLS or of this machine; elsewhere a selection does.
function copyByHand(text) {
  const area = h('textarea', { class: 'sr', set: { value: text } });
  document.body.append(area);
  area.select();
  document.execCommand('copy');
  area.remove();
}

/** A button of words, with a sign before them. */
export function button(text, { sign, kind = '', click, disabled, title, label } = {}) {
  return h(
    'button',
    { class: `button ${kind}`, type: 'button', disabled, title, 'aria-label': label, on: { click } },
    sign ? icon(sign, 16) : null,
    text,
  );
}

/** A button that puts a text on the clipboard. */
export const copyButton = (text, label = 'Copy') => button('', { sign: 'copy', kind: 'small icon plain', label, click: () => copy(text) });

/** An id that can be copied. */
export const idText = (id) => h('span', { class: 'id' }, h('span', { class: 'clip' }, id), copyButton(id, `Copy ${id}`));

/** A command that can be copied. */
export function code(text, label = 'Copy the command') {
  return h('div', { class: 'code' }, h('pre', { tabindex: 0, role: 'region', 'aria-label': 'Command' }, h('code', {}, text)), button('', { sign: 'copy', kind: 'small icon', label, click: () => copy(text) }));
}

/** A time, as long ago as it is, exact when pointed at. */
export const when = (seconds) =>
  seconds ? h('time', { datetime: new Date(seconds * 1000).toISOString(), title: instant(seconds) }, ago(seconds)) : '–';

/** A card with a heading. */
export function card(title, { side, kind = 'body', label } = {}, ...children) {
  return h(
    'section',
    { class: 'card', 'aria-label': label ?? title, 'data-key': label ?? title },
    title ? h('header', {}, h('h2', {}, title), side) : null,
    h('div', { class: kind }, children),
  );
}

/** Names and values. */
export function facts(entries) {
  const shown = entries.filter(([, value]) => value !== null && value !== undefined && value !== '');
  return h('dl', { class: 'facts' }, shown.map(([name, value]) => h('div', { 'data-key': name }, h('dt', {}, name), h('dd', {}, value))));
}

/** A figure of a strip. */
export const figure = (name, value, note, sign) =>
  h('div', { 'data-key': name }, h('span', { class: 'figure-name' }, sign, name), h('span', { class: 'figure-value' }, value), note ? h('span', { class: 'figure-note' }, note) : null);

/** A sentence that should be read. */
export function notice(tone, text, more) {
  const sign = { good: 'check', info: 'info' }[tone] ?? 'warn';
  return h('div', { class: 'notice', 'data-tone': tone, role: tone === 'bad' ? 'alert' : null }, icon(sign), h('div', {}, text, more ? h('div', { class: 'more' }, more) : null));
}

/** What is said where there is nothing yet. */
export const empty = (sign, title, text, ...more) =>
  h('div', { class: 'empty' }, icon(sign, 44), h('h2', {}, title), h('p', {}, text), ...more);

/** While the first answer is on its way. */
export const waiting = (lines = 4) =>
  h('div', { class: 'stack', 'aria-busy': 'true', 'aria-label': 'Loading' }, Array.from({ length: lines }, () => h('div', { class: 'wait' })));

/** The title of a screen and what can be done on it. */
export function heading({ title, crumb, note, actions = [] }) {
  return h(
    'div',
    { class: 'head', 'data-key': 'head' },
    h('div', { class: 'titles' }, crumb, h('h1', { tabindex: -1 }, title), note),
    h('div', { class: 'actions' }, actions),
  );
}

/** Where one can go from a page of a list. */
export function pager({ text, newer, older }) {
  return h(
    'div',
    { class: 'pager' },
    h('span', {}, text),
    h(
      'div',
      { class: 'row' },
      newer ? h('a', { class: 'button small', href: newer }, icon('left', 14), 'Newest') : null,
      older ? h('a', { class: 'button small', href: older, rel: 'next' }, 'Older', icon('right', 14)) : null,
    ),
  );
}
