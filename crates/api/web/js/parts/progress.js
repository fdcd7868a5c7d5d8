// How far a batch is, as a bar of its parts.

import { h } from '../dom.js';
import { count, percent } from '../format.js';
import { isOpen } from './status.js';

/** The numbers that a bar shows. */
export function parts(batch, progress) {
  const { total, completed, failed } = batch.request_counts;
  const flying = Math.min(progress?.in_flight ?? 0, Math.max(0, total - completed - failed));
  return { total, completed, failed, flying, left: Math.max(0, total - completed - failed - flying) };
}

/** A bar; what it shows is said as well. */
export function bar(batch, progress, kind = '') {
  const { total, completed, failed, flying } = parts(batch, progress);
  const piece = (part, number) =>
    number > 0 && total > 0 ? h('i', { 'data-part': part, 'data-key': part, vars: { '--share': `${(number / total) * 100}%` } }) : null;
  return h(
    'div',
    { class: `bar ${kind}`, role: 'img', 'aria-label': `${count(completed)} of ${count(total)} lines completed, ${count(failed)} failed` },
    piece('done', completed),
    piece('failed', failed),
    piece('flying', flying),
  );
}

/** A bar with its numbers, for a row of a table. */
export function barCell(batch, progress) {
  const { total, completed, failed } = parts(batch, progress);
  return h(
    'div',
    { class: 'progress-cell' },
    bar(batch, progress),
    h(
      'small',
      {},
      h('span', {}, total ? h('b', {}, `${count(completed + failed)} / ${count(total)}`) : isOpen(batch) ? 'reading the file' : 'nothing ran'),
      h('span', {}, failed ? `${count(failed)} failed` : total ? percent(completed + failed, total) : ''),
    ),
  );
}
