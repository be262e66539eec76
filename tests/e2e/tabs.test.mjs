/**
 * What tabs that share a connection owe to a person, one case at a time: sends under way when the leading tab goes, a leader
 * that stands still, a machine that sleeps, storage that is full or forbidden, tokens, the back-forward cache, browsers
 * without locks. A twin with a planted bug shows that the proof would see it.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Backend, WITH_API } from "./lib/backend.mjs";
import { launch, launchProcess } from "./lib/browser.mjs";
import { BACK_MS, SOON_MS, limit, sleepMs } from "./lib/form.mjs";
import { Proxy } from "./lib/proxy.mjs";
import { Server } from "./lib/server.mjs";
import { sleep, stop } from "./lib/stand-still.mjs";
import { TabServer } from "./lib/tab-server.mjs";
import { TabPerson } from "./lib/tabs.mjs";
import { pause, until } from "./lib/wait.mjs";

const ROOM = "harbour";
/** A twin has this long to do what it cannot do. */
const TWIN_MS = 6_000;

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

/** A server behind a network, a host page, and ann and bob in a room. */
async function set(t, name, { bug, args = [] } = {}) {
  const host = await TabServer.start(bug);
  t.after(() => host.close());
  const server = await Server.start(name, [...WITH_API, ...host.serverArgs, "--ping-interval", "1", "--ping-timeout", "3", ...args]);
  t.after(() => server.close());
  const proxy = await Proxy.start(server.port);
  t.after(() => proxy.close());
  const backend = new Backend(server.url);
  for (const person of ["ann", "bob"]) await backend.person(person, person);
  await backend.room({ id: ROOM, kind: "group", name: "Harbour", members: ["ann", "bob"] });
  const come = async (person, tabs, { more = {}, from = browser } = {}) => {
    const one = await TabPerson.come(from, person, host, `${proxy.url.replace("http", "ws")}/ws`);
    t.after(() => one.close().catch(() => {}));
    for (let n = 0; n < tabs; n += 1) await (await (await one.tab(more)).start()).run((room) => globalThis.tab.open(room), ROOM);
    return one;
  };
  const bodies = async () => (await backend.events(ROOM)).filter(({ kind }) => kind === "message").map(({ body }) => body);
  const connected = (count) => until(`${count} connections`, async () => (await server.connections()) === count, BACK_MS);
  return { host, server, proxy, backend, come, bodies, connected };
}

/** Bodies of the messages in a tab's timeline that are stored. */
async function shown(tab) {
  return (await tab.rows(ROOM)).filter(({ body, state }) => body && state === "sent").map(({ body }) => body);
}

const isWithin = (ms, isSo) => until("", isSo, ms).then(() => true, () => false);

/** The leader goes with sends of its own and of a follower's under way; answers what was lost, and how often what is stored. */
async function midSend(t, name, go, bug) {
  const { proxy, come, bodies } = await set(t, name, { bug });
  const ann = await come("ann", 3);
  const leader = await ann.untilLeads();
  const [follower, third] = ann.open.filter((tab) => tab !== leader);
  proxy.freeze();
  const sent = [];
  for (let n = 1; n <= 5; n += 1) {
    for (const tab of [leader, follower]) {
      sent.push(`${tab.name} says ${n}`);
      await tab.say(ROOM, sent.at(-1));
    }
  }
  const isWritten = await isWithin(bug ? TWIN_MS / 2 : SOON_MS, async () => (await third.run(() => globalThis.tab.stored())).length === sent.length);
  assert.ok(proxy.bites.frozen > 0, "nothing was under way");
  await go(leader);
  await ann.untilLeads(leader);
  proxy.pass();
  const missing = async () => sent.filter((body) => !all.includes(body));
  let all = [];
  const isThere = await isWithin(bug ? TWIN_MS : BACK_MS, async () => ((all = await bodies()), (await missing()).length === 0));
  return { isWritten, isThere, missing: await missing(), all, sent, tabs: [follower, third] };
}

for (const [way, go] of Object.entries({ closed: (tab) => tab.close(), crashed: (tab) => tab.crash() })) {
  test(`sends under way when the leader is ${way} are stored once, whoever wrote them`, limit(90_000), async (t) => {
    const { isWritten, missing, all, sent, tabs } = await midSend(t, `tabs-${way}`, go);
    assert.ok(isWritten, "a send was attempted before it was written");
    assert.deepEqual(missing, []);
    assert.equal(all.length, sent.length, "one is stored twice");
    for (const tab of tabs) {
      await until(`${tab.name} shows all`, async () => (await shown(tab)).length === sent.length, SOON_MS);
      assert.deepEqual(await shown(tab), all);
      assert.deepEqual(tab.heard(ROOM), all);
      assert.deepEqual((await tab.run(() => globalThis.tab.stored())).length, 0, "something stays in the store");
    }
  });
}

test("the twin, whose outbox writes nothing down, loses what the leader had under way", limit(90_000), async (t) => {
  const bug = { "src/outbox.ts": ["store?.put(item.entry)", "undefined"] };
  const { isWritten, isThere, missing } = await midSend(t, "tabs-twin-store", (tab) => tab.close(), bug);
  assert.ok(!isWritten && !isThere, "the planted bug was not found");
  assert.ok(missing.length > 0);
});

/** The leader stands still while bob writes, and goes on; answers how many connections there are in the end. */
async function standStill(t, name, bug) {
  const { server, come, connected } = await set(t, name, { bug });
  const ann = await come("ann", 3);
  const bob = await come("bob", 1);
  if (!bug) await connected(2);
  const leader = await ann.untilLeads();
  const goOn = await stop(leader);
  const said = Array.from({ length: 5 }, (_, n) => `bob says ${n}`);
  for (const body of said) await bob.tabs[0].say(ROOM, body);
  await ann.untilLeads(leader);
  const followers = ann.open.filter((tab) => tab !== leader);
  for (const tab of followers) await until(`${tab.name} hears bob`, () => tab.heard(ROOM).length === said.length, BACK_MS);
  await goOn();
  await until("the old leader hears bob", () => leader.heard(ROOM).length === said.length, BACK_MS);
  await leader.until("that it follows", ({ is }) => is === "follows");
  const isOne = await isWithin(bug ? TWIN_MS : BACK_MS, async () => (await server.connections()) === 2);
  return { ann, bob, said, isOne };
}

test("a leader that stood still gives its connection up, and nothing is heard or notified twice", limit(90_000), async (t) => {
  const { ann, bob, said, isOne } = await standStill(t, "tabs-still");
  assert.ok(isOne, "ann has two connections");
  await bob.tabs[0].say(ROOM, "and after");
  for (const tab of ann.open) {
    await until(`${tab.name} hears the last`, () => tab.heard(ROOM).length === said.length + 1, SOON_MS);
    assert.deepEqual(tab.heard(ROOM), [...said, "and after"]);
  }
  const notified = ann.tabs.flatMap(({ told }) => told.filter(({ is }) => is === "notified").map(({ id }) => id));
  assert.equal(new Set(notified).size, notified.length, "two tabs would have notified of one message");
  assert.equal(notified.length, said.length + 1);
});

test("the twin, whose deposed leader keeps its connection, has two", limit(90_000), async (t) => {
  const bug = { "src/tabs/hub.ts": ["this.#connection.stop();", ""] };
  const { isOne } = await standStill(t, "tabs-twin-still", bug);
  assert.ok(!isOne, "the planted bug was not found");
});

test("tabs of a machine that slept have what they missed, once, on one connection", limit(sleepMs * 2 + 60_000), async (t) => {
  const { proxy, come, connected } = await set(t, "tabs-sleep");
  const laptop = await launchProcess();
  t.after(() => laptop.close());
  const ann = await come("ann", 3, { from: laptop.browser });
  const bob = await come("bob", 1);
  await connected(2);
  const wake = sleep(laptop.pid);
  const said = [];
  try {
    for (let n = 1; n <= 5; n += 1) {
      said.push(`while ann sleeps ${n}`);
      await bob.tabs[0].say(ROOM, said.at(-1));
      await pause(sleepMs / 5);
    }
    // The server gave the sleeper up; the network forgot the connection as well.
    await connected(1);
    proxy.lose();
    proxy.pass();
  } finally {
    wake();
  }
  for (const tab of ann.open) {
    await until(`${tab.name} hears what it missed`, () => tab.heard(ROOM).length >= said.length, BACK_MS);
    assert.deepEqual(tab.heard(ROOM), said);
  }
  await connected(2);
  assert.equal(ann.leaders.length, 1);
});

test("twelve tabs ask for one token, for one more when it expires, and come to a clear end when it is refused", limit(120_000), async (t) => {
  const { host, server, come, connected } = await set(t, "tabs-tokens");
  const ann = await come("ann", 12);
  // On a machine that others keep busy, a leader may seem to stand still, and the next one asks for a token too.
  const leads = () => ann.tabs.flatMap(({ told }) => told.filter(({ is }) => is === "leads")).length;
  await until("each leader has asked once", () => host.tokens.ann === leads(), SOON_MS);
  assert.ok(leads() < ann.tabs.length, `${leads()} tabs led`);
  await connected(1);
  host.isForging = true;
  // The server starts with another secret, so what was good is refused.
  await server.restartWith(["--jwt-secret", "another-secret-0123456789abcdef0123"]);
  for (const tab of ann.open) {
    const closed = await tab.until("the end", ({ is, state }) => is === "state" && state === "closed", BACK_MS);
    assert.equal(closed.code, 4401);
  }
  await pause(3_000);
  assert.ok(host.tokens.ann > leads() && host.tokens.ann <= 2 * leads(), `${host.tokens.ann} tokens for ${leads()} leaders`);
  assert.equal(await server.connections(), 0);
});

const STORAGE = {
  forbidden: {
    initScript: () => Object.defineProperty(indexedDB.constructor.prototype, "open", { value: () => { throw new DOMException("not here", "SecurityError"); } }),
  },
  stuck: {
    initScript: () => (IDBFactory.prototype.open = () => ({})),
  },
  full: {
    initScript: () => (IDBObjectStore.prototype.put = () => { throw new DOMException("full", "QuotaExceededError"); }),
  },
};

for (const [how, { initScript }] of Object.entries(STORAGE)) {
  test(`where storage is ${how}, tabs chat on in memory and say so`, limit(60_000), async (t) => {
    const { come, bodies } = await set(t, `tabs-${how}`);
    const ann = await come("ann", 2, { more: { initScript } });
    const [one, other] = ann.tabs;
    await one.say(ROOM, "from one");
    await other.say(ROOM, "from the other");
    await until("both are stored", async () => (await bodies()).length === 2, SOON_MS);
    for (const tab of ann.tabs) {
      await until(`${tab.name} shows both`, async () => (await shown(tab)).length === 2, SOON_MS);
      assert.equal((await tab.snapshot()).durable, false, "it says nothing");
    }
  });
}

test("where the browser has no locks, each tab connects by itself and nothing is doubled", limit(60_000), async (t) => {
  const { come, bodies, connected } = await set(t, "tabs-alone");
  const initScript = () => Object.defineProperty(Navigator.prototype, "locks", { value: undefined });
  const ann = await come("ann", 3, { more: { initScript } });
  await connected(3);
  for (const tab of ann.tabs) await tab.say(ROOM, `${tab.name} is here`);
  await until("all are stored", async () => (await bodies()).length === 3, SOON_MS);
  for (const tab of ann.tabs) {
    await until(`${tab.name} hears all`, () => tab.heard(ROOM).length === 3, SOON_MS);
    assert.deepEqual(tab.heard(ROOM), await bodies());
  }
});

test("two devices of one person have a connection each, and both have everything once", limit(60_000), async (t) => {
  const { come, bodies, connected } = await set(t, "tabs-devices");
  const [desk, phone] = [await come("ann", 2), await come("ann", 2)];
  await connected(2);
  for (const tab of [...desk.tabs, ...phone.tabs]) await tab.say(ROOM, `${tab.name} of ${desk.tabs.includes(tab) ? "the desk" : "the phone"}`);
  await until("all are stored", async () => (await bodies()).length === 4, SOON_MS);
  for (const tab of [...desk.tabs, ...phone.tabs]) {
    await until(`${tab.name} hears all`, () => tab.heard(ROOM).length === 4, SOON_MS);
    assert.deepEqual(tab.heard(ROOM), await bodies());
  }
});

test("a page that goes into the back-forward cache hands over, and comes back with what it missed", limit(60_000), async (t) => {
  const cached = await launch({ ignoreDefaultArgs: ["--disable-back-forward-cache"] });
  t.after(() => cached.close());
  const { host, come, connected } = await set(t, "tabs-cache");
  const ann = await come("ann", 2, { from: cached });
  const bob = await come("bob", 1);
  const leader = await ann.untilLeads();
  await leader.page.goto(`${host.url}/away`);
  await ann.untilLeads(leader);
  await bob.tabs[0].say(ROOM, "while ann is away");
  await connected(2);
  await leader.run(() => history.back()).catch(() => {});
  await until("the page is back", () => leader.heard(ROOM).includes("while ann is away"), SOON_MS);
  assert.equal(leader.told.filter(({ is }) => is === "loaded").length, 1, "the page was loaded anew");
  assert.deepEqual(leader.heard(ROOM), ["while ann is away"]);
  await connected(2);
});
