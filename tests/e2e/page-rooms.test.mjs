/**
 * Rooms and messages in the page: direct, group and public rooms, unread counts, history both
 * ways, and that what people write stays text.
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

test("a direct room is found again rather than made twice", limit(60_000), async (t) => {
  const stage = await Stage.set(t, browser, "direct");
  const ann = await stage.person("ann");
  const bob = await stage.person("bob");
  const first = await ann.makeRoom("direct", { people: ["bob"] });
  await ann.say("hello bob");
  await bob.enter(first);
  await bob.sees("hello bob");
  assert.equal(await ann.makeRoom("direct", { people: ["bob"] }), first);
  assert.equal(await bob.makeRoom("direct", { people: ["ann"] }), first);
  assert.equal(await ann.at("room-row").count(), 1);
});

test("a group shows its unread messages in the list, and its members write both ways", limit(60_000), async (t) => {
  const stage = await Stage.set(t, browser, "group");
  const ann = await stage.person("ann");
  const bob = await stage.person("bob");
  const room = await ann.makeRoom("group", { name: "Harbour", people: ["bob"] });
  await ann.say("one");
  await ann.say("two");
  await ann.sees("two", "sent");
  const row = bob.room(room);
  await until("two unread in the list", async () => /\b2\b/.test(await row.innerText()), SOON_MS);
  assert.match(await row.innerText(), /Harbour[^]*two/);
  await bob.enter(room);
  await bob.sees("one");
  await bob.say("three");
  await ann.sees("three");
  await until("nothing unread", async () => !/\b2\b/.test(await row.innerText()), SOON_MS);
});

test("a public room is found and joined, and read from its start", limit(60_000), async (t) => {
  const stage = await Stage.set(t, browser, "public");
  const ann = await stage.person("ann");
  const room = await ann.makeRoom("public", { name: "Notices" });
  await ann.say("before anybody came");
  await ann.sees("before anybody came", "sent");
  const eve = await stage.person("eve");
  await eve.at("browse-rooms").first().click();
  await eve.at("browse-row").filter({ hasText: "Notices" }).locator("button").click();
  await eve.at("composer-input").waitFor();
  assert.equal(await eve.roomId(), room);
  await eve.sees("before anybody came");
  await eve.say("found it");
  await ann.sees("found it");
});

test("history loads by pages upwards, and the end is one click away", limit(120_000), async (t) => {
  const stage = await Stage.set(t, browser, "history", WITH_API);
  const ann = await stage.person("ann");
  const id = ann.watch.welcome().user.id;
  const room = "long-room";
  await stage.backend.room({ id: room, kind: "group", name: "Long", members: [id] });
  for (let n = 1; n <= 330; n += 1) await stage.backend.say(room, id, `line ${n}.`);
  await ann.reload();
  await ann.isIn();
  await ann.enter(room);
  await ann.sees("line 330.");

  const rows = await ann.all();
  assert.deepEqual(rows.map(({ text }) => text), Array.from({ length: 330 }, (_, n) => `line ${n + 1}.`));

  await ann.toStart();
  await stage.backend.say(room, id, "line 331.");
  await ann.at("jump-latest").click();
  await ann.sees("line 331.");
});

test("what people write stays text, and the page asks nobody else", limit(60_000), async (t) => {
  const stage = await Stage.set(t, browser, "text");
  const ann = await stage.person("ann");
  const bob = await stage.person("bob");
  const nasty = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(2)</script>",
    "javascript:alert(3)",
    "</textarea><svg onload=alert(4)>",
    "{{constructor.constructor('alert(5)')()}}",
    "\u202Egnp.exe\u202C turned round",
    "https://example.org/?<b>",
  ];
  const room = await ann.makeRoom("group", { name: "<b>Harbour</b><img src=x onerror=alert(6)>", people: ["bob"] });
  for (const text of nasty) await ann.say(text);
  await bob.enter(room);
  await until("all of it", async () => (await bob.all()).length === nasty.length, SOON_MS);
  const policy = await ann.page.evaluate(async () => (await fetch("/")).headers.get("content-security-policy"));
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /require-trusted-types-for 'script'/);
  assert.doesNotMatch(policy, /unsafe-(inline|eval)/);
  assert.deepEqual(stage.faults(), []);
  assert.deepEqual(stage.foreign(), []);
});
