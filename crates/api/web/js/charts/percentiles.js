// How long answers take: from the median to the slowest, on a logarithmic scale.

import { h, svg } from '../dom.js';
import { milliseconds } from '../format.js';
import { logPlace } from './scale.js';

const NAMES = [['p50', 'median'], ['p95', '95 %'], ['p99', '99 %'], ['max', 'slowest']];

const ends = ({ p50, p95, p99, max }) => ({ p50, p95, p99, max });

const span = (from, until, name) => svg('rect', { class: name, x: from, y: 3, width: Math.max(0.4, until - from), height: 6 });

/** A strip of `{ p50, p95, p99, max }` in milliseconds. */
export function percentiles(latency) {
  const least = latency.p50 / 4;
  const most = latency.max * 1.3;
  const x = (value) => logPlace(value, least, most) * 100;
  const said = NAMES.map(([key, name]) => `${name} ${milliseconds(latency[key])}`).join(', ');
  return h(
    'div',
    { class: 'percentiles' },
    svg(
      'svg',
      { viewBox: '0 0 100 12', preserveAspectRatio: 'none', height: 24, width: '100%', role: 'img', 'aria-label': `Latency: ${said}` },
      svg('rect', { class: 'track', x: 0, y: 3, width: 100, height: 6 }),
      span(x(latency.p50), x(latency.max), 'far'),
      span(x(latency.p50), x(latency.p99), 'wide'),
      span(x(latency.p50), x(latency.p95), 'core'),
      Object.values(ends(latency)).map((value) => svg('line', { class: 'end', x1: x(value), x2: x(value), y1: 0.5, y2: 11.5 })),
    ),
    h('dl', {}, NAMES.map(([key, name]) => h('div', {}, h('dt', {}, name), h('dd', {}, milliseconds(latency[key]))))),
  );
}
