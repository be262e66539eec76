/**
 * Twelve tabs of four people, three in each of four browsers, chat while their leading tabs are closed, crash, are frozen
 * and stand still. Each person has one connection at the server. At the end every tab has every message, once, in order, and
 * the recorded history of all tabs and all sockets satisfies the server's checker. A fault that did not bite fails the run.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Backend, WITH_API } from "./lib/backend.mjs";
import { launch } from "./lib/browser.mjs";
import { BACK_MS, limit, manyTabs } from "./lib/form.mjs";
import { isInTime, measured } from "./lib/handover.mjs";
import { History, withoutOneRow } from "./lib/history.mjs";
import { Server, verify } from "./lib/server.mjs";
import { freeze, stop } from "./lib/stand-still.mjs";
import { TabServer } from "./lib/tab-server.mjs";
import { TabPerson } from "./lib/tabs.mjs";
import { pause, until } from "./lib/wait.mjs";
import { now } from "./lib/watch.mjs";

const NAMES = ["ann", "bob", "cem", "dia"];
const TABS = 3;
const ROOM = "harbour";
/** Between two messages of one tab. */
const SPACING_MS = 700;
/** How long a leader stands still after another tab has taken over. */
const STILL_MS = 4_000;
const PING_MS = 2_000;

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

/** What happens to a leading tab; returns how many tabs are to be opened anew. */
const FAULTS = {
  async closed({ leader }, handedOver) {
    await leader.close();
    await handedOver();
    return 1;
  },
  async crashed({ leader }, handedOver) {
    await leader.crash();
    await handedOver();
    return 1;
  },
  async frozen({ leader }, handedOver) {
    const thaw = await freeze(leader);
    await handedOver();
    await pause(STILL_MS);
    await thaw();
    return 0;
  },
  async "stands still"({ leader }, handedOver) {
    const goOn = await stop(leader);
    await handedOver();
    await pause(STILL_MS);
    await goOn();
    return 0;
  },
};

/** Four people whose tabs are all live in one room. */
async function everybody(t, host, server) {
  const backend = new Backend(server.url);
  for (const name of NAMES) await backend.person(name, name);
  await backend.room({ id: ROOM, kind: "group", name: "Harbour", members: NAMES });
  const people = await Promise.all(NAMES.map((name) => TabPerson.come(browser, name, host, `ws://127.0.0.1:${server.port}/ws`)));
  t.after(() => Promise.all(people.map((person) => person.close().catch(() => {}))));
  return { people, backend };
}

/** A tab that is there, and says so. */
async function opened(person, sent) {
  const tab = await person.tab();
  await tab.start();
  await tab.run((room) => globalThis.tab.open(room), ROOM);
  say(tab, `${tab.name} is here`, sent);
}

function say(tab, body, sent) {
  sent.push({ tab, body });
  tab.say(ROOM, body).catch(() => {});
}

/** Every open tab writes now and then; a tab that goes takes what it was just about to say with it. */
async function chat(people, isOver, sent) {
  for (let n = 1; !isOver(); n += 1) {
    for (const tab of people.flatMap(({ open }) => open)) {
      if (tab.rooms && !tab.isStill) say(tab, `${tab.name} says ${n}`, sent);
    }
    await pause(SPACING_MS);
  }
}

/** One fault to one person's leader, and how long it took until another tab led. */
async function through(name, person, { history, sent }) {
  const leader = await person.untilLeads();
  const began = now();
  let took;
  const handedOver = async () => {
    const next = await person.untilLeads(leader);
    const seenMs = Math.round((next.timeOf(next.told.findLast(({ is }) => is === "leads")) - began) / 1_000);
    took = { seenMs, ...measured(name, { leader, next, began }) };
  };
  leader.isStill = true;
  const lost = await history.fault(name, () => FAULTS[name]({ leader }, handedOver));
  leader.isStill = leader.isGone;
  for (let n = 0; n < lost; n += 1) await opened(person, sent);
  return { name, ...took };
}

/** All messages of the room as the store has them. */
async function stored(backend) {
  const events = [];
  for (let page = { more: true, events: [] }; page.more; ) {
    page = await backend.page(ROOM, events.at(-1)?.seq ?? 0);
    events.push(...page.events);
  }
  return events.filter(({ kind }) => kind === "message");
}

/** What each tab's application got is what the store has from when the tab came, once and in order. */
function assertComplete(people, bodies) {
  for (const tab of people.flatMap(({ open }) => open)) {
    const heard = tab.heard(ROOM);
    assert.deepEqual(heard, bodies.slice(bodies.length - heard.length), `${tab.name} lacks something, or has it twice or out of order`);
    assert.ok(heard.length > 0, `${tab.name} heard nothing`);
  }
}

test("twelve tabs of four people lose, double and disorder nothing whatever becomes of their leaders", limit(manyTabs.lastsMs * 2 + BACK_MS * 5), async (t) => {
  const host = await TabServer.start();
  t.after(() => host.close());
  const server = await Server.start("many-tabs", [...WITH_API, ...host.serverArgs, "--ping-interval", String(PING_MS / 1_000)]);
  t.after(() => server.close());
  const { people, backend } = await everybody(t, host, server);
  const history = new History({ pingMs: PING_MS });
  const sent = [];
  for (const person of people) for (let n = 0; n < TABS; n += 1) await opened(person, sent);
  const isOneEach = async () => (await server.connections()) === NAMES.length;
  await until("each person has one connection", isOneEach, BACK_MS);
  const end = performance.now() + manyTabs.lastsMs;
  let isOver = false;
  const chatting = chat(people, () => isOver, sent);
  const handovers = [];
  for (let round = 0; performance.now() < end || round < Object.keys(FAULTS).length; round += 1) {
    const name = Object.keys(FAULTS)[round % 4];
    handovers.push(await through(name, people[(round + Math.floor(round / 4)) % NAMES.length], { history, sent }));
    await until("one connection a person again", isOneEach, BACK_MS);
    await pause(manyTabs.calmMs);
  }
  isOver = true;
  await chatting;

  const open = people.flatMap((person) => person.open);
  assert.equal(open.length, NAMES.length * TABS);
  const settled = async () => (await Promise.all(open.map((tab) => tab.snapshot()))).every(({ queued, state }) => queued === 0 && state.is === "live");
  await until("nothing is queued any more", settled, BACK_MS);
  const bodies = await until(
    "every tab has the last message",
    async () => {
      const all = (await stored(backend)).map(({ body }) => body);
      return open.every((tab) => tab.heard(ROOM).at(-1) === all.at(-1)) && all;
    },
    BACK_MS,
  );
  assertComplete(people, bodies);
  assert.equal(new Set(bodies).size, bodies.length, "a message is stored twice");
  const lost = sent.filter(({ tab, body }) => !tab.isGone && !bodies.includes(body));
  assert.deepEqual(lost.map(({ body }) => body), [], "what a tab sent is not stored");
  await until("each person has one connection in the end", isOneEach, BACK_MS);
  for (const person of people) await until(`${person.name} has one leading tab`, () => person.leaders.length === 1, BACK_MS);

  const slowest = (name, time) => Math.max(...handovers.filter((one) => one.name === name).map((one) => one[time]));
  const figures = Object.keys(FAULTS).map((name) => `${name} ${slowest(name, "ownMs")} ms (${slowest(name, "seenMs")} ms from the command)`);
  console.log(`  ${bodies.length} messages, ${handovers.length} changes of leader; the slowest: ${figures.join(", ")}`);
  const excused = handovers.filter(({ mayTakeMs }) => mayTakeMs > 0);
  console.log(`  ${excused.length} of them on a machine too busy to keep a tab's timers: ${JSON.stringify(excused)}`);
  assert.deepEqual(open.flatMap(({ watch }) => watch.faults), []);

  const messages = await stored(backend);
  const { epoch } = (await backend.page(ROOM, 0)).events[0];
  await history.audit(backend, ROOM);
  const lines = people.flatMap((person) => [...person.wireLines(), ...person.tabs.flatMap((tab) => tab.lines({ [ROOM]: epoch }, messages))]);
  const file = history.writeLines("many-tabs", lines);
  const verdict = verify(file);
  console.log(verdict.said);
  assert.ok(verdict.holds, "the checker refuses the history");
  assert.match(verdict.said, /0 lost, 0 doubled, 0 out of order/);
  for (const one of handovers) assert.ok(isInTime(one, manyTabs.handoverMs), `another tab led too late: ${JSON.stringify(one)}`);
  assert.ok(!verify(withoutOneRow(file)).holds, "the checker accepts a log with a row taken out");
});
