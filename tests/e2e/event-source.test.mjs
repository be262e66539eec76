/**
 * A browser's own `EventSource` with a ticket, no SDK: a plain script in a page of the server's origin, whose connection is
 * cut again and again. It comes back by itself with the URL that it has, and shows each message once.
 *
 * What carries it is the cookie: without that, the same cut ends it for good, and the script starts anew with another ticket.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

import { Backend, WITH_API } from "./lib/backend.mjs";
import { launch } from "./lib/browser.mjs";
import { BACK_MS, SOON_MS, limit } from "./lib/form.mjs";
import { HttpProxy } from "./lib/http-proxy.mjs";
import { BINARY, Server } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

const SECRET = "the-secret-of-the-tests-0123456789abcdef";
const ROOM = "plain";
const CUTS = 3;

function mint(person) {
  const args = ["token", "mint", "--sub", person, "--jwt-secret", SECRET];
  const { status, stdout, stderr } = spawnSync(BINARY, args, { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

/** Runs in the page: asks for a ticket and listens, from the last event that was heard. */
async function listen({ token, room }) {
  const headers = { authorization: `Bearer ${token}` };
  const made = await fetch("/api/v1/tickets", { method: "POST", headers });
  const { ticket } = await made.json();
  globalThis.heard ??= [];
  globalThis.opened ??= 0;
  const from = encodeURIComponent(globalThis.last ?? "");
  globalThis.source = new EventSource(`/api/v1/stream?ticket=${ticket}&room=${room}&from=${from}`);
  globalThis.source.onopen = () => (globalThis.opened += 1);
  globalThis.source.onmessage = ({ data, lastEventId }) => {
    globalThis.last = lastEventId;
    const { kind, body } = JSON.parse(data);
    if (kind === "message") globalThis.heard.push(body);
  };
}

test("an EventSource that is cut again and again goes on by its ticket's cookie, and shows each message once", limit(150_000), async (t) => {
  const server = await Server.start("event-source", [...WITH_API, "--jwt-secret", SECRET]);
  t.after(() => server.close());
  const backend = new Backend(server.url);
  for (const person of ["ann", "bob"]) await backend.person(person, person);
  await backend.room({ id: ROOM, kind: "group", name: "Plain", members: ["ann", "bob"] });
  const proxy = await HttpProxy.start(server.port, {});
  t.after(() => proxy.close());
  const browser = await launch();
  t.after(() => browser.close());
  const context = await browser.newContext();
  const page = await context.newPage();
  // Any page of the origin would do; this one lets its scripts connect to where it comes from.
  await page.goto(proxy.url, { waitUntil: "domcontentloaded" });
  const ask = (what) => page.evaluate((what) => globalThis[what], what);
  const said = [];
  const say = async (body) => {
    said.push(body);
    await backend.say(ROOM, "bob", body);
  };

  await page.evaluate(listen, { token: mint("ann"), room: ROOM });
  const hasOpened = (times) => until(`opened ${times} times`, async () => (await ask("opened")) >= times, BACK_MS);
  const hasHeardAll = () => until("all is heard", async () => (await ask("heard")).length >= said.length, SOON_MS);
  await hasOpened(1);
  for (let cut = 1; cut <= CUTS; cut += 1) {
    await say(`before cut ${cut}`);
    if (cut % 2) await hasHeardAll();
    const bites = proxy.bites.cut;
    proxy.cutAll();
    assert.ok(proxy.bites.cut > bites, "nothing was under way");
    await say(`after cut ${cut}`);
    await hasOpened(1 + cut);
    await say(`back after cut ${cut}`);
  }
  await hasHeardAll();
  assert.deepEqual(await ask("heard"), said);

  await context.clearCookies();
  proxy.cutAll();
  const isOver = () => page.evaluate(() => globalThis.source.readyState === EventSource.CLOSED);
  await until("without the cookie it is over", isOver, BACK_MS);
  await say("while nobody listens");
  await page.evaluate(listen, { token: mint("ann"), room: ROOM });
  await hasHeardAll();
  assert.deepEqual(await ask("heard"), said);
});
