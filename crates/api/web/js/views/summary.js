// The whole server in numbers: asked of the server where it has them, else added up from the newest
// batches and the upstreams.

import { getOverview, getProgress, has, listBatches, listUpstreams } from '../api/routes.js';
import { isOpen } from '../parts/status.js';

const BATCHES = 50;
const PROGRESS_MAX = 12;

/** What the overview shows. */
export async function summary() {
  const [page, upstreams, told] = await Promise.all([
    listBatches({ limit: BATCHES }),
    listUpstreams().then((list) => list.data, forbidden),
    has('GET', '/v1/overview') ? getOverview() : null,
  ]);
  const progress = await progressOf(page.data);
  const all = [...progress.values()];
  const sum = (field) => all.reduce((total, one) => total + (one[field] ?? 0), 0);
  const open = page.data.filter(isOpen);
  return {
    batches: page.data,
    progress,
    upstreams,
    counts: told?.batches ?? tally(page.data),
    isPartial: !told && page.has_more,
    rate: told?.lines_per_second ?? sum('lines_per_second'),
    tokens: told?.tokens_per_second ?? null,
    inFlight: told?.in_flight ?? sum('in_flight'),
    limit: told?.limit ?? upstreams?.reduce((total, one) => total + one.limit, 0) ?? null,
    left: open.reduce((total, { request_counts: counts }) => total + counts.total - counts.completed - counts.failed, 0),
  };
}

// Who may not see the upstreams sees the rest.
function forbidden(error) {
  if (error.status === 403 || error.status === 404) return null;
  throw error;
}

function tally(batches) {
  const counts = {};
  for (const { status } of batches) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

/** The progress of the batches that have not ended, the newest of them. */
export async function progressOf(batches) {
  const open = batches.filter(isOpen).slice(0, PROGRESS_MAX);
  const told = await Promise.all(open.map((batch) => getProgress(batch.id).catch(() => null)));
  return new Map(open.map((batch, index) => [batch.id, told[index]]).filter(([, one]) => one));
}
