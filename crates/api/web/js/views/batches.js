// All batches, a page at a time; the filters stand in the address. One or many can be acted on.

import { h } from '../dom.js';
import { listBatches, takes } from '../api/routes.js';
import { address } from '../api/client.js';
import { compact } from '../format.js';
import { empty, heading, pager } from '../parts/bits.js';
import { callsButton } from '../parts/calls.js';
import { icon } from '../parts/icons.js';
import { go, refine, to } from '../router.js';
import { ask } from './batches/ask.js';
import { bar } from './batches/bar.js';
import { gather } from './batches/gather.js';
import * as job from './batches/job.js';
import { Selection } from './batches/selection.js';
import { table } from './batches/table.js';
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
  const selection = new Selection();
  let filters = query;
  let page = { data: [], has_more: false };
  let progress = new Map();
  let typing = 0;
  const asked = () => ({ limit: PAGE, after: filters.get('after'), ...wanted(filters) });
  const search = (event) => {
    clearTimeout(typing);
    const { value } = event.target;
    typing = setTimeout(() => refine({ search: value, after: '' }), TYPING_MS);
  };
  const act = async (verb) => {
    const items = await ask(verb, (tell, signal) => gather(verb, selection, wanted(filters), tell, signal));
    if (!items) return;
    selection.drop();
    await job.begin(verb, items);
  };
  const calls = () => [{ path: address('/v1/batches', asked()), python: `for batch in client.batches.list(limit=${PAGE}):\n    print(batch.id, batch.status)`, cli: 'overnight list' }];
  job.onJob(draw);
  return {
    title: 'Batches',
    refined: (next) => {
      if (matchOf(next) !== matchOf(filters)) selection.drop();
      filters = next;
    },
    async refresh() {
      page = await listBatches(asked()).catch((error) => {
        if (error.status !== 404 || !filters.get('after')) throw error;
        // The batch behind which the page begins is gone.
        refine({ after: '' });
        return listBatches(asked());
      });
      progress = await progressOf(page.data);
    },
    draw: () => [
      heading({ title: 'Batches', actions: [callsButton(calls)] }),
      toolbar(filters, search),
      h('div', { class: 'card', 'data-key': 'list' }, page.data.length ? table({ page, progress, selection, draw }) : nothing(filters), foot(page, filters)),
      bar({
        selection,
        hidden: selection.ids.filter((id) => !page.data.some((batch) => batch.id === id)).length,
        more: page.has_more || Boolean(filters.get('after')),
        isFiltered: matchOf(filters) !== '',
        job: job.current(),
        act,
        draw,
      }),
    ],
    leave: () => clearTimeout(typing),
  };
}

// What a batch has to be to match the filters, as the API asks for it.
const wanted = (filters) => ({
  status: FILTERS.find(([name]) => name === (filters.get('status') ?? ''))?.[2],
  search: filters.get('search'),
});

const matchOf = (filters) => Object.values(wanted(filters)).filter(Boolean).join('\n');

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
