// A list that draws only the rows that are seen. A browser's page has a greatest height; beyond it
// the bar moves over the lines in larger steps.

import { h, patch } from '../../dom.js';
import { compact, count, milliseconds } from '../../format.js';
import { lineChip } from './line.js';

const ROW = 40;
const HEAD = 34;
const HEIGHT_MAX = 8_000_000;
const BEYOND = 12;

/** A scrolling list; `open` is called with the number of the line that is chosen. */
export function scroller(open) {
  let lines = null;
  const tall = h('div', { class: 'tall', role: 'list', 'aria-label': 'Lines of the batch' });
  const box = h('div', { class: 'rows', tabindex: 0, role: 'region', 'aria-label': 'Table of the lines', 'data-island': true, 'data-key': 'rows', on: { scroll: redraw } }, header(), tall);
  const resized = () => redraw();
  addEventListener('resize', resized);

  const height = () => Math.min(HEIGHT_MAX, (lines?.count() ?? 0) * ROW);
  const visible = () => Math.ceil((box.clientHeight || 600) / ROW);

  // The first row that is seen: the share of the bar is the share of the lines.
  function first() {
    const total = lines?.count() ?? 0;
    const room = height() - (box.clientHeight - HEAD);
    if (total * ROW <= HEIGHT_MAX || room <= 0) return Math.floor(box.scrollTop / ROW);
    return Math.floor((box.scrollTop / room) * Math.max(0, total - visible() + 2));
  }

  function range() {
    const from = Math.max(0, first() - BEYOND);
    return [from, Math.min(lines?.count() ?? 100, first() + visible() + BEYOND)];
  }

  function redraw() {
    if (!lines) return;
    paint();
    lines.need(range()).then(paint, () => {});
  }

  function paint() {
    const [from, until] = range();
    const top = box.scrollTop - (box.scrollTop % ROW) - (first() - from) * ROW;
    const start = height() < HEIGHT_MAX ? from * ROW : Math.max(0, top);
    tall.style.height = `${height()}px`;
    const rows = [];
    for (let index = from; index < until; index += 1) rows.push(row(lines.get(index), index, start + (index - from) * ROW, open));
    patch(tall, rows);
  }

  return {
    range,
    top: () => { box.scrollTop = 0; },
    draw(next) {
      lines = next;
      queueMicrotask(redraw);
      return box.isConnected ? box.cloneNode(false) : box;
    },
    leave: () => removeEventListener('resize', resized),
  };
}

const header = () =>
  h('div', { class: 'lines-head', 'aria-hidden': 'true' }, ['Line', 'custom_id', 'Status', 'HTTP', 'Attempts', 'Time', 'Tokens', 'Preview'].map((text) => h('span', {}, text)));

function row(line, index, top, open) {
  if (!line) return h('div', { class: 'line', role: 'listitem', 'data-key': index, vars: { transform: `translateY(${top}px)` } }, h('span', { class: 'muted' }, count(index + 1)), h('span', { class: 'wait' }));
  const tokens = line.input_tokens === null ? '' : `${compact(line.input_tokens)} / ${compact(line.output_tokens ?? 0)}`;
  const click = () => open(line.line);
  return h(
    'div',
    { role: 'listitem', 'data-key': index },
    h(
      'button',
      { class: 'line', type: 'button', vars: { transform: `translateY(${top}px)` }, on: { click }, 'aria-label': `Line ${line.line}, ${line.custom_id}, ${line.status}` },
      h('span', { class: 'muted' }, count(line.line)),
      h('span', { class: 'mono' }, line.custom_id),
      h('span', {}, lineChip(line)),
      h('span', { class: 'gone' }, line.status_code ?? ''),
      h('span', { class: 'gone' }, line.attempts || ''),
      h('span', { class: 'gone' }, line.milliseconds === null ? '' : milliseconds(line.milliseconds)),
      h('span', { class: 'gone' }, tokens),
      h('span', { class: 'gone muted' }, line.preview ?? ''),
    ),
  );
}
