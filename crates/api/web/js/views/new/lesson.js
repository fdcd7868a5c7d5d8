// What a file looks like, for whoever has none yet.

import { h } from '../../dom.js';
import { card } from '../../parts/bits.js';
import { json } from '../../parts/json.js';
import { sampleFile } from '../sample.js';

const FIELDS = [
  ['custom_id', 'Your name for the line. It comes back with the result; no two lines share one.'],
  ['method, url', 'Always POST, and the endpoint: the same on every line.'],
  ['body', 'What you would send to the model yourself. It reaches the model byte for byte.'],
];

/** One line of a file, and what its parts mean. */
export function lesson() {
  return card(
    'What a line looks like',
    {},
    h(
      'div',
      { class: 'grid two' },
      json(JSON.parse(sampleFile('your-model', 1)), 'a line'),
      h('dl', { class: 'lesson' }, FIELDS.map(([name, text]) => h('div', {}, h('dt', {}, h('code', {}, name)), h('dd', {}, text)))),
    ),
  );
}
