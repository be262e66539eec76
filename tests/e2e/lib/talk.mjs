/** What people do with messages in a room, beyond saying them: two in a room, menus, edits, deletions, what is on screen. */

import { SOON_MS } from "./form.mjs";
import { until } from "./wait.mjs";

const LIST = '[role="log"]';

/** Ann and Bob in a room that both have open. */
export async function together(stage, kind = "group") {
  const ann = await stage.person("ann");
  const bob = await stage.person("bob");
  const room = await ann.makeRoom(kind, kind === "group" ? { name: "Harbour", people: ["bob"] } : { people: ["bob"] });
  await bob.enter(room);
  return { ann, bob, room };
}

/** Opens the menu of a message by the keyboard and picks from it. */
export async function pick(window, text, what) {
  await window.message(text).last().focus();
  await window.page.keyboard.press("Enter");
  await window.at(`menu-${what}`).click();
}

/** Changes one's last message by ArrowUp in the empty composer. */
export async function editLast(window, text) {
  const composer = window.at("composer-input");
  await composer.focus();
  await composer.press("ArrowUp");
  await window.at("composer-mode").waitFor();
  await composer.fill(text);
  await composer.press("Enter");
}

export async function confirm(window) {
  await window.at("confirm").click();
  await window.page.locator("dialog").waitFor({ state: "detached" });
}

/** Takes the connection away but not the page. */
export async function disconnect(stage, window) {
  stage.proxy.refuseChat();
  await until("the connection is gone", () => window.watch.isCut, SOON_MS);
}

/** Where the text of a message stands, in pixels from the top of the window. */
export function topOf(window, text) {
  return window.message(text).first().locator(".text").evaluate((one) => one.getBoundingClientRect().top);
}

/** Scrolls the list by the wheel of a mouse and waits until it rests. */
export async function wheel(window, px) {
  const list = window.page.locator(LIST);
  await list.hover();
  const before = await list.evaluate((one) => one.scrollTop);
  await window.page.mouse.wheel(0, px);
  let last = NaN;
  await until("the list rests", async () => {
    const now = await list.evaluate((one) => one.scrollTop);
    const rests = now === last && now !== before;
    last = now;
    return rests;
  }, SOON_MS);
}

/** Whether a message is wholly on screen. */
export function isOnScreen(window, text) {
  return window.message(text).first().evaluate((row, selector) => {
    const box = row.closest(selector)?.getBoundingClientRect();
    if (!box) return false;
    const { top, bottom } = row.getBoundingClientRect();
    return top >= box.top - 1 && bottom <= box.bottom + 1;
  }, LIST);
}
