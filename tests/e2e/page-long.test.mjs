/**
 * A room with more messages than anybody reads: 100,000 in the full form. Few rows are in the page,
 * no frame has a hole, nothing under the eye moves when older ones load, the heap stays small, and
 * a key is as quick as in an empty room. The figures are printed.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Backend, WITH_API } from "./lib/backend.mjs";
import { launch } from "./lib/browser.mjs";
import { SOON_MS, limit, long } from "./lib/form.mjs";
import { Probe } from "./lib/probe.mjs";
import { fill } from "./lib/seed.mjs";
import { Stage } from "./lib/stage.mjs";
import { until } from "./lib/wait.mjs";

const MINUTES = 60_000;
const KEYS = 60;
/** Steps of a reader who scrolls back by hand, a third of a screen each. */
const STEPS = 40;

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

/** Ann in a room of so many messages, at its end. */
async function inLongRoom(t, name, messages, look) {
  const stage = await Stage.set(t, browser, name, WITH_API);
  const ann = await stage.person("ann", look);
  const annId = ann.watch.welcome().user.id;
  await stage.backend.person("bob", "Bob");
  await stage.backend.room({ id: "long", kind: "group", name: "Long", members: [annId, "bob"] });
  const began = performance.now();
  await fill(stage.backend, "long", ["bob", annId], messages);
  t.diagnostic(`${messages} messages stored in ${((performance.now() - began) / 1000).toFixed(1)} s`);
  await ann.reload();
  await ann.isIn();
  await ann.enter("long");
  await ann.at("message-row").first().waitFor();
  return { stage, ann };
}

/** Scrolls back step by step; the largest move of any text that the reader did not make. */
async function readBack(probe, steps) {
  let moved = 0;
  let compared = 0;
  for (let step = 0; step < steps; step += 1) {
    const seen = await probe.step(-230);
    moved = Math.max(moved, seen.moved);
    compared += seen.compared;
  }
  return { moved, compared };
}

/** Main-thread time of each key, all of it: script, style, layout, paint. */
async function perKeyMs(ann, cdp) {
  const composer = ann.at("composer-input");
  await composer.focus();
  const before = await taskSeconds(cdp);
  for (let key = 0; key < KEYS; key += 1) await ann.page.keyboard.press(key % 6 === 5 ? "Space" : "KeyN");
  const ms = ((await taskSeconds(cdp)) - before) * 1000;
  assert.equal((await composer.inputValue()).length, KEYS);
  await composer.fill("");
  return ms / KEYS;
}

async function metric(cdp, name) {
  const { metrics } = await cdp.send("Performance.getMetrics");
  return metrics.find((one) => one.name === name).value;
}

const taskSeconds = (cdp) => metric(cdp, "TaskDuration");

async function heapBytes(cdp) {
  await cdp.send("HeapProfiler.collectGarbage");
  return metric(cdp, "JSHeapUsedSize");
}

test(`${long.messages} messages: few rows, no hole, no jump, a small heap, quick keys`, limit(10 * MINUTES), async (t) => {
  const { stage, ann } = await inLongRoom(t, "long", long.messages);
  const cdp = await ann.page.context().newCDPSession(ann.page);
  await cdp.send("Performance.enable");
  const probe = new Probe(ann);
  await probe.begin();

  const back = await readBack(probe, STEPS);
  const reading = await probe.seen();
  t.diagnostic(`reading back: ${back.moved.toFixed(2)} px is the largest jump over ${back.compared} looks; ${reading.rows} rows, ${reading.blank} blank of ${reading.frames} frames`);
  assert.ok(back.compared > STEPS * 50, `only ${back.compared} looks at a text`);
  assert.ok(back.moved <= long.jumpPx, `a text jumped by ${back.moved} px`);

  const began = performance.now();
  await probe.toBeginning(8 * MINUTES);
  const all = await probe.seen();
  t.diagnostic(`all ${long.messages} loaded in ${((performance.now() - began) / 1000).toFixed(1)} s; at most ${all.rows} rows, ${all.blank} blank of ${all.frames} frames`);
  await ann.sees("message 1 ");
  assert.ok(Math.max(reading.rows, all.rows) <= long.rows, `${Math.max(reading.rows, all.rows)} rows in the page`);
  assert.equal(reading.blank + all.blank, 0, "a frame had a hole");

  const down = await probe.step(400);
  assert.ok(down.moved <= long.jumpPx, `a text jumped by ${down.moved} px on the way down`);
  const keyMs = await perKeyMs(ann, cdp);
  const heap = await heapBytes(cdp);
  t.diagnostic(`with all loaded: ${keyMs.toFixed(1)} ms a key, heap ${(heap / 1e6).toFixed(1)} MB`);
  assert.ok(keyMs < long.keyMs, `a key takes ${keyMs} ms`);
  assert.ok(heap < long.heapBytes, `the heap holds ${heap} bytes`);

  const jump = performance.now();
  await ann.at("jump-latest").click();
  await ann.sees(`message ${long.messages} `);
  t.diagnostic(`jump to the latest: ${(performance.now() - jump).toFixed(0)} ms`);
  await ann.say("and one more");
  await ann.sees("and one more", "sent");
  assert.deepEqual(stage.faults(), []);
});

test("a list that does not put its reader back is found out", limit(2 * MINUTES), async (t) => {
  const { ann } = await inLongRoom(t, "long-twin", 600);
  const probe = new Probe(ann);
  await probe.begin();
  // The page's own corrections come to nothing; the reader's scrolling, which is the probe's, does not.
  await ann.page.evaluate(() => {
    const real = Object.getOwnPropertyDescriptor(Element.prototype, "scrollTop");
    const list = document.querySelector('[role="log"]');
    let isMine = true;
    Object.defineProperty(list, "scrollTop", {
      get: () => real.get.call(list),
      set: (value) => {
        if (isMine) real.set.call(list, value);
        isMine = false;
        requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(() => (isMine = false))));
      },
    });
    window.mine = () => (isMine = true);
  });
  let moved = 0;
  for (let step = 0; step < 30 && moved <= long.jumpPx; step += 1) {
    await ann.page.evaluate(() => window.mine());
    ({ moved } = await probe.step(-230));
  }
  assert.ok(moved > long.jumpPx, "the probe saw no jump");
});

test("a room of which only the end is loaded opens quickly", limit(2 * MINUTES), async (t) => {
  const { ann } = await inLongRoom(t, "long-open", 2_000);
  await ann.page.reload();
  await ann.isIn();
  const rows = await until("the last message", async () => (await ann.message("message 2000 ").count()) && ann.at("message-row").count(), SOON_MS);
  assert.ok(rows <= long.rows, `${rows} rows`);
});
