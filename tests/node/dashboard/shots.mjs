// Pictures of every screen for the documents: light and dark, on a desk and on a phone.
//
//   node shots.mjs URL FOLDER

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { populate, settled } from './screens.mjs';
import { DESKTOP, launch, open, PHONE } from './stage.mjs';

const [url, folder] = process.argv.slice(2);
// Long enough for the charts to have something to draw.
const CHARTS_MS = 12_000;

const browser = await launch();

async function picture(screens, themes, sizes) {
  for (const theme of themes) {
    for (const [size, viewport] of Object.entries(sizes)) {
      const page = await open(browser, `${url}/dashboard/`, { viewport, theme });
      if (screens.overview !== undefined) {
        await page.goto(`${url}/dashboard/#/${screens.overview}`);
        await page.waitForTimeout(CHARTS_MS);
      }
      for (const [name, path] of Object.entries(screens)) {
        await page.goto(`${url}/dashboard/#/${path}`);
        await settled(page, name);
        if (name === 'running') await page.waitForTimeout(CHARTS_MS / 2);
        await page.screenshot({ path: join(folder, `${name}-${theme}-${size}.png`), animations: 'disabled' });
        console.log(`${name}-${theme}-${size}`);
      }
      await page.check();
    }
  }
}

mkdirSync(folder, { recursive: true });
const sizes = { desktop: DESKTOP, phone: PHONE };
await picture({ welcome: '' }, ['light', 'dark'], sizes);
await picture(await populate(url), ['light', 'dark'], sizes);
await browser.close();
