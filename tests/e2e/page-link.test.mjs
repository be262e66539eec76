/**
 * What the page does when the connection goes: the banner, the composer, and messages that cannot
 * be sent now or ever.
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

const says = (window, state) =>
  until(`the banner says ${state}`, async () => (await window.banner()) === state, BACK_MS);

const silent = (window) =>
  until("the banner is gone", async () => [null, "none"].includes(await window.banner()), BACK_MS);

test("the banner says reconnecting, connected, and then nothing", limit(90_000), async (t) => {
  const stage = await Stage.set(t, browser, "banner");
  const ann = await stage.person("ann");
  await silent(ann);
  stage.proxy.refuseChat();
  await says(ann, "reconnecting");
  stage.proxy.pass();
  await says(ann, "connected");
  await silent(ann);
});

test("the banner says offline when the browser says so, and goes when it is back", limit(90_000), async (t) => {
  const stage = await Stage.set(t, browser, "offline");
  const ann = await stage.person("ann");
  await ann.page.context().setOffline(true);
  stage.proxy.refuseChat();
  await says(ann, "offline");
  stage.proxy.pass();
  await ann.page.context().setOffline(false);
  await says(ann, "connected");
});

test("a kill of the server while somebody types loses neither the draft nor the message", limit(90_000), async (t) => {
  const stage = await Stage.set(t, browser, "typing");
  const ann = await stage.person("ann");
  const bob = await stage.person("bob");
  const room = await ann.makeRoom("direct", { people: ["bob"] });
  await bob.enter(room);
  const composer = ann.at("composer-input");
  await composer.pressSequentially("half a sen");
  await stage.server.kill();
  await composer.pressSequentially("tence and a half");
  assert.equal(await composer.inputValue(), "half a sentence and a half");
  await composer.press("Enter");
  await ann.sees("half a sentence and a half", "queued");
  await stage.server.restart();
  await ann.sees("half a sentence and a half", "sent");
  await bob.sees("half a sentence and a half");
  assert.equal(ann.watch.loads + bob.watch.loads, 2, "a page was loaded again");
});

/**
 * Bob writes while he is away and is removed in the meantime, so his message is refused for ever;
 * then he is taken in again and finds it in the room.
 */
async function writesTooLate(stage, text) {
  const ann = await stage.person("ann");
  const bob = await stage.person("bob");
  const room = await ann.makeRoom("group", { name: "Harbour", people: ["bob"] });
  const bobId = bob.watch.welcome().user.id;
  await bob.enter(room);
  stage.proxy.refuseChat();
  await until("the socket is gone", () => bob.watch.sockets.at(-1).closed, SOON_MS);
  await bob.say(text);
  await bob.sees(text, "queued");
  await stage.backend.remove(room, bobId);
  stage.proxy.pass();
  const refusal = () => bob.watch.sockets.at(-1).frames.some((frame) => /"type":"error"/.test(frame.text));
  await until("the server refuses it", refusal, BACK_MS);
  await stage.backend.add(room, bobId);
  await bob.enter(room);
  await bob.sees(text, "failed");
  return { ann, bob, room };
}

test("a message that the server refuses says why, and can be tried again", limit(90_000), async (t) => {
  const stage = await Stage.set(t, browser, "refused-message", WITH_API);
  const { ann, bob } = await writesTooLate(stage, "too late");
  assert.match(await bob.message("too late").innerText(), /Not sent/);
  await bob.at("failed-retry").first().click();
  await bob.sees("too late", "sent");
  await ann.sees("too late");
});

test("a failed message can be discarded, and is gone after a reload too", limit(90_000), async (t) => {
  const stage = await Stage.set(t, browser, "discard", WITH_API);
  const { ann, bob, room } = await writesTooLate(stage, "never mind");
  await bob.at("failed-discard").first().click();
  await until("it is gone", async () => (await bob.message("never mind").count()) === 0, SOON_MS);
  await bob.reload();
  await bob.isIn();
  await bob.enter(room);
  const events = await stage.backend.events(room);
  assert.ok(!events.some(({ body }) => body === "never mind"));
  assert.equal(await bob.message("never mind").count(), 0);
  assert.equal(await ann.message("never mind").count(), 0);
});

test("a drain is survived without a word", limit(90_000), async (t) => {
  const stage = await Stage.set(t, browser, "drain");
  const ann = await stage.person("ann");
  await stage.person("bob");
  await ann.makeRoom("direct", { people: ["bob"] });
  await ann.say("before the drain");
  await ann.sees("before the drain", "sent");
  await stage.server.drain();
  await ann.say("during the drain");
  await stage.server.restart();
  await ann.sees("during the drain", "sent");
  assert.equal(ann.watch.loads, 1);
});
