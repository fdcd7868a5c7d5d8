// The servers that do the work: whether they are well, what they serve, how busy they are.

import { h } from '../dom.js';
import { listUpstreams } from '../api/routes.js';
import { ApiError } from '../api/client.js';
import { callsButton } from '../parts/calls.js';
import { empty, facts, heading, when } from '../parts/bits.js';
import { chip } from '../parts/status.js';
import { count, many } from '../format.js';
import { lineChart, keys } from '../charts/line.js';
import { note, notes, points } from '../samples.js';

const TONES = { healthy: 'good', doubtful: 'warn', parked: 'bad', unknown: null };
const MODELS_SHOWN = 8;

export function upstreams() {
  let list = [];
  let isHidden = false;
  const calls = () => [{ path: '/admin/upstreams', cli: 'overnight upstreams list' }];
  return {
    title: 'Upstreams',
    async refresh() {
      try {
        list = (await listUpstreams()).data;
        isHidden = false;
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 403) throw error;
        isHidden = true;
      }
      for (const one of list) note(`upstream/${one.worker}/${one.name}`, { flying: one.in_flight, limit: one.limit });
    },
    draw() {
      return [
        heading({ title: 'Upstreams', note: h('p', {}, isHidden ? '' : many(list.length, 'inference server')), actions: [callsButton(calls)] }),
        h('div', { 'data-key': 'upstreams' }, isHidden ? hidden() : list.length === 0 ? none() : h('div', { class: 'tiles' }, list.map(tile))),
      ];
    },
  };
}

const hidden = () => h('div', { class: 'card' }, empty('key', 'For operators', 'This key sees its own project. The upstreams are shown to a key with the role admin.'));

const none = () =>
  h('div', { class: 'card' }, empty('upstreams', 'No upstream', 'Batches wait until there is one. Give the server an address with --upstream, or name it in the configuration.'));

const healthChip = (upstream) => chip(upstream.health, TONES[upstream.health]);

function tile(upstream) {
  const list = notes(`upstream/${upstream.worker}/${upstream.name}`);
  const series = [
    { id: '2', name: 'in flight', area: true, points: points(list, 'flying') },
    { id: 'limit', name: 'limit', points: points(list, 'limit') },
  ];
  return h(
    'section',
    { class: 'card upstream', 'aria-label': upstream.name, 'data-key': `${upstream.worker}/${upstream.name}` },
    h('div', { class: 'row spread' }, h('div', { class: 'name' }, h('b', {}, upstream.name), h('small', {}, upstream.url)), healthChip(upstream)),
    upstream.reason ? h('p', { class: 'small' }, upstream.reason) : null,
    busy(upstream),
    lineChart({ label: `${upstream.name}: requests in flight and their limit`, series, text: (value) => count(Math.round(value)), height: '6rem' }),
    keys(series),
    facts([
      ['Models', models(upstream)],
      ['Worker', h('span', { class: 'mono small' }, upstream.worker)],
      ['Last change', when(upstream.updated_at)],
    ]),
  );
}

function models(upstream) {
  if (upstream.any_model) return 'every model';
  const shown = upstream.models.slice(0, MODELS_SHOWN).map((name) => [h('span', { class: 'tag' }, name), ' ']);
  const more = upstream.models.length - MODELS_SHOWN;
  return shown.length ? [shown, more > 0 ? `and ${more} more` : null] : 'not known yet';
}

function busy(upstream) {
  const share = upstream.limit ? Math.min(1, upstream.in_flight / upstream.limit) : 0;
  return h(
    'div',
    { class: 'strip' },
    h('div', { class: 'row spread small' }, h('span', { class: 'muted' }, 'In flight'), h('span', {}, h('b', {}, count(upstream.in_flight)), h('span', { class: 'muted' }, ` of ${count(upstream.limit)}`))),
    h('div', { class: 'track', role: 'img', 'aria-label': `${upstream.in_flight} of ${upstream.limit} requests in flight` }, h('i', { vars: { '--share': `${share * 100}%` } })),
  );
}

/** An upstream in few words, for the overview. */
export const upstreamTile = (upstream) =>
  h(
    'div',
    { class: 'upstream', 'data-key': `${upstream.worker}/${upstream.name}` },
    h('div', { class: 'row spread' }, h('div', { class: 'name' }, h('b', {}, upstream.name), h('small', {}, upstream.any_model ? 'every model' : upstream.models.slice(0, 3).join(', ') || upstream.url)), healthChip(upstream)),
    busy(upstream),
    upstream.reason ? h('p', { class: 'small muted' }, upstream.reason) : null,
  );
