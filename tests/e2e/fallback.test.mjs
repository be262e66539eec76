/**
 * The page behind proxies that do to WebSockets what proxies do: refuse the upgrade, swallow it, hold streams back as well,
 * and cut every connection by the clock.
 *
 * Behind each, two people talk in both directions. Both windows show everything, once, in one order; the recorded history
 * satisfies the server's checker, and would not with a row less. A run in which its fault did not bite fails, and so does one
 * in which a bare connection of that kind, without the SDK's choosing, would have lived through it.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Backend, WITH_API } from "./lib/backend.mjs";
import { launch } from "./lib/browser.mjs";
import { BACK_MS, SOON_MS, fallback, limit } from "./lib/form.mjs";
import { History, withoutOneRow } from "./lib/history.mjs";
import { HttpProxy } from "./lib/http-proxy.mjs";
import { Server, verify } from "./lib/server.mjs";
import { pause, until } from "./lib/wait.mjs";
import { Window } from "./lib/window.mjs";

const PING_MS = 5_000;
const { messages, cutMs, noticedMs } = fallback;

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

/** Whether a bare WebSocket of this page is open, and still is after `ms`. */
const webSocketHolds = (window, ms) =>
  window.page.evaluate(async (ms) => {
    const socket = new WebSocket(`${location.origin.replace("http", "ws")}/ws`);
    await new Promise((done) => (socket.onclose = done) && setTimeout(done, ms));
    const holds = socket.readyState === WebSocket.OPEN;
    socket.close();
    return holds;
  }, ms);

/** Whether a byte of a bare stream comes within `ms`. */
const streamBrings = (window, ms) =>
  window.page.evaluate(async (ms) => {
    const init = { method: "POST", headers: { "content-type": "application/json" }, body: "{}", signal: AbortSignal.timeout(ms) };
    const read = async () => (await (await fetch("/api/v1/stream", init)).body.getReader().read()).value.length > 0;
    return read().catch(() => false);
  }, ms);

const PROXIES = [
  {
    name: "refuses upgrades",
    faults: { upgrades: "refuse" },
    by: "sse",
    bites: ({ refused }) => refused >= 1,
    control: async (window) => !(await webSocketHolds(window, noticedMs)),
  },
  {
    name: "swallows upgrades",
    faults: { upgrades: "swallow" },
    by: "sse",
    bites: ({ swallowed }) => swallowed >= 1,
    control: async (window) => !(await webSocketHolds(window, noticedMs)),
  },
  {
    name: "refuses upgrades and holds streams back",
    faults: { upgrades: "refuse", holds: true },
    by: "poll",
    bites: ({ refused, held }) => refused >= 1 && held >= 1,
    control: async (window) => !(await streamBrings(window, noticedMs)),
  },
  {
    name: "cuts every connection",
    faults: { cutMs },
    by: "ws",
    bites: ({ cut }) => cut >= 3,
    control: async (window) => !(await webSocketHolds(window, cutMs + BACK_MS)),
  },
  {
    name: "refuses upgrades and cuts every connection",
    faults: { upgrades: "refuse", cutMs },
    by: "sse",
    bites: ({ refused, cut }) => refused >= 1 && cut >= 3,
    control: async (window) => !(await webSocketHolds(window, noticedMs)),
  },
];

/** Two people who talk, in turns, for as long as the proxy needs to do what it does. */
async function talk(ann, bob, proxy, bites) {
  const sent = [];
  const end = performance.now() + 6 * cutMs;
  for (let n = 1; n <= messages || (!bites(proxy.bites) && performance.now() < end); n += 1) {
    for (const [name, window] of [["ann", ann], ["bob", bob]]) {
      sent.push(`${name} says ${n}.`);
      await window.say(sent.at(-1));
    }
    await pause(100);
  }
  return sent;
}

async function showsAll(window, who, sent) {
  const rows = await until(`${who} shows all as stored`, async () => {
    await window.sees(sent.at(-1));
    const shown = await window.all();
    return shown.length >= sent.length && shown.every(({ seq }) => seq !== null) && shown;
  }, BACK_MS);
  assert.deepEqual(rows.map(({ text }) => text).sort(), [...sent].sort(), `${who} misses one, or has one twice`);
  return rows.map(({ seq, text }) => `${seq} ${text}`);
}

for (const { name, faults, by, bites, control } of PROXIES) {
  test(`a proxy that ${name} is talked through, by ${by}`, limit(120_000), async (t) => {
    const file = `fallback-${name.replaceAll(" ", "-")}`;
    const server = await Server.start(file, ["--ping-interval", String(PING_MS / 1_000), ...WITH_API]);
    t.after(() => server.close());
    const proxy = await HttpProxy.start(server.port, faults);
    t.after(() => proxy.close());
    const bob = await Window.open(browser, server.url);
    const ann = await Window.open(browser, proxy.url);
    t.after(() => Promise.all([ann.close(), bob.close()]));
    await bob.signUp("bob");
    const began = performance.now();
    await ann.signUp("ann");
    await until(`ann is live by ${by}`, () => ann.watch.transport === by, SOON_MS);
    console.log(`  ${name}: by ${by}, ${Math.round(performance.now() - began)} ms after signing up began`);

    const history = new History({ pingMs: PING_MS });
    const room = await ann.makeRoom("direct", { people: ["bob"] });
    await bob.enter(room);
    const sent = await history.fault(name, () => talk(ann, bob, proxy, bites));
    const ofAnn = await showsAll(ann, "ann", sent);
    assert.deepEqual(ofAnn, await showsAll(bob, "bob", sent));
    // Where every connection is cut, a slow machine may see two that were cut before their welcome, and try the next way.
    if (!faults.cutMs) assert.equal(ann.watch.transport, by);
    assert.equal(bob.watch.transport, "ws");
    assert.ok(await control(ann), "without the choosing it would have worked as well");
    assert.ok(bites(proxy.bites), `the fault did not bite: ${JSON.stringify(proxy.bites)}`);
    assert.deepEqual([...ann.watch.faults, ...bob.watch.faults], []);

    await history.audit(new Backend(server.url), room);
    const record = history.write(file, { ann, bob });
    const verdict = verify(record);
    console.log(verdict.said.split("\n").slice(0, 2).join("\n"));
    assert.ok(verdict.holds, verdict.said);
    assert.ok(!verify(withoutOneRow(record)).holds, "the checker accepts a log with a row taken out");
  });
}

test("a proxy that is mended is noticed: the page moves up while people talk, and never leaves live", limit(120_000), async (t) => {
  const server = await Server.start("fallback-up", ["--ping-interval", String(PING_MS / 1_000), ...WITH_API]);
  t.after(() => server.close());
  const proxy = await HttpProxy.start(server.port, { upgrades: "refuse", holds: true });
  t.after(() => proxy.close());
  const bob = await Window.open(browser, server.url);
  const ann = await Window.open(browser, proxy.url);
  t.after(() => Promise.all([ann.close(), bob.close()]));
  await bob.signUp("bob");
  await ann.signUp("ann");
  await until("ann is live by poll", () => ann.watch.transport === "poll", SOON_MS);
  const history = new History({ pingMs: PING_MS });
  const room = await ann.makeRoom("direct", { people: ["bob"] });
  await bob.enter(room);

  await ann.reload();
  await ann.isIn();
  const ofLoad = ann.watch.sockets.filter(({ load, transport }) => load === ann.watch.loads && transport !== "commands");
  assert.equal(ofLoad[0].transport, "poll", "what worked was not remembered over the reload");

  await ann.enter(room);
  const banners = new Set();
  const sent = [];
  const moves = async () => {
    proxy.heal();
    // What a browser says when its network changed: the next look is now.
    await ann.page.evaluate(() => dispatchEvent(new Event("online")));
    for (let n = 1; n <= messages || (ann.watch.transport !== "ws" && n < 300); n += 1) {
      for (const [name, window] of [["ann", ann], ["bob", bob]]) {
        sent.push(`${name} says ${n}.`);
        await window.say(sent.at(-1));
      }
      banners.add(await ann.banner());
    }
  };
  await history.fault("mended", moves);
  assert.equal(ann.watch.transport, "ws");
  assert.deepEqual([...banners].filter((state) => state !== null && state !== "connected"), [], "the page said that something was wrong");
  assert.deepEqual(await showsAll(ann, "ann", sent), await showsAll(bob, "bob", sent));
  await history.audit(new Backend(server.url), room);
  const verdict = verify(history.write("fallback-up", { ann, bob }));
  assert.ok(verdict.holds, verdict.said);
});
