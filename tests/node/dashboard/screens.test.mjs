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
    await page.emulateMedia({ colorScheme: 'light' });
    await checkAccess(page, `${name}, light, ${viewport.width} px`);
    // A theme changes nothing but colours.
    await page.emulateMedia({ colorScheme: 'dark' });
    await checkAccess(page, `${name}, dark, ${viewport.width} px`, ['color-contrast']);
  }
  await page.check();
}

test('an empty server can be used by everybody', async () => {
  await look(empty, DESKTOP);
  await look(empty, PHONE);
});

test('a busy server can be used by everybody', async () => {
  const screens = await populate(url);
  await look(screens, DESKTOP);
  await look(screens, PHONE);
});
