/**
 * The whole way by keys alone: sign in, pick a room, send, edit, delete, search, sign out. The mouse is never touched,
 * and wherever a key goes the focus is to be seen.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch } from "./lib/browser.mjs";
import { SOON_MS, limit } from "./lib/form.mjs";
import { Stage } from "./lib/stage.mjs";
import { until } from "./lib/wait.mjs";
import { PASSWORD } from "./lib/window.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

/** More stops than any view has: who has not arrived by then never will. */
const MOST_STOPS = 60;

/** Presses Tab until the focus is on what the test id names. */
async function tabTo(page, testId, key = "Tab") {
  const stops = [];
  for (let n = 0; n < MOST_STOPS; n += 1) {
    await page.keyboard.press(key);
    const at = await page.evaluate(() => ({ id: document.activeElement?.dataset?.testid ?? null, tag: document.activeElement?.tagName ?? "" }));
    stops.push(at.id ?? at.tag);
    if (at.id === testId) return assertRing(page, testId);
  }
  throw new Error(`${key} never came to ${testId}: ${stops.join(" ")}`);
}

/** Whoever moves by keys sees where they are: a ring, or for a field its own edge. */
async function assertRing(page, testId) {
  const ring = await page.evaluate(() => {
    const element = document.activeElement;
    const edges = [element, element.closest(".searchbox, .composer, .picker, label") ?? element, element.nextElementSibling ?? element];
    return edges.some((one) => {
      const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(one);
      return (outlineStyle !== "none" && parseFloat(outlineWidth) >= 1) || boxShadow !== "none";
    });
  });
  assert.ok(ring, `no ring around ${testId}`);
}

test("sign in, pick a room, send, edit, delete, search and sign out by keys alone", limit(120_000), async (t) => {
  const stage = await Stage.set(t, browser, "keys");
  const [maker, bob] = [await stage.person("ann"), await stage.person("bob")];
  const room = await maker.makeRoom("group", { name: "Harbour", people: ["bob"] });
  await maker.say("before anything");
  await maker.sees("before anything", "sent");
  await bob.enter(room);

  const ann = await stage.window();
  const { page } = ann;
  await ann.go("#/signin");
  await ann.at("login-name").waitFor();
  await tabTo(page, "login-name");
  await page.keyboard.type("ann");
  await tabTo(page, "login-password");
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await ann.isIn();

  await ann.room(room).waitFor();
  await tabTo(page, "room-row");
  await page.keyboard.press("Enter");
  await ann.at("composer-input").waitFor();
  await until("the focus is in the field", () => isFocused(page, "composer-input"), SOON_MS);

  await page.keyboard.type("a crane by keys");
  await page.keyboard.press("Enter");
  await bob.sees("a crane by keys");
  await ann.sees("a crane by keys", "sent");

  await page.keyboard.press("ArrowUp");
  await until("the message is in the field", async () => (await ann.at("composer-input").inputValue()) === "a crane by keys", SOON_MS);
  await page.keyboard.press("End");
  await page.keyboard.type(" only");
  await page.keyboard.press("Enter");
  await bob.sees("a crane by keys only");
  await until("bob sees that it was edited", async () => /edited/.test(await bob.message("a crane by keys only").innerText()), SOON_MS);

  await page.keyboard.type("to be deleted");
  await page.keyboard.press("Enter");
  await ann.sees("to be deleted", "sent");
  await bob.sees("to be deleted");
  await deleteLast(ann);
  await until("bob sees it gone", async () => (await bob.message("to be deleted").count()) === 0, SOON_MS);

  await page.keyboard.press("Control+Shift+F");
  await ann.at("search-input").waitFor();
  await page.keyboard.type("crane");
  await ann.at("search-hit").first().waitFor();
  await page.keyboard.press("ArrowDown");
  await assertRing(page, "search-hit");
  await page.keyboard.press("Enter");
  await page.waitForURL(/#\/room\/[^/]+\/at\//);
  await ann.sees("a crane by keys only");

  await tabTo(page, "settings", "Shift+Tab");
  await page.keyboard.press("Enter");
  await ann.at("sign-out").waitFor();
  await tabTo(page, "sign-out");
  await page.keyboard.press("Enter");
  await ann.at("login-name").waitFor();
  assert.deepEqual(stage.faults(), []);
});

/** From the field back to the list, whose one stop is the newest message; its actions open by Shift+F10. */
async function deleteLast({ page, at }) {
  await page.keyboard.press("Shift+Tab");
  await until("the focus is on a message", () => isFocused(page, "message-row"), SOON_MS);
  await page.keyboard.press("Shift+F10");
  const item = page.getByTestId("menu-delete");
  await item.waitFor();
  for (let n = 0; n < 8 && !(await isFocused(page, "menu-delete")); n += 1) await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  const confirm = page.getByTestId("confirm");
  await confirm.waitFor();
  await tabTo(page, "confirm");
  await page.keyboard.press("Enter");
  await confirm.waitFor({ state: "detached" });
}

function isFocused(page, testId) {
  return page.evaluate((testId) => document.activeElement?.dataset?.testid === testId, testId);
}

test("the skip link, the list, the header and the field come in this order, and a dialog keeps the focus", limit(60_000), async (t) => {
  const stage = await Stage.set(t, browser, "keys-order");
  const ann = await stage.person("ann");
  const room = await ann.makeRoom("group", { name: "Harbour" });
  await ann.say("hello");
  await ann.reload();
  await ann.isIn();
  const { page } = ann;
  await ann.sees("hello", "sent");
  await page.evaluate(() => document.activeElement?.blur());
  const order = [];
  for (let n = 0; n < MOST_STOPS && order.at(-1) !== "composer-input"; n += 1) {
    await page.keyboard.press("Tab");
    order.push(await page.evaluate(() => document.activeElement?.dataset?.testid ?? document.activeElement?.className ?? ""));
  }
  const places = ["skip", "room-row", "room-details", "message-row", "composer-input"].map((stop) => order.indexOf(stop));
  assert.ok(places.every((place, index) => place > (places[index - 1] ?? -1)), order.join(" → "));
  await page.keyboard.press("Control+k");
  await ann.at("go-input").waitFor();
  for (let n = 0; n < 12; n += 1) {
    await page.keyboard.press("Tab");
    assert.ok(await page.evaluate(() => document.activeElement === document.body || document.activeElement?.closest("dialog") !== null), "the focus left the dialog");
  }
  await page.keyboard.press("Escape");
  await until("the focus is back in the field", () => isFocused(page, "composer-input"), SOON_MS);
  assert.ok(room);
});
