/**
 * Where the reader stands in a room: at the first unread message, at the end with those who write,
 * or somewhere in between, where nothing moves the text; and what a screen reader is told.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { WITH_API } from "./lib/backend.mjs";
import { launch } from "./lib/browser.mjs";
import { SOON_MS, limit } from "./lib/form.mjs";
import { fill } from "./lib/seed.mjs";
import { Stage } from "./lib/stage.mjs";
import { confirm, disconnect, isOnScreen, pick, together, topOf, wheel } from "./lib/talk.mjs";
import { until } from "./lib/wait.mjs";

const LIST = '[role="log"]';

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

/** Ann, and Bob, who is nowhere yet, in a room of so many messages by Ann. */
async function furnished(t, name, messages) {
  const stage = await Stage.set(t, browser, name, WITH_API);
  const ann = await stage.person("ann");
  const bob = await stage.person("bob");
  const [annId, bobId] = [ann, bob].map((one) => one.watch.welcome().user.id);
  await stage.backend.room({ id: "quay", kind: "group", name: "Quay", members: [annId, bobId] });
  await fill(stage.backend, "quay", [annId], messages, 1);
  const say = (text) => stage.backend.say("quay", annId, text);
  for (const one of [ann, bob]) await one.room("quay").waitFor();
  return { stage, ann, bob, annId, bobId, say };
}

const isShown = (window, text) => until(`${text} is on screen`, async () => (await window.message(text).count()) && isOnScreen(window, text), SOON_MS);

/** Opens the room and goes to its end by Esc. */
async function atEnd(window, last) {
  await window.enter("quay");
  await window.at("message-row").first().waitFor();
  await window.at("composer-input").press("Escape");
  await isShown(window, last);
}

/** Watches a live region: every text that it ever says. */
function listen(window) {
  return window.page.evaluate(() => {
    window.spoken = [];
    const region = document.querySelector('[data-testid="polite"]');
    new MutationObserver(() => region.textContent.trim() && window.spoken.push(region.textContent.trim())).observe(region, { childList: true, characterData: true, subtree: true });
  });
}

const spoken = (window) => window.page.evaluate(() => window.spoken);

test("a room opens at the first unread message, with a line that does not move", limit(90_000), async (t) => {
  const { bob, say } = await furnished(t, "first-unread", 60);
  await bob.enter("quay");
  await isShown(bob, "message 1 ");
  await bob.page.keyboard.press("Escape");
  await isShown(bob, "message 60 ");
  await until("all is read", async () => !/unread/.test(await bob.room("quay").innerText()), SOON_MS);
  await bob.go("#/");
  for (let n = 1; n <= 40; n += 1) await say(`later ${n}.`);
  await bob.enter("quay");
  await isShown(bob, "later 1.");
  const line = bob.at("new-divider");
  assert.equal(await line.count(), 1);
  const [place, box] = await Promise.all([line.boundingBox(), bob.page.locator(LIST).boundingBox()]);
  assert.ok(Math.abs(place.y - box.y - box.height / 4) < 60, `the line is at ${place.y - box.y} of ${box.height}`);
  const before = await topOf(bob, "later 1.");
  for (let n = 41; n <= 45; n += 1) await say(`later ${n}.`);
  await until("the pill counts", async () => /5/.test((await bob.at("jump-latest").textContent()) ?? ""), SOON_MS).catch(() => {});
  assert.ok(Math.abs((await topOf(bob, "later 1.")) - before) <= 1, "the text moved");
  assert.equal((await line.boundingBox()).y, place.y, "the line moved");
  await bob.at("jump-latest").click();
  await isShown(bob, "later 45.");
  await until("all is read", async () => !/unread/.test(await bob.room("quay").innerText()), SOON_MS);
  await bob.go("#/");
  await bob.enter("quay");
  await isShown(bob, "later 45.");
  assert.equal(await line.count(), 0, "the line came back");
});

test("at the end the list follows; elsewhere it stays, counts, and goes to the end by one click", limit(90_000), async (t) => {
  const { bob, say } = await furnished(t, "follow", 80);
  await atEnd(bob, "message 80 ");
  await say("follow me\nover\nthree lines");
  await isShown(bob, "follow me");
  await wheel(bob, -700);
  const text = await bob.page.locator(`${LIST} .text`).evaluateAll((all) => all.find((one) => one.getBoundingClientRect().top > 200)?.textContent.slice(0, 14));
  const before = await topOf(bob, text);
  for (let n = 1; n <= 3; n += 1) await say(`unseen ${n}.`);
  await until("the pill counts three", async () => /3/.test(await bob.at("jump-latest").innerText()), SOON_MS);
  assert.ok(Math.abs((await topOf(bob, text)) - before) <= 1, "the text moved");
  await bob.at("jump-latest").click();
  await isShown(bob, "unseen 3.");
  assert.equal(await bob.at("jump-latest").count(), 0);
  await bob.say("sent from the end");
  await isShown(bob, "sent from the end");
});

test("a message that comes before the page has heard of a scroll does not take the reader back to the end", limit(60_000), async (t) => {
  const { bob, say } = await furnished(t, "unheard", 80);
  await atEnd(bob, "message 80 ");
  // A browser tells of a scroll with its next frame, and a slow one draws few: the page opens the message in between.
  await bob.page.evaluate((selector) => {
    const real = Object.getOwnPropertyDescriptor(MessageEvent.prototype, "data");
    window.eye = () => [...document.querySelectorAll(`${selector} .text`)].find((one) => one.textContent.startsWith("message 75 ")).getBoundingClientRect().top;
    const data = function () {
      const text = real.get.call(this);
      if (typeof text === "string" && text.includes("in between")) {
        Object.defineProperty(MessageEvent.prototype, "data", real);
        document.querySelector(selector).scrollTop -= 300;
        window.sawAt = window.eye();
      }
      return text;
    };
    Object.defineProperty(MessageEvent.prototype, "data", { ...real, get: data });
  }, LIST);
  await say("in between");
  await until("the pill says that one is not at the end", () => bob.at("jump-latest").count(), SOON_MS);
  const { sawAt, seesAt } = await bob.page.evaluate(() => ({ sawAt: window.sawAt, seesAt: window.eye() }));
  assert.ok(Math.abs(seesAt - sawAt) <= 1, `the text under the eye went from ${sawAt} to ${seesAt}`);
});

test("edits and deletions above do not move the text under the eye", limit(90_000), async (t) => {
  const { ann, bob } = await furnished(t, "still", 60);
  for (const one of [ann, bob]) await atEnd(one, "message 60 ");
  await ann.say("mine to change");
  await isShown(bob, "mine to change");
  for (let n = 1; n <= 30; n += 1) await ann.say(`filler ${n}.`);
  await isShown(bob, "filler 30.");
  await wheel(bob, -60);
  assert.ok(!(await isOnScreen(bob, "mine to change").catch(() => false)), "the message is still on screen");
  const before = await topOf(bob, "filler 20.");
  const still = async (what) => assert.ok(Math.abs((await topOf(bob, "filler 20.")) - before) <= 1, `the text moved by ${what}`);
  // A tall message just above the screen, then a tombstone where it stood.
  await wheel(ann, -300);
  await pick(ann, "mine to change", "edit");
  await ann.at("composer-input").fill("mine to change\n\nwith\n\nmany\n\nmore\n\nlines");
  await ann.at("composer-input").press("Enter");
  await until("bob has the edit", () => bob.watch.sockets.at(-1).frames.some((frame) => /"kind":"edit"/.test(frame.text)), SOON_MS);
  await still("an edit");
  await pick(ann, "mine to change", "delete");
  await confirm(ann);
  await until("bob has the deletion", () => bob.watch.sockets.at(-1).frames.some((frame) => /"kind":"delete"/.test(frame.text)), SOON_MS);
  await still("a deletion");
  await wheel(bob, -400);
  await bob.sees("Ann deleted this message");
});

test("an address leads to a message far back, marked, and one can scroll down through the gap", limit(120_000), async (t) => {
  const { stage, bob } = await furnished(t, "jump", 600);
  await atEnd(bob, "message 600 ");
  const target = (await stage.backend.events("quay")).find(({ body }) => body?.startsWith("message 150 "));
  // The mark stays for two seconds, which on a busy machine are over before one looks.
  await bob.page.evaluate((selector) => {
    window.flashed = [];
    const look = () => document.querySelectorAll(`${selector} .msg.flash .text`).forEach((one) => window.flashed.push(one.textContent));
    new MutationObserver(look).observe(document.querySelector(selector), { subtree: true, childList: true, attributeFilter: ["class"] });
  }, LIST);
  const began = performance.now();
  await bob.go(`#/room/quay/at/${target.seq}/${target.id}`);
  await isShown(bob, "message 150 ");
  t.diagnostic(`jump over 450 messages: ${(performance.now() - began).toFixed(0)} ms`);
  await until("the message was marked", () => bob.page.evaluate(() => window.flashed.some((text) => text.startsWith("message 150 "))), SOON_MS);
  await until("the message has the focus", () => bob.message("message 150 ").first().evaluate((one) => one === document.activeElement), SOON_MS);
  await until("the mark is gone", async () => (await bob.page.locator(".msg.flash").count()) === 0, SOON_MS);
  const seen = new Set();
  const look = async () => {
    for (const { text } of await bob.shown()) seen.add(Number(/^message (\d+) /.exec(text)?.[1]));
  };
  for (let step = 0; step < 400 && !seen.has(600); step += 1) {
    await look();
    await bob.page.locator(LIST).evaluate(async (list) => {
      list.scrollTop += list.clientHeight * 0.7;
      await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
    });
  }
  const missed = Array.from({ length: 451 }, (_, i) => i + 150).filter((n) => !seen.has(n));
  assert.deepEqual(missed, [], "the way down has holes");
  await bob.go("#/room/quay/at/3/nothing-of-this-id");
  await until("it says so", async () => /cannot be shown/.test(await bob.page.locator(".dock").innerText()), SOON_MS);
});

test("the focus stays with its message when the list goes far away, and arrows go on from there", limit(120_000), async (t) => {
  const { bob } = await furnished(t, "focus", 300);
  await atEnd(bob, "message 300 ");
  await bob.message("message 290 ").focus();
  for (let n = 0; n < 12; n += 1) await wheel(bob, -900);
  const focused = () => bob.page.evaluate(() => document.activeElement?.closest("[data-key]")?.querySelector(".text")?.textContent ?? document.activeElement?.tagName);
  assert.match(await focused(), /^message 290 /);
  assert.ok((await bob.page.locator(`${LIST} [data-key]`).count()) <= 40);
  await bob.page.keyboard.press("ArrowUp");
  await isShown(bob, "message 289 ");
  await until("the one before has the focus", async () => /^message 289 /.test(await focused()), SOON_MS);
  await bob.page.keyboard.press("Home");
  await until("the first loaded message has the focus", async () => /^message \d+ /.test(await focused()) && !/^message 2[89]\d /.test(await focused()), SOON_MS);
  await bob.page.keyboard.press("End");
  await until("the last one has it", async () => /^message 300 /.test(await focused()), SOON_MS);
  await bob.page.keyboard.press("Escape");
  await until("the field has the focus", () => bob.at("composer-input").evaluate((one) => one === document.activeElement), SOON_MS);
});

test("a screen reader hears new messages once and together, and never old ones", limit(90_000), async (t) => {
  const { stage, bob, say } = await furnished(t, "spoken", 200);
  await atEnd(bob, "message 200 ");
  assert.equal(await bob.page.locator(LIST).getAttribute("aria-live"), "off");
  await listen(bob);
  for (let n = 0; n < 6; n += 1) await wheel(bob, -900);
  assert.deepEqual(await spoken(bob), [], "old messages were spoken");
  await say("hear me");
  await until("it is spoken", async () => (await spoken(bob)).includes("Ann: hear me"), SOON_MS);
  // They come together, however slowly the machine stores one after the other.
  stage.proxy.freeze();
  await Promise.all([1, 2, 3, 4, 5].map((n) => say(`all ${n}.`)));
  stage.proxy.pass();
  await until("they are spoken together", async () => (await spoken(bob)).some((text) => /^\d new messages$/.test(text)), SOON_MS);
  await bob.say("my own");
  await bob.sees("my own", "sent");
  // What was missed is not shouted after a reconnect.
  const before = (await spoken(bob)).length;
  await disconnect(stage, bob);
  for (let n = 1; n <= 4; n += 1) await say(`missed ${n}.`);
  stage.proxy.pass();
  await bob.sees("missed 4.");
  await say("after it");
  await until("the next one is spoken", async () => (await spoken(bob)).some((text) => /after it/.test(text)), SOON_MS);
  const since = (await spoken(bob)).slice(before);
  assert.ok(!since.some((text) => /my own|message \d/.test(text)), since.join(" | "));
});

test("at most forty rows and no hole at the sizes of a phone and of a large screen", limit(90_000), async (t) => {
  const { bob } = await furnished(t, "sizes", 200);
  await atEnd(bob, "message 200 ");
  for (const [width, height] of [[390, 844], [1280, 720], [1440, 1000]]) {
    await bob.page.setViewportSize({ width, height });
    await isShown(bob, "message 200 ");
    for (let n = 0; n < 3; n += 1) await wheel(bob, -500);
    const rows = await bob.page.locator(`${LIST} [data-key]`).count();
    assert.ok(rows <= 40, `${rows} rows at ${width} x ${height}`);
    assert.equal(await bob.page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0);
    await bob.at("jump-latest").click();
    await isShown(bob, "message 200 ");
  }
});

test("two who write at once see the same, each with the end in view", limit(60_000), async (t) => {
  const stage = await Stage.set(t, browser, "both");
  const { ann, bob } = await together(stage);
  for (let n = 1; n <= 15; n += 1) await Promise.all([ann.say(`ann ${n}.`), bob.say(`bob ${n}.`)]);
  for (const one of [ann, bob]) for (const last of ["ann 15.", "bob 15."]) await isShown(one, last);
  const texts = async (one) => (await one.all()).map(({ text }) => text);
  assert.deepEqual(await texts(ann), await texts(bob));
});
