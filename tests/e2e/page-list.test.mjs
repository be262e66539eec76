/**
 * The list of rooms and what stands around a conversation: counts, drafts, typing, an order that does not move under the
 * pointer, keys, presence, and the members of a room. With two people, also over a cut and a reload without connection.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { WITH_API } from "./lib/backend.mjs";
import { launch } from "./lib/browser.mjs";
import { BACK_MS, SOON_MS, limit } from "./lib/form.mjs";
import { forget } from "./lib/kept.mjs";
import { Stage } from "./lib/stage.mjs";
import { until } from "./lib/wait.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

/** Ann and Bob, signed in, on a server with rooms made by its API. */
async function two(t, name) {
  const stage = await Stage.set(t, browser, name, WITH_API);
  const [ann, bob] = [await stage.person("ann"), await stage.person("bob")];
  const ids = { ann: ann.watch.welcome().user.id, bob: bob.watch.welcome().user.id };
  const room = async (id, title = id, kind = "group") => {
    await stage.backend.room({ id, kind, name: title, members: [ids.ann, ids.bob] });
    await ann.room(id).waitFor();
    await bob.room(id).waitFor();
    return id;
  };
  return { stage, ann, bob, ids, room };
}

const order = (window) => window.at("room-row").evaluateAll((rows) => rows.map((row) => row.dataset.roomId));
const icon = (window) => window.page.locator('link[rel="icon"]').getAttribute("href");
const sees = (what, locator, words) => until(what, async () => words.test(await locator.innerText()), SOON_MS);

test("a row shows who types and what one began to write", limit(60_000), async (t) => {
  const { ann, bob, room } = await two(t, "list-row");
  const [harbour, pilots] = [await room("harbour"), await room("pilots")];
  await bob.enter(harbour);
  await bob.page.keyboard.type("soon");
  await sees("typing in ann's list", ann.room(harbour), /typing/);
  await bob.enter(pilots);
  await sees("bob's draft in his list", bob.room(harbour), /Draft: soon/);
  await bob.reload();
  await bob.isIn();
  await bob.go("#/");
  await sees("the draft after a reload", bob.room(harbour), /Draft: soon/);
});

test("unread counts stand in list, title and icon, also for what came during a cut", limit(90_000), async (t) => {
  const { stage, ann, bob, room } = await two(t, "list-unread");
  const harbour = await room("harbour");
  await bob.enter(harbour);
  await bob.say("one");
  await sees("one unread", ann.room(harbour), /unread:\s*1/);
  assert.match(await ann.page.title(), /^\(1\) /);
  assert.equal(await icon(ann), "/favicon-unread.svg");
  const { bob: bobId } = { bob: bob.watch.welcome().user.id };
  stage.proxy.refuseChat();
  await until("ann is cut", () => ann.watch.sockets.at(-1).closed, SOON_MS);
  for (const body of ["two", "three"]) await stage.backend.say(harbour, bobId, body);
  stage.proxy.pass();
  await until("three unread", async () => /^\(3\) /.test(await ann.page.title()), BACK_MS);
  await ann.enter(harbour);
  await ann.sees("three");
  await until("nothing unread", async () => !/^\(/.test(await ann.page.title()), SOON_MS);
  assert.equal(await icon(ann), "/favicon.svg");
});

test("the order stays while one points at the list, and is put right afterwards", limit(60_000), async (t) => {
  const { stage, ann, ids, room } = await two(t, "list-order");
  for (const id of ["one", "two", "three"]) {
    await room(id);
    await stage.backend.say(id, ids.bob, `in ${id}`);
  }
  await until("the latest first", async () => (await order(ann)).join() === "three,two,one", SOON_MS);
  await ann.room("two").hover();
  await stage.backend.say("one", ids.bob, "newer than all");
  await sees("the row tells it", ann.room("one"), /newer than all/);
  assert.deepEqual(await order(ann), ["three", "two", "one"]);
  await ann.page.mouse.move(900, 400);
  await until("the order is right", async () => (await order(ann)).join() === "one,three,two", SOON_MS);
});

test("keys lead to unread rooms, to any room, to the search and to their list", limit(60_000), async (t) => {
  const { stage, ann, ids, room } = await two(t, "list-keys");
  for (const id of ["one", "two", "three"]) await room(id, `Room ${id}`);
  await stage.backend.say("two", ids.bob, "look here");
  await sees("unread", ann.room("two"), /unread:\s*1/);
  await ann.page.keyboard.press("Alt+Shift+ArrowDown");
  assert.equal(await ann.roomId(), "two");
  await ann.page.keyboard.press("Control+k");
  await ann.page.keyboard.type("room thr");
  await ann.at("go-option").filter({ hasText: "Room three" }).waitFor();
  await ann.page.keyboard.press("Enter");
  await ann.page.getByRole("heading", { name: "Room three", level: 1 }).waitFor();
  // While a dialog closes, keys are still its own.
  await ann.page.locator("dialog[open]").waitFor({ state: "detached" });
  await ann.page.keyboard.press("Control+Shift+F");
  await ann.page.waitForURL(/search\/three/);
  await until("the search has the focus", () => ann.at("search-input").evaluate((field) => field === document.activeElement), SOON_MS);
  await ann.page.keyboard.press("Escape");
  await ann.page.waitForURL(/room\/three$/);
  await ann.at("composer-input").waitFor();
  await ann.page.keyboard.type("?");
  assert.equal(await ann.at("composer-input").inputValue(), "?");
  await ann.room("three").focus();
  await ann.page.keyboard.press("?");
  await ann.at("keys").waitFor();
});

test("one sees who is here, who left the screen, and a new name at once", limit(60_000), async (t) => {
  const { ann, bob, ids, room } = await two(t, "list-presence");
  const harbour = await room("harbour");
  await ann.go(`#/room/${harbour}/details`);
  const row = ann.page.locator(`[data-testid="member-row"][data-user-id="${ids.bob}"]`);
  await sees("online", row, /online/);
  await hide(bob, true);
  await sees("away", row, /away/);
  await hide(bob, false);
  await sees("online again", row, /online/);
  await bob.go("#/settings/profile");
  await bob.at("profile-name").fill("Robert");
  await bob.at("profile-save").click();
  await bob.page.getByText("Saved.").waitFor();
  await until("bob's own name", async () => /Robert/.test(await bob.page.locator(".settings").innerText()), SOON_MS);
  await bob.go(`#/room/${harbour}`);
  await bob.say("it is me");
  await sees("the name in ann's list", ann.room(harbour), /Robert: it is me/);
});

/** What the browser tells a page whose tab is hidden or shown. */
function hide(window, isHidden) {
  return window.page.evaluate((state) => {
    Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, isHidden ? "hidden" : "visible");
}

test("people are added, rooms renamed, people removed and left, each after a question", limit(90_000), async (t) => {
  const stage = await Stage.set(t, browser, "list-members");
  const [ann, bob] = [await stage.person("ann"), await stage.person("bob")];
  const room = await ann.makeRoom("group", { name: "Harbour" });
  await ann.at("room-details").click();
  await ann.at("add-people").click();
  await ann.at("new-room-people").fill("bo");
  await ann.at("person-option").first().click();
  await ann.at("add-people-submit").click();
  await bob.room(room).waitFor();
  await ann.at("rename-room").click();
  await ann.at("rename-name").fill("North harbour");
  await ann.at("rename-submit").click();
  await sees("the new name in bob's list", bob.room(room), /North harbour/);
  await bob.enter(room);
  const member = ann.at("member-row").filter({ hasText: "Bob" });
  await member.hover();
  await member.getByTestId("remove-member").click();
  await ann.at("confirm").click();
  await bob.page.getByText("You are no longer in this room.").waitFor();
  await bob.room(room).waitFor({ state: "detached" });
  await ann.at("leave-room").click();
  await ann.page.keyboard.press("Escape");
  assert.equal(await ann.room(room).count(), 1, "the question was answered with no");
  await ann.at("leave-room").click();
  await ann.at("confirm").click();
  await ann.room(room).waitFor({ state: "detached" });
});

test("after a reload without connection, on a device that knows nothing yet, the list says so, and fills itself", limit(90_000), async (t) => {
  const { stage, ann, room } = await two(t, "list-away");
  const harbour = await room("harbour");
  stage.proxy.refuseChat();
  await forget(ann);
  await ann.reload();
  await ann.at("rooms-away").waitFor();
  stage.proxy.pass();
  await ann.room(harbour).waitFor({ timeout: BACK_MS });
  assert.equal(await ann.at("rooms-away").count(), 0);
  assert.deepEqual(stage.faults(), []);
});

test("a part that cannot be fetched says so, and comes when it can be", limit(60_000), async (t) => {
  const stage = await Stage.set(t, browser, "list-parts");
  // The service worker would have it.
  const ann = await stage.person("ann", { serviceWorkers: "block" });
  await ann.page.route("**/assets/later-*.js", (route) => route.abort());
  await ann.reload();
  await ann.at("new-room").click();
  const dialog = ann.page.locator("dialog");
  await sees("that it failed", dialog, /could not be loaded/);
  await ann.page.unroute("**/assets/later-*.js");
  await dialog.getByRole("button", { name: "Try again" }).click();
  await ann.at("new-room-people").waitFor();
  await ann.page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  assert.deepEqual(stage.faults().filter((text) => !/dynamically imported module/.test(text)), []);
});
