// Every screen there is, with something to see on it.

import { CAUSES, client, line, lines } from './scene.mjs';

/** Fills a server with batches. Answers the screens: names and addresses. */
export async function populate(url) {
  const api = client(url);
  const done = await api.create(lines(300, CAUSES), 'tickets-week-46.jsonl', { name: 'Support tickets, week 46', team: 'support', run: 'nightly' });
  const reviews = await api.create(lines(60), 'reviews.jsonl', { name: 'Product reviews' });
  const refused = await api.create([line(1), line(1), { ...line(3), url: '/v1/embeddings' }, { ...line(4), method: 'GET' }], 'upload.jsonl', { name: 'Yesterday’s upload' });
  for (const { id } of [done, reviews, refused]) await api.until(id);
  const cancelled = await api.create(lines(4000), 'archive.jsonl', { name: 'Archive, first half' });
  await api.until(cancelled.id, (batch) => batch.request_counts.completed > 400);
  await api.ask('POST', `/v1/batches/${cancelled.id}/cancel`);
  await api.until(cancelled.id);
  const running = await api.create(lines(50_000, { 97: { max_tokens: 0 } }), 'judge.jsonl', { name: 'LLM judge, release 2.4', suite: 'evals' });
  const second = await api.create(lines(30_000), 'refresh.jsonl', { name: 'Knowledge base refresh' });
  await api.until(running.id, (batch) => batch.request_counts.failed > 0);
  await api.until(second.id, (batch) => batch.request_counts.completed > 0);
  return {
    overview: '',
    batches: 'batches',
    bulk: 'batches',
    running: `batches/${running.id}`,
    batch: `batches/${done.id}`,
    refused: `batches/${refused.id}`,
    errors: `batches/${done.id}/errors`,
    lines: `batches/${done.id}/lines`,
    line: `batches/${done.id}/lines?line=5`,
    new: 'new',
    summary: 'new?sample=1',
    files: 'files',
    upstreams: 'upstreams',
    settings: 'settings',
  };
}

/** Waits until a screen shows what it has. */
export async function settled(page, name) {
  await page.locator('main h1').waitFor();
  await page.locator('[aria-busy=true]').waitFor({ state: 'detached' });
  if (name === 'bulk' || name === 'question') await select(page, 3);
  if (name === 'question') {
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await page.getByRole('dialog').getByRole('button', { name: /^Delete \d/ }).waitFor();
  }
  if (name === 'errors') await page.locator('main table tbody a').first().waitFor();
  if (name === 'line') await page.getByRole('dialog').getByText('"custom_id"').first().waitFor();
  if (name === 'summary') await page.getByText('uploaded', { exact: true }).waitFor();
  if (['overview', 'running', 'upstreams'].includes(name)) await page.locator('.chart .stroke').first().waitFor({ state: 'attached' });
}

/** Selects the first rows of a list. */
export async function select(page, rows) {
  const boxes = page.locator('tbody').getByRole('checkbox');
  for (let row = 0; row < rows; row += 1) await boxes.nth(row).check();
}
