// All batches, a page at a time; the filters stand in the address.

import { h } from '../dom.js';
import { nameOf } from '../api/names.js';
import { listBatches, takes } from '../api/routes.js';
import { address } from '../api/client.js';
import { compact, duration, rate } from '../format.js';
import { empty, heading, pager, when } from '../parts/bits.js';
import { callsButton } from '../parts/calls.js';
import { icon } from '../parts/icons.js';
import { barCell } from '../parts/progress.js';
import { isOpen, statusChip } from '../parts/status.js';
import { go, refine, to } from '../router.js';
import { progressOf } from './summary.js';

const PAGE = 25;
const TYPING_MS = 250;
const FILTERS = [
  ['', 'All', ''],
  ['active', 'Active', 'validating,in_progress,finalizing,cancelling'],
  ['completed', 'Completed', 'completed'],
  ['failed', 'Failed', 'failed,expired'],
  ['cancelled', 'Cancelled', 'cancelled'],
];

export function batches({ query }, draw) {
  let filters = query;
  let page = { data: [], has_more: false };
  let progress = new Map();
  let typing = 0;
  const asked = () => ({
    limit: PAGE,
    after: filters.get('after'),
    status: FILTERS.find(([name]) => name === (filters.get('status') ?? ''))?.[2],
    search: filters.get('search'),
  });
  const search = (event) => {
    clearTimeout(typing);
    const { value } = event.target;
    typing = setTimeout(() => refine({ search: value, after: '' }), TYPING_MS);
  };
  const calls = () => [{ path: address('/v1/batches', asked()), python: `for batch in client.batches.list(limit=${PAGE}):\n    print(batch.id, batch.status)`, cli: 'overnight list' }];
  return {
    title: 'Batches',
    refined: (next) => {
      filters = next;
    },
    async refresh() {
      page = await listBatches(asked());
      progress = await progressOf(page.data);
    },
    draw: () => [
      heading({ title: 'Batches', actions: [callsButton(calls)] }),
      toolbar(filters, search),
      h('div', { class: 'card', 'data-key': 'list' }, page.data.length ? table(page, progress, draw) : nothing(filters), foot(page, filters)),
    ],
    leave: () => clearTimeout(typing),
  };
}

function toolbar(filters, search) {
  const status = filters.get('status') ?? '';
  const all = Object.fromEntries(filters);
  return h(
    'div',
    { class: 'toolbar', 'data-key': 'toolbar' },
    takes('/v1/batches', 'status')
      ? h('nav', { class: 'segments', 'aria-label': 'Status' }, FILTERS.map(([name, text]) => h('a', { href: to(['batches'], { ...all, status: name, after: '' }), 'aria-current': name === status ? 'true' : null }, text)))
      : null,
    takes('/v1/batches', 'search')
      ? h('div', { class: 'search' }, icon('search', 16), h('input', { class: 'input', type: 'search', placeholder: 'Name, id or metadata', 'aria-label': 'Search batches', value: filters.get('search') ?? '', on: { input: search } }), h('kbd', { 'aria-hidden': 'true' }, '/'))
      : null,
  );
}

function table(page, progress, draw) {
  return h(
    'table',
    { class: 'table cards' },
    h('thead', {}, h('tr', {}, h('th', {}, 'Batch'), h('th', { class: 'col-status' }, 'Status'), h('th', { class: 'col-progress' }, 'Progress'), h('th', { class: 'col-rate' }, 'Speed'), h('th', { class: 'col-when num' }, 'Created'))),
    h('tbody', {}, page.data.map((batch) => row(batch, progress.get(batch.id), draw))),
  );
}

function row(batch, progress, draw) {
  const href = to(['batches', batch.id]);
  const click = (event) => {
    if (!event.target.closest('a, button')) location.hash = href;
  };
  return h(
    'tr',
    { 'data-href': href, 'data-key': batch.id, on: { click } },
    h('td', {}, h('div', { class: 'name' }, h('a', { href }, nameOf(batch, draw)), h('small', {}, `${batch.model ?? 'several models'} · ${batch.id}`))),
    h('td', { class: 'end' }, statusChip(batch, progress)),
    h('td', { class: 'wide' }, barCell(batch, progress)),
    h('td', { class: 'small' }, speed(batch, progress)),
    h('td', { class: 'num end small muted' }, when(batch.created_at)),
  );
}

function speed(batch, progress) {
  if (isOpen(batch)) {
    if (!progress || progress.lines_per_second === 0) return h('span', { class: 'muted' }, '–');
    const eta = progress.eta_seconds;
    return [h('div', {}, `${rate(progress.lines_per_second)} lines/s`), eta ? h('div', { class: 'muted' }, `${duration(eta)} left`) : null];
  }
  const end = batch.completed_at ?? batch.cancelled_at ?? batch.expired_at;
  const begin = batch.in_progress_at;
  if (!end || !begin) return h('span', { class: 'muted' }, '–');
  return h('span', { class: 'muted' }, `in ${duration(Math.max(1, end - begin))}`);
}

function nothing(filters) {
  if (filters.get('status') || filters.get('search') || filters.get('after')) {
    return empty('search', 'Nothing matches', 'No batch is as you ask.', h('a', { class: 'button', href: to(['batches']) }, 'Show all'));
  }
  return empty('batches', 'No batch yet', 'A batch is one run of a file of requests. Choose a file, or send one with the client that you have.', h('button', { class: 'button primary', type: 'button', on: { click: () => go(['new']) } }, 'New batch'));
}

function foot(page, filters) {
  const all = Object.fromEntries(filters);
  const isFirst = !filters.get('after');
  if (isFirst && !page.has_more) return null;
  return pager({
    text: `${compact(page.data.length)} on this page`,
    newer: isFirst ? null : to(['batches'], { ...all, after: '' }),
    older: page.has_more ? to(['batches'], { ...all, after: page.data.at(-1).id }) : null,
  });
}
