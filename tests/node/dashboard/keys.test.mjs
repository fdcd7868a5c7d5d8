// A server that asks for keys: the page asks for one, keeps it for its tab alone, and sees no more
// than the key may.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { client, lines } from './scene.mjs';
import { checkAccess, launch, open } from './stage.mjs';

const url = process.env.TEST_GUARDED_URL;
const [user, admin] = [process.env.TEST_KEY, process.env.TEST_ADMIN_KEY];
let browser;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());

async function enter(page, key) {
  await page.getByLabel('API key').fill(key);
  await page.getByRole('button', { name: 'Open the dashboard' }).click();
}

test('a key is asked for, refused, taken and forgotten', async () => {
  const page = await open(browser, `${url}/`);
  page.allow(/401/);
  page.allow(/403/);
  await page.getByLabel('API key').waitFor();
  await checkAccess(page, 'the form');
  await enter(page, 'sk-overnight-wrong');
  await page.getByRole('alert').getByText('Incorrect API key').waitFor();
  await enter(page, user);
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
  const kept = await page.evaluate(() => [Object.values({ ...sessionStorage }), Object.values({ ...localStorage })]);
  assert.deepEqual(kept, [[user], []]);
  await page.reload();
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
  await page.goto(`${url}/dashboard/#/upstreams`);
  await page.getByText('For operators').waitFor();
  await page.goto(`${url}/dashboard/#/settings`);
  await page.getByRole('button', { name: 'Forget the key' }).click();
  await page.getByLabel('API key').waitFor();
  await page.check();
});

test('everything works with a key, downloads as well', async () => {
  const { id } = await client(url, admin).create(lines(5), 'guarded.jsonl', { name: 'Guarded' });
  await client(url, admin).until(id);
  const page = await open(browser, `${url}/dashboard/#/batches/${id}`);
  page.allow(/401/);
  await enter(page, admin);
  await page.getByRole('heading', { level: 1, name: 'Guarded' }).waitFor();
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Download the results file' }).click(),
  ]);
  assert.equal(readFileSync(await download.path(), 'utf8').trim().split('\n').length, 5);
  await page.goto(`${url}/dashboard/#/new`);
  await page.locator('input[type=file]').setInputFiles({ name: 'two.jsonl', mimeType: 'application/jsonl', buffer: Buffer.from(lines(2).map((one) => JSON.stringify(one)).join('\n')) });
  await page.getByRole('button', { name: 'Start 2 lines' }).click();
  await page.locator('main .head .chip', { hasText: 'completed' }).waitFor();
  await page.goto(`${url}/dashboard/#/upstreams`);
  await page.getByText('Last change').waitFor();
  await page.check();
});

test('another project sees nothing of it', async () => {
  const { id } = await client(url, admin).create(lines(1), 'private.jsonl', { name: 'Private' });
  const page = await open(browser, `${url}/dashboard/#/batches/${id}`);
  page.allow(/401|404/);
  await enter(page, user);
  await page.getByText('There is no such thing here').waitFor();
  await page.check();
});
