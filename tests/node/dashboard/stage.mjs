// A browser on the dashboard: Debian's Chromium, and an ear for everything that must not happen: an
// error on the console, a report of the policy, a request to anybody else.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';

import axe from 'axe-core';
import { chromium } from 'playwright-core';

const PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const FLAGS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Sizes of windows. */
export const DESKTOP = { width: 1440, height: 900 };
export const PHONE = { width: 375, height: 812 };

/** Starts the browser; fails with what to install when there is none. */
export async function launch() {
  const executablePath = process.env.TEST_CHROMIUM ?? PATHS.find((path) => existsSync(path));
  assert.ok(executablePath, 'Chromium is needed (on Debian: apt-get install chromium)');
  return chromium.launch({ executablePath, args: FLAGS, chromiumSandbox: false });
}

/**
 * A page of its own, with nothing kept from another one. `page.check()` ends it and fails when
 * something happened that must not; `page.allow(pattern)` names an error that is meant to happen.
 * `prepare(page)` is called before anything is asked for.
 */
export async function open(browser, url, { viewport = DESKTOP, theme = 'light', prepare = () => {}, ...more } = {}) {
  const context = await browser.newContext({ viewport, colorScheme: theme, reducedMotion: 'reduce', acceptDownloads: true, locale: 'en-GB', timezoneId: 'UTC', ...more });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const wrong = [];
  const allowed = [];
  const origin = new URL(url).origin;
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) wrong.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => wrong.push(`error: ${error.stack}`));
  page.on('request', (request) => {
    const target = request.url();
    if (!/^(data|blob):/.test(target) && new URL(target).origin !== origin) wrong.push(`request to ${target}`);
  });
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
  });
  page.allow = (pattern) => allowed.push(pattern);
  page.check = async () => {
    await context.close();
    assert.deepEqual(wrong.filter((text) => !allowed.some((pattern) => pattern.test(text))), []);
  };
  await prepare(page);
  await page.goto(url);
  return page;
}

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

/** Fails when the screen breaks a rule of WCAG 2.2 at level A or AA. */
export async function checkAccess(page, name) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe.source);
  const wrong = await page.evaluate(async (rules) => {
    const { violations } = await window.axe.run(document, { runOnly: { type: 'tag', values: rules }, resultTypes: ['violations'] });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html.slice(0, 160)} ${node.any[0]?.message ?? ''}`).join(' | ')}`);
  }, RULES);
  assert.deepEqual(wrong, [], name);
}

/** Fails when the page is wider than its window. */
export async function checkWidth(page, name) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(over <= 0, `${name} is ${over} px wider than the window`);
}
