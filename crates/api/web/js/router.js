// The address after `#` says which screen is seen and with which filters, so that it can be
// bookmarked, shared and gone back to: `#/batches/batch_x/lines?status=failed`.

const changed = new Set();

/** The address: its parts and its filters. */
export function here() {
  const text = location.hash.replace(/^#\/?/, '');
  const [path, query = ''] = text.split('?');
  const parts = path.split('/').filter(Boolean).map(decoded);
  return { parts, query: new URLSearchParams(query) };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The text of a link to a screen. Filters that are unset are left out. */
export function to(parts, query = {}) {
  const filters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== '') filters.set(name, value);
  }
  const text = filters.toString();
  return `#/${parts.map(encodeURIComponent).join('/')}${text ? `?${text}` : ''}`;
}

/** Goes to a screen. */
export function go(parts, query) {
  location.hash = to(parts, query);
}

/** Changes filters of this screen, without a step of its own in the history. */
export function refine(changes) {
  const { parts, query } = here();
  const next = { ...Object.fromEntries(query), ...changes };
  history.replaceState(null, '', to(parts, next));
  changed.forEach((call) => call());
}

/** Calls when the address has changed. */
export function onAddress(call) {
  changed.add(call);
}

addEventListener('hashchange', () => changed.forEach((call) => call()));
