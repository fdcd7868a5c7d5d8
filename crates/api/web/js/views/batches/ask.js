// Before many batches are acted on: which of them it can be done to, what it means, and whether to.

import { h, patch } from '../../dom.js';
import { nameOf } from '../../api/names.js';
import { count } from '../../format.js';
import { notice } from '../../parts/bits.js';
import { icon } from '../../parts/icons.js';
import { dialog } from '../../parts/notes.js';
import { batchesOf, standing } from './verbs.js';

const NAMES = 5;

/**
 * Asks. `find(tell, signal)` looks the batches up and answers `{ items, others }`. Answers the batches
 * to do it to, or null when it is left.
 */
export function ask(verb, find) {
  return new Promise((resolve) => {
    const giveUp = new AbortController();
    const body = h('div', { class: 'stack ask' });
    // The way out is there from the beginning, and keeps the focus.
    const foot = h('div', { class: 'foot' }, h('button', { class: 'button', type: 'button', on: { click: () => own.close() } }, 'Leave it'));
    let answer = null;
    const own = dialog(
      {
        title: verb.title,
        onClose: () => {
          giveUp.abort();
          resolve(answer);
        },
      },
      body,
      foot,
    );
    const tell = (seen) => patch(body, h('p', { class: 'muted', 'aria-busy': 'true' }, seen ? `Looking at them: ${batchesOf(seen)} so far …` : 'Looking at them …'), h('div', { class: 'wait' }));
    const show = (found) => {
      patch(body, question(verb, found, () => show(found)));
      if (found.items.length && !foot.lastChild.matches('.primary')) foot.append(yes(found.items));
    };
    const yes = (items) => {
      const click = () => {
        answer = items;
        own.close();
      };
      return h('button', { class: `button primary ${verb.kind ?? ''}`, type: 'button', on: { click } }, icon(verb.sign, 16), `${verb.word} ${batchesOf(items.length)}`);
    };
    tell(0);
    foot.firstChild.focus();
    find(tell, giveUp.signal).then(show, (error) => {
      if (error.name !== 'AbortError') patch(body, notice('bad', error.message));
    });
  });
}

function question(verb, { items, others }, learned) {
  const all = items.length + others.length;
  if (all === 0) return h('p', {}, 'None of them is there any more.');
  if (items.length === 0) return [h('p', {}, all === 1 ? `It cannot be ${verb.done}.` : `None of ${batchesOf(all)} can be ${verb.done}.`), rest(others)];
  const lead = others.length ? `${count(items.length)} of ${batchesOf(all)}` : batchesOf(all);
  const shown = items.slice(0, NAMES).map(({ id, batch }) => h('li', { class: 'clip', 'data-key': id }, nameOf(batch, learned)));
  const more = items.length - shown.length;
  return [
    h('p', {}, h('b', {}, lead), ` will be ${verb.done}.`),
    h('ul', { class: 'names' }, shown, more > 0 ? h('li', { class: 'muted' }, `and ${count(more)} more`) : null),
    h('p', { class: 'muted' }, verb.effect(items)),
    rest(others),
  ];
}

// How those stand that are left as they are.
function rest(others) {
  if (others.length === 0) return null;
  const counts = new Map();
  for (const item of others) counts.set(standing(item), (counts.get(standing(item)) ?? 0) + 1);
  const kinds = [...counts].sort(([, one], [, other]) => other - one).map(([text, number]) => `${count(number)} ${text}`);
  return h('p', { class: 'muted' }, `Left as they are: ${kinds.join(', ')}.`);
}
