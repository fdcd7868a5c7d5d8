// Every screen in both themes, on a desk and on a phone: whoever looks, hears or types can use it.

import { after, before, test } from 'node:test';

import { populate, settled } from './screens.mjs';
import { checkAccess, checkWidth, DESKTOP, launch, open, PHONE } from './stage.mjs';

const url = process.env.TEST_SCREENS_URL;
let browser;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());

const empty = { welcome: '', 'no batches': 'batches', 'no files': 'files' };

// The themes are switched on one page, as people do; a size is another window.
async function look(screens, viewport) {
  const page = await open(browser, `${url}/dashboard/`, { viewport });
  for (const [name, path] of Object.entries(screens)) {
    await page.goto(`${url}/dashboard/#/${path}`);
    await settled(page, name);
    await checkWidth(page, name);
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      await checkAccess(page, `${name}, ${colorScheme}, ${viewport.width} px`);
    }
  }
  await page.check();
}

test('an empty server can be used by everybody', async () => {
  await Promise.all([look(empty, DESKTOP), look(empty, PHONE)]);
});

test('a busy server can be used by everybody', async () => {
  const { batches, bulk, ...others } = await populate(url);
  const screens = { batches, bulk, question: bulk, ...others };
  await Promise.all([look(screens, DESKTOP), look(screens, PHONE)]);
});
