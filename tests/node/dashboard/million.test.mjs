// A batch of a million lines and uploads in parts, in the browser alone: the server's answers are made
// up here, because what is looked at is what the page asks for and draws.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { client, lines } from './scene.mjs';
import { launch, open } from './stage.mjs';

const url = process.env.TEST_URL;
const api = client(url);
const MILLION = 1_000_000;
let browser;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** Lets the page believe that a batch has a million lines; notes how it asks for them. */
async function pretend(page, batch, asked) {
  const json = (route, value) => route.fulfill({ json: value });
  const counts = { total: MILLION, completed: MILLION, failed: 0 };
  await page.route(`**/v1/batches/${batch.id}`, (route) => json(route, { ...batch, request_counts: counts }));
  await page.route(`**/v1/batches/${batch.id}/lines?**`, (route) => {
    const query = new URL(route.request().url()).searchParams;
    const [from, limit] = [Number(query.get('after') ?? 0), Number(query.get('limit'))];
    asked.push(limit);
    const data = Array.from({ length: Math.min(limit, MILLION - from) }, (_, index) => ({
      object: 'batch.line', line: from + index + 1, custom_id: `row-${from + index + 1}`, status: 'completed', status_code: 200,
      attempts: 1, milliseconds: 12, input_tokens: 3, output_tokens: 4, preview: 'a question',
    }));
    return json(route, { object: 'list', data, has_more: from + limit < MILLION });
  });
}

test('a million lines scroll from the first to the last', async () => {
  const { id } = await api.create(lines(1), 'million.jsonl');
  const batch = await api.until(id);
  const asked = [];
  const page = await open(browser, `${url}/dashboard/#/batches/${id}/lines`, { prepare: (made) => pretend(made, batch, asked) });
  await page.getByRole('button', { name: /^Line 1,/ }).waitFor();
  const scroll = (share) => page.locator('.rows').evaluate((rows, part) => rows.scrollTo(0, rows.scrollHeight * part), share);
  await scroll(0.5);
  const seen = () => page.locator('.line').evaluateAll((rows) => rows.map((row) => Number(row.firstChild.textContent.replace(/\D/g, ''))));
  await page.getByRole('button', { name: /^Line 50\d{4},|^Line 49\d{4},/ }).first().waitFor();
  const middle = await seen();
  assert.ok(middle.length < 100 && middle.every((line) => Math.abs(line - MILLION / 2) < 5000), String(middle));
  await scroll(1);
  await page.getByRole('button', { name: /^Line 1000000,/ }).waitFor();
  assert.ok(asked.length < 12 && asked.every((limit) => limit <= 1000), String(asked));
  await page.check();
});

// In the page: the first part that is sent does not leave it.
function loseOnePart() {
  window.lostParts = 0;
  const { open: ask, send } = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.open = function (method, path) {
    this.isPart = path.endsWith('/parts');
    return ask.call(this, method, path);
  };
  XMLHttpRequest.prototype.send = function (body) {
    if (!this.isPart || window.lostParts > 0) return send.call(this, body);
    window.lostParts += 1;
    return setTimeout(() => this.onerror());
  };
}

test('a large file goes in parts, and a part that is lost goes again', async () => {
  const page = await open(browser, `${url}/dashboard/#/new`, { prepare: (made) => made.addInitScript(loseOnePart) });
  let sent = 0;
  page.on('request', (request) => {
    if (request.url().endsWith('/parts')) sent += 1;
  });
  await page.getByRole('button', { name: 'Choose a file' }).waitFor();
  await page.evaluate((tail) => {
    const blank = `${' '.repeat(1023)}\n`.repeat(1024);
    const transfer = new DataTransfer();
    transfer.items.add(new File([...new Array(66).fill(blank), tail], 'large.jsonl'));
    window.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true }));
  }, JSON.stringify(lines(1)[0]));
  await page.getByText('uploaded', { exact: true }).waitFor({ timeout: 45_000 });
  assert.equal(await page.evaluate(() => window.lostParts), 1);
  assert.equal(sent, 3, 'each of three parts arrives once');
  const files = await api.ask('GET', '/v1/files?limit=1&order=desc');
  assert.ok(files.data[0].bytes > 66 * 1024 * 1024);
  await page.getByRole('button', { name: 'Start 1 line' }).waitFor();
  await page.check();
});
