// One line: what was asked and what came back, side by side.

import { h, patch } from '../../dom.js';
import { getLine } from '../../api/routes.js';
import { compact, count, milliseconds } from '../../format.js';
import { button, copy, facts, notice, waiting } from '../../parts/bits.js';
import { json } from '../../parts/json.js';
import { chip } from '../../parts/status.js';
import { dialog } from '../../parts/notes.js';

const TONES = { completed: 'good', failed: 'bad', pending: null };

/** The status of a line. */
export const lineChip = (line) => chip(line.status, TONES[line.status]);

/** Opens a line in a drawer. `closed` is called when it is gone. */
export async function openLine(state, number, closed) {
  const body = h('div', { class: 'stack' }, waiting(8));
  const drawer = dialog({ title: `Line ${count(number)}`, kind: 'drawer', onClose: closed }, body);
  try {
    const line = await getLine(state.id, number);
    patch(body, seen(line));
  } catch (error) {
    patch(body, notice('bad', error.message));
  }
  return drawer;
}

function seen(line) {
  const message = line.result?.error?.message ?? line.result?.response?.body?.error?.message;
  return [
    h('div', { class: 'row wrap spread' }, h('div', { class: 'row' }, lineChip(line), h('span', { class: 'mono small' }, line.custom_id)), line.request && button('Copy as curl', { sign: 'code', kind: 'small', click: () => copy(curl(line), 'Copied: fill in the address of your upstream') })),
    message ? notice('bad', message) : null,
    facts([
      ['HTTP status', line.status_code],
      ['Attempts', line.attempts ? count(line.attempts) : null],
      ['Time', line.milliseconds === null ? null : milliseconds(line.milliseconds)],
      ['Tokens', line.input_tokens === null ? null : `${compact(line.input_tokens)} in, ${compact(line.output_tokens ?? 0)} out`],
    ]),
    answer(line),
    h('h3', {}, 'Request'),
    line.request ? json(line.request, 'the request') : h('p', { class: 'muted' }, 'It is not shown: its file is gone, or it is too large.'),
    h('h3', {}, 'Result'),
    line.result ? json(line.result, 'the result') : h('p', { class: 'muted' }, line.status === 'pending' ? 'There is none yet.' : 'It is not shown: its file is gone, or it is too large.'),
  ];
}

// What most people look for, before the JSON around it.
function answer(line) {
  const text = line.result?.response?.body?.choices?.[0]?.message?.content;
  if (typeof text !== 'string' || !text) return null;
  return [h('h3', {}, 'Answer'), h('div', { class: 'answer' }, text)];
}

function curl({ request }) {
  const body = JSON.stringify(request.body).replaceAll("'", "'\\''");
  return `curl "$UPSTREAM${request.url}" -H 'Content-Type: application/json' -d '${body}'`;
}
