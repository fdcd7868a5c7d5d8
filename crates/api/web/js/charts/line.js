// Values over time, as lines and areas; what is under the pointer is said in words.

import { h, svg } from '../dom.js';
import { ago } from '../format.js';
import { roundUp } from './scale.js';

const HEIGHT = 100;
const WIDTH = 100;

/**
 * A chart of `series`: `{ id, name, area, points: [{ at, value }] }`, `at` in seconds. `text` says a value.
 */
export function lineChart({ label, series, text, height = '9rem' }) {
  const times = series.flatMap(({ points }) => points.map((point) => point.at));
  const most = Math.max(0, ...series.flatMap(({ points }) => points.map((point) => point.value)));
  if (times.length < 2 || new Set(times).size < 2) {
    return h('div', { class: 'chart-empty', vars: { height } }, 'Drawn as soon as there is something to see.');
  }
  const [first, last] = [Math.min(...times), Math.max(...times)];
  const top = roundUp(most || 1);
  const x = (at) => ((at - first) / (last - first)) * WIDTH;
  const y = (value) => HEIGHT - (value / top) * HEIGHT;
  const now = series[0].points.at(-1);
  return h(
    'figure',
    { class: 'chart', vars: { '--chart-height': height }, role: 'group', 'aria-label': label },
    h('div', { class: 'y', 'aria-hidden': 'true' }, [1, 0.5, 0].map((share) => h('span', { vars: { top: `${(1 - share) * 100}%` } }, text(top * share).replace(/\.0$/, '')))),
    h(
      'div',
      { class: 'plot', on: { pointermove: (event) => point(event, { series, first, last, text }), pointerleave: unpoint } },
      svg(
        'svg',
        { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': `${label}: ${series.map(({ name, points }) => `${name} ${text(points.at(-1)?.value ?? 0)}`).join(', ')}` },
        [0, 0.5, 1].map((share) => svg('line', { class: 'rule', x1: 0, x2: WIDTH, y1: HEIGHT * share, y2: HEIGHT * share })),
        series.map((one) => shape(one, x, y)),
      ),
      h('div', { 'data-island': true, 'data-key': 'pointer' }),
    ),
    h('div', { class: 'x', 'aria-hidden': 'true' }, h('span', {}, ago(first, now.at)), h('span', {}, 'now')),
  );
}

function shape({ id, area, points }, x, y) {
  const path = points.map(({ at, value }, index) => `${index ? 'L' : 'M'}${x(at).toFixed(2)} ${y(value).toFixed(2)}`).join('');
  const filled = area && points.length > 1 ? `${path}L${x(points.at(-1).at).toFixed(2)} ${HEIGHT}L${x(points[0].at).toFixed(2)} ${HEIGHT}Z` : null;
  return [
    filled ? svg('path', { class: 'fill', 'data-series': id, d: filled }) : null,
    svg('path', { class: 'stroke', 'data-series': id, d: path }),
  ];
}

function point(event, { series, first, last, text }) {
  const plot = event.currentTarget;
  const box = plot.getBoundingClientRect();
  const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  const at = first + share * (last - first);
  const near = (points) => points.reduce((best, one) => (Math.abs(one.at - at) < Math.abs(best.at - at) ? one : best));
  const said = series.filter(({ points }) => points.length).map(({ name, points }) => `${name} ${text(near(points).value)}`);
  const left = `${share * 100}%`;
  plot.querySelector('[data-island]').replaceChildren(
    h('div', { class: 'cursor', vars: { left } }),
    h('div', { class: 'readout', vars: { left, '--shift': share > 0.6 ? 'calc(-100% - 0.5rem)' : '0.5rem' } }, `${ago(at, last)} · ${said.join(' · ')}`),
  );
}

function unpoint(event) {
  event.currentTarget.querySelector('[data-island]').replaceChildren();
}

/** What the lines of a chart mean. */
export const keys = (series) => h('div', { class: 'keys' }, series.map(({ id, name }) => h('span', {}, h('i', { 'data-series': id }), name)));
