// What was seen since the page was opened, so that charts have something to draw where the server
// keeps no history.

const KEPT = 300;
const kept = new Map();

/** Notes the numbers of now under a name; at most one note a second. */
export function note(name, values) {
  const list = kept.get(name) ?? [];
  const at = Date.now() / 1000;
  if (list.length && at - list.at(-1).at < 0.9) list[list.length - 1] = { at, ...values };
  else list.push({ at, ...values });
  if (list.length > KEPT) list.shift();
  kept.set(name, list);
  return list;
}

/** The notes under a name. */
export const notes = (name) => kept.get(name) ?? [];

/** One number of the notes as points of a chart. */
export const points = (list, field) =>
  list.filter((one) => Number.isFinite(one[field])).map((one) => ({ at: one.at, value: one[field] }));
