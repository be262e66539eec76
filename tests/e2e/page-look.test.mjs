/**
 * How the page bends: 320 px, 200 % zoom, a phone, right to left, forced colours, no motion, large text. What must hold
 * everywhere: nothing scrolls sideways, and nothing that one needs is cut off.
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

const LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft".repeat(2);
const PLACES = ["#/", "#/room/harbour", "#/room/harbour/details", "#/search/harbour", "#/settings", "#/settings/profile", "#/settings/devices", "#/settings/appearance"];

/** Ann with a room that has long words in it, in a window of the given look. */
async function furnished(t, name, look) {
  const stage = await Stage.set(t, browser, name, WITH_API);
  const [ann, bob] = [await stage.person("ann", look), await stage.person("bob")];
  const [annId, bobId] = [ann, bob].map((window) => window.watch.welcome().user.id);
  await stage.backend.room({ id: "harbour", kind: "group", name: LONG.slice(0, 70), members: [annId, bobId] });
  await stage.backend.say("harbour", bobId, LONG);
  await stage.backend.say("harbour", annId, "short");
  await stage.backend.say("harbour", bobId, `https://example.org/${LONG}`);
  await ann.room("harbour").waitFor();
  return { stage, ann };
}

const shown = { "#/room/harbour": "message-row", "#/room/harbour/details": "member-row", "#/": "room-row", "#/settings/devices": "device-row" };

/** By how much each place is wider than the window. */
async function widths(window) {
  const wide = {};
  for (const place of PLACES) {
    await window.go(place);
    await window.page.locator("h1").filter({ visible: true }).first().waitFor();
    if (shown[place]) await window.at(shown[place]).first().waitFor();
    const by = await window.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (by > 0) wide[place] = by;
  }
  return wide;
}

for (const [name, look] of [
  ["320 px wide", { viewport: { width: 320, height: 568 } }],
  ["360 px wide, touched", { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true }],
  ["at 200 % of 1440 px", { viewport: { width: 720, height: 450 }, deviceScaleFactor: 2 }],
  ["at 400 % of 1280 px", { viewport: { width: 320, height: 256 }, deviceScaleFactor: 4 }],
]) {
  test(`nothing scrolls sideways ${name}, and one can write`, limit(90_000), async (t) => {
    const { ann } = await furnished(t, `look-${look.viewport.width}-${look.viewport.height}`, look);
    assert.deepEqual(await widths(ann), {});
    await ann.go("#/room/harbour");
    const box = await ann.at("composer-input").boundingBox();
    assert.ok(box.x >= 0 && box.x + box.width <= look.viewport.width, "the field is as wide as the window at most");
    assert.ok(box.y + box.height <= look.viewport.height, "the field is on screen");
    await ann.say("written here");
    await ann.sees("written here", "sent");
  });
}

test("the largest text fits a phone and a desk", limit(90_000), async (t) => {
  const { ann } = await furnished(t, "look-large", { viewport: { width: 360, height: 740 } });
  await ann.go("#/settings/appearance");
  await ann.at("size-huge").check({ force: true });
  assert.deepEqual(await widths(ann), {});
  await ann.page.setViewportSize({ width: 1280, height: 800 });
  assert.deepEqual(await widths(ann), {});
});

test("right to left the page is turned round as a whole", limit(90_000), async (t) => {
  const { ann } = await furnished(t, "look-rtl", { viewport: { width: 1280, height: 800 } });
  await ann.page.evaluate(() => (document.documentElement.dir = "rtl"));
  assert.deepEqual(await widths(ann), {});
  await ann.go("#/room/harbour");
  await ann.sees("short");
  const at = async (selector) => ann.page.locator(selector).first().boundingBox();
  const [list, send, composer] = [await at(".side"), await at('[data-testid="composer-send"]'), await at(".composer")];
  assert.ok(list.x > 600, "the list stands at the right");
  assert.ok(send.x - composer.x < composer.width / 4, "one sends at the left end of the field");
  await ann.go("#/room/harbour/details");
  const panel = await at(".panel");
  assert.ok(panel.x < 10, "the panel stands at the left");
  await ann.page.setViewportSize({ width: 360, height: 740 });
  await ann.go("#/room/harbour");
  const flipped = await ann.page.locator(".back .i").first().evaluate((arrow) => getComputedStyle(arrow).transform);
  assert.match(flipped, /matrix\(-1,/, "the arrow back points the other way");
  assert.deepEqual(await widths(ann), {});
});

test("with less motion nothing moves by itself", limit(60_000), async (t) => {
  const { ann } = await furnished(t, "look-still", { reducedMotion: "reduce" });
  await ann.go("#/room/harbour");
  await ann.sees("short");
  await ann.at("room-details").click();
  const moving = await ann.page.evaluate(() => document.getAnimations().filter((one) => (one.effect?.getComputedTiming().duration ?? 0) > 0).length);
  assert.equal(moving, 0);
});

test("in forced colours edges say what tints said", limit(60_000), async (t) => {
  const { ann } = await furnished(t, "look-forced", { forcedColors: "active" });
  await ann.enter("harbour");
  const current = await ann.room("harbour").evaluate((row) => getComputedStyle(row).outlineStyle);
  assert.equal(current, "solid", "the room one is in has an edge");
  await ann.at("composer-input").focus();
  const field = await ann.page.locator(".composer").evaluate((box) => getComputedStyle(box).borderTopStyle);
  assert.equal(field, "solid");
});

test("a phone shows one thing at a time: list, room, details, and back", limit(60_000), async (t) => {
  const { ann } = await furnished(t, "look-phone", { viewport: { width: 360, height: 740 }, hasTouch: true });
  await ann.go("#/");
  const things = { list: ann.room("harbour"), field: ann.at("composer-input"), members: ann.at("member-row").first() };
  const visible = async () => {
    const shown = [];
    for (const [name, thing] of Object.entries(things)) if (await thing.isVisible()) shown.push(name);
    return shown.join();
  };
  const shows = (what) => until(`${what} alone`, async () => (await visible()) === what, SOON_MS);
  await shows("list");
  await ann.room("harbour").tap();
  await shows("field");
  await ann.at("room-details").tap();
  await shows("members");
  await ann.page.goBack();
  await shows("field");
  await ann.page.locator(".back").first().tap();
  await shows("list");
  const small = await ann.page.evaluate(() =>
    [...document.querySelectorAll("a, button")]
      .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.closest(".vh, .skip"))
      .map((one) => ({ name: one.getAttribute("aria-label") ?? one.textContent, ...one.getBoundingClientRect().toJSON() }))
      .filter(({ width, height, bottom }) => bottom > 0 && (width < 24 || height < 24))
      .map(({ name }) => name),
  );
  assert.deepEqual(small, [], "every target has 24 px");
});
