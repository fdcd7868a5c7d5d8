// The file of a new batch: where it is dropped, and how far it is sent.

import { h } from '../../dom.js';
import { bytes, percent } from '../../format.js';
import { button, card } from '../../parts/bits.js';
import { icon } from '../../parts/icons.js';

/** Where a file is dropped or picked; `trySample` takes one that is made up. */
export function dropZone(take, trySample) {
  const input = h('input', { type: 'file', class: 'sr', id: 'file', accept: '.jsonl,.ndjson,.json,.txt', 'aria-label': 'Choose a JSONL file', tabindex: -1, on: { change: (event) => event.target.files[0] && take(event.target.files[0]) } });
  return h(
    'div',
    { class: 'drop', 'data-key': 'drop' },
    icon('up', 44),
    h('h2', {}, 'Drop a file anywhere on this page'),
    h('p', {}, 'It is checked while it is sent. Nothing runs before you say so.'),
    h('div', { class: 'row wrap' }, button('Choose a file', { kind: 'primary', click: (event) => event.currentTarget.closest('.drop').querySelector('input').click() }), button('Use a sample', { click: trySample })),
    input,
  );
}

/** A file on its way, or there. */
export function fileCard(state, reset) {
  const isThere = Boolean(state.file);
  const share = state.size ? (state.sent / state.size) * 100 : 0;
  return card(
    'File',
    { side: button(isThere ? 'Another file' : 'Give up', { kind: 'small', click: reset }) },
    h(
      'div',
      { class: 'stack' },
      h('div', { class: 'file-line' }, icon(isThere ? 'check' : 'files'), h('div', { class: 'name' }, h('b', {}, state.name), h('small', {}, isThere ? `${bytes(state.size)} · ${state.file.id}` : `${bytes(state.sent)} of ${bytes(state.size)} sent`)), h('span', { class: 'muted small' }, isThere ? 'uploaded' : percent(state.sent, state.size))),
      isThere ? null : h('div', { class: 'bar', role: 'progressbar', 'aria-label': 'Upload', 'aria-valuenow': Math.floor(share), 'aria-valuemin': 0, 'aria-valuemax': 100 }, h('i', { 'data-part': 'flying', vars: { '--share': `${share}%` } })),
    ),
  );
}
