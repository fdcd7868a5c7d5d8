// Where the table of lines gets its lines from: pieces of the API's list, kept while they are near.

import { listLines } from '../../api/routes.js';

const PIECE = 200;
const PIECES_KEPT = 30;

/**
 * The lines of a batch under some filters. Without filters any place can be asked for, because lines
 * are numbered; with filters the list grows as one scrolls.
 */
export function source(id, filters) {
  return filters.status || filters.signature ? filtered(id, filters) : numbered(id);
}

function numbered(id) {
  const pieces = new Map();
  let total = 0;
  let beyond = 0;
  let changedAt = null;
  const load = async (number) => {
    const { data, has_more: hasMore } = await listLines(id, { after: number * PIECE || null, limit: PIECE });
    // Blank lines have numbers too, so the last one may be beyond the count.
    beyond = Math.max(beyond, (data.at(-1)?.line ?? 0) + (hasMore ? 1 : 0));
    pieces.delete(number);
    pieces.set(number, new Map(data.map((line) => [line.line - 1, line])));
    if (pieces.size > PIECES_KEPT) pieces.delete(pieces.keys().next().value);
  };
  const size = () => Math.max(total, beyond);
  const near = ([from, until]) => {
    const numbers = [];
    for (let piece = Math.floor(from / PIECE); piece * PIECE < Math.min(until, size()); piece += 1) numbers.push(piece);
    return numbers;
  };
  return {
    count: size,
    get: (index) => pieces.get(Math.floor(index / PIECE))?.get(index) ?? null,
    need: (range) => Promise.all(near(range).filter((piece) => !pieces.has(piece)).map(load)),
    async refresh(batch, range) {
      const { total: now, completed, failed } = batch.request_counts;
      total = now;
      if (changedAt === completed + failed && near(range).every((piece) => pieces.has(piece))) return;
      changedAt = completed + failed;
      const seen = near(range);
      for (const piece of [...pieces.keys()]) if (!seen.includes(piece)) pieces.delete(piece);
      await Promise.all(seen.map(load));
    },
  };
}

function filtered(id, filters) {
  let lines = [];
  let hasMore = true;
  let busy = null;
  let isFirst = true;
  const more = async () => {
    const page = await listLines(id, { ...filters, after: lines.at(-1)?.line, limit: PIECE });
    lines = lines.concat(page.data);
    hasMore = page.has_more;
  };
  return {
    count: () => lines.length,
    get: (index) => lines[index] ?? null,
    async need([, until]) {
      if (!hasMore || until < lines.length) return;
      busy ??= more().finally(() => { busy = null; });
      await busy;
    },
    async refresh() {
      if (isFirst || (lines.length < PIECE && !hasMore)) {
        const page = await listLines(id, { ...filters, limit: PIECE });
        lines = page.data;
        hasMore = page.has_more;
        isFirst = false;
      }
    },
  };
}
