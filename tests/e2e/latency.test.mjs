/**
 * An undisturbed run: how long it takes from Enter in one window to the row in the other.
 *
 * Both windows are on one machine, so their clocks are one clock. The time ends when the row is in
 * the other page's document, which is what a person waits for.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch } from "./lib/browser.mjs";
import { SOON_MS, latency, limit } from "./lib/form.mjs";
import { Server } from "./lib/server.mjs";
import { pause, until } from "./lib/wait.mjs";
import { Window } from "./lib/window.mjs";

/** Between two messages: people write, they do not flood. */
const SPACING_MS = 40;

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

/** Notes when Enter was pressed for which text, and when which row came. */
function keepTimes(window) {
  return window.page.evaluate(() => {
    const times = { entered: {}, shown: {} };
    globalThis.times = times;
    const number = (text) => text?.match(/number (\d+)/)?.[1];
    addEventListener(
      "keydown",
      (event) => {
        const typed = number(event.target.value ?? event.target.textContent);
        if (event.key === "Enter" && typed) times.entered[typed] = Date.now();
      },
      { capture: true },
    );
    const look = () => {
      for (const row of document.querySelectorAll('[data-testid="message-row"]')) {
        const told = number(row.textContent);
        if (told && !(told in times.shown)) times.shown[told] = Date.now();
      }
    };
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
  });
}

/** The value below which `part` of the values lie. */
function quantile(values, part) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * part) - 1)];
}

test(`each message is seen in the other window within ${latency.p99Ms} ms at p99`, limit(latency.messages * 200), async (t) => {
  const server = await Server.start("latency");
  t.after(() => server.close());
  const ann = await Window.open(browser, server.url);
  const bob = await Window.open(browser, server.url);
  t.after(() => Promise.all([ann.close(), bob.close()]));
  await ann.signUp("ann");
  await bob.signUp("bob");
  const room = await ann.makeRoom("group", { name: "Harbour", people: ["bob"] });
  await bob.enter(room);
  await Promise.all([keepTimes(ann), keepTimes(bob)]);

  for (let n = 1; n <= latency.messages; n += 1) {
    await (n % 2 ? ann : bob).say(`number ${n} end`);
    await pause(SPACING_MS);
  }
  const times = (window) => window.page.evaluate(() => globalThis.times);
  const complete = async () => {
    const [a, b] = [await times(ann), await times(bob)];
    const seen = Object.keys(a.shown).length === latency.messages && Object.keys(b.shown).length === latency.messages;
    return seen && { entered: { ...a.entered, ...b.entered }, a, b };
  };
  const { entered, a, b } = await until("every row in both windows", complete, SOON_MS);
  const took = Object.keys(entered).map((n) => (n % 2 ? b : a).shown[n] - entered[n]);
  assert.equal(took.length, latency.messages);
  const [half, p99, most] = [quantile(took, 0.5), quantile(took, 0.99), Math.max(...took)];
  console.log(`  seen in the other window: p50 ${half} ms, p99 ${p99} ms, most ${most} ms of ${took.length} messages`);
  assert.ok(p99 <= latency.p99Ms, `p99 is ${p99} ms`);
  assert.deepEqual([ann.watch.loads, bob.watch.loads], [1, 1], "a page was loaded again");
  assert.deepEqual([ann.watch.reconnects, bob.watch.reconnects], [0, 0], "a connection was lost");
});
