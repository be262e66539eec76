/**
 * The proxy does what the proofs rely on: without this, a fault that never happened would look like
 * one that was survived.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { test } from "node:test";

import { Proxy } from "./lib/proxy.mjs";
import { pause, until } from "./lib/wait.mjs";

const HEAD = "GET /ws HTTP/1.1\r\n\r\n";
const SOON = 2_000;

/** A server that answers every byte with itself, behind a proxy, and a client that has said hello. */
async function stage(t, options) {
  const server = createServer((socket) => socket.on("error", () => {}).pipe(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const proxy = await Proxy.start(server.address().port, options);
  t.after(async () => {
    await proxy.close();
    server.close();
  });
  return { proxy, client: await client(proxy) };
}

async function client(proxy) {
  const socket = connect(Number(new URL(proxy.url).port), "127.0.0.1");
  const seen = { text: "", error: null, closed: false };
  socket.on("data", (bytes) => (seen.text += bytes));
  socket.on("error", (error) => (seen.error = error.code));
  socket.on("close", () => (seen.closed = true));
  socket.write(HEAD);
  return { socket, seen };
}

const hears = ({ seen }, text) => until(`an answer ending in ${text}`, () => seen.text.endsWith(text), SOON);

test("bytes pass in both directions", async (t) => {
  const { client } = await stage(t);
  await hears(client, HEAD);
  client.socket.write("more");
  await hears(client, "more");
});

test("a cut is a reset that the client sees at once", async (t) => {
  const { proxy, client } = await stage(t);
  await hears(client, HEAD);
  proxy.cut();
  await until("a reset", () => client.seen.error === "ECONNRESET", SOON);
  assert.equal(proxy.bites.reset, 1);
});

test("a lost connection stays silent for ever, new ones pass again", async (t) => {
  const { proxy, client: lost } = await stage(t);
  await hears(lost, HEAD);
  proxy.lose();
  lost.socket.write("lost");
  proxy.pass();
  await hears(await client(proxy), HEAD);
  assert.equal(lost.seen.text, HEAD);
  assert.equal(lost.seen.closed, false);
  assert.equal(proxy.bites.lost, 1);
});

test("a frozen connection delivers late what was held back", async (t) => {
  const { proxy, client } = await stage(t);
  await hears(client, HEAD);
  proxy.freeze();
  client.socket.write("late");
  await pause(200);
  assert.equal(client.seen.text, HEAD);
  proxy.pass();
  await hears(client, "late");
});

test("all ways of the chat are refused while pages pass, also on a connection that is kept", async (t) => {
  const { proxy, client: cut } = await stage(t);
  await hears(cut, HEAD);
  proxy.refuseChat();
  const refused = await client(proxy);
  await until("both are gone", () => cut.seen.closed && refused.seen.closed, SOON);
  const page = connect(Number(new URL(proxy.url).port), "127.0.0.1");
  page.write("GET / HTTP/1.1\r\n\r\n");
  const [answer] = await once(page, "data");
  assert.match(String(answer), /^GET \/ /);
  page.write("POST /api/v1/poll HTTP/1.1\r\n\r\n");
  page.on("error", () => {});
  await until("the kept one is gone", () => page.destroyed, SOON);
});

test("an idle connection is cut, a busy one is not", async (t) => {
  const { proxy, client: idle } = await stage(t, { idleCutMs: 400 });
  const busy = await client(proxy);
  const talk = setInterval(() => busy.socket.write("."), 100);
  await until("the idle one is cut", () => idle.seen.closed, SOON);
  clearInterval(talk);
  assert.equal(busy.seen.closed, false);
  assert.equal(proxy.bites.idle, 1);
});
