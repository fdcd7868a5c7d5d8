// One batch: what it is called, how it stands, why it waits, and three ways to look at it.

import { h } from '../dom.js';
import { getBatch, getFile, getProgress, has, listFailures } from '../api/routes.js';
import { compact } from '../format.js';
import { heading, idText, notice } from '../parts/bits.js';
import { callsButton } from '../parts/calls.js';
import { icon } from '../parts/icons.js';
import { statusChip } from '../parts/status.js';
import { to } from '../router.js';
import { note } from '../samples.js';
import { actions } from './batch/actions.js';
import { errorsTab } from './batch/errors.js';
import { linesTab } from './batch/lines.js';
import { summaryTab } from './batch/summary.js';

const TABS = { summary: summaryTab, errors: errorsTab, lines: linesTab };

export function batch({ query }, draw, id, tabName) {
  const state = { id, batch: null, progress: null, failures: null, file: null, query, draw };
  const tab = (TABS[tabName] ?? summaryTab)(state);
  const calls = () => [
    { path: `/v1/batches/${id}`, python: `batch = client.batches.retrieve("${id}")`, cli: `overnight show ${id}` },
    { path: `/v1/batches/${id}/progress` },
    ...(tab.calls?.() ?? []),
  ];
  return {
    get title() {
      return nameIn(state);
    },
    refined(next) {
      state.query = next;
      tab.refined?.();
    },
    async refresh() {
      [state.batch, state.progress] = await Promise.all([getBatch(id), getProgress(id)]);
      const { lines_per_second: speed, in_flight: flying, limit } = state.progress;
      note(`batch/${id}`, { rate: speed, flying, limit });
      await Promise.all([learnFile(state), learnFailures(state)]);
      await tab.refresh?.();
    },
    draw: () => [head(state, calls), reason(state), tabs(state, tabName), tab.draw()],
    leave: () => tab.leave?.(),
  };
}

const nameIn = ({ batch, file, id }) => batch?.metadata?.name ?? file?.filename ?? id;

async function learnFile(state) {
  state.file ??= await getFile(state.batch.input_file_id).catch(() => null);
}

// The groups change only when another line fails.
async function learnFailures(state) {
  const { failed } = state.batch.request_counts;
  if (!has('GET', '/v1/batches/{id}/failures')) return;
  if (state.failuresAt === failed && state.failuresOf === state.batch.status) return;
  state.failures = await listFailures(state.id);
  state.failuresAt = failed;
  state.failuresOf = state.batch.status;
}

function head(state, calls) {
  const { batch, progress } = state;
  const crumb = h('a', { class: 'crumb', href: to(['batches']) }, icon('left', 14), 'Batches');
  const under = h('div', { class: 'row wrap' }, statusChip(batch, progress), idText(batch.id));
  return heading({ title: nameIn(state), crumb, note: under, actions: [...actions(state), callsButton(calls)] });
}

function reason({ batch, progress }) {
  if (progress.paused) return notice('warn', 'Paused: what is in flight lands, nothing new is sent until it is resumed.');
  if (progress.reason) return h('div', { 'data-key': 'reason', class: 'reason' }, notice('warn', progress.reason));
  if (batch.status !== 'failed') return null;
  return h('div', { 'data-key': 'reason', class: 'reason' }, notice('bad', 'The file did not pass validation: nothing was sent.', 'Mend the lines below and create the batch again.'));
}

function tabs(state, chosen) {
  const { id, batch, failures } = state;
  const failed = failures?.total ?? batch.request_counts.failed;
  const tab = (name, text, count) =>
    h('a', { href: to(name === 'summary' ? ['batches', id] : ['batches', id, name]), 'aria-current': chosen === name ? 'page' : null }, text, count ?? null);
  return h(
    'nav',
    { class: 'tabs', 'aria-label': 'Parts of the batch', 'data-key': 'tabs' },
    tab('summary', 'Summary'),
    failures ? tab('errors', 'Errors', failed ? h('span', { class: 'count bad' }, compact(failed)) : null) : null,
    has('GET', '/v1/batches/{id}/lines') ? tab('lines', 'Lines', h('span', { class: 'count' }, compact(batch.request_counts.total))) : null,
  );
}
