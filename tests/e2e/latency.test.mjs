/**
 * An undisturbed run: how long it takes from Enter in one window to the row in the other.
 *
 * Both windows are on one machine, so their clocks are one clock. The time ends when the row is in
 * the other page's document, which is what a person waits for.
 */

import assert from "node:assert/strict";
import { closeSync, fdatasync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { after, before, test } from "node:test";
import { promisify } from "node:util";

import { launch } from "./lib/browser.mjs";
import { SOON_MS, isFull, latency, limit } from "./lib/form.mjs";
import { Proxy } from "./lib/proxy.mjs";
import { Server } from "./lib/server.mjs";
import { pause, until } from "./lib/wait.mjs";
import { Window } from "./lib/window.mjs";

/** Between two messages: people write, they do not flood. */
const SPACING_MS = 40;

/** On a machine that others keep busy, a process that waits is woken this late, or a sync of a few bytes takes so long. */
const DISTURBED_MS = 40;

/** Between two syncs of the probe: often enough to meet a stall, seldom enough to be none. */
const PROBE_MS = 50;

/** Runs of the full form at most. */
const ATTEMPTS = 3;

/**
 * How many of the waits of a message may be among the longest of the machine. It waits about eight times for a process or
 * a thread to be woken: in both windows, in their browser's network on each way, in the server's reader, its writer and its
 * sender. That all of them are late at once does not happen in a hundred messages; half of them is ample.
 */
const LATE_WAITS = 4;

/** How long the twin's proxy holds back what is sent. */
const HELD_MS = 3_000;

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

/** Sends so many messages in turn from both windows and returns how long each took. */
async function run(ann, bob, first, messages) {
  const numbers = Array.from({ length: messages }, (_, index) => first + index);
  for (const n of numbers) {
    await (n % 2 ? ann : bob).say(`number ${n} end`);
    await pause(SPACING_MS);
  }
  const times = (window) => window.page.evaluate(() => globalThis.times);
  const complete = async () => {
    const [a, b] = [await times(ann), await times(bob)];
    return numbers.every((n) => a.shown[n] && b.shown[n]) && { a, b };
  };
  const { a, b } = await until("every row in both windows", complete, SOON_MS);
  return numbers.map((n) => (n % 2 ? b.shown[n] - a.entered[n] : a.shown[n] - b.entered[n]));
}

/** Syncs a few bytes again and again until stopped, and tells how long that took at p99. */
function probeDisk(folder) {
  const file = openSync(join(folder, "probe"), "w");
  const took = [0];
  const sync = promisify(fdatasync);
  let isOn = true;
  const probing = (async () => {
    while (isOn) {
      writeSync(file, "probe");
      const before = performance.now();
      await sync(file);
      took.push(performance.now() - before);
      await pause(PROBE_MS);
    }
  })();
  return async () => {
    isOn = false;
    await probing;
    closeSync(file);
    return Math.round(quantile(took, 0.99));
  };
}

/** One run, and how late this idle process was woken and a sync came meanwhile: that is the machine's share. */
async function measure(ann, bob, folder, { first, messages }) {
  const wakes = monitorEventLoopDelay({ resolution: 10 });
  const syncMs = probeDisk(folder);
  wakes.enable();
  const took = await run(ann, bob, first, messages);
  wakes.disable();
  const wakeMs = Math.max(0, Math.round(wakes.percentile(99) / 1e6) - 10);
  const seen = { took, p99: quantile(took, 0.99), wakeMs, syncMs: await syncMs() };
  console.log(`  seen in the other window: p50 ${quantile(took, 0.5)} ms, p99 ${seen.p99} ms, most ${Math.max(...took)} ms of ${took.length} messages`);
  console.log(`  an idle process was woken ${seen.wakeMs} ms late, a sync took ${seen.syncMs} ms, both at p99`);
  return seen;
}

/**
 * How long a message may take. The full form waits for a run in which the machine did nothing else, and judges that by
 * the number alone. In the short form a message may wait as the idle process did, and its sync as the probe's: on a quiet
 * machine that is next to nothing.
 */
function allowedMs({ wakeMs, syncMs }) {
  return latency.p99Ms + (isFull ? 0 : LATE_WAITS * wakeMs + syncMs);
}

/** In the full form, a run that was disturbed is made again; the last one counts in any case. */
async function undisturbed(ann, bob, folder) {
  for (let attempt = 1; ; attempt += 1) {
    const seen = await measure(ann, bob, folder, { first: attempt * 10_000 + 1, messages: latency.messages });
    const isQuiet = Math.max(seen.wakeMs, seen.syncMs) <= DISTURBED_MS;
    if (!isFull || isQuiet || attempt === ATTEMPTS) return seen;
    console.log("  disturbed: once more");
  }
}

/** Ann and Bob in a room, with all times kept, at a server reached by `url`. */
async function together(t, url) {
  const ann = await Window.open(browser, url);
  const bob = await Window.open(browser, url);
  t.after(() => Promise.all([ann.close(), bob.close()]));
  await ann.signUp("ann");
  await bob.signUp("bob");
  const room = await ann.makeRoom("group", { name: "Harbour", people: ["bob"] });
  await bob.enter(room);
  await Promise.all([keepTimes(ann), keepTimes(bob)]);
  return { ann, bob };
}

test(`each message is seen in the other window within ${latency.p99Ms} ms at p99`, limit(latency.messages * 200 * ATTEMPTS), async (t) => {
  const server = await Server.start("latency");
  t.after(() => server.close());
  const { ann, bob } = await together(t, server.url);
  const seen = await undisturbed(ann, bob, server.data);
  const allowed = allowedMs(seen);
  assert.ok(seen.p99 <= allowed, `p99 is ${seen.p99} ms, not within ${allowed} ms`);
  assert.deepEqual([ann.watch.loads, bob.watch.loads], [1, 1], "a page was loaded again");
  assert.deepEqual([ann.watch.reconnects, bob.watch.reconnects], [0, 0], "a connection was lost");
});

test("a way that holds messages back is found out on any machine", limit(60_000), async (t) => {
  const server = await Server.start("latency-twin");
  t.after(() => server.close());
  const proxy = await Proxy.start(server.port);
  t.after(() => proxy.close());
  const { ann, bob } = await together(t, proxy.url);
  proxy.freeze();
  const held = setTimeout(() => proxy.pass(), HELD_MS);
  t.after(() => clearTimeout(held));
  const seen = await measure(ann, bob, server.data, { first: 1, messages: 20 });
  assert.ok(seen.p99 > allowedMs(seen), `p99 is ${seen.p99} ms, within ${allowedMs(seen)} ms`);
});
