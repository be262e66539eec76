/**
 * Debian's Chromium, without a window and without its own traffic to anywhere.
 *
 * One browser serves a whole file of tests; each window of a person is a context of its own, with
 * its own cookies and its own IndexedDB.
 */

import { chromium } from "playwright-core";

const EXECUTABLE = process.env.MOORLINE_CHROMIUM ?? "/usr/bin/chromium";

/** Without these, Chromium asks its makers' hosts for this and that at every start. */
const QUIET = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** As root Chromium runs only without its sandbox; it loads nothing but our page. */
const AS_ROOT = process.getuid?.() === 0 ? ["--no-sandbox"] : [];

/** A window in the background must not be slowed down: in these tests all windows are looked at. */
const AWAKE = [
  "--disable-background-timer-throttling",
  "--disable-backgrounding-occluded-windows",
  "--disable-renderer-backgrounding",
];

const OPTIONS = { executablePath: EXECUTABLE, headless: true, args: [...QUIET, ...AS_ROOT, ...AWAKE] };

/** Starts the browser; `more` is what Playwright takes beside. */
export function launch(more = {}) {
  return chromium.launch({ ...OPTIONS, ...more });
}

/** Starts a browser as a process of its own, whose number a test needs. */
export async function launchProcess() {
  const server = await chromium.launchServer(OPTIONS);
  const browser = await chromium.connect(server.wsEndpoint());
  return { browser, pid: server.process().pid, close: () => server.close() };
}
