/**
 * The search: hits by room with the words marked, by keys alone to the message, only what one may see, and a question
 * that waits for the connection.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { WITH_API } from "./lib/backend.mjs";
import { launch } from "./lib/browser.mjs";
import { BACK_MS, SOON_MS, limit } from "./lib/form.mjs";
import { Stage } from "./lib/stage.mjs";
import { until } from "./lib/wait.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

/** Ann is in two rooms with Bob; a third is Bob's alone. */
async function harbour(t, name) {
  const stage = await Stage.set(t, browser, name, WITH_API);
  const [ann, bob] = [await stage.person("ann"), await stage.person("bob")];
  const [annId, bobId] = [ann, bob].map((window) => window.watch.welcome().user.id);
  await stage.backend.room({ id: "quay", kind: "group", name: "North quay", members: [annId, bobId] });
  await stage.backend.room({ id: "pilots", kind: "group", name: "Pilots", members: [annId, bobId] });
  await stage.backend.room({ id: "secret", kind: "group", name: "Secret", members: [bobId] });
  await stage.backend.say("secret", bobId, "the crane nobody may see");
  await stage.backend.say("quay", bobId, "The CRANE is back in service.");
  for (let n = 1; n <= 120; n += 1) await stage.backend.say("quay", bobId, `filler ${n}`);
  await stage.backend.say("pilots", annId, "two cranes are in the way");
  await ann.room("pilots").waitFor();
  return { stage, ann, bob, annId, bobId };
}

const hits = (window) => window.at("search-hit").evaluateAll((all) => all.map((hit) => hit.querySelector(".hit-text").textContent));

test("hits of all rooms are found and marked, and keys alone lead to the message", limit(90_000), async (t) => {
  const { ann } = await harbour(t, "search-keys");
  await ann.page.keyboard.press("Control+Shift+F");
  await ann.at("search-input").waitFor();
  await ann.page.keyboard.type("crane");
  await until("both hits", async () => (await hits(ann)).length === 2, SOON_MS);
  assert.deepEqual(await hits(ann), ["two cranes are in the way", "The CRANE is back in service."]);
  assert.deepEqual(await ann.page.locator("mark").allTextContents(), ["cranes", "CRANE"]);
  assert.deepEqual(await ann.page.locator(".results h2").allTextContents(), ["Pilots", "North quay"]);
  for (const key of ["ArrowDown", "ArrowDown", "ArrowUp", "ArrowDown", "Enter"]) await ann.page.keyboard.press(key);
  await ann.page.waitForURL(/#\/room\/quay\/at\//);
  await ann.sees("The CRANE is back in service.");
  const row = ann.message("The CRANE is back in service.").first();
  await until("the message is on screen", () => isOnScreen(row), SOON_MS);
  await ann.page.goBack();
  await until("the same hits", async () => (await hits(ann)).length === 2, SOON_MS);
  assert.equal(await ann.at("search-input").inputValue(), "crane");
});

function isOnScreen(row) {
  return row.evaluate((element) => {
    const { top, bottom } = element.getBoundingClientRect();
    return top >= 0 && bottom <= innerHeight;
  });
}

test("the search understands people, rooms, phrases and days, says how, and goes on to older hits", limit(90_000), async (t) => {
  const { ann, bob } = await harbour(t, "search-language");
  await ann.go("#/search");
  assert.match(await ann.at("search-ways").innerText(), /from:ann/);
  const ask = async (query, wanted) => {
    await ann.at("search-input").fill(query);
    await until(query, async () => JSON.stringify(await hits(ann)) === JSON.stringify(wanted), SOON_MS);
  };
  const [first, second] = ["two cranes are in the way", "The CRANE is back in service."];
  await ask("crane from:bob", [second]);
  assert.deepEqual(await ann.page.locator("mark").allTextContents(), ["CRANE"]);
  await ask("crane* in:pilots", [first]);
  await ask("crane* from:me", [first]);
  await ask('"back in service"', [second]);
  await ask("crane* after:2020-01-01", [first, second]);
  await ask("crane before:2020-01-01", []);
  await ann.at("search-none").waitFor();
  await ann.at("search-input").fill("crane before:2020-13");
  await ann.at("search-failed").waitFor();
  assert.match(await ann.at("search-failed").innerText(), /2026-05-31/);
  await ann.at("search-input").fill("filler");
  await until("a page of hits", async () => (await hits(ann)).length === 100, SOON_MS);
  await ann.at("search-older").click();
  await until("all hits", async () => (await hits(ann)).length === 120, SOON_MS);
  assert.equal(await ann.at("search-older").count(), 0);
  assert.equal(await ann.at("search-behind").count(), 0);
  await bob.go("#/search");
  await bob.at("search-input").fill("crane from:bob");
  await until("what Bob may see", async () => (await hits(bob)).length === 2, SOON_MS);
});

test("the search keeps to one room where that is chosen", limit(90_000), async (t) => {
  const { ann } = await harbour(t, "search-room");
  await ann.enter("pilots");
  await ann.at("search-room").click();
  await ann.at("search-input").fill("service");
  await ann.at("search-none").waitFor();
  await ann.at("search-everywhere").check({ force: true });
  await until("one hit elsewhere", async () => (await hits(ann)).length === 1, SOON_MS);
  await ann.at("search-here").check({ force: true });
  await ann.at("search-none").waitFor();
  await ann.page.keyboard.press("Escape");
  await ann.page.waitForURL(/#\/room\/pilots$/);
});

test("a question asked without connection waits and is answered afterwards", limit(90_000), async (t) => {
  const { stage, ann } = await harbour(t, "search-away");
  stage.proxy.refuseChat();
  await until("the socket is gone", () => ann.watch.sockets.at(-1).closed, SOON_MS);
  await ann.go("#/search");
  await ann.at("search-input").fill("service");
  await ann.at("search-waiting").waitFor();
  stage.proxy.pass();
  await until("the hit", async () => (await hits(ann)).length === 1, BACK_MS);
  assert.deepEqual(stage.faults(), []);
});
