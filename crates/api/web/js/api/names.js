// What to call a batch: the name in its metadata, else that of its input file, which is asked for once.

import { getFile } from './routes.js';

const known = new Map();
let waiting = 0;

/** The name of a batch as far as it is known now. `learned` is called when more is. */
export function nameOf(batch, learned) {
  const own = batch.metadata?.name;
  if (own) return own;
  const id = batch.input_file_id;
  if (!known.has(id) && waiting < 6) {
    known.set(id, null);
    waiting += 1;
    getFile(id)
      .then((file) => known.set(id, file.filename), () => known.set(id, ''))
      .finally(() => {
        waiting -= 1;
        learned?.();
      });
  }
  return known.get(id) || id;
}
