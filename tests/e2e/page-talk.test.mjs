/**
 * What two people do with messages in the page: change them, take them back, answer them, see what
 * became of them; also while the connection is away and after a load of the page without one.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { WITH_API } from "./lib/backend.mjs";
import { launch } from "./lib/browser.mjs";
import { BACK_MS, SOON_MS, limit, waitsForGrace } from "./lib/form.mjs";
import { hasKept } from "./lib/kept.mjs";
import { Stage } from "./lib/stage.mjs";
import { confirm, disconnect, editLast, pick, together } from "./lib/talk.mjs";
import { until } from "./lib/wait.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

const marked = (window, text) => until(`${text} is marked as edited`, () => window.message(text).locator(".edited").count(), SOON_MS);

test("ArrowUp edits the last message of one's own, and both see it marked", limit(90_000), async (t) => {
  const stage = await Stage.set(t, browser, "edit");
  const { ann, bob } = await together(stage);
  await ann.say("first");
  await ann.say("secnod");
  await ann.sees("secnod", "sent");
  await ann.at("composer-input").fill("a draft");
  await ann.at("composer-input").fill("");
  await editLast(ann, "second");
  await bob.sees("second");
  await Promise.all([marked(ann, "second"), marked(bob, "second")]);
  assert.equal(await bob.message("secnod").count(), 0);
  assert.equal(await bob.message("first").locator(".edited").count(), 0);
  assert.deepEqual(stage.faults(), []);
});

test("an edit made without a connection is shown at once, survives a reload without one, and arrives", limit(120_000), async (t) => {
  const stage = await Stage.set(t, browser, "edit-offline");
  const { ann, bob } = await together(stage);
  await ann.say("before");
  await bob.sees("before");
  await disconnect(stage, ann);
  await editLast(ann, "after");
  await ann.sees("after");
  await until("a clock stands at it", () => ann.message("after").locator(".state.queued").count(), SOON_MS);
  await ann.say("and more");
  await ann.sees("and more", "queued");
  await hasKept(ann, "after");
  await ann.reload();
  await ann.at("messages-as-of").waitFor();
  await ann.sees("and more", "queued");
  await ann.sees("after");
  await until("the clock still stands at it", () => ann.message("after").locator(".state.queued").count(), SOON_MS);
  stage.proxy.pass();
  await bob.sees("after");
  await bob.sees("and more");
  await ann.sees("and more", "sent");
  await marked(ann, "after");
  assert.deepEqual(await ann.shown().then((rows) => rows.map(({ text }) => text)), ["after", "and more"]);
});

test("a deletion asks first, leaves a tombstone for both, and has no actions any more", limit(90_000), async (t) => {
  const stage = await Stage.set(t, browser, "delete");
  const { ann, bob, room } = await together(stage);
  await ann.say("regretted");
  await bob.sees("regretted");
  await pick(ann, "regretted", "delete");
  await ann.at("confirm").waitFor();
  await ann.page.keyboard.press("Escape");
  await ann.page.locator("dialog").waitFor({ state: "detached" });
  assert.equal(await ann.message("regretted").count(), 1, "Esc deleted it");
  await pick(ann, "regretted", "delete");
  await confirm(ann);
  await ann.sees("You deleted this message");
  await bob.sees("Ann deleted this message");
  assert.equal(await bob.message("regretted").count(), 0);
  assert.equal(await ann.message("You deleted").locator(".acts").count(), 0);
  await bob.reload();
  await bob.isIn();
  await bob.enter(room);
  await bob.sees("Ann deleted this message");
});

test("a deletion made without a connection is a tombstone at once and reaches the other later", limit(90_000), async (t) => {
  const stage = await Stage.set(t, browser, "delete-offline");
  const { ann, bob } = await together(stage);
  await ann.say("to be gone");
  await bob.sees("to be gone");
  await disconnect(stage, ann);
  await pick(ann, "to be gone", "delete");
  await confirm(ann);
  await ann.sees("You deleted this message");
  assert.equal(await bob.message("to be gone").count(), 1);
  stage.proxy.pass();
  await bob.sees("Ann deleted this message");
});

test("an edit that is emptied asks to delete", limit(60_000), async (t) => {
  const stage = await Stage.set(t, browser, "emptied");
  const { ann, bob } = await together(stage);
  await ann.say("all or nothing");
  await bob.sees("all or nothing");
  await editLast(ann, "");
  await confirm(ann);
  await bob.sees("Ann deleted this message");
  assert.equal(await ann.at("composer-mode").count(), 0);
});

test("nobody can edit or delete what another wrote", limit(60_000), async (t) => {
  const stage = await Stage.set(t, browser, "not-mine");
  const { ann, bob } = await together(stage);
  await ann.say("mine");
  await bob.sees("mine");
  await bob.message("mine").focus();
  await bob.page.keyboard.press("Shift+F10");
  await bob.at("menu-reply").waitFor();
  assert.equal(await bob.at("menu-edit").count() + (await bob.at("menu-delete").count()), 0);
  await bob.page.keyboard.press("Escape");
  await bob.at("composer-input").press("ArrowUp");
  assert.equal(await bob.at("composer-mode").count(), 0);
});

test("an answer shows what it answers, and leads back to it", limit(60_000), async (t) => {
  const stage = await Stage.set(t, browser, "reply");
  const { ann, bob } = await together(stage);
  await ann.say("shall we?");
  await bob.sees("shall we?");
  await bob.message("shall we?").hover();
  await bob.at("act-reply").click();
  await bob.at("composer-mode").waitFor();
  await bob.say("we shall");
  await ann.sees("we shall");
  const quote = ann.message("we shall").getByTestId("quote");
  await until("the answer quotes", async () => /Youshall we\?/.test((await quote.innerText()).replace(/\s*\n\s*/g, "")), SOON_MS);
  await quote.click();
  await until("the answered message is marked", () => ann.page.locator(".msg.flash", { hasText: "shall we?" }).count(), SOON_MS);
  await pick(bob, "shall we?", "reply");
  await bob.at("composer-mode").waitFor();
  await bob.at("composer-input").press("Escape");
  assert.equal(await bob.at("composer-mode").count(), 0, "Esc leaves the answer");
});

test("the states of a message: queued, sent, read by the other, with both ticks in a direct room", limit(90_000), async (t) => {
  const stage = await Stage.set(t, browser, "states");
  const ann = await stage.person("ann");
  const bob = await stage.person("bob");
  const room = await ann.makeRoom("direct", { people: ["bob"] });
  await disconnect(stage, ann);
  await ann.say("hello");
  await ann.sees("hello", "queued");
  assert.match(await ann.message("hello").locator(".state").innerText(), /Queued/);
  stage.proxy.pass();
  await ann.sees("hello", "sent");
  assert.match(await ann.message("hello").locator(".state").innerText(), /Sent/);
  assert.equal(await ann.at("read").count(), 0, "nobody has read it yet");
  await bob.enter(room);
  await bob.sees("hello");
  await ann.message("hello").getByTestId("read").waitFor({ timeout: SOON_MS });
  assert.match(await ann.message("hello").getByTestId("read").innerText(), /^Read$/);
});

test("in a group a message says by how many it was read, and names them", limit(90_000), async (t) => {
  const stage = await Stage.set(t, browser, "readers");
  const { ann, bob } = await together(stage);
  await ann.say("who reads this?");
  await bob.sees("who reads this?");
  const read = ann.message("who reads this?").getByTestId("read");
  await read.waitFor({ timeout: SOON_MS });
  assert.match(await read.innerText(), /Read by 1/);
  assert.match(await read.getAttribute("title"), /Bob/);
  await read.click();
  assert.match(await ann.at("readers").innerText(), /Bob/);
  await ann.page.keyboard.press("Escape");
  await pick(ann, "who reads this?", "readers");
  assert.match(await ann.at("readers").innerText(), /Bob/);
});

test("typing is told, and is over with the message", limit(60_000), async (t) => {
  const stage = await Stage.set(t, browser, "typing-row");
  const { ann, bob } = await together(stage);
  const row = () => bob.at("typing").innerText();
  const height = await bob.at("typing").evaluate((one) => one.getBoundingClientRect().height);
  await ann.at("composer-input").pressSequentially("hm");
  await until("bob sees ann typing", async () => /Ann is typing/.test(await row()), SOON_MS);
  assert.equal(await bob.at("typing").evaluate((one) => one.getBoundingClientRect().height), height, "the row moved");
  await ann.at("composer-input").press("Enter");
  await bob.sees("hm");
  await until("nobody is typing", async () => (await row()).trim() === "", SOON_MS);
});

test("the header of a direct room says whether the other is there, and when they were last", limit(120_000), async (t) => {
  const stage = await Stage.set(t, browser, "presence");
  const { ann, bob } = await together(stage, "direct");
  await until("online", async () => /online/.test(await ann.at("presence").innerText()), SOON_MS);
  if (!waitsForGrace) return;
  // So long, so that a reconnect does not flicker.
  await bob.close();
  await until("last seen", async () => /last seen \d/.test(await ann.at("presence").innerText()), 60_000);
});

test("drafts stay in their rooms and survive a reload without a connection", limit(90_000), async (t) => {
  const stage = await Stage.set(t, browser, "drafts");
  const ann = await stage.person("ann");
  await stage.person("bob");
  const one = await ann.makeRoom("group", { name: "One", people: ["bob"] });
  const two = await ann.makeRoom("group", { name: "Two", people: ["bob"] });
  await ann.at("composer-input").pressSequentially("for two");
  await ann.enter(one);
  assert.equal(await ann.at("composer-input").inputValue(), "");
  await ann.at("composer-input").pressSequentially("for one");
  await disconnect(stage, ann);
  await ann.reload();
  await ann.at("composer-input").waitFor();
  assert.equal(await ann.at("composer-input").inputValue(), "for one");
  stage.proxy.pass();
  await ann.isIn();
  assert.match(await ann.room(two).innerText(), /Draft: for two/);
  await ann.enter(two);
  assert.equal(await ann.at("composer-input").inputValue(), "for two");
});

test("the composer grows by Shift+Enter, sends by Enter, and never while letters are being composed", limit(60_000), async (t) => {
  const stage = await Stage.set(t, browser, "composer");
  const { ann, bob } = await together(stage);
  const composer = ann.at("composer-input");
  const height = () => composer.evaluate((one) => one.getBoundingClientRect().height);
  const low = await height();
  await composer.pressSequentially("one");
  await composer.press("Shift+Enter");
  await composer.pressSequentially("two");
  assert.ok((await height()) > low + 10, "it did not grow");
  const press = (more) => composer.evaluate((one, more) => one.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true, ...more })), more);
  await press({ isComposing: true });
  await press({ keyCode: 229 });
  assert.equal(await composer.inputValue(), "one\ntwo", "it sent while composing");
  const session = await ann.page.context().newCDPSession(ann.page);
  await session.send("Input.imeSetComposition", { text: "に", selectionStart: 1, selectionEnd: 1 });
  await session.send("Input.dispatchKeyEvent", { type: "rawKeyDown", windowsVirtualKeyCode: 229, key: "Process", code: "Enter" });
  assert.equal(await composer.inputValue(), "one\ntwoに");
  await session.send("Input.insertText", { text: "日" });
  await composer.press("Enter");
  await bob.sees("two日");
  assert.equal(await height(), low);
  assert.ok(await composer.evaluate((one) => one === document.activeElement), "the focus left the composer");
});

/** Bob writes twice while he is away and is removed in the meantime: both are refused. */
async function refusedTwice(stage) {
  const { ann, bob, room } = await together(stage);
  const bobId = bob.watch.welcome().user.id;
  await disconnect(stage, bob);
  await bob.say("one too late");
  await bob.say("two too late");
  await stage.backend.remove(room, bobId);
  stage.proxy.pass();
  const refusals = () => bob.watch.sockets.at(-1).frames.filter((frame) => /"type":"error"/.test(frame.text)).length;
  await until("the server refuses both", () => refusals() >= 2, BACK_MS);
  await stage.backend.add(room, bobId);
  await bob.enter(room);
  await bob.sees("two too late", "failed");
  return { ann, bob, room };
}

test("refused messages stand in one bar and in the room list, and go together", limit(90_000), async (t) => {
  const stage = await Stage.set(t, browser, "retry-all", WITH_API);
  const { ann, bob, room } = await refusedTwice(stage);
  assert.match(await bob.at("failed-bar").innerText(), /2 messages not sent/);
  assert.match(await bob.room(room).innerText(), /2 messages not sent/);
  assert.match(await bob.at("urgent").innerText(), /not sent/);
  await bob.at("failed-retry-all").click();
  await bob.sees("one too late", "sent");
  await bob.sees("two too late", "sent");
  assert.equal(await bob.at("failed-bar").count(), 0);
  await ann.sees("two too late");
  const texts = (await ann.shown()).map(({ text }) => text);
  assert.ok(texts.indexOf("one too late") < texts.indexOf("two too late"), "the order was lost");
});

test("a refused message can be changed, and then goes", limit(90_000), async (t) => {
  const stage = await Stage.set(t, browser, "edit-failed", WITH_API);
  const { ann, bob } = await refusedTwice(stage);
  await bob.message("two too late").getByTestId("failed-edit").click();
  await bob.at("composer-input").fill("better late");
  await bob.at("composer-input").press("Enter");
  await ann.sees("better late");
  assert.equal(await bob.message("two too late").count(), 0);
  assert.match(await bob.at("failed-bar").innerText(), /1 message not sent/);
});

test("on a phone a long press opens what a mouse finds by hovering", limit(90_000), async (t) => {
  const stage = await Stage.set(t, browser, "long-press");
  const ann = await stage.person("ann", { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  const bob = await stage.person("bob");
  const room = await ann.makeRoom("direct", { people: ["bob"] });
  await bob.enter(room);
  await ann.say("press me");
  await ann.sees("press me", "sent");
  const { x, y, width, height } = await ann.message("press me").locator(".text").boundingBox();
  const touch = await ann.page.context().newCDPSession(ann.page);
  const points = [{ x: x + width / 3, y: y + height / 2 }];
  await touch.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: points });
  await ann.at("message-menu").waitFor();
  await touch.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
  const sheet = await ann.page.locator("dialog.menu").boundingBox();
  assert.ok(sheet.width === 390 && sheet.y + sheet.height >= 843, "the sheet is not at the bottom");
  await ann.at("menu-edit").tap();
  await ann.at("composer-mode").waitFor();
  await ann.at("composer-input").fill("pressed");
  await ann.at("composer-send").tap();
  await bob.sees("pressed");
});
