// Takes pictures of every view on made-up data, at three widths, light and dark. Needs Debian's chromium; writes to web/shots (not committed).
import { mkdirSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { createServer } from 'vite';

const out = new URL('../shots/', import.meta.url).pathname;
mkdirSync(out, { recursive: true });
const only = process.argv.slice(2);
const sizes = { 1440: [1440, 900], 768: [768, 1024], 390: [390, 844] };
const scenes = {
  room: ['live', '#/room/release'],
  panel: ['live', '#/room/release/details'],
  text: ['live', '#/room/release', async (page) => { await page.locator('.log').evaluate((log) => { log.scrollTop = 0; }); }],
  menu: ['live', '#/room/release', async (page) => { await page.getByTestId('message-row').filter({ hasText: 'faster than' }).evaluate((row) => { row.focus(); row.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true })); }); await page.waitForTimeout(200); }],
  editing: ['live', '#/room/release', async (page) => { await page.getByTestId('composer-input').press('ArrowUp'); await page.waitForTimeout(100); }],
  history: ['live', '#/room/incidents', async (page) => { await page.locator('.log').evaluate((log) => { log.scrollTop -= 900; }); }],
  rooms: ['live', '#/'],
  first: ['first', '#/'],
  empty: ['live', '#/room/empty'],
  loading: ['loading', '#/room/release'],
  error: ['error', '#/room/release'],
  reconnecting: ['reconnecting', '#/room/release', (page) => page.waitForTimeout(2600)],
  offline: ['offline', '#/room/release', (page) => page.waitForTimeout(2600)],
  create: ['live', '#/room/release', async (page) => { await open(page, 'new-room'); await page.getByTestId('new-room-kind-group').check(); await page.getByTestId('new-room-name').fill('Harvest party'); await page.getByTestId('new-room-people').fill('m'); await page.waitForTimeout(300); await page.keyboard.press('Enter'); await page.getByTestId('new-room-people').fill('k'); await page.waitForTimeout(300); }],
  browse: ['live', '#/room/release', async (page) => { await open(page, 'browse-rooms'); await page.waitForTimeout(300); }],
  go: ['live', '#/room/release', async (page) => { await page.keyboard.press('Control+k'); await page.getByTestId('go-input').fill('in'); await page.waitForTimeout(400); }],
  leave: ['live', '#/room/release/details', async (page) => { await page.getByTestId('leave-room').click(); }],
  settings: ['live', '#/settings'],
  devices: ['live', '#/settings/devices'],
  appearance: ['live', '#/settings/appearance'],
  signin: ['signed-out', '#/signin', async (page) => { await page.getByTestId('login-name').fill('ada'); await page.getByTestId('login-password').fill('wrong'); await page.getByTestId('login-submit').click(); await page.waitForTimeout(200); }],
  signup: ['signup', '#/signup'],
  unreachable: ['unreachable', '#/'],
};

async function open(page, id) {
  const back = page.locator('.back').first();
  if (await back.isVisible()) await back.click();
  await page.getByTestId(id).click();
}

const server = await createServer({ configFile: new URL('../vite.config.ts', import.meta.url).pathname, server: { port: 0 }, logLevel: 'error' });
await server.listen();
const url = server.resolvedUrls.local[0];
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
for (const [width, [w, h]] of Object.entries(sizes)) {
  for (const theme of ['light', 'dark']) {
    const context = await browser.newContext({ viewport: { width: w, height: h }, colorScheme: theme, reducedMotion: 'reduce', locale: 'en-GB' });
    for (const [name, [scene, hash, act]] of Object.entries(scenes)) {
      const label = `${name}-${width}-${theme}`;
      if (only.length && !only.some((part) => label.includes(part))) continue;
      const page = await context.newPage();
      page.on('console', (message) => message.type() === 'error' && console.log(label, message.text()));
      page.on('pageerror', (error) => console.log(label, String(error)));
      await page.goto(`${url}dev/?scene=${scene}${hash}`);
      await page.locator('.app, .auth, .starting').first().waitFor({ timeout: 15000 });
      await page.waitForTimeout(450);
      try {
        await act?.(page);
      } catch (error) {
        console.log(label, String(error).split('\n')[0]);
      }
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (wide > 0) console.log(label, `scrolls sideways by ${wide}`);
      await page.screenshot({ path: `${out}${label}.png` });
      await page.close();
    }
    await context.close();
  }
}
await browser.close();
await server.close();
