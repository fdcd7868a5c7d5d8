// How a batch stands, in one word and one colour.

import { h } from '../dom.js';
import { count, many } from '../format.js';

const TONES = {
  validating: 'info', in_progress: 'info', finalizing: 'info', cancelling: 'warn',
  completed: 'good', failed: 'bad', expired: 'bad', cancelled: null,
};

const WORDS = { in_progress: 'in progress' };

/** Statuses of batches that have not ended. */
export const OPEN = ['validating', 'in_progress', 'finalizing', 'cancelling'];

/** Whether a batch has not ended. */
export const isOpen = (batch) => OPEN.includes(batch.status);

/** How many lines of an ended batch can be run again: those that failed, and those that were not run. */
export const retryable = ({ total, completed }) => total - completed;

/** Those lines in words, of the counts of one batch or the sums of several. */
export function retryableLines({ total, completed, failed }) {
  const unrun = total - completed - failed;
  if (!unrun) return many(failed, 'failed line');
  const rest = unrun === 1 ? '1 line that was not run' : `${count(unrun)} lines that were not run`;
  return failed ? `${many(failed, 'failed line')} and ${rest}` : rest;
}

/** What it is called to run them again. */
export const retryName = ({ failed }) => (failed ? 'Retry failed' : 'Run the rest');

/** A small coloured word. */
export function chip(text, tone, { moves = false, title } = {}) {
  return h('span', { class: 'chip', 'data-tone': tone, 'data-moves': moves, title }, h('i'), text);
}

/** The status of a batch, more exact where its progress is known. */
export function statusChip(batch, progress) {
  const { status } = batch;
  const { total, completed, failed } = batch.request_counts;
  if (status === 'in_progress' && progress) {
    if (progress.paused) return chip('paused', 'warn');
    if (progress.reason) return chip('waiting', 'warn', { title: progress.reason });
    if (total > 0 && completed + failed === 0 && progress.in_flight === 0) return chip('queued', 'info');
  }
  if (status === 'completed' && failed > 0) {
    return chip('completed', completed ? 'warn' : 'bad', { title: `${failed} of ${total} lines failed` });
  }
  return chip(WORDS[status] ?? status, TONES[status], { moves: isOpen(batch) });
}
