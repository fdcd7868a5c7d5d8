// The batches of a selection as they stand now, and which of them an action fits.

import { getBatch, getProgress, listBatches } from '../../api/routes.js';
import { few } from '../../few.js';

const PAGE = 100;

/**
 * Looks up what is selected: `{ items, others }`, those that the verb fits and those that it does not.
 * `filters` say what matches. `tell` is called with how many batches were seen so far.
 */
export async function gather(verb, selection, filters, tell, signal) {
  const found = selection.isAll ? await matching(selection, filters, tell, signal) : await named(selection.ids, tell, signal);
  if (verb.asksProgress) await learnProgress(found.filter(({ batch }) => batch.status === 'in_progress' || batch.status === 'validating'), signal);
  const known = found.filter(({ isGone }) => !isGone);
  return { items: known.filter(verb.fits), others: known.filter((item) => !verb.fits(item)) };
}

/** Looks up batches by their ids, in that order; those that are gone are left out. */
export async function named(ids, tell, signal) {
  const items = ids.map((id) => ({ id, batch: null, progress: null }));
  let seen = 0;
  await few(items, async (item) => {
    item.batch = await getBatch(item.id, signal).catch(nothing);
    seen += 1;
    tell(seen);
  });
  return items.filter(({ batch }) => batch);
}

// From page to page, as every client goes through the list.
async function matching(selection, filters, tell, signal) {
  const items = [];
  for (let after; ;) {
    const page = await listBatches({ ...filters, limit: PAGE, after }, signal);
    for (const batch of page.data) if (selection.has(batch.id)) items.push({ id: batch.id, batch, progress: null });
    tell(items.length);
    if (!page.has_more) return items;
    after = page.data.at(-1).id;
  }
}

async function learnProgress(items, signal) {
  await few(items, async (item) => {
    item.progress = await getProgress(item.id, signal).catch(nothing);
    item.isGone = !item.progress;
  });
}

// Deleted meanwhile.
function nothing(error) {
  if (error.status === 404) return null;
  throw error;
}
