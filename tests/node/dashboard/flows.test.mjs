// What people do on the dashboard, done as they do it: with a mouse and a keyboard, looking at what is
// seen.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';

import { CAUSES, client, jsonl, line, lines } from './scene.mjs';
import { launch, open } from './stage.mjs';

const url = process.env.TEST_URL;
const api = client(url);
let browser;

const at = (path) => `${url}/dashboard/#/${path}`;
const file = (requests, name = 'requests.jsonl') => ({ name, mimeType: 'application/jsonl', buffer: Buffer.from(jsonl(requests)) });
const heading = (page, name) => page.getByRole('heading', { level: 1, name });

/** Waits until something is seen. */
const see = (page, text) => page.getByText(text).first().waitFor();

/** What is saved when something is done. */
async function saved(page, act) {
  const [download] = await Promise.all([page.waitForEvent('download'), act()]);
  return { name: download.suggestedFilename(), text: readFileSync(await download.path(), 'utf8') };
}

before(async () => {
  browser = await launch();
});
after(() => browser?.close());

describe('a batch', () => {
  test('goes from a dropped file to its results', async () => {
    const page = await open(browser, `${url}/`);
    await page.getByRole('link', { name: 'New batch' }).first().click();
    await heading(page, 'New batch').waitFor();
    await page.locator('input[type=file]').setInputFiles(file(lines(25), 'first.jsonl'));
    await see(page, /^uploaded$/);
    await page.getByLabel('Name').fill('The first one');
    await page.getByRole('button', { name: 'Add a pair' }).click();
    await page.getByLabel('Key 1').fill('team');
    await page.getByLabel('Value 1').fill('support');
    await page.getByRole('button', { name: 'Start 25 lines' }).click();
    await heading(page, 'The first one').waitFor();
    await page.locator('main .chip', { hasText: 'completed' }).waitFor();
    await see(page, '25 of 25 lines');
    await see(page, 'support');
    await page.locator('summary', { hasText: 'Download' }).click();
    const results = await saved(page, () => page.getByRole('button', { name: 'Results', exact: true }).click());
    assert.match(results.name, /^batch_\w+_output\.jsonl$/);
    const ids = results.text.trim().split('\n').map((text) => JSON.parse(text).custom_id);
    assert.deepEqual(ids.sort(), lines(25).map((one) => one.custom_id).sort());
    await page.check();
  });

  test('that is wrong is told so before it is sent, and after', async () => {
    const page = await open(browser, at('new'));
    const wrong = [line(1), line(1), { ...line(2), method: 'GET' }];
    await page.locator('input[type=file]').setInputFiles(file(wrong, 'wrong.jsonl'));
    await see(page, 'uploaded');
    const problems = page.getByRole('list', { name: 'Problems of the file' });
    await problems.waitFor();
    assert.ok((await problems.getByRole('listitem').count()) >= 2);
    const { id } = await api.create(wrong, 'wrong.jsonl');
    await api.until(id);
    await page.goto(at(`batches/${id}`));
    await see(page, 'The file did not pass validation: nothing was sent.');
    await see(page, 'line 2');
    await page.check();
  });

  test('is seen while it moves, and is cancelled when somebody says so', async () => {
    const { id } = await api.create(lines(20_000), 'long.jsonl', { name: 'A long one' });
    const page = await open(browser, at(`batches/${id}`));
    const done = page.locator('.hero-progress .legend span').first();
    const number = async () => Number((await done.textContent()).replace(/\D/g, ''));
    await see(page, 'to go');
    const before = await number();
    await page.waitForFunction((least) => Number(document.querySelector('.hero-progress .legend span').textContent.replace(/\D/g, '')) > least, before);
    await see(page, /of 20,000 lines/);
    await page.getByRole('button', { name: 'Cancel' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText(/lines? will not run/).waitFor();
    await dialog.getByRole('button', { name: 'Leave it' }).click();
    assert.equal((await api.ask('GET', `/v1/batches/${id}`)).status, 'in_progress');
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel the batch' }).click();
    await page.locator('main .head .chip', { hasText: 'cancelled' }).waitFor();
    await see(page, 'not run');
    const { request_counts: counts } = await api.until(id);
    const left = (counts.total - counts.completed).toLocaleString('en-US');
    await page.getByRole('button', { name: counts.failed ? 'Retry failed' : 'Run the rest' }).click();
    await page.getByRole('dialog').getByText(/lines that were not run will run again, in a new batch/).waitFor();
    await page.getByRole('dialog').getByRole('button', { name: `Retry ${left} lines`, exact: true }).click();
    await page.locator('main .head .chip', { hasText: 'in progress' }).waitFor();
    const child = page.url().split('/').at(-1);
    assert.equal((await api.until(child, (batch) => batch.request_counts.total > 0)).request_counts.total, counts.total - counts.completed);
    await api.ask('POST', `/v1/batches/${child}/cancel`);
    await page.check();
  });

  test('is paused and resumed', async () => {
    const { id } = await api.create(lines(20_000), 'paused.jsonl', { name: 'A patient one' });
    await api.until(id, (batch) => batch.request_counts.completed > 0);
    const page = await open(browser, at(`batches/${id}`));
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.locator('main .head .chip', { hasText: 'paused' }).waitFor();
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.locator('main .head .chip', { hasText: 'in progress' }).waitFor();
    await api.ask('POST', `/v1/batches/${id}/cancel`);
    await page.check();
  });
});

describe('failures', () => {
  test('are grouped, looked into, and retried', async () => {
    const { id } = await api.create(lines(120, CAUSES), 'failing.jsonl', { name: 'Some of it fails' });
    const { request_counts: counts } = await api.until(id);
    assert.ok(counts.failed > 0);
    const page = await open(browser, at(`batches/${id}`));
    await see(page, 'Failures by cause');
    await page.getByRole('link', { name: /^Errors/ }).click();
    const causes = page.locator('.cause');
    await causes.first().waitFor();
    assert.equal(await causes.count(), Object.keys(CAUSES).length);
    await causes.filter({ hasText: 'got a string' }).click();
    await page.waitForFunction(() => location.hash.includes('cause='));
    await page.locator('.cause[aria-current=true]', { hasText: 'got a string' }).waitFor();
    await page.locator('main table tbody a').first().click();
    const drawer = page.getByRole('dialog', { name: /^Line \d+/ });
    await drawer.getByText('"max_tokens"').first().waitFor();
    await drawer.getByRole('button', { name: 'Close' }).click();
    await page.getByRole('button', { name: 'Retry these' }).click();
    await page.getByLabel('max_tokens').fill('8');
    await page.getByRole('dialog').getByRole('button', { name: /^Retry \d+ lines?$/ }).click();
    await page.locator('main .head .chip', { hasText: 'completed' }).waitFor();
    await page.getByRole('link', { name: id }).waitFor();
    const child = await api.ask('GET', `/v1/batches/${page.url().split('/').at(-1)}`);
    assert.equal(child.request_counts.failed, 0);
    assert.ok(child.request_counts.completed > 0 && child.request_counts.completed < counts.failed);
    await page.check();
  });
});

describe('lines', () => {
  test('are scrolled through, filtered and looked up', async () => {
    const { id } = await api.create(lines(1500, { 500: { max_tokens: 0 } }), 'many.jsonl');
    await api.until(id);
    const page = await open(browser, at(`batches/${id}/lines`));
    await page.getByRole('button', { name: /^Line 1,/ }).waitFor();
    assert.ok((await page.locator('.line').count()) < 100, 'only what is seen is drawn');
    await page.locator('.rows').evaluate((rows) => rows.scrollTo(0, rows.scrollHeight));
    await page.getByRole('button', { name: /^Line 1500,/ }).waitFor();
    await page.getByRole('link', { name: 'Failed' }).click();
    await page.getByRole('button', { name: /^Line 500,/ }).waitFor();
    assert.equal(await page.locator('.line').count(), 3);
    await page.keyboard.press('/');
    await page.keyboard.type('ticket-00777');
    await page.keyboard.press('Enter');
    const drawer = page.getByRole('dialog', { name: 'Line 777' });
    await drawer.getByRole('heading', { name: 'Answer' }).waitFor();
    assert.match(page.url(), /line=777/);
    await page.keyboard.press('Escape');
    await drawer.waitFor({ state: 'detached' });
    await page.waitForFunction(() => !location.hash.includes('line=777'));
    await page.check();
  });
});

describe('lists', () => {
  test('are moved through with the keyboard, a page at a time', async () => {
    const input = await api.upload(lines(1), 'one.jsonl');
    for (let made = 0; made < 27; made += 1) {
      await api.ask('POST', '/v1/batches', { input_file_id: input.id, endpoint: '/v1/chat/completions', completion_window: '24h', metadata: { name: `Number ${made}` } });
    }
    const page = await open(browser, at('batches'));
    await see(page, 'Number 26');
    assert.equal(await page.locator('tbody tr').count(), 25);
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await page.keyboard.press('k');
    await page.keyboard.press('Enter');
    await heading(page, 'Number 26').waitFor();
    await page.goBack();
    await page.getByRole('link', { name: 'Older' }).click();
    await see(page, 'Number 1');
    assert.match(page.url(), /after=batch_/);
    await page.reload();
    await see(page, 'Number 1');
    await page.getByRole('link', { name: 'Newest' }).click();
    await see(page, 'Number 26');
    await page.keyboard.press('g');
    await page.keyboard.press('f');
    await heading(page, 'Files').waitFor();
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor();
    await page.check();
  });

  test('of files show what is inside, and let go of it', async () => {
    const made = await api.upload(lines(3), 'to-be-deleted.jsonl');
    const page = await open(browser, at('files?purpose=batch'));
    await page.getByRole('button', { name: 'Look into to-be-deleted.jsonl' }).click();
    await page.getByRole('dialog').getByText('"ticket-00001"').waitFor();
    await page.keyboard.press('Escape');
    const { text } = await saved(page, () => page.getByRole('button', { name: 'Download to-be-deleted.jsonl' }).click());
    assert.equal(text, jsonl(lines(3)));
    await page.getByRole('button', { name: 'Delete to-be-deleted.jsonl' }).click();
    await page.getByRole('button', { name: 'Delete the file' }).click();
    await page.getByText('to-be-deleted.jsonl').first().waitFor({ state: 'detached' });
    assert.equal((await fetch(`${url}/v1/files/${made.id}`)).status, 404);
    await page.check();
  });

  test('are filtered and searched', async () => {
    const { id } = await api.create([line(1)], 'needle.jsonl', { name: 'A needle' });
    await api.until(id);
    const page = await open(browser, at('batches'));
    await see(page, 'A needle');
    await page.keyboard.press('/');
    await page.keyboard.type('NEEDLE');
    await page.waitForFunction(() => location.hash.includes('search=NEEDLE'));
    await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 1);
    await page.getByRole('link', { name: 'Failed' }).click();
    await see(page, 'Nothing matches');
    await page.check();
  });
});

test('names and bodies stay text', async () => {
  const evil = '<img src=x onerror="document.title=\'taken\'"><script>alert(1)</script>';
  const { id } = await api.create([line(1, { messages: [{ role: 'user', content: evil }] })], `${evil.slice(0, 40)}.jsonl`, { name: evil, '<b>key</b>': evil });
  await api.until(id);
  const page = await open(browser, at(`batches/${id}`));
  await heading(page, evil).waitFor();
  assert.equal(await page.locator('main img, main b:text-is("key")').count(), 0);
  await page.goto(at('files'));
  await page.locator('tbody tr').first().waitFor();
  assert.equal(await page.locator('main img').count(), 0);
  await page.check();
});

test('what is not there is said to be missing', async () => {
  const page = await open(browser, at('batches/batch_00000000000000000000000000000000'));
  page.allow(/404/);
  await see(page, 'There is no such thing here');
  await page.check();
});

test('a server that goes away is seen to, and its return', async () => {
  const page = await open(browser, at('batches'));
  page.allow(/ERR_FAILED/);
  await page.locator('.side .live', { hasText: 'Live' }).waitFor();
  await page.route('**/v1/**', (route) => route.abort());
  await page.keyboard.press('r');
  await page.locator('.side .live', { hasText: 'No connection' }).waitFor();
  await page.unroute('**/v1/**');
  await page.keyboard.press('r');
  await page.locator('.side .live', { hasText: 'Live' }).waitFor();
  await page.check();
});
