// What somebody should look at, each with the way to it.

import { h } from '../dom.js';
import { nameOf } from '../api/names.js';
import { duration, many, percent } from '../format.js';
import { notice } from '../parts/bits.js';
import { isOpen } from '../parts/status.js';
import { to } from '../router.js';

const FAILING = 0.05;
const FAILING_MIN = 5;

/** Notices, worst first; nothing when all is well. */
export function attention(state, draw) {
  const found = [...parked(state), ...state.batches.filter(isOpen).flatMap((batch) => ofBatch(batch, state.progress.get(batch.id), draw))];
  if (found.length === 0) return null;
  return h('section', { class: 'notices', 'aria-label': 'Needs attention', 'data-key': 'attention' }, found.slice(0, 5));
}

function parked(state) {
  const down = (state.upstreams ?? []).filter((upstream) => upstream.health === 'parked');
  return down.map((upstream) =>
    notice('bad', [h('a', { href: to(['upstreams']) }, upstream.name), ' is parked: nothing is sent to it until a probe succeeds.'], upstream.reason),
  );
}

function ofBatch(batch, progress, draw) {
  const { total, completed, failed } = batch.request_counts;
  const link = h('a', { href: to(['batches', batch.id]) }, nameOf(batch, draw));
  const done = completed + failed;
  const found = [];
  if (failed >= FAILING_MIN && failed / done > FAILING) {
    found.push(notice('warn', [link, `: ${percent(failed, done)} of its lines fail (${many(failed, 'line')} so far).`]));
  }
  const eta = progress?.eta_seconds;
  const left = batch.expires_at ? batch.expires_at - Date.now() / 1000 : null;
  if (eta && left !== null && eta > left) {
    found.push(notice('warn', [link, ` needs ${duration(eta)} more and expires in ${duration(left)}.`]));
  }
  if (progress?.reason && total > done) found.push(notice('warn', [link, ' waits.'], progress.reason));
  return found;
}
