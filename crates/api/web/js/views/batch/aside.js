// Beside a batch: what happened when, its files, whether they are whole, and what it was asked to be.

import { h } from '../../dom.js';
import { contentOf, download } from '../../api/download.js';
import { has, verifyBatch } from '../../api/routes.js';
import { bytes, count, duration, instant, many } from '../../format.js';
import { button, card, facts, notice } from '../../parts/bits.js';
import { icon } from '../../parts/icons.js';
import { attempt } from '../../parts/notes.js';
import { isOpen } from '../../parts/status.js';
import { to } from '../../router.js';

/** What happened when. */
export function timelineCard({ batch }) {
  const events = [
    ['Created', batch.created_at],
    ['Validated', batch.in_progress_at],
    ['Cancelled by a person', batch.cancelling_at],
    ['Finalizing', batch.finalizing_at],
    ['Completed', batch.completed_at, 'good'],
    ['Failed', batch.failed_at, 'bad'],
    ['Expired', batch.expired_at, 'bad'],
    ['Cancelled', batch.cancelled_at],
    [isOpen(batch) ? 'Expires' : null, batch.expires_at, 'later'],
  ];
  const shown = events.filter(([name, at]) => name && at);
  return card('Timeline', {}, h('ol', { class: 'timeline' }, shown.map(([name, at, tone], index) => entry(name, at, tone, shown[index - 1]?.[1]))));
}

function entry(name, at, tone, before) {
  const passed = before && tone !== 'later' && at - before >= 1 ? ` after ${duration(at - before)}` : '';
  return h('li', { 'data-tone': tone, 'data-key': name }, h('span', {}, name, h('span', { class: 'muted small' }, passed)), h('time', { datetime: new Date(at * 1000).toISOString() }, instant(at)));
}

/** The files of a batch. */
export function filesCard({ batch, file }) {
  const line = (text, id, name, size) =>
    h(
      'div',
      { class: 'file-line', 'data-key': text },
      icon('files'),
      h('div', { class: 'name' }, h('b', {}, text), h('small', {}, size ? `${bytes(size)} · ${id}` : id)),
      button('', { sign: 'down', kind: 'small icon', label: `Download the ${text.toLowerCase()} file`, click: () => attempt(() => download(contentOf(id), name)) }),
    );
  return card(
    'Files',
    {},
    file ? line('Input', batch.input_file_id, file.filename, file.bytes) : h('div', { class: 'file-line muted' }, icon('files'), 'The input file was deleted.'),
    batch.output_file_id ? line('Results', batch.output_file_id, `${batch.id}_output.jsonl`) : null,
    batch.error_file_id ? line('Errors', batch.error_file_id, `${batch.id}_error.jsonl`) : null,
  );
}

/** Whether every line is accounted for. */
export function integrityCard(state) {
  const { batch } = state;
  const { total, completed, failed } = batch.request_counts;
  if (isOpen(batch) || total === 0 || batch.status === 'failed') return null;
  const verify = async () => {
    await attempt(async () => { state.verified = await verifyBatch(batch.id); });
    state.draw();
  };
  const unrun = total - completed - failed;
  return card(
    'Every line accounted for',
    { side: has('GET', '/v1/batches/{id}/verify') ? button('Verify', { sign: 'shield', kind: 'small', click: verify }) : null },
    h('p', {}, h('b', {}, count(total)), ' = ', count(completed), ' completed + ', count(failed), ' failed', unrun ? ` + ${count(unrun)} not run` : ''),
    state.verified ? verdict(state.verified) : null,
  );
}

function verdict({ valid, problems }) {
  if (valid) return notice('good', 'Each line is in one of the two files, once, and the checksums hold.');
  return notice('bad', many(problems.length, 'problem'), h('ul', {}, problems.slice(0, 20).map((problem) => h('li', {}, problem))));
}

/** What the batch was asked to be. */
export function detailsCard({ batch, progress }) {
  const metadata = Object.entries(batch.metadata ?? {});
  const link = (id) => h('a', { class: 'mono small', href: to(['batches', id]) }, id);
  return card(
    'Details',
    {},
    facts([
      ['Model', batch.model ?? 'several'],
      ['Endpoint', h('span', { class: 'mono small' }, batch.endpoint)],
      ['Window', batch.completion_window],
      ['Retries', progress.parent ? link(progress.parent) : null],
      ['Retried by', progress.children?.length ? progress.children.map((id) => h('div', {}, link(id))) : null],
      ...metadata.map(([name, value]) => [name, value]),
    ]),
  );
}
