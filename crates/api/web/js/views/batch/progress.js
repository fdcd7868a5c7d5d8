// How far a batch is, how fast it goes, when it will be done, and what holds it.

import { h } from '../../dom.js';
import { compact, count, duration, percent, rate } from '../../format.js';
import { card, notice } from '../../parts/bits.js';
import { bar, parts } from '../../parts/progress.js';
import { isOpen } from '../../parts/status.js';

const LIMITS = {
  upstream: 'held by the upstreams',
  input: 'held by reading the file',
  paused: 'paused',
  disk: 'held: the disk is almost full',
};

/** The first card of a batch. */
export function progressCard(state) {
  const { batch, progress } = state;
  const numbers = parts(batch, progress);
  const done = numbers.completed + numbers.failed;
  return card(
    'Progress',
    { side: h('span', { class: 'muted small' }, `${count(done)} of ${count(numbers.total)} lines`) },
    h(
      'div',
      { class: 'hero-progress' },
      h('div', { class: 'lead' }, h('b', {}, numbers.total ? percent(done, numbers.total) : '–'), h('span', { class: 'muted' }, outlook(batch, progress, numbers))),
      bar(batch, progress, 'big'),
      legend(numbers, isOpen(batch)),
      late(batch, progress),
      quad(batch, progress),
    ),
  );
}

function outlook(batch, progress, { total }) {
  if (batch.status === 'validating') return total ? 'checking the file' : 'reading the file';
  if (!isOpen(batch)) return ended(batch);
  if (progress.eta_seconds === null || progress.eta_seconds === undefined) return 'no forecast yet';
  const [least, most] = progress.eta_range_seconds ?? [];
  const range = most > least ? ` (${duration(least)} to ${duration(most)})` : '';
  return `about ${duration(progress.eta_seconds)} left${range}`;
}

function ended(batch) {
  const end = batch.completed_at ?? batch.cancelled_at ?? batch.expired_at ?? batch.failed_at;
  const took = batch.in_progress_at ? ` in ${duration(Math.max(1, end - batch.in_progress_at))}` : '';
  return `${batch.status}${took}`;
}

function legend({ completed, failed, flying, left }, isRunning) {
  const entry = (part, number, text) => h('span', {}, h('i', { 'data-part': part }), `${count(number)} ${text}`);
  return h(
    'div',
    { class: 'legend' },
    entry('done', completed, 'completed'),
    entry('failed', failed, 'failed'),
    isRunning ? entry('flying', flying, 'in flight') : null,
    isRunning || left ? entry('left', left, isRunning ? 'to go' : 'not run') : null,
  );
}

function late(batch, progress) {
  const left = batch.expires_at ? batch.expires_at - Date.now() / 1000 : null;
  if (!progress.eta_seconds || left === null || progress.eta_seconds <= left || !isOpen(batch)) return null;
  return notice('warn', `It expires in ${duration(left)}, sooner than it would be done. What is done by then is kept.`);
}

function quad(batch, progress) {
  if (!isOpen(batch)) return meanQuad(batch);
  const limit = progress.limit === null || progress.limit === undefined ? '' : ` of ${compact(progress.limit)}`;
  return h(
    'dl',
    { class: 'quad' },
    cell('Speed', `${rate(progress.lines_per_second)}/s`, 'lines'),
    cell('In flight', `${compact(progress.in_flight)}${limit}`, LIMITS[progress.limited_by] ?? 'requests'),
    cell('Retrying', compact(progress.retrying), 'wait for another attempt'),
    cell('Deadline', batch.expires_at ? duration(Math.max(0, batch.expires_at - Date.now() / 1000)) : 'none', batch.expires_at ? 'from now' : ''),
  );
}

function meanQuad(batch) {
  const end = batch.completed_at ?? batch.cancelled_at ?? batch.expired_at;
  const { completed, failed, total } = batch.request_counts;
  if (!end || !batch.in_progress_at) return null;
  const seconds = Math.max(1, end - batch.in_progress_at);
  return h(
    'dl',
    { class: 'quad' },
    cell('Mean speed', `${rate((completed + failed) / seconds)}/s`, 'lines'),
    cell('Took', duration(seconds), 'from the first to the last line'),
    cell('Succeeded', percent(completed, total), 'of all lines'),
    cell('Output', `${rate(batch.usage.output_tokens / seconds)}/s`, 'tokens'),
  );
}

const cell = (name, value, more) => h('div', { 'data-key': name }, h('dt', {}, name), h('dd', {}, value, more ? h('small', {}, more) : null));
