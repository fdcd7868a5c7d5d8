// Many batches at once: selected with the mouse and with keys, on one page or on all, and acted on; what
// an action says before, what it does, and what becomes of those with which it fails.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { client, line, lines } from './scene.mjs';
import { launch, open } from './stage.mjs';

const url = process.env.TEST_BULK_URL;
const api = client(url);
const AT_A_TIME = 4;
let browser;
let input;

const at = (path) => `${url}/dashboard/#/${path}`;
const boxes = (page) => page.locator('tbody').getByRole('checkbox');
const bar = (page) => page.getByRole('region', { name: 'Selected batches' });
const tickAll = (page) => page.getByRole('checkbox', { name: 'Select all on this page' });
const says = (page, text) => bar(page).getByText(text, { exact: true }).waitFor();
const act = (page, name) => bar(page).getByRole('button', { name, exact: true }).click();
const question = (page) => page.getByRole('dialog');
const yes = (page, name) => question(page).getByRole('button', { name, exact: true }).click();
const found = async (search) => (await api.ask('GET', `/v1/batches?limit=100&search=${search}`)).data;

/** Which rows are selected, from the top. */
const chosen = (page) => boxes(page).evaluateAll((all) => all.flatMap((box, row) => (box.checked ? [row] : [])));

/** Batches of one file with names in common; the newest, which is the first in the list, has the number 0. */
async function many(number, name, file = input) {
  const made = [];
  for (let left = number - 1; left >= 0; left -= 1) {
    made.unshift(await api.ask('POST', '/v1/batches', { input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h', metadata: { name: `${name} ${left}` } }));
  }
  return made;
}

const ended = (batches) => Promise.all(batches.map(({ id }) => api.until(id)));
const refusal = (message) => JSON.stringify({ error: { message, type: 'server_error', param: null, code: null } });

before(async () => {
  browser = await launch();
  input = await api.upload([line(1)], 'one.jsonl');
});
after(() => browser?.close());

describe('batches are selected', () => {
  test('one by one, as a range, and as a page', async () => {
    await ended(await many(6, 'Pick'));
    const page = await open(browser, at('batches?search=pick'));
    await boxes(page).nth(1).check();
    await says(page, '1 selected');
    assert.ok(await tickAll(page).evaluate((box) => box.indeterminate && !box.checked));
    await boxes(page).nth(4).click({ modifiers: ['Shift'] });
    assert.deepEqual(await chosen(page), [1, 2, 3, 4]);
    await boxes(page).nth(2).uncheck();
    assert.deepEqual(await chosen(page), [1, 3, 4]);
    await page.locator('tbody tr').nth(5).click({ modifiers: ['Shift'], position: { x: 400, y: 8 } });
    assert.deepEqual(await chosen(page), [1, 2, 3, 4, 5]);
    // A new batch moves the others down a row; those that are selected stay so.
    await ended(await many(1, 'Pick another'));
    await page.locator('tbody tr', { hasText: 'Pick another' }).waitFor();
    assert.deepEqual(await chosen(page), [2, 3, 4, 5, 6]);
    await tickAll(page).check();
    await says(page, '7 selected');
    await tickAll(page).uncheck();
    await bar(page).waitFor({ state: 'detached' });
    await boxes(page).first().check();
    await page.getByRole('link', { name: 'Completed' }).click();
    await bar(page).waitFor({ state: 'detached' });
    assert.deepEqual(await chosen(page), []);
    await page.check();
  });

  test('with keys alone, and acted on', async () => {
    const made = await many(5, 'Key');
    await ended(made);
    const page = await open(browser, at('batches?search=key'));
    await boxes(page).nth(4).waitFor();
    const press = async (...keys) => {
      for (const key of keys) await page.keyboard.press(key);
    };
    await press('j', 'x', 'j', 'j', 'X');
    await says(page, '3 selected');
    assert.deepEqual(await chosen(page), [0, 1, 2]);
    await press('Escape');
    await bar(page).waitFor({ state: 'detached' });
    await press('a');
    await says(page, '5 selected');
    await press('a', 'k', 'x');
    await says(page, '1 selected');
    await press('b');
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Pause');
    await press('Tab', 'Tab', 'Tab', 'Tab', 'Enter');
    await question(page).getByRole('button', { name: 'Delete 1 batch' }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Leave it');
    await press('Escape');
    await question(page).waitFor({ state: 'detached' });
    await says(page, '1 selected');
    await press('b', 'Tab', 'Tab', 'Tab', 'Tab', 'Enter');
    await question(page).getByRole('button', { name: 'Delete 1 batch' }).waitFor();
    await press('Tab', 'Enter');
    await page.getByText('1 batch deleted').waitFor();
    assert.deepEqual((await found('key')).map(({ id }) => id), made.filter((_, row) => row !== 1).map(({ id }) => id));
    await page.check();
  });
});

test('what is done to batches is done to those that it fits', async () => {
  const long = await api.upload(lines(20_000), 'long.jsonl');
  const running = await many(3, 'Steer', long);
  await ended(await many(1, 'Steer idle'));
  const page = await open(browser, at('batches?search=steer'));
  const choose = async (name) => {
    await boxes(page).nth(3).waitFor();
    await tickAll(page).check();
    await act(page, name);
  };
  const pausedNow = async () => (await Promise.all(running.map(({ id }) => api.ask('GET', `/v1/batches/${id}/progress`)))).map(({ paused }) => paused);
  await choose('Pause');
  await question(page).getByText('3 of 4 batches').waitFor();
  await question(page).getByText('Left as they are: 1 completed without failures.').waitFor();
  await yes(page, 'Pause 3 batches');
  await page.getByText('3 batches paused').waitFor();
  assert.deepEqual(await pausedNow(), [true, true, true]);
  await choose('Pause');
  await question(page).getByText('None of 4 batches can be paused.').waitFor();
  await question(page).getByText('Left as they are: 3 paused, 1 completed without failures.').waitFor();
  await yes(page, 'Leave it');
  await act(page, 'Resume');
  await yes(page, 'Resume 3 batches');
  await page.getByText('3 batches resumed').waitFor();
  assert.deepEqual(await pausedNow(), [false, false, false]);
  await choose('Pause');
  await question(page).getByRole('button', { name: 'Pause 3 batches' }).waitFor();
  // One has ended by the time that it is said yes.
  await api.ask('POST', `/v1/batches/${running[1].id}/cancel`);
  await api.until(running[1].id);
  page.allow(/409/);
  await yes(page, 'Pause 3 batches');
  await says(page, '2 paused, 1 failed');
  await act(page, 'What failed');
  const refused = question(page).getByRole('listitem');
  assert.equal(await refused.count(), 1);
  assert.equal(await refused.textContent(), "Steer 1Cannot pause a batch with status 'cancelled'.");
  await yes(page, 'Try again');
  await page.getByText('There is none left to which it can be done').waitFor();
  await bar(page).waitFor({ state: 'detached' });
  await choose('Cancel');
  await question(page).getByText('2 of 4 batches').waitFor();
  await question(page).getByText(/^[\d,]+ lines will not run\. [\d,]+ lines? that ended (is|are) kept/).waitFor();
  await yes(page, 'Cancel 2 batches');
  await page.getByText('2 batches cancelled').waitFor();
  assert.deepEqual((await ended(running)).map(({ status }) => status), ['cancelled', 'cancelled', 'cancelled']);
  await page.check();
});

test('what failed is tried again, and nothing is done twice', async () => {
  const file = await api.upload(lines(6, { 3: { max_tokens: 0 } }), 'failing.jsonl');
  const made = await many(4, 'Again', file);
  await ended(made);
  const page = await open(browser, at('batches?search=again'));
  page.allow(/503|ERR_FAILED/);
  const [broken, lost] = made;
  // One is refused; of another the server does what it is asked to, and its answer is lost.
  const mishaps = new Map([
    [broken.id, (route) => route.fulfill({ status: 503, contentType: 'application/json', body: refusal('Not now.') })],
    [lost.id, async (route) => {
      const asked = route.request();
      await fetch(asked.url(), { method: asked.method(), headers: asked.headers(), body: asked.postData() });
      await route.abort();
    }],
  ]);
  await page.route('**/v1/batches/*/retry', (route) => {
    const id = route.request().url().split('/').at(-2);
    const mishap = mishaps.get(id);
    mishaps.delete(id);
    return mishap ? mishap(route) : route.continue();
  });
  await boxes(page).nth(3).waitFor();
  await tickAll(page).check();
  await act(page, 'Retry failed');
  await question(page).getByText('8 failed lines will run again, in 4 new batches.').waitFor();
  await yes(page, 'Retry 4 batches');
  await says(page, '2 retried, 2 failed');
  await says(page, 'The server does not answer.');
  await act(page, 'What failed');
  await question(page).getByText('Not now.').waitFor();
  await yes(page, 'Leave it');
  await act(page, 'Try again');
  await page.getByText('2 batches retried').waitFor();
  const runs = await Promise.all(made.map(({ id }) => api.ask('GET', `/v1/batches/${id}/progress`)));
  assert.deepEqual(runs.map(({ children }) => children.length), [1, 1, 1, 1]);
  await page.check();
});

test('all that match are acted on, beyond the page that is seen', async () => {
  const all = 40;
  const others = await many(2, 'Spare');
  const made = await many(all, 'Load');
  await ended([...others, ...made]);
  const page = await open(browser, at('batches?search=load'));
  // The list comes in pieces that are smaller than asked for, so that there are many.
  const pieces = [];
  await page.route('**/v1/batches?*limit=100*', (route) => {
    pieces.push(new URL(route.request().url()).searchParams.get('after'));
    return route.continue({ url: route.request().url().replace('limit=100', 'limit=10') });
  });
  await boxes(page).nth(24).waitFor();
  await tickAll(page).check();
  await page.getByRole('link', { name: 'Older' }).click();
  await says(page, '25 not on this page');
  await page.getByRole('button', { name: 'Select all that match' }).click();
  await boxes(page).nth(3).uncheck();
  await says(page, 'All that match but 1');
  await act(page, 'Delete');
  await question(page).getByRole('button', { name: `Delete ${all - 1} batches` }).waitFor();
  assert.deepEqual(pieces, [null, made[9].id, made[19].id, made[29].id]);
  // The first are held, to see that no more are asked for at once, and that a stop is one.
  const gate = Promise.withResolvers();
  const full = Promise.withResolvers();
  let asked = 0;
  await page.route('**/v1/batches/*', async (route) => {
    if (route.request().method() === 'DELETE') {
      asked += 1;
      if (asked === AT_A_TIME) full.resolve();
      await gate.promise;
    }
    await route.continue();
  });
  page.allow(/404/);
  await yes(page, `Delete ${all - 1} batches`);
  await says(page, `0 of ${all - 1}`);
  await full.promise;
  await act(page, 'Stop');
  gate.resolve();
  await says(page, `${AT_A_TIME} deleted, ${all - 1 - AT_A_TIME} not tried`);
  assert.equal(asked, AT_A_TIME);
  await act(page, 'Try again');
  await page.getByText(`${all - 1 - AT_A_TIME} batches deleted`).waitFor();
  assert.equal(asked, all - 1);
  assert.deepEqual((await found('load')).map(({ id }) => id), [made[28].id]);
  assert.equal((await found('spare')).length, others.length);
  // The batch behind which the page began is gone with them: the list begins at the top.
  await page.waitForFunction(() => !location.hash.includes('after='));
  assert.equal(await boxes(page).count(), 1);
  await page.check();
});
