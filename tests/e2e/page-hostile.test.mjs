/**
 * A hundred strings that want to hurt the reader, as messages, as links, as names of people and of
 * rooms: no script runs, nothing leaves its place, nothing is asked of anybody else, and the
 * content security policy has nothing to report.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";

import { WITH_API } from "./lib/backend.mjs";
import { launch } from "./lib/browser.mjs";
import { BACK_MS, SOON_MS, limit } from "./lib/form.mjs";
import { Stage } from "./lib/stage.mjs";
import { until } from "./lib/wait.mjs";

const STRINGS = JSON.parse(readFileSync(new URL("../hostile/strings.json", import.meta.url), "utf8"));
const LIST = '[role="log"]';

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

/** What the server takes; it may refuse a name or a message, which is as good. */
async function taken(works) {
  const results = await Promise.allSettled(works);
  return results.filter(({ status }) => status === "fulfilled").length;
}

/** Ann among people and rooms with hostile names, in a room of hostile messages. */
async function among(t, name, look) {
  const stage = await Stage.set(t, browser, name, WITH_API);
  const ann = await stage.person("ann", look);
  const id = ann.watch.welcome().user.id;
  const { backend } = stage;
  const people = await taken(STRINGS.map((text, n) => backend.person(`p${n}`, text)));
  await taken(STRINGS.map((_, n) => backend.person(`p${n}`, `plain ${n}`).then(() => backend.person(`p${n}`, STRINGS[n]))));
  const rooms = await taken(STRINGS.map((text, n) => backend.room({ id: `r${n}`, kind: "group", name: text, members: [id] })));
  await backend.room({ id: "all", kind: "group", name: "All of it", members: [id, ...STRINGS.map((_, n) => `p${n}`)] });
  let messages = 0;
  for (const [n, text] of STRINGS.entries()) {
    messages += await taken([backend.say("all", `p${n}`, text)]);
    messages += await taken([backend.say("all", id, `[${text}](${text}) and <${text}>`)]);
  }
  t.diagnostic(`the server took ${people} names of people, ${rooms} of rooms, ${messages} of ${STRINGS.length * 2} messages`);
  assert.ok(messages > STRINGS.length * 1.9, "the server took too few for a proof");
  return { stage, ann };
}

/** Everything in the list that is where it must not be, and every link that must not be there. */
function trespasses(selector) {
  const box = document.querySelector(selector).getBoundingClientRect();
  const found = [];
  /** Where a part is to be seen: what a parent cuts off is nowhere. */
  const seen = (part, row) => {
    let { left, right, top, bottom } = part.getBoundingClientRect();
    for (let one = part.parentElement; one !== row; one = one.parentElement) {
      if (getComputedStyle(one).overflowX === "visible") continue;
      const cut = one.getBoundingClientRect();
      [left, right, top, bottom] = [Math.max(left, cut.left), Math.min(right, cut.right), Math.max(top, cut.top), Math.min(bottom, cut.bottom)];
    }
    return { left, right, top, bottom, width: right - left };
  };
  let below = -Infinity;
  for (const row of document.querySelectorAll(`${selector} [data-key]`)) {
    const { top, bottom } = row.getBoundingClientRect();
    if (top < below - 1) found.push(`a row stands over another: ${row.textContent}`);
    below = bottom;
    for (const part of row.querySelectorAll(".msg-body *, .note")) {
      const at = seen(part, row);
      if (part.closest(".vh") || at.width <= 0) continue;
      if (at.left < box.left - 1 || at.right > box.right + 1 || at.top < top - 1 || at.bottom > bottom + 1) found.push(`${part.tagName} leaves its row: ${row.textContent}`);
      if (!["relative", "static"].includes(getComputedStyle(part).position) && !part.closest(".acts")) found.push(`${part.tagName} floats: ${row.textContent}`);
    }
    for (const text of row.querySelectorAll(".text")) if (getComputedStyle(text).overflowY !== "clip") found.push("a text is not clipped");
    for (const bad of row.querySelectorAll("script, style, img, iframe, object, embed, video, form, input, link, meta, base")) found.push(`${bad.tagName} in ${row.textContent}`);
    for (const link of row.querySelectorAll("a")) {
      if (!/^(https?|mailto):$/.test(new URL(link.href).protocol)) found.push(`a link to ${link.href}`);
      if (link.rel !== "noopener noreferrer nofollow") found.push(`a link without its rel: ${link.href}`);
    }
  }
  const wide = document.documentElement.scrollWidth - innerWidth;
  if (wide > 0) found.push(`the page scrolls sideways by ${wide}`);
  return found;
}

/** Looks at every row of the open room, from its beginning to its end. */
async function lookThrough(window) {
  await window.toStart();
  const found = new Set();
  let last = "";
  for (;;) {
    for (const one of await window.page.evaluate(trespasses, LIST)) found.add(one);
    const place = await window.page.locator(LIST).evaluate(async (list) => {
      list.scrollTop += list.clientHeight * 0.8;
      await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
      return `${Math.round(list.scrollTop)} of ${list.scrollHeight}`;
    });
    if (place === last && !(await window.page.locator(`${LIST} .edge`).count())) return [...found];
    last = place;
  }
}

for (const [name, look] of [["large", {}], ["phone", { viewport: { width: 390, height: 844 }, hasTouch: true }]]) {
  test(`on a ${name} screen nothing that is written runs or leaves its place`, limit(240_000), async (t) => {
    const { stage, ann } = await among(t, `hostile-${name}`, look);
    await until("the rooms are there", async () => (await ann.at("room-row").count()) > 80, BACK_MS);
    const list = await ann.page.locator(".side").evaluate((side) => {
      const wide = [...side.querySelectorAll("*")].filter((one) => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX === "auto");
      const heights = new Set([...side.querySelectorAll('[data-testid="room-row"]')].map((row) => Math.round(row.getBoundingClientRect().height)));
      return { wide: wide.length, heights: [...heights] };
    });
    assert.equal(list.wide, 0, "the room list scrolls sideways");
    assert.ok(list.heights.length <= 2, `room rows are ${list.heights} high`);
    await ann.go("#/room/all");
    await ann.at("message-row").first().waitFor();
    assert.deepEqual(await lookThrough(ann), []);
    for (const n of [0, 1, 20, 84, 86, 88, 89]) {
      await ann.go(`#/room/r${n}`);
      await ann.at("composer-input").waitFor();
      assert.equal(await ann.page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0, `room ${n} is too wide`);
    }
    assert.deepEqual(stage.faults(), []);
    assert.deepEqual(stage.foreign(), []);
  });
}

test("markup that comes into the page by another way is stopped and seen", limit(60_000), async (t) => {
  const stage = await Stage.set(t, browser, "hostile-twin");
  const ann = await stage.person("ann");
  await ann.page.evaluate(() => {
    try {
      document.querySelector("main").innerHTML = "<img src=x onerror=alert(1)>";
    } catch {
      // The policy refuses it; what counts is that it is reported.
    }
  });
  await until("the report", () => stage.faults().length > 0, SOON_MS);
});
