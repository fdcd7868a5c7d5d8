// The table of batches: a row each, that can be opened and selected.

import { h } from '../../dom.js';
import { nameOf } from '../../api/names.js';
import { duration, rate } from '../../format.js';
import { when } from '../../parts/bits.js';
import { barCell } from '../../parts/progress.js';
import { isOpen, statusChip } from '../../parts/status.js';
import { to } from '../../router.js';

/** The table of a page of the list. `draw` is called when the selection, or what is known, has changed. */
export function table({ page, progress, selection, draw }) {
  const list = { ids: page.data.map(({ id }) => id), selection, draw };
  // A range is selected with the mouse, and no text with it.
  const mousedown = (event) => {
    if (event.shiftKey) event.preventDefault();
  };
  return h(
    'table',
    { class: 'table cards picks' },
    h('thead', {}, h('tr', {}, h('th', { class: 'pick' }, tickAll(list), h('label', { for: 'select-page' }, 'Select all on this page')), h('th', {}, 'Batch'), h('th', { class: 'col-status' }, 'Status'), h('th', { class: 'col-progress' }, 'Progress'), h('th', { class: 'col-rate' }, 'Speed'), h('th', { class: 'col-when num' }, 'Created'))),
    h('tbody', { on: { mousedown } }, page.data.map((batch) => row(batch, progress.get(batch.id), list))),
  );
}

function tickAll({ ids, selection, draw }) {
  const some = ids.filter((id) => selection.has(id)).length;
  const click = (event) => {
    const { checked } = event.currentTarget;
    if (selection.isAll) selection.drop();
    else for (const id of ids) selection.set(id, checked);
    draw();
  };
  return h('input', { class: 'tick', id: 'select-page', type: 'checkbox', 'aria-label': 'Select all on this page', 'data-shortcut': 'a', set: { checked: some === ids.length, indeterminate: some > 0 && some < ids.length }, on: { click } });
}

function row(batch, progress, list) {
  const { ids, selection, draw } = list;
  const { id } = batch;
  const href = to(['batches', id]);
  const isSelected = selection.has(id);
  const choose = (isOn, isReaching) => {
    if (isReaching) selection.reach(id, isOn, ids);
    else selection.set(id, isOn);
    draw();
  };
  const click = (event) => {
    if (event.target.closest('a, button, input')) return;
    if (event.shiftKey && !selection.isEmpty) choose(true, true);
    else location.hash = href;
  };
  const tick = (event) => choose(event.currentTarget.checked, event.shiftKey);
  return h(
    'tr',
    { 'data-href': href, 'data-key': id, 'data-selected': isSelected, on: { click } },
    h('td', { class: 'pick' }, h('input', { class: 'tick', type: 'checkbox', 'aria-label': `Select ${nameOf(batch, draw)}`, set: { checked: isSelected }, on: { click: tick } })),
    h('td', {}, h('div', { class: 'name' }, h('a', { href }, nameOf(batch, draw)), h('small', {}, `${batch.model ?? 'several models'} · ${id}`))),
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
