// The bar below the list while batches are selected or acted on: how many, what can be done, how far it
// is, what failed.

import { h } from '../../dom.js';
import { to } from '../../router.js';
import { nameOf } from '../../api/names.js';
import { count } from '../../format.js';
import { button } from '../../parts/bits.js';
import { icon } from '../../parts/icons.js';
import { dialog } from '../../parts/notes.js';
import { again, dismiss, stop } from './job.js';
import { batchesOf, verbs } from './verbs.js';

const FAILURES_MAX = 200;

/**
 * The bar, or nothing. `selection` is what is selected, `hidden` how many of it other pages have,
 * `more` whether more match than this page shows, `job` what is being done; `act(verb)` and `draw()`
 * are called.
 */
export function bar({ selection, hidden, more, isFiltered, job, act, draw }) {
  const text = wordsOf(selection, isFiltered);
  // What is said aloud has to be there before it changes.
  const said = h('p', { class: 'sr', role: 'status', 'data-key': 'said' }, job && !job.isWorking ? `${outcome(job)}. ` : '', text);
  if (!text && !job) return [said];
  return [
    said,
    h(
      'section',
      { class: 'bulk', 'aria-label': 'Selected batches', 'data-key': 'bulk' },
      job ? working(job) : null,
      text ? selected({ selection, hidden, more, text, act, draw, isBusy: Boolean(job?.isWorking) }) : null,
    ),
  ];
}

function wordsOf(selection, isFiltered) {
  if (selection.isEmpty) return '';
  if (!selection.isAll) return `${count(selection.ids.length)} selected`;
  const all = isFiltered ? 'All that match' : 'All batches';
  return selection.left ? `${all} but ${count(selection.left)}` : all;
}

function selected({ selection, hidden, more, text, act, draw, isBusy }) {
  const change = (work) => () => {
    work();
    draw();
  };
  return h(
    'div',
    { class: 'bulk-row', 'data-key': 'selected' },
    h(
      'div',
      { class: 'bulk-text' },
      h('b', {}, text),
      hidden ? h('span', { class: 'muted small' }, `${count(hidden)} not on this page`) : null,
      more && !selection.isAll ? h('button', { class: 'link small', type: 'button', 'data-shortcut': 'A', on: { click: change(() => selection.all()) } }, 'Select all that match') : null,
    ),
    h('div', { class: 'bulk-acts', 'data-acts': true }, verbs().map((verb) => button(verb.name, { sign: verb.sign, kind: `small ${verb.kind ?? ''}`, disabled: isBusy, click: () => act(verb) }))),
    h('div', { class: 'bulk-end' }, h('button', { class: 'button small icon plain', type: 'button', 'aria-label': 'Select nothing', title: 'Select nothing', 'data-shortcut': 'Escape', on: { click: change(() => selection.drop()) } }, icon('cross', 16))),
  );
}

function working(job) {
  const { verb, total, done, failed, isWorking, isStopped, trouble } = job;
  const title = isWorking ? `${verb.doing} ${batchesOf(total)}` : outcome(job);
  const note = isWorking ? `${count(done + failed.length)} of ${count(total)}${failed.length ? `, ${count(failed.length)} failed` : ''}` : trouble;
  return h(
    'div',
    { class: 'bulk-row', 'data-key': 'job' },
    h('div', { class: 'bulk-text' }, h('b', {}, title), note ? h('span', { class: 'muted small' }, note) : null),
    meter(job),
    h(
      'div',
      { class: 'bulk-end' },
      isWorking ? button('Stop', { sign: 'cross', kind: 'small', disabled: isStopped, click: stop }) : null,
      failed.length ? button('What failed', { kind: 'small', click: () => failures(job) }) : null,
      isWorking ? null : button('Try again', { sign: 'again', kind: 'small', click: again }),
      isWorking ? null : button('', { sign: 'cross', kind: 'small icon plain', label: 'Leave it at that', title: 'Leave it at that', click: dismiss }),
    ),
  );
}

// How an action has ended that did not do all.
function outcome({ verb, done, failed, untried }) {
  const parts = [[done, verb.done], [failed.length, 'failed'], [untried.size, 'not tried']];
  return parts.filter(([number]) => number).map(([number, what]) => `${count(number)} ${what}`).join(', ');
}

function meter({ verb, total, done, failed }) {
  const piece = (part, number) => (number ? h('i', { 'data-part': part, 'data-key': part, vars: { '--share': `${(number / total) * 100}%` } }) : null);
  return h(
    'div',
    { class: 'bar', role: 'progressbar', 'aria-label': `${verb.doing} ${batchesOf(total)}`, 'aria-valuemin': 0, 'aria-valuemax': total, 'aria-valuenow': done + failed.length },
    piece('done', done),
    piece('failed', failed.length),
  );
}

function failures({ verb, failed, isWorking }) {
  const shown = failed.slice(0, FAILURES_MAX);
  const more = failed.length - shown.length;
  const retry = () => {
    own.close();
    again();
  };
  const own = dialog(
    { title: `${batchesOf(failed.length)} could not be ${verb.done}` },
    h(
      'ul',
      { class: 'refusals', tabindex: 0, 'aria-label': 'What failed' },
      shown.map(({ item, why }) => h('li', {}, h('a', { href: to(['batches', item.id]) }, nameOf(item.batch)), h('p', { class: 'muted' }, why))),
      more > 0 ? h('li', { class: 'muted' }, `and ${count(more)} more`) : null,
    ),
    h(
      'div',
      { class: 'foot' },
      h('button', { class: 'button', type: 'button', on: { click: () => own.close() } }, 'Leave it'),
      isWorking ? null : h('button', { class: 'button primary', type: 'button', on: { click: retry } }, 'Try again'),
    ),
  );
}
