/**
 * Who one is, in the page: sign-up, sign-in, sign-out, and that nothing that one person wrote is
 * ever sent as another.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { WITH_API } from "./lib/backend.mjs";
import { launch } from "./lib/browser.mjs";
import { BACK_MS, SOON_MS, limit } from "./lib/form.mjs";
import { Stage } from "./lib/stage.mjs";
import { until } from "./lib/wait.mjs";
import { PASSWORD } from "./lib/window.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

test("a person signs up, out and in again, and is the same person", limit(60_000), async (t) => {
  const stage = await Stage.set(t, browser, "sign");
  const ann = await stage.person("ann");
  const { user } = ann.watch.welcome();
  await ann.signOut();
  await (await ann.signIn("ann")).isIn();
  assert.equal(ann.watch.welcome().user.id, user.id);
  assert.deepEqual(stage.faults(), []);
});

test("a wrong password and an unknown name are refused with the same words", limit(60_000), async (t) => {
  const stage = await Stage.set(t, browser, "refused");
  const ann = await stage.person("ann");
  await ann.signOut();
  const refusal = async (name, password) => {
    await ann.reload();
    await ann.signIn(name, password);
    return ann.refusal();
  };
  const wrong = await refusal("ann", `${PASSWORD}!`);
  assert.match(wrong, /not right/);
  assert.equal(await refusal("nobody", PASSWORD), wrong);
});

test("a name that is taken is refused, and the first holder keeps it", limit(60_000), async (t) => {
  const stage = await Stage.set(t, browser, "taken");
  await stage.person("ann");
  const other = await stage.window();
  await other.askForName("ann");
  assert.match(await other.refusal(), /taken/);
});

test("what one person queued is never sent as another", limit(90_000), async (t) => {
  const stage = await Stage.set(t, browser, "never-as-another", WITH_API);
  const ann = await stage.person("ann");
  const bob = await stage.person("bob");
  const annId = ann.watch.welcome().user.id;
  const room = await ann.makeRoom("group", { name: "Harbour", people: ["bob"] });
  await bob.close();

  stage.proxy.refuseChat();
  await until("the socket is gone", () => ann.watch.sockets.at(-1).closed, SOON_MS);
  await ann.say("queued by ann");
  await ann.sees("queued by ann", "queued");
  // Her session ends, but she does not sign out: that would remove what she queued.
  await ann.page.context().clearCookies();
  await ann.reload();
  await ann.at("login-name").waitFor();
  stage.proxy.pass();

  await (await ann.signIn("bob")).isIn();
  await ann.enter(room);
  await ann.say("written by bob");
  await ann.sees("written by bob", "sent");
  assert.equal(await ann.message("queued by ann").count(), 0, "bob sees what ann queued");
  const bodies = async () => (await stage.backend.events(room)).filter(({ kind }) => kind === "message");
  assert.deepEqual((await bodies()).map(({ body }) => body), ["written by bob"]);

  await ann.signOut();
  await (await ann.signIn("ann")).isIn();
  const both = await until("ann's message is stored", async () => (await bodies()).length === 2 && bodies(), BACK_MS);
  assert.equal(both[1].body, "queued by ann");
  assert.equal(both[1].from, annId);
});

test("a tab takes over what a closed tab had queued", limit(90_000), async (t) => {
  const stage = await Stage.set(t, browser, "take-over", WITH_API);
  const ann = await stage.person("ann");
  await stage.person("bob");
  const room = await ann.makeRoom("group", { name: "Harbour", people: ["bob"] });
  const other = await stage.tab(ann);
  // The tabs share one connection: this one need not have a socket of its own.
  await other.at("new-room").first().waitFor();
  stage.proxy.refuseChat();
  await until("the socket is gone", () => ann.watch.sockets.at(-1).closed, SOON_MS);
  await ann.say("from a tab that closes");
  await ann.sees("from a tab that closes", "queued");
  await ann.page.close();
  stage.proxy.pass();
  const stored = async () => (await stage.backend.events(room)).filter(({ kind }) => kind === "message");
  const [message] = await until("the message is stored", async () => (await stored()).length > 0 && stored(), BACK_MS);
  assert.equal(message.body, "from a tab that closes");
});
