/**
 * The example clients, which speak the raw protocol without the SDK: two people talk through them,
 * in Python and in Node.js, and a kill of the server costs them nothing.
 */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { Backend, WITH_API } from "./lib/backend.mjs";
import { BACK_MS, SOON_MS, limit } from "./lib/form.mjs";
import { BINARY, Server } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

const SECRET = "the-secret-of-the-tests-0123456789abcdef";
const ROOM = "raw";

const example = (name) => fileURLToPath(new URL(`../../examples/clients/${name}`, import.meta.url));

/** Node 22 has a WebSocket of its own, Node 20 has it behind a flag. */
const NODE = [process.execPath, ...(globalThis.WebSocket ? [] : ["--experimental-websocket"]), example("node_raw.mjs")];
const PYTHON = [process.env.PYTHON ?? "python3", example("python_raw.py")];

function mint(person) {
  const args = ["token", "mint", "--sub", person, "--jwt-secret", SECRET];
  const { status, stdout, stderr } = spawnSync(BINARY, args, { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

/** An example client as a process, and the frames that it printed. */
class Client {
  frames = [];
  trouble = "";

  constructor(t, [program, ...args], server, person, text) {
    const address = `ws://127.0.0.1:${server.port}/ws`;
    this.process = spawn(program, [...args, address, mint(person), ROOM, text]);
    this.process.stderr.on("data", (bytes) => (this.trouble += bytes));
    createInterface({ input: this.process.stdout }).on("line", (line) => this.frames.push(JSON.parse(line)));
    t.after(() => this.process.kill("SIGKILL"));
  }

  bodies() {
    return this.frames.filter(({ kind }) => kind === "message").map(({ body }) => body);
  }

  prints(body, deadlineMs = SOON_MS) {
    return until(`${body} printed; ${this.trouble}`, () => this.bodies().includes(body), deadlineMs);
  }
}

for (const [name, command] of Object.entries({ Node: NODE, Python: PYTHON })) {
  test(`the ${name} example sends once, receives, and goes on after a kill of the server`, limit(60_000), async (t) => {
    const server = await Server.start(`raw-${name}`, [...WITH_API, "--jwt-secret", SECRET]);
    t.after(() => server.close());
    const backend = new Backend(server.url);
    await backend.person("ann", "Ann");
    await backend.person("bob", "Bob");
    await backend.room({ id: ROOM, kind: "group", name: "Raw", members: ["ann", "bob"] });

    const client = new Client(t, command, server, "ann", `from ${name}`);
    await client.prints(`from ${name}`);
    await until("an ack", () => client.frames.some(({ type }) => type === "ack"), SOON_MS);
    await backend.say(ROOM, "bob", "before the kill");
    await client.prints("before the kill");

    await server.kill();
    await server.restart();
    await backend.say(ROOM, "bob", "after the kill");
    await client.prints("after the kill", BACK_MS);
    assert.deepEqual(client.bodies(), [`from ${name}`, "before the kill", "after the kill"]);
    const stored = (await backend.events(ROOM)).filter(({ kind }) => kind === "message");
    assert.equal(stored.length, 3, "something was stored twice");
  });
}
