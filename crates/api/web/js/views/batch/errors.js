// What failed, by cause: how often, a sample, what it means, and the lines themselves.

import { h } from '../../dom.js';
import { has, listLines } from '../../api/routes.js';
import { causes } from '../../charts/causes.js';
import { count, many } from '../../format.js';
import { button, card, empty, facts, notice } from '../../parts/bits.js';
import { chip } from '../../parts/status.js';
import { to } from '../../router.js';
import { canRetry, retryDialog } from './actions.js';
import { openLine } from './line.js';

const SAMPLES = 20;

/** The failures of a batch. */
export function errorsTab(state) {
  let lines = [];
  let asked = null;
  const chosen = () => {
    const groups = state.failures?.data ?? [];
    return groups.find((group) => group.signature === state.query.get('cause')) ?? groups[0];
  };
  return {
    async refresh() {
      const group = chosen();
      const wanted = group ? `${group.signature}/${group.count}` : null;
      if (wanted === asked || !has('GET', '/v1/batches/{id}/lines')) return;
      lines = group ? (await listLines(state.id, { status: 'failed', signature: group.signature, limit: SAMPLES })).data : [];
      asked = wanted;
    },
    calls: () => [{ path: `/v1/batches/${state.id}/failures`, cli: `overnight errors ${state.id} --group` }],
    draw() {
      const group = chosen();
      if (!group) return h('div', { class: 'card', 'data-key': 'errors' }, empty('check', 'Nothing failed', 'Every line that ended so far has an answer.'));
      return h(
        'div',
        { class: 'grid two', 'data-key': 'errors' },
        card('Causes', { side: h('span', { class: 'muted small' }, `${many(state.failures.total, 'line')} failed`) }, causes(state.failures.data, state.failures.total, (one) => to(['batches', state.id, 'errors'], { cause: one.signature }), group.signature)),
        h('div', { class: 'column' }, about(state, group), samples(state, group, lines)),
      );
    },
  };
}

function about(state, group) {
  const side = canRetry(state) ? button('Retry these', { sign: 'again', kind: 'small', click: () => retryDialog(state, group) }) : null;
  return card(
    'The cause',
    { side, label: 'Cause' },
    h('div', { class: 'stack' },
      h('p', { class: 'strong' }, group.signature),
      group.hint ? notice('info', group.hint) : null,
      facts([
        ['Code', group.code ? h('code', {}, group.code) : null],
        ['Status', group.status_code],
        ['Lines', count(group.count)],
        ['First seen', group.first_line && h('a', { href: to(['batches', state.id, 'lines'], { line: group.first_line }) }, `line ${count(group.first_line)}`)],
        ['Worth a retry', group.retryable ? chip('yes', 'good') : chip('not as it is', 'warn')],
        ['A sample', group.sample],
      ]),
    ),
  );
}

function samples(state, group, lines) {
  if (lines.length === 0) return null;
  const all = h('a', { class: 'small', href: to(['batches', state.id, 'lines'], { status: 'failed', cause: group.signature }) }, `All ${many(group.count, 'line')}`);
  const click = (line) => (event) => {
    event.preventDefault();
    openLine(state, line.line);
  };
  return card(
    'Lines',
    { side: all, kind: 'flush' },
    h(
      'table',
      { class: 'table' },
      h('thead', {}, h('tr', {}, h('th', { class: 'col-small' }, 'Line'), h('th', {}, 'custom_id'), h('th', { class: 'num col-small' }, 'Attempts'))),
      h('tbody', {}, lines.map((line) =>
        h(
          'tr',
          { 'data-key': line.line, 'data-href': to(['batches', state.id, 'lines'], { line: line.line }), on: { click: click(line) } },
          h('td', {}, h('a', { href: to(['batches', state.id, 'lines'], { line: line.line }) }, count(line.line))),
          h('td', { class: 'clip mono small' }, line.custom_id),
          h('td', { class: 'num' }, count(line.attempts)),
        ),
      )),
    ),
  );
}
