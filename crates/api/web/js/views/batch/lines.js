// The lines of a batch, of which only those that are seen are asked for: a million scroll like ten.

import { h } from '../../dom.js';
import { listLines } from '../../api/routes.js';
import { address } from '../../api/client.js';
import { many } from '../../format.js';
import { icon } from '../../parts/icons.js';
import { empty, button } from '../../parts/bits.js';
import { attempt, say } from '../../parts/notes.js';
import { refine, to } from '../../router.js';
import { openLine } from './line.js';
import { scroller } from './scroller.js';
import { source } from './source.js';

const STATUSES = [['', 'All'], ['completed', 'Completed'], ['failed', 'Failed'], ['pending', 'Pending']];

/** The lines of a batch. */
export function linesTab(state) {
  const filters = () => ({ status: state.query.get('status') ?? '', signature: state.query.get('cause') ?? '' });
  let asked = JSON.stringify(filters());
  let lines = source(state.id, filters());
  let opened = null;
  const view = scroller((line) => refine({ line }));
  const open = () => {
    const wanted = state.query.get('line');
    if (!wanted || wanted === opened) return;
    opened = wanted;
    openLine(state, Number(wanted), () => {
      opened = null;
      if (state.query.get('line')) refine({ line: '' });
    });
  };
  return {
    refined() {
      const next = JSON.stringify(filters());
      if (next !== asked) {
        asked = next;
        lines = source(state.id, filters());
        view.top();
      }
    },
    async refresh() {
      await lines.refresh(state.batch, view.range());
      open();
    },
    calls: () => [{ path: address(`/v1/batches/${state.id}/lines`, { limit: 200, status: filters().status, signature: filters().signature }) }],
    draw: () => h('div', { 'data-key': 'lines' }, toolbar(state), cause(state), body(state, lines, view)),
    leave: () => view.leave(),
  };
}

function body(state, lines, view) {
  if (lines.count() === 0) {
    const isFiltered = state.query.get('status') || state.query.get('cause');
    return h('div', { class: 'card' }, empty('search', isFiltered ? 'Nothing matches' : 'No lines yet', isFiltered ? 'No line of this batch is as you ask.' : 'The lines appear when the file has been read.'));
  }
  return h('section', { class: 'card', 'aria-label': 'Lines' }, view.draw(lines));
}

function toolbar(state) {
  const all = Object.fromEntries(state.query);
  const status = state.query.get('status') ?? '';
  const look = (event) => {
    event.preventDefault();
    lookUp(state, event.currentTarget.querySelector('input').value.trim());
  };
  return h(
    'div',
    { class: 'toolbar' },
    h('nav', { class: 'segments', 'aria-label': 'Status of the lines' }, STATUSES.map(([name, text]) => h('a', { href: to(['batches', state.id, 'lines'], { ...all, status: name, cause: '', line: '' }), 'aria-current': name === status ? 'true' : null }, text))),
    h(
      'form',
      { class: 'search', role: 'search', on: { submit: look } },
      icon('search', 16),
      h('input', { class: 'input', type: 'search', placeholder: 'custom_id, or #line number', 'aria-label': 'Find a line by custom_id or number' }),
      h('kbd', { 'aria-hidden': 'true' }, '/'),
    ),
    h('span', { class: 'muted small' }, many(state.batch.request_counts.total, 'line')),
  );
}

async function lookUp(state, text) {
  if (!text) return;
  const number = /^#(\d+)$/.exec(text)?.[1];
  if (number) {
    refine({ line: number });
    return;
  }
  await attempt(async () => {
    const found = (await listLines(state.id, { custom_id: text })).data[0];
    if (found) refine({ line: found.line });
    else say(`No line has the custom_id ${text}`, 'bad');
  });
}

function cause(state) {
  const signature = state.query.get('cause');
  if (!signature) return null;
  return h('div', { class: 'toolbar' }, h('span', { class: 'tag' }, signature), button('Any cause', { sign: 'cross', kind: 'small plain', click: () => refine({ cause: '' }) }));
}
