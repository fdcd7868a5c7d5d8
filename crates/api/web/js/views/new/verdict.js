// What is in the file, and what is wrong with it.

import { h } from '../../dom.js';
import { bytes, compact, count, duration, many } from '../../format.js';
import { card, facts, notice, waiting } from '../../parts/bits.js';

const SHOWN = 200;

/** What the server says of the file, or what this page has seen of it so far. */
export function verdictCard(state) {
  const { scan, dry, error } = state;
  return h(
    'div',
    { class: 'column', 'data-key': 'verdict' },
    error ? notice('bad', error) : null,
    card('What is in it', { label: 'Summary' }, dry ? told(dry) : scan ? seen(scan) : state.file ? h('p', { class: 'muted' }, 'It is checked line by line before anything is sent.') : waiting(3)),
    problems(state),
  );
}

const models = (entries) => entries.map(([model, lines]) => h('div', { 'data-key': model }, h('span', { class: 'tag' }, model), h('span', { class: 'muted small' }, ` ${many(lines, 'line')}`)));

function told(dry) {
  return facts([
    ['Lines', h('b', {}, count(dry.lines))],
    ['Size', bytes(dry.bytes)],
    ['Models', models(dry.models.map(({ model, lines }) => [model, lines]))],
    ['Input tokens', dry.estimated_input_tokens === null ? null : `about ${compact(dry.estimated_input_tokens)}`],
    ['At the present speed', dry.estimated_seconds === null ? null : `about ${duration(dry.estimated_seconds)}`],
  ]);
}

function seen(scan) {
  return facts([
    ['Lines', [h('b', {}, count(scan.lines)), scan.isDone ? null : h('span', { class: 'muted' }, ' so far')]],
    ['Size', bytes(scan.bytes)],
    ['Models', models(Object.entries(scan.models).slice(0, 8))],
    ['Endpoint', Object.keys(scan.urls).slice(0, 4).map((url) => h('span', { class: 'tag' }, url))],
  ]);
}

function problems({ scan, dry }) {
  const list = dry ? dry.errors.data : scan?.errors ?? [];
  const total = dry ? dry.errors_total : scan?.wrong ?? 0;
  if (total === 0) {
    const isSure = dry?.valid || scan?.isDone;
    return isSure ? notice('good', dry ? 'The file is valid: every line can run.' : 'No problem found.') : null;
  }
  return card(
    'Problems',
    { side: h('span', { class: 'muted small' }, many(total, 'problem')) },
    h(
      'ol',
      { class: 'problems', tabindex: 0, role: 'list', 'aria-label': 'Problems of the file' },
      list.slice(0, SHOWN).map((one) => h('li', {}, h('span', { class: 'where' }, place(one)), h('div', {}, one.message, one.excerpt ? h('code', {}, one.excerpt) : null))),
    ),
  );
}

const place = ({ line, column }) => (line ? `${count(line)}${column ? `:${count(column)}` : ''}` : 'the file');
