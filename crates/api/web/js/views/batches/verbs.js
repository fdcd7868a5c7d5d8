// What can be done to many batches: to which of them, with which words.

import { cancelBatch, deleteBatch, has, pauseBatch, resumeBatch, retryBatch } from '../../api/routes.js';
import { many } from '../../format.js';
import { isOpen, retryable, retryableLines } from '../../parts/status.js';

const isRunning = ({ batch }) => ['validating', 'in_progress'].includes(batch.status);
const sum = (items, of) => items.reduce((total, { batch }) => total + of(batch.request_counts), 0);
const sums = (items) => Object.fromEntries(['total', 'completed', 'failed'].map((name) => [name, sum(items, (counts) => counts[name])]));
const ended = ({ completed, failed }) => completed + failed;

/** So many batches. */
export const batchesOf = (number) => many(number, 'batch', 'batches');

// A verb: `fits` tells whether it can be done to a batch (`{ batch, progress }`), `run` does it to one
// (`{ id, once }`), `effect` says what it means for all of them.
const VERBS = [
  {
    name: 'Pause',
    word: 'Pause',
    title: 'Pause batches',
    sign: 'pause',
    route: ['POST', '/v1/batches/{id}/pause'],
    asksProgress: true,
    fits: (item) => isRunning(item) && !item.progress?.paused,
    run: ({ id }) => pauseBatch(id),
    effect: () => 'What is in flight lands; nothing new is sent until they are resumed.',
    doing: 'Pausing',
    done: 'paused',
  },
  {
    name: 'Resume',
    word: 'Resume',
    title: 'Resume batches',
    sign: 'play',
    route: ['POST', '/v1/batches/{id}/resume'],
    asksProgress: true,
    fits: (item) => isRunning(item) && Boolean(item.progress?.paused),
    run: ({ id }) => resumeBatch(id),
    effect: () => 'They go on where they were paused.',
    doing: 'Resuming',
    done: 'resumed',
  },
  {
    name: 'Retry failed',
    word: 'Retry',
    title: 'Retry lines',
    sign: 'again',
    route: ['POST', '/v1/batches/{id}/retry'],
    fits: ({ batch }) => !isOpen(batch) && retryable(batch.request_counts) > 0,
    run: ({ id, once }) => retryBatch(id, {}, once),
    effect: (items) => `${retryableLines(sums(items))} will run again, in ${many(items.length, 'new batch', 'new batches')}. What is there stays as it is.`,
    doing: 'Retrying',
    done: 'retried',
  },
  {
    name: 'Cancel',
    word: 'Cancel',
    title: 'Cancel batches',
    sign: 'stop',
    kind: 'danger',
    route: ['POST', '/v1/batches/{id}/cancel'],
    fits: isRunning,
    run: ({ id }) => cancelBatch(id),
    effect: (items) => `${many(sum(items, (counts) => counts.total - ended(counts)), 'line')} will not run. ${many(sum(items, ended), 'line')} that ended are kept and can be downloaded.`,
    doing: 'Cancelling',
    done: 'cancelled',
  },
  {
    name: 'Delete',
    word: 'Delete',
    title: 'Delete batches',
    sign: 'bin',
    kind: 'danger',
    route: ['DELETE', '/v1/batches/{id}'],
    fits: ({ batch }) => !isOpen(batch),
    // What is gone already needs no deleting.
    run: ({ id }) => deleteBatch(id).catch(unlessGone),
    effect: (items) => `The results of ${many(sum(items, ended), 'line')} are deleted with them. The input files stay.`,
    doing: 'Deleting',
    done: 'deleted',
  },
];

function unlessGone(error) {
  if (error.status !== 404) throw error;
}

/** The verbs that this server has. */
export const verbs = () => VERBS.filter(({ route }) => has(...route));

/** How a batch stands, as a reason why a verb does not fit it. */
export function standing({ batch, progress }) {
  if (progress?.paused) return 'paused';
  if (batch.status === 'completed' && batch.request_counts.failed === 0) return 'completed without failures';
  return batch.status.replace('_', ' ');
}
