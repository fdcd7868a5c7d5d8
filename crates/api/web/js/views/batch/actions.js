// What can be done to a batch; what cannot be undone says what it affects, and asks.

import { h } from '../../dom.js';
import { cancelBatch, deleteBatch, has, pauseBatch, resumeBatch, retryBatch } from '../../api/routes.js';
import { contentOf, download, resultsOf } from '../../api/download.js';
import { many } from '../../format.js';
import { button } from '../../parts/bits.js';
import { icon } from '../../parts/icons.js';
import { attempt, confirm, dialog, say } from '../../parts/notes.js';
import { isOpen, retryable, retryableLines, retryName } from '../../parts/status.js';
import { go } from '../../router.js';
import { now } from '../../live.js';

/** The buttons of a batch. */
export function actions(state) {
  const { batch, progress } = state;
  const isRunning = ['validating', 'in_progress'].includes(batch.status);
  return [
    isRunning && has('POST', '/v1/batches/{id}/pause') ? pauseButton(state, progress.paused) : null,
    isRunning ? button('Cancel', { sign: 'stop', kind: 'danger', click: () => cancel(state) }) : null,
    canRetry(state) ? button(retryName(batch.request_counts), { sign: 'again', kind: 'primary', click: () => retryDialog(state) }) : null,
    downloads(state),
    !isOpen(batch) && has('DELETE', '/v1/batches/{id}') ? button('', { sign: 'bin', kind: 'danger icon', label: 'Delete the batch', click: () => remove(state) }) : null,
  ];
}

/** Whether lines can be run again. */
export function canRetry({ batch }) {
  return !isOpen(batch) && retryable(batch.request_counts) > 0 && has('POST', '/v1/batches/{id}/retry');
}

function pauseButton({ id }, isPaused) {
  const work = isPaused ? () => resumeBatch(id) : () => pauseBatch(id);
  const click = async () => {
    if (await attempt(work, isPaused ? 'Resumed' : 'Paused: what is in flight lands')) await now();
  };
  return button(isPaused ? 'Resume' : 'Pause', { sign: isPaused ? 'play' : 'pause', click });
}

async function cancel({ id, batch }) {
  const { total, completed, failed } = batch.request_counts;
  const left = total - completed - failed;
  const text = total
    ? `${many(left, 'line')} will not run. ${many(completed + failed, 'line')} that ended are kept and can be downloaded.`
    : 'It has not begun: none of its lines will run.';
  if (!(await confirm({ title: 'Cancel this batch?', text, yes: 'Cancel the batch' }))) return;
  if (await attempt(() => cancelBatch(id), 'Cancelling')) await now();
}

async function remove({ id, batch }) {
  const { completed, failed } = batch.request_counts;
  const text = `The results of ${many(completed + failed, 'line')} are deleted with it. The input file stays.`;
  if (!(await confirm({ title: 'Delete this batch?', text, yes: 'Delete the batch' }))) return;
  if (await attempt(() => deleteBatch(id), 'Deleted')) go(['batches']);
}

/** Asks how failed lines are to be run again: all, or those of one cause. */
export function retryDialog({ id, batch }, group = null) {
  const affected = group?.count ?? retryable(batch.request_counts);
  const model = h('input', { class: 'input mono', id: 'retry-model', placeholder: batch.model ?? 'as in the file', autocomplete: 'off' });
  const tokens = h('input', { class: 'input', id: 'retry-tokens', type: 'number', min: 1, placeholder: 'as in the file' });
  const submit = async (event) => {
    event.preventDefault();
    const body = {};
    if (group) body.signature = group.signature;
    if (model.value.trim()) body.model = model.value.trim();
    if (tokens.value) body.set = { max_tokens: Number(tokens.value) };
    let made = null;
    if (await attempt(async () => { made = await retryBatch(id, body); })) {
      own.close();
      say(`${many(affected, 'line')} run again in a new batch`);
      go(['batches', made.id]);
    }
  };
  const own = dialog(
    { title: group ? 'Retry failed lines' : retryName(batch.request_counts) },
    h('p', { class: 'muted' }, group ? `The ${many(affected, 'line')} that failed for this cause will run again, in a new batch. This one stays as it is.` : `${retryableLines(batch.request_counts)} will run again, in a new batch. This one stays as it is.`),
    group ? h('p', { class: 'mono small' }, group.signature) : null,
    h(
      'form',
      { on: { submit } },
      h('div', { class: 'choices' }, field('retry-model', 'Model', model), field('retry-tokens', 'max_tokens', tokens)),
      h('div', { class: 'foot' }, h('button', { class: 'button', type: 'button', on: { click: () => own.close() } }, 'Leave it'), h('button', { class: 'button primary', type: 'submit' }, icon('again', 16), `Retry ${many(affected, 'line')}`)),
    ),
  );
}

const field = (id, text, input) => h('div', { class: 'field' }, h('label', { for: id }, text), input);

function downloads({ batch, file }) {
  const name = (what) => `${(batch.metadata?.name ?? file?.filename ?? batch.id).replace(/\.jsonl$/i, '').replace(/[^\w.-]+/g, '-')}.${what}.jsonl`;
  const save = (path, what) => (event) => {
    event.currentTarget.closest('details').open = false;
    attempt(() => download(path, name(what)));
  };
  const { completed, failed } = batch.request_counts;
  const isRunning = isOpen(batch);
  const part = isRunning ? h('span', { class: 'tag' }, 'so far') : null;
  const entry = (text, path, what, mark) => h('li', {}, h('button', { type: 'button', on: { click: save(path, what) } }, icon('down', 16), h('span', {}, text), mark));
  const entries = [
    completed || batch.output_file_id ? entry('Results', batch.output_file_id ? contentOf(batch.output_file_id) : resultsOf(batch.id, 'output'), 'output', part) : null,
    failed || batch.error_file_id ? entry('Errors', batch.error_file_id ? contentOf(batch.error_file_id) : resultsOf(batch.id, 'error'), 'errors', part) : null,
    file ? entry('Input', contentOf(batch.input_file_id), 'input') : null,
  ];
  if (!entries.some(Boolean)) return null;
  return h('details', { class: 'menu', 'data-key': 'downloads' }, h('summary', { class: 'button' }, icon('down', 16), 'Download', icon('more', 14)), h('ul', {}, entries));
}
