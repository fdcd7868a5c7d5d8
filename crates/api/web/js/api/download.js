// Files to the disk of whoever looks. Without a key the browser fetches them itself; with one the
// bytes are gathered here, because a link cannot carry a key.

import { key, send } from './client.js';

/** Saves what a path answers under a name. */
export async function download(path, name) {
  if (!key()) return press(path, name);
  const answer = await send('GET', path);
  const url = URL.createObjectURL(await answer.blob());
  press(url, name);
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function press(url, name) {
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.hidden = true;
  document.body.append(link);
  link.click();
  link.remove();
}

/** The path of a file's bytes. */
export const contentOf = (id) => `/v1/files/${encodeURIComponent(id)}/content`;

/** The path of what a batch has recorded so far. */
export const resultsOf = (id, file) => `/v1/batches/${encodeURIComponent(id)}/results?file=${file}`;
