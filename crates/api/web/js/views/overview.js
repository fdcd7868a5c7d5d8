// What goes on: how much, how fast, what needs somebody, what runs.

import { h } from '../dom.js';
import { callsButton } from '../parts/calls.js';
import { card, figure, heading, when } from '../parts/bits.js';
import { compact, many, rate, duration } from '../format.js';
import { lineChart, keys } from '../charts/line.js';
import { note, notes, points } from '../samples.js';
import { isOpen, statusChip } from '../parts/status.js';
import { barCell } from '../parts/progress.js';
import { nameOf } from '../api/names.js';
import { to } from '../router.js';
import { summary } from './summary.js';
import { attention } from './attention.js';
import { upstreamTile } from './upstreams.js';
import { welcome } from './welcome.js';

const SHOWN = 6;

export function overview(_, draw) {
  let state = null;
  const calls = () => [{ path: '/v1/overview', python: 'client.batches.list(limit=20)', cli: 'overnight list --active' }];
  return {
    title: 'Overview',
    async refresh() {
      state = await summary();
      note('overview', { rate: state.rate, flying: state.inFlight, limit: state.limit });
    },
    draw() {
      const top = heading({ title: 'Overview', actions: [callsButton(calls)] });
      if (state.batches.length === 0) {
        return [top, welcome(state)];
      }
      return [
        top,
        h(
          'div',
          { class: 'column', 'data-key': 'overview' },
          attention(state, draw),
          figures(state),
          h('div', { class: 'grid two', 'data-key': 'charts' }, throughput(), flights()),
          h('div', { class: 'grid main-aside', 'data-key': 'lists' }, h('div', { class: 'column' }, running(state, draw), ended(state, draw)), tiles(state)),
        ),
      ];
    },
  };
}

function figures(state) {
  const { counts } = state;
  const active = (counts.in_progress ?? 0) + (counts.finalizing ?? 0) + (counts.cancelling ?? 0);
  const more = state.isPartial ? '+' : '';
  const tokens = state.tokens
    ? figure('Tokens', [rate(state.tokens.output), h('small', {}, ' out/s')], `${rate(state.tokens.input)} in/s`)
    : figure('Completed', `${compact(counts.completed ?? 0)}${more}`, many(counts.failed ?? 0, 'failed batch', 'failed batches'));
  return h(
    'div',
    { class: 'figures', 'data-key': 'figures' },
    figure('Running', compact(active), counts.validating ? `${compact(counts.validating)} validating` : 'batches'),
    figure('Throughput', [rate(state.rate), h('small', {}, ' lines/s')], state.left ? `${compact(state.left)} lines to go` : 'nothing to do'),
    tokens,
    figure('In flight', [compact(state.inFlight), h('small', {}, state.limit === null ? '' : ` of ${compact(state.limit)}`)], 'requests at the upstreams'),
  );
}

function throughput() {
  const list = points(notes('overview'), 'rate');
  const series = [{ id: '1', name: 'lines/s', area: true, points: list }];
  return card('Throughput', { side: keys(series) }, lineChart({ label: 'Throughput in lines a second', series, text: rate }));
}

function flights() {
  const series = [
    { id: '2', name: 'in flight', area: true, points: points(notes('overview'), 'flying') },
    { id: 'limit', name: 'limit', points: points(notes('overview'), 'limit') },
  ];
  return card('In flight', { side: keys(series), label: 'In flight against the limit' }, lineChart({ label: 'Requests in flight and their limit', series, text: (value) => compact(Math.round(value)) }));
}

function running(state, draw) {
  const open = state.batches.filter(isOpen).slice(0, SHOWN);
  const all = h('a', { href: to(['batches'], { status: 'active' }), class: 'small' }, 'All active');
  const rows = open.map((batch) => runningRow(batch, state.progress.get(batch.id), draw));
  const none = h('p', { class: 'muted' }, 'Nothing runs. The upstreams are free.');
  return card('Running now', { side: open.length ? all : null, kind: 'flush running' }, rows.length ? rows : none);
}

function runningRow(batch, progress, draw) {
  const eta = progress?.eta_seconds;
  return h(
    'a',
    { href: to(['batches', batch.id]), 'data-href': to(['batches', batch.id]), 'data-key': batch.id },
    h('div', { class: 'name' }, h('b', {}, nameOf(batch, draw)), h('small', {}, batch.model ?? batch.endpoint)),
    barCell(batch, progress),
    h('div', { class: 'stack' }, h('div', {}, statusChip(batch, progress)), h('span', { class: 'muted small' }, eta === null || eta === undefined ? '' : `${duration(eta)} left`)),
  );
}

function ended(state, draw) {
  const done = state.batches.filter((batch) => !isOpen(batch)).slice(0, SHOWN);
  const rows = done.map((batch) =>
    h(
      'a',
      { href: to(['batches', batch.id]), 'data-href': to(['batches', batch.id]), 'data-key': batch.id },
      h('div', { class: 'name' }, h('b', {}, nameOf(batch, draw)), h('small', {}, batch.model ?? batch.endpoint)),
      barCell(batch),
      h('div', { class: 'stack' }, h('div', {}, statusChip(batch)), h('span', { class: 'muted small' }, when(endOf(batch)))),
    ),
  );
  const all = h('a', { href: to(['batches']), class: 'small' }, 'All batches');
  return rows.length ? card('Ended lately', { side: all, kind: 'flush running' }, rows) : null;
}

const endOf = (batch) => batch.completed_at ?? batch.failed_at ?? batch.cancelled_at ?? batch.expired_at;

function tiles(state) {
  if (state.upstreams === null) return null;
  const all = h('a', { href: to(['upstreams']), class: 'small' }, 'Details');
  return card('Upstreams', { side: all, kind: 'flush' }, state.upstreams.map(upstreamTile));
}
