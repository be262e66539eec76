/**
 * A room with more messages than anybody reads: 100,000 in the full form. Few rows are in the page,
 * no frame has a hole, nothing under the eye moves when older ones load, the heap stays small, and
 * a key is as quick as in an empty room. The figures are printed.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Backend, WITH_API } from "./lib/backend.mjs";
import { launch } from "./lib/browser.mjs";
import { SOON_MS, isFull, limit, long } from "./lib/form.mjs";
import { Probe } from "./lib/probe.mjs";
import { fill } from "./lib/seed.mjs";
import { Stage } from "./lib/stage.mjs";
import { until } from "./lib/wait.mjs";

const MINUTES = 60_000;
const KEYS = 60;
/** A key in the long room costs at most so many times the same key in an empty one. */
const KEY_RATIO = 3;
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
  for (const id of ["long", "empty"]) await stage.backend.room({ id, kind: "group", name: `The ${id} one`, members: [annId, "bob"] });
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

/**
 * What a key costs the main thread, all of it: script, style, layout, paint. `wallMs` is what a reader waits; `cpuMs` is
 * without the time in which the machine did something else. Of two rounds the cheaper one counts: what the page or the
 * browser does once, or now and then, is not the key's.
 */
async function perKey(ann, cdp) {
  const composer = ann.at("composer-input");
  await composer.focus();
  const rounds = [];
  for (let round = 0; round < 2; round += 1) {
    const before = await metrics(cdp);
    for (let key = 0; key < KEYS; key += 1) await ann.page.keyboard.press(key % 6 === 5 ? "Space" : "KeyN");
    const after = await metrics(cdp);
    assert.equal((await composer.inputValue()).length, KEYS);
    await composer.fill("");
    rounds.push(["TaskDuration", "ThreadTime"].map((name) => ((after[name] - before[name]) * 1000) / KEYS));
  }
  const [wallMs, cpuMs] = [0, 1].map((which) => Math.min(...rounds.map((round) => round[which])));
  return { wallMs, cpuMs };
}

const spoken = ({ wallMs, cpuMs }) => `${wallMs.toFixed(1)} ms a key, ${cpuMs.toFixed(1)} ms of them at work`;

/** The same keys in a room without a message. */
async function perKeyInEmptyRoom(ann, cdp) {
  await ann.enter("empty");
  await ann.page.getByRole("heading", { name: "The empty one", level: 1 }).waitFor();
  return perKey(ann, cdp);
}

/** Whether a key costs about what it costs in an empty room of the same run: on a slow machine both cost more. */
const isQuick = (key, inEmpty) => key.cpuMs < KEY_RATIO * inEmpty.cpuMs;

async function metrics(cdp) {
  const answer = await cdp.send("Performance.getMetrics");
  return Object.fromEntries(answer.metrics.map(({ name, value }) => [name, value]));
}

async function heapBytes(cdp) {
  await cdp.send("HeapProfiler.collectGarbage");
  return (await metrics(cdp)).JSHeapUsedSize;
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
  const key = await perKey(ann, cdp);
  const heap = await heapBytes(cdp);
  t.diagnostic(`with all loaded: ${spoken(key)}, heap ${(heap / 1e6).toFixed(1)} MB`);
  // How long a reader waits depends on who else keeps the machine busy, so that number belongs to the full form.
  if (isFull) assert.ok(key.wallMs < long.keyMs, `a key takes ${key.wallMs} ms`);
  assert.ok(heap < long.heapBytes, `the heap holds ${heap} bytes`);

  const jump = performance.now();
  await ann.at("jump-latest").click();
  await ann.sees(`message ${long.messages} `);
  t.diagnostic(`jump to the latest: ${(performance.now() - jump).toFixed(0)} ms`);
  await ann.say("and one more");
  await ann.sees("and one more", "sent");
  const inEmpty = await perKeyInEmptyRoom(ann, cdp);
  t.diagnostic(`in an empty room: ${spoken(inEmpty)}`);
  assert.ok(isQuick(key, inEmpty), `${spoken(key)}; in an empty room ${spoken(inEmpty)}`);
  assert.deepEqual(stage.faults(), []);
});

test("a key that costs more where there are messages is found out", limit(2 * MINUTES), async (t) => {
  const { ann } = await inLongRoom(t, "long-keys", 200);
  const cdp = await ann.page.context().newCDPSession(ann.page);
  await cdp.send("Performance.enable");
  await ann.page.evaluate(() => {
    addEventListener("input", () => {
      const end = performance.now() + (document.querySelector('[data-testid="message-row"]') ? 50 : 0);
      while (performance.now() < end);
    }, { capture: true });
  });
  const key = await perKey(ann, cdp);
  const inEmpty = await perKeyInEmptyRoom(ann, cdp);
  assert.ok(!isQuick(key, inEmpty), `${spoken(key)}; in an empty room ${spoken(inEmpty)}`);
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

test("a list that does not draw where its reader goes is found out", limit(2 * MINUTES), async (t) => {
  const { ann } = await inLongRoom(t, "long-hole", 600);
  const probe = new Probe(ann);
  await probe.begin();
  // At rest there is none, however long one looks.
  await probe.step(0);
  const resting = await probe.seen();
  assert.ok(resting.frames >= 12, `only ${resting.frames} frames`);
  assert.equal(resting.blank, 0, "a hole in a list at its end");
  // The page hears of no scrolling, so the rows stay where they were.
  await ann.page.evaluate(() => {
    const list = document.querySelector('[role="log"]');
    addEventListener("scroll", (event) => event.target === list && event.stopImmediatePropagation(), { capture: true });
    list.addEventListener("scroll", (event) => event.stopImmediatePropagation(), { capture: true });
  });
  await probe.step(-3_000);
  const { blank, frames } = await probe.seen();
  assert.ok(blank > 0, `the probe saw no hole in ${frames} frames`);
});

test("a room of which only the end is loaded opens quickly", limit(2 * MINUTES), async (t) => {
  const { ann } = await inLongRoom(t, "long-open", 2_000);
  await ann.page.reload();
  await ann.isIn();
  const rows = await until("the last message", async () => (await ann.message("message 2000 ").count()) && ann.at("message-row").count(), SOON_MS);
  assert.ok(rows <= long.rows, `${rows} rows`);
});
