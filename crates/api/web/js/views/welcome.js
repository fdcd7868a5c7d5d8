// The overview before there is anything to see: how to begin, in three steps that can be copied.

import { h } from '../dom.js';
import { code } from '../parts/bits.js';
import { key } from '../api/client.js';
import { icon } from '../parts/icons.js';
import { to } from '../router.js';
import { sampleFile } from './sample.js';

/** The first page that a new server shows. */
export function welcome(state) {
  const model = modelOf(state);
  return h(
    'section',
    { class: 'card welcome', 'aria-label': 'Getting started', 'data-key': 'welcome' },
    h(
      'div',
      { class: 'hero' },
      h('h2', {}, 'Files of requests in, files of results out.'),
      h('p', {}, 'Your first batch takes a minute. Any client of OpenAI’s Batch API works: only the address differs.'),
      h(
        'div',
        { class: 'row wrap' },
        h('a', { class: 'button', href: to(['new'], { sample: '1' }) }, icon('play', 16), 'Try a sample batch'),
        h('a', { class: 'button plain', href: to(['new']) }, 'Choose a file'),
      ),
    ),
    h('div', { class: 'guide' }, h('ol', { class: 'steps' }, steps(model))),
  );
}

const modelOf = (state) => state.upstreams?.flatMap((upstream) => upstream.models)[0] ?? 'sim';

function steps(model) {
  const [line] = sampleFile(model, 1).split('\n');
  const auth = key() ? '' : '\nexport OPENAI_API_KEY=any';
  return [
    step('Write a file, one request a line', code(`echo '${line}' > requests.jsonl`)),
    step('Point your code here', code(`export OPENAI_BASE_URL=${location.origin}/v1${auth}`)),
    step(
      'Upload it and start the batch',
      code(
        `python3 -c '\nfrom openai import OpenAI\nc = OpenAI()\nf = c.files.create(file=open("requests.jsonl", "rb"), purpose="batch")\nb = c.batches.create(\n    input_file_id=f.id,\n    endpoint="/v1/chat/completions",\n    completion_window="24h",\n)\nprint(b.id)'`,
      ),
    ),
  ];
}

const step = (title, body) => h('li', {}, h('div', {}, h('h3', {}, title), body));
