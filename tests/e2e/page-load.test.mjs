/**
 * How soon the page can be used: with 500 rooms, from the request to the first rooms that can be clicked, and how much
 * had to be loaded for it.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { WITH_API } from "./lib/backend.mjs";
import { launch } from "./lib/browser.mjs";
import { SOON_MS, limit } from "./lib/form.mjs";
import { Stage } from "./lib/stage.mjs";
import { until } from "./lib/wait.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

const ROOMS = 500;
const LOADS = 9;
const USABLE_MS = 300;

test(`with ${ROOMS} rooms the page can be used within ${USABLE_MS} ms`, limit(180_000), async (t) => {
  const stage = await Stage.set(t, browser, "load", WITH_API);
  const initScript = new URL("./lib/usable.js", import.meta.url).pathname;
  const ann = await stage.person("ann", { initScript });
  const { user } = ann.watch.welcome();
  for (let n = 1; n <= ROOMS; n += 1) {
    await stage.backend.room({ id: `room-${n}`, kind: "group", name: `Room ${n}`, members: [user.id] });
  }
  await stage.backend.say("room-250", user.id, "the latest of all");
  const times = [];
  for (let n = 0; n < LOADS; n += 1) {
    await ann.reload();
    times.push(await until("the list can be used", () => ann.page.evaluate(() => globalThis.usableAt), SOON_MS));
  }
  times.sort((a, b) => a - b);
  const middle = times[Math.floor(LOADS / 2)];
  const files = await ann.page.evaluate(() =>
    performance.getEntriesByType("resource").filter(({ name }) => /\/assets\//.test(name)).map(({ name, decodedBodySize }) => `${name.split("/").at(-1)} ${decodedBodySize} B`),
  );
  t.diagnostic(`usable after ${times.map(Math.round).join(", ")} ms; the middle one is ${Math.round(middle)} ms of ${USABLE_MS}`);
  t.diagnostic(`loaded, unpacked: ${files.join(", ")}`);
  assert.ok(middle < USABLE_MS, `usable after ${middle} ms`);
});

test(`all ${ROOMS} rooms come while one scrolls, and each is found by its name`, limit(120_000), async (t) => {
  const stage = await Stage.set(t, browser, "load-all", WITH_API);
  const ann = await stage.person("ann");
  const { user } = ann.watch.welcome();
  for (let n = 1; n <= ROOMS; n += 1) {
    await stage.backend.room({ id: `room-${n}`, kind: "group", name: `Room ${n}`, members: [user.id] });
  }
  await ann.reload();
  await ann.isIn();
  await ann.page.keyboard.press("Control+k");
  await ann.page.keyboard.type("Room 17");
  const first = ann.at("go-option").first();
  await until("the room is the first choice", async () => /Room 17(?!\d)/.test(await first.innerText()), SOON_MS);
  await ann.page.keyboard.press("Enter");
  await ann.at("composer-input").waitFor();
  assert.equal(await ann.roomId(), "room-17");
  await until("all rooms are listed", async () => {
    await ann.page.locator(".side-scroll").evaluate((box) => (box.scrollTop = box.scrollHeight));
    return (await ann.at("room-row").count()) === ROOMS;
  }, 2 * SOON_MS);
});
