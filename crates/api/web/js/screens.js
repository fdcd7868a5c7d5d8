// Which address opens which screen.

import { batch } from './views/batch.js';
import { batches } from './views/batches.js';
import { files } from './views/files.js';
import { fresh } from './views/new.js';
import { overview } from './views/overview.js';
import { settings } from './views/settings.js';
import { upstreams } from './views/upstreams.js';

const SCREENS = { overview, batches, files, upstreams, settings, new: fresh };

/**
 * The screen of an address: `name` tells it from others, `section` is its place in the navigation,
 * `open(address, draw)` makes its view: `{ title, refresh(), draw(), refined?(query), leave?() }`.
 */
export function screenOf({ parts: [first = 'overview', id, tab = 'summary'] }) {
  if (first === 'batches' && id) {
    return { name: `batch/${id}/${tab}`, section: 'batches', open: (address, draw) => batch(address, draw, id, tab) };
  }
  const name = SCREENS[first] ? first : 'overview';
  return { name, section: name, open: SCREENS[name] };
}
