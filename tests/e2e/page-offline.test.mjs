/**
 * The page without the server: it opens after a reload, shows what was last known, takes messages, and heals by itself; nothing
 * of it is left after signing out, and a new build takes over whole.
 */

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { launch } from "./lib/browser.mjs";
import { BACK_MS, SOON_MS, limit } from "./lib/form.mjs";
import { WITH_API } from "./lib/backend.mjs";
import { anotherBuild, emptyBrowserCache, entryOf, hasKept, hasWorker, storage } from "./lib/kept.mjs";
import { Stage } from "./lib/stage.mjs";
import { together } from "./lib/talk.mjs";
import { until } from "./lib/wait.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

/** Ann and Bob in a room with a few messages that Ann's device has kept, and its worker has the page. */
async function settled(t, name) {
  const stage = await Stage.set(t, browser, name, WITH_API);
  const { ann, bob, room } = await together(stage);
  await ann.say("the crane is free");
  await bob.say("then the north quay");
  await ann.sees("then the north quay", "sent");
  await hasWorker(ann);
  await hasKept(ann, "then the north quay");
  return { stage, ann, bob, room };
}

/** That a window shows the room as it was, and says since when. */
async function seesAsItWas(ann, room) {
  await ann.room(room).waitFor();
  assert.match(await ann.room(room).innerText(), /Harbour/);
  await ann.sees("the crane is free", "sent");
  await ann.sees("then the north quay", "sent");
  assert.match(await ann.at("messages-as-of").innerText(), /As of .*\d:\d\d/);
  assert.match(await ann.at("rooms-as-of").innerText(), /As of .*\d:\d\d/);
  assert.match(await ann.message("then the north quay").innerText(), /Bob/);
  await until("the banner", async () => ["reconnecting", "offline"].includes(await ann.banner()), BACK_MS);
}

/** That both windows and the server have each of these once, and nothing is shown as it was any more. */
async function healed({ stage, ann, bob, room }, texts) {
  for (const text of texts) {
    await ann.message(text).and(ann.page.locator('[data-state="sent"]')).first().waitFor({ timeout: BACK_MS });
    await bob.message(text).first().waitFor({ timeout: BACK_MS });
  }
  for (const mark of ["messages-as-of", "rooms-as-of"]) await ann.at(mark).waitFor({ state: "detached" });
  const stored = (await stage.backend.events(room)).map(({ body }) => body);
  for (const text of texts) {
    assert.equal(stored.filter((body) => body === text).length, 1, `the server has "${text}" once`);
    for (const window of [ann, bob]) {
      const shown = (await window.all()).filter((row) => row.text.includes(text));
      assert.equal(shown.length, 1, `"${text}" is shown once`);
    }
  }
  assert.deepEqual(stage.faults(), []);
  assert.deepEqual(stage.foreign(), []);
}

test("a reload while the server is away shows list, room, queue and draft, and heals by itself", limit(90_000), async (t) => {
  const all = await settled(t, "away-reload");
  const { stage, ann, room } = all;
  const other = await ann.makeRoom("group", { name: "Night watch" });
  await hasKept(ann, "Night watch");
  await ann.enter(room);
  await ann.sees("then the north quay", "sent");
  await stage.server.kill();
  await ann.say("written before the reload");
  await ann.sees("written before the reload", "queued");
  await ann.at("composer-input").fill("half a sen");
  await emptyBrowserCache(ann);
  await ann.reload();
  await seesAsItWas(ann, room);
  await ann.sees("written before the reload", "queued");
  assert.equal(await ann.at("composer-input").inputValue(), "half a sen");
  assert.match(await ann.room(other).innerText(), /Night watch/);
  await ann.say("written after it");
  await ann.sees("written after it", "queued");
  await until("the list has the queued one", async () => /written after it/.test(await ann.room(room).innerText()), SOON_MS);
  await stage.server.restart();
  await healed(all, ["the crane is free", "then the north quay", "written before the reload", "written after it"]);
  assert.equal(ann.watch.loads, 2, "nobody loaded the page again");
});

test("a reload while the browser is offline shows the same, and heals by itself", limit(90_000), async (t) => {
  const all = await settled(t, "away-offline");
  const { stage, ann, room } = all;
  await ann.page.context().setOffline(true);
  stage.proxy.refuseChat();
  await ann.reload();
  await seesAsItWas(ann, room);
  await ann.say("written offline");
  await ann.sees("written offline", "queued");
  stage.proxy.pass();
  await ann.page.context().setOffline(false);
  await healed(all, ["the crane is free", "then the north quay", "written offline"]);
  assert.equal(ann.watch.loads, 2);
});

test("without the service worker such a reload fails", limit(60_000), async (t) => {
  const stage = await Stage.set(t, browser, "away-twin");
  const ann = await stage.person("ann", { serviceWorkers: "block" });
  await ann.reload();
  await ann.isIn();
  await stage.server.kill();
  await assert.rejects(ann.reload(), /net::ERR_/);
});

test("a server that takes the connection and says nothing keeps nobody waiting", limit(60_000), async (t) => {
  const { stage, ann, room } = await settled(t, "away-frozen");
  stage.proxy.freeze();
  const from = Date.now();
  await ann.reload();
  await ann.room(room).waitFor();
  await ann.sees("the crane is free", "sent");
  // The server says nothing to the end of this test, so whoever waited for it would be here for ever.
  t.diagnostic(`the list was there after ${Date.now() - from} ms`);
});

test("after signing out nothing is left on the device but the page itself", limit(90_000), async (t) => {
  const { stage, ann, room } = await settled(t, "away-out");
  const other = await ann.makeRoom("group", { name: "Night watch" });
  await ann.at("composer-input").fill("half a sen");
  await hasKept(ann, "Night watch");
  const before = JSON.stringify(await storage(ann));
  for (const words of ["crane", "Harbour", "half a sen", room]) assert.ok(before.includes(words), `"${words}" was kept`);
  await ann.signOut();
  await until("it is erased", async () => Object.values((await storage(ann)).databases).flat().length === 0, SOON_MS);
  const left = await storage(ann);
  assert.deepEqual(Object.keys(left.local).filter((key) => !["moorline.known"].includes(key)), []);
  const said = JSON.stringify(left);
  for (const words of ["crane", "Harbour", "Night watch", "half a sen", room, other]) assert.ok(!said.includes(words), `"${words}" is left`);
  const addresses = Object.values(left.caches).flatMap((cache) => Object.keys(cache)).map((url) => new URL(url).pathname);
  assert.ok(addresses.length > 5);
  for (const path of addresses) assert.match(path, /^\/($|assets\/|theme\.js$|[\w-]+\.svg$)/);
  await stage.server.kill();
  await ann.reload();
  await ann.at("unreachable").waitFor();
  assert.deepEqual(stage.faults(), []);
});

test("signing out with something unsent asks first, and then removes that too", limit(90_000), async (t) => {
  const { stage, ann } = await settled(t, "away-unsent");
  stage.proxy.refuseChat();
  await until("the socket is gone", () => ann.watch.sockets.at(-1).closed, SOON_MS);
  await ann.say("never to be sent");
  await ann.sees("never to be sent", "queued");
  assert.ok(JSON.stringify((await storage(ann)).databases).includes("never to be sent"));
  await ann.at("settings").first().click();
  await ann.at("sign-out").first().click();
  await ann.page.getByText(/1 message of yours has not been sent/).waitFor();
  await ann.page.keyboard.press("Escape");
  await ann.page.locator("dialog").waitFor({ state: "detached" });
  await ann.at("sign-out").first().click();
  await ann.at("confirm").click();
  await ann.at("login-name").waitFor();
  await until("it is erased", async () => !JSON.stringify(await storage(ann)).includes("never to be sent"), SOON_MS);
  assert.deepEqual(stage.faults(), []);
});

test("another person on the same device sees nothing of the one before", limit(90_000), async (t) => {
  const { stage, ann, room } = await settled(t, "away-other");
  await stage.person("cleo");
  // Her session ended elsewhere, so she did not sign out here.
  await ann.page.context().clearCookies();
  await ann.reload();
  await ann.at("login-name").waitFor();
  await ann.signIn("cleo");
  await ann.isIn();
  await hasKept(ann, "Cleo");
  assert.ok(!JSON.stringify((await storage(ann)).databases).includes("crane"));
  await stage.server.kill();
  await ann.reload();
  await ann.at("new-room").first().waitFor();
  await ann.page.evaluate((to) => (location.hash = to), `#/room/${room}`);
  await until("the banner", async () => (await ann.banner()) === "reconnecting", BACK_MS);
  assert.equal(await ann.at("room-row").count(), 0);
  assert.equal(await ann.at("message-row").count(), 0);
});

/** Two builds of the page and a folder that is the first of them until `change()`. */
function builds(t) {
  const folder = mkdtempSync(join(tmpdir(), "moorline-builds-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const first = process.env.MOORLINE_DIST ?? new URL("../../web/dist", import.meta.url).pathname;
  const second = join(folder, "second");
  const entries = [entryOf(readFileSync(join(first, "index.html"), "utf8")), anotherBuild(first, second)];
  const served = join(folder, "served");
  symlinkSync(first, served);
  const change = () => {
    symlinkSync(second, join(folder, "next"));
    renameSync(join(folder, "next"), served);
  };
  return { served, change, entries, assets: readdirSync(join(second, "assets")) };
}

test("a new build takes over at the next load, whole, and the old one is gone", limit(90_000), async (t) => {
  const { served, change, entries, assets } = builds(t);
  assert.notEqual(entries[0], entries[1]);
  const stage = await Stage.set(t, browser, "away-update", ["--web-dir", served]);
  const ann = await stage.person("ann");
  const runs = () => ann.page.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => new URL(name).pathname).filter((path) => path.startsWith("/assets/")));
  await hasWorker(ann);
  const [old] = Object.keys((await storage(ann)).caches);
  change();
  await ann.reload();
  await ann.isIn();
  assert.ok((await runs()).includes(entries[1]));
  await emptyBrowserCache(ann);
  await until("the new build is kept, and only it", async () => {
    const names = Object.keys((await storage(ann)).caches);
    return names.length === 1 && names[0] !== old;
  }, SOON_MS);
  await stage.server.kill();
  await ann.reload();
  await ann.at("new-room").first().waitFor();
  const ran = await runs();
  assert.ok(ran.includes(entries[1]));
  for (const path of ran) assert.ok(assets.includes(path.split("/").at(-1)), `${path} is of the old build`);
  assert.deepEqual(stage.faults(), []);
});

test("the worker's file is asked for anew each time, under the page's policy", limit(30_000), async (t) => {
  const stage = await Stage.set(t, browser, "away-file");
  const answer = await fetch(`${stage.server.url}/sw.js`);
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get("content-type"), /^text\/javascript/);
  assert.equal(answer.headers.get("cache-control"), "no-cache");
  assert.match(answer.headers.get("content-security-policy"), /worker-src 'self'/);
});
