// A batch at a glance: how far, how fast, how long, what fails, what it used, what happened when.

import { h } from '../../dom.js';
import { card, facts } from '../../parts/bits.js';
import { causes } from '../../charts/causes.js';
import { lineChart, keys } from '../../charts/line.js';
import { percentiles } from '../../charts/percentiles.js';
import { compact, count, many, rate } from '../../format.js';
import { notes, points } from '../../samples.js';
import { isOpen } from '../../parts/status.js';
import { to } from '../../router.js';
import { progressCard } from './progress.js';
import { detailsCard, filesCard, integrityCard, timelineCard } from './aside.js';

/** The summary of a batch. */
export function summaryTab(state) {
  return {
    draw: () =>
      h(
        'div',
        { class: 'grid main-aside', 'data-key': 'summary' },
        h('div', { class: 'column' }, problems(state), state.batch.status === 'failed' ? null : progressCard(state), charts(state), failures(state), latency(state)),
        h('div', { class: 'column' }, usage(state), timelineCard(state), filesCard(state), integrityCard(state), detailsCard(state)),
      ),
  };
}

function problems({ batch }) {
  const errors = batch.errors?.data ?? [];
  if (errors.length === 0) return null;
  return card(
    'Problems of the file',
    { side: h('span', { class: 'muted small' }, many(errors.length, 'problem')) },
    h(
      'ol',
      { class: 'problems', tabindex: 0, role: 'list', 'aria-label': 'Problems of the file' },
      errors.map((error) =>
        h('li', {}, h('span', { class: 'where' }, error.line ? `line ${count(error.line)}` : 'the file'), h('div', {}, error.message, h('div', { class: 'muted small mono' }, error.code))),
      ),
    ),
  );
}

function charts(state) {
  const { batch, progress, id } = state;
  const told = (progress.history ?? []).map((one) => ({ at: one.at, rate: one.lines_per_second, flying: one.in_flight, limit: one.limit }));
  if (!isOpen(batch) && told.length < 2) return null;
  // The server's samples are some seconds apart: what was seen since then goes behind them.
  const since = told.at(-1)?.at ?? 0;
  const list = isOpen(batch) ? [...told, ...notes(`batch/${id}`).filter((one) => one.at > since)] : told;
  const speed = [{ id: '1', name: 'lines/s', area: true, points: points(list, 'rate') }];
  const flights = [
    { id: '2', name: 'in flight', area: true, points: points(list, 'flying') },
    { id: 'limit', name: 'limit', points: points(list, 'limit') },
  ].filter((one) => one.points.length);
  return h(
    'div',
    { class: 'grid two', 'data-key': 'charts' },
    card('Throughput', { side: keys(speed) }, lineChart({ label: 'Throughput in lines a second', series: speed, text: rate })),
    card('In flight', { side: keys(flights) }, lineChart({ label: 'Requests in flight and their limit', series: flights, text: (value) => compact(Math.round(value)) })),
  );
}

function failures({ failures: list, id }) {
  if (!list || list.data.length === 0) return null;
  const shown = list.data.slice(0, 6);
  const all = h('a', { class: 'small', href: to(['batches', id, 'errors']) }, list.data.length > shown.length ? `All ${many(list.data.length, 'cause')}` : 'Look closer');
  return card('Failures by cause', { side: all }, causes(shown, list.total, (group) => to(['batches', id, 'errors'], { cause: group.signature })));
}

function latency({ progress }) {
  if (!progress.latency_ms) return null;
  return card('Latency', { side: h('span', { class: 'muted small' }, 'of recent lines') }, percentiles(progress.latency_ms));
}

function usage({ batch, progress }) {
  const { usage: used } = batch;
  if (!used || used.total_tokens === 0) return null;
  const speed = progress.tokens_per_second;
  return card(
    'Tokens',
    {},
    facts([
      ['Input', tokens(used.input_tokens, speed?.input)],
      ['of them cached', used.input_tokens_details.cached_tokens ? count(used.input_tokens_details.cached_tokens) : null],
      ['Output', tokens(used.output_tokens, speed?.output)],
      ['of them reasoning', used.output_tokens_details.reasoning_tokens ? count(used.output_tokens_details.reasoning_tokens) : null],
      ['Per line', perLine(batch)],
    ]),
  );
}

const tokens = (number, speed) => [h('b', {}, count(number)), speed ? h('span', { class: 'muted' }, ` · ${rate(speed)}/s`) : null];

function perLine({ usage: used, request_counts: counts }) {
  if (!counts.completed) return null;
  return `${compact(Math.round(used.input_tokens / counts.completed))} in, ${compact(Math.round(used.output_tokens / counts.completed))} out`;
}
