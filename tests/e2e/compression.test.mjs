/**
 * `--compression` with clients of others: Node's `ws`, Node's own WebSocket where there is one, Python's `websockets` and
 * Chromium negotiate it, send and read compressed messages; who asks for smaller windows goes on without.
 */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import WebSocket from "ws";

import { Backend, WITH_API } from "./lib/backend.mjs";
import { launch } from "./lib/browser.mjs";
import { SOON_MS, limit } from "./lib/form.mjs";
import { BINARY, Server } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

const SECRET = "the-secret-of-the-tests-0123456789abcdef";
const TAKEN = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
const LONG = "what a day at the harbour, ".repeat(60);
const PYTHON = process.env.PYTHON ?? "python3";

function mint(person) {
  const args = ["token", "mint", "--sub", person, "--jwt-secret", SECRET];
  const { status, stdout, stderr } = spawnSync(BINARY, args, { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

/** A server with compression and Ann, alone in a room. */
async function stage(t, name) {
  const server = await Server.start(`compression-${name}`, [...WITH_API, "--jwt-secret", SECRET, "--compression"]);
  t.after(() => server.close());
  const backend = new Backend(server.url);
  await backend.person("ann", "Ann");
  await backend.room({ id: "quay", kind: "group", name: "Quay", members: ["ann"] });
  return { server, url: `ws://127.0.0.1:${server.port}/ws` };
}

async function deflations(server) {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(text.match(/^moorline_frames_deflated_total (\d+)/m)[1]);
}

/**
 * Ann says hello and talks until an event of hers came back compressed, which the server tells: what is said before she
 * is in the room's live feed comes from the log, as it is. Every message must come back as it was sent.
 */
async function talk(server, { say, frames }) {
  say({ type: "hello", token: mint("ann") });
  await until("welcome", () => frames().some(({ type }) => type === "welcome"), SOON_MS);
  let sent = 0;
  await until(
    "a compressed event",
    async () => {
      const body = `${sent} ${LONG}`;
      say({ type: "send", room: "quay", cid: `c${sent}`, body });
      sent += 1;
      await until("one's own event", () => frames().some((frame) => frame.body === body), SOON_MS);
      return (await deflations(server)) > 0;
    },
    SOON_MS,
  );
}

for (const [name, make] of Object.entries({ "Node's ws": WebSocket, "Node's own WebSocket": globalThis.WebSocket })) {
  test(`${name} sends and reads compressed messages`, { ...limit(60_000), skip: !make }, async (t) => {
    const { server, url } = await stage(t, name.replaceAll(/\W/g, ""));
    const socket = new make(url, ...(make === WebSocket ? [{ perMessageDeflate: { threshold: 0 } }] : []));
    t.after(() => socket.close());
    const frames = [];
    socket.addEventListener("message", ({ data }) => frames.push(JSON.parse(data)));
    await new Promise((open, fail) => {
      socket.addEventListener("open", open);
      socket.addEventListener("error", fail);
    });
    assert.match(socket.extensions, /^permessage-deflate/);
    await talk(server, { say: (command) => socket.send(JSON.stringify(command)), frames: () => frames });
  });
}

/** Python's client as a process. */
async function python(t, url, bits) {
  const process = spawn(PYTHON, [fileURLToPath(new URL("lib/compressed.py", import.meta.url)), url, bits]);
  t.after(() => process.kill("SIGKILL"));
  let trouble = "";
  process.stderr.on("data", (bytes) => (trouble += bytes));
  const lines = [];
  createInterface({ input: process.stdout }).on("line", (line) => lines.push(line));
  await until(`a connection ${trouble}`, () => lines.length > 0, SOON_MS);
  return {
    negotiated: lines[0],
    say: (command) => process.stdin.write(`${JSON.stringify(command)}\n`),
    frames: () => lines.slice(1).map((line) => JSON.parse(line)),
  };
}

test("Python's websockets sends and reads compressed messages", limit(60_000), async (t) => {
  const { server, url } = await stage(t, "python");
  const client = await python(t, url, "15");
  assert.equal(client.negotiated, TAKEN);
  await talk(server, client);
});

test("Python's websockets, if it asks for smaller windows, goes on without", limit(60_000), async (t) => {
  const { server, url } = await stage(t, "python-small");
  const client = await python(t, url, "12");
  assert.equal(client.negotiated, "");
  client.say({ type: "hello", token: mint("ann") });
  client.say({ type: "send", room: "quay", cid: "c", body: LONG });
  await until("one's own event", () => client.frames().some(({ body }) => body === LONG), SOON_MS);
  assert.equal(await deflations(server), 0);
});

test("Chromium offers it, takes the answer, sends and reads compressed messages", limit(60_000), async (t) => {
  const { server, url } = await stage(t, "chromium");
  const browser = await launch();
  t.after(() => browser.close());
  const page = await browser.newPage();
  await page.goto(server.url);
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  const asked = once(session, "Network.webSocketWillSendHandshakeRequest");
  const negotiated = await page.evaluate((url) => {
    const socket = new WebSocket(url);
    window.test = { socket, frames: [] };
    socket.onmessage = ({ data }) => window.test.frames.push(JSON.parse(data));
    return new Promise((open, fail) => {
      socket.onopen = () => open(socket.extensions);
      socket.onclose = ({ code }) => fail(new Error(`closed: ${code}`));
    });
  }, url);
  const [{ request }] = await asked;
  const offer = Object.entries(request.headers).find(([name]) => /^sec-websocket-extensions$/i.test(name));
  assert.equal(offer?.[1], "permessage-deflate; client_max_window_bits");
  assert.equal(negotiated, TAKEN);

  let frames = [];
  const watching = setInterval(async () => {
    frames = await page.evaluate(() => window.test.frames).catch(() => frames);
  }, 50);
  t.after(() => clearInterval(watching));
  const say = (command) => page.evaluate((text) => window.test.socket.send(text), JSON.stringify(command));
  await talk(server, { say, frames: () => frames });
});
