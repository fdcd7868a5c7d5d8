// The signs of the dashboard: strokes on a grid of 24.

import { svg } from '../dom.js';

const STROKES = {
  overview: 'M4 13h6V4H4zM14 20h6v-9h-6zM14 7h6V4h-6zM4 20h6v-3H4z',
  batches: 'M4 6h16M4 12h16M4 18h10',
  files: 'M6 3h8l4 4v14H6zM14 3v4h4',
  upstreams: 'M5 4h14v6H5zM5 14h14v6H5zM8 7h.01M8 17h.01',
  settings: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5v5M9 14.5v5',
  plus: 'M12 5v14M5 12h14',
  search: 'M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM15.5 15.5 20 20',
  copy: 'M9 9h11v11H9zM15 9V4H4v11h5',
  check: 'M5 12.5 10 17 19 7',
  cross: 'M6 6l12 12M18 6 6 18',
  down: 'M12 4v11M7 11l5 5 5-5M5 20h14',
  up: 'M12 20V8M7 12l5-5 5 5M5 4h14',
  bin: 'M5 7h14M10 4h4M7 7l1 13h8l1-13M10 11v5M14 11v5',
  pause: 'M8 5v14M16 5v14',
  play: 'M7 5l12 7-12 7z',
  stop: 'M6 6h12v12H6z',
  again: 'M20 5v5h-5M19.5 10A8 8 0 1 0 20 14',
  code: 'M9 7l-5 5 5 5M15 7l5 5-5 5',
  warn: 'M12 4 2.5 20h19zM12 10v4M12 17h.01',
  info: 'M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM12 11v5M12 8h.01',
  sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v3M12 19v3M2 12h3M19 12h3M5 5l2 2M17 17l2 2M19 5l-2 2M7 17l-2 2',
  moon: 'M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z',
  system: 'M4 5h16v11H4zM9 20h6M12 16v4',
  left: 'M14 6l-6 6 6 6',
  right: 'M10 6l6 6-6 6',
  more: 'M6 9l6 6 6-6',
  eye: 'M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12zM12 9.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z',
  key: 'M8 10.5a4 4 0 1 0 0 7.9 4 4 0 0 0 0-7.9zM11 12l8-8M16 7l3 3',
  shield: 'M12 3l7 3v6c0 4.5-3 7.5-7 9-4-1.5-7-4.5-7-9V6zM8.5 12l2.5 2.5 4.5-5',
};

/** A sign; it is decoration, the text beside it says what it means. */
export function icon(name, size = 18) {
  return svg(
    'svg',
    { viewBox: '0 0 24 24', width: size, height: size, fill: 'none', stroke: 'currentColor', 'stroke-width': 1.8, 'stroke-linecap': 'round', 'stroke-linejoin': 'round', 'aria-hidden': 'true' },
    svg('path', { d: STROKES[name] }),
  );
}

/** The moon of Overnight. */
export function mark(size = 28) {
  return svg(
    'svg',
    { viewBox: '0 0 32 32', width: size, height: size, 'aria-hidden': 'true' },
    svg('rect', { width: 32, height: 32, rx: 9, fill: '#4a3fd6' }),
    svg('path', { d: 'M20.8 20.6A8.6 8.6 0 0 1 12.4 8.2a8.8 8.8 0 1 0 11.4 11.4 8.5 8.5 0 0 1-3 1z', fill: '#fff' }),
    svg('circle', { cx: 21.6, cy: 9.6, r: 1.7, fill: '#ffd479' }),
  );
}
