/**
 * The examples that stand in `examples/`, each run as its README says, against the real server: the page of ten lines and
 * the one with React in a browser, the bot and the Python script as processes. A kill of the server costs none of them anything.
 */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { Backend, WITH_API } from "./lib/backend.mjs";
import { launch } from "./lib/browser.mjs";
import { BACK_MS, SOON_MS, limit } from "./lib/form.mjs";
import { BINARY, Server, freePort } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

const SECRET = "the-secret-of-the-tests-0123456789abcdef";
const EXAMPLES = fileURLToPath(new URL("../../examples/", import.meta.url));
const API_KEY = WITH_API[1];

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

async function started(t, name) {
  const server = await Server.start(`example-${name}`, [...WITH_API, "--jwt-secret", SECRET]);
  t.after(() => server.close());
  return { server, backend: new Backend(server.url) };
}

/** A program of an example, its lines, and what it complained of. */
class Program {
  lines = [];
  trouble = "";

  constructor(t, folder, [program, ...args], env = {}) {
    this.process = spawn(program, args, { cwd: join(EXAMPLES, folder), env: { ...process.env, ...env } });
    this.process.stderr.on("data", (bytes) => (this.trouble += bytes));
    createInterface({ input: this.process.stdout }).on("line", (line) => this.lines.push(line));
    t.after(() => this.end("SIGKILL"));
  }

  says(what, isSo) {
    return until(`${what}; it said ${this.lines.slice(-5)} ${this.trouble}`, () => this.lines.find(isSo), BACK_MS);
  }

  async end(signal) {
    const { process } = this;
    if (process.exitCode !== null || process.signalCode !== null) return;
    const gone = new Promise((resolve) => process.once("exit", resolve));
    process.kill(signal);
    await gone;
  }
}

/** Serves a page example by the example backend, and opens it for two people. */
async function twoWindows(t, folder, server) {
  const port = await freePort();
  const env = { MOORLINE_URL: server.url, MOORLINE_JWT_SECRET: SECRET, MOORLINE_API_KEY: API_KEY };
  const backend = new Program(t, folder, [process.execPath, "../backend/serve.mjs", ".", String(port)], env);
  await backend.says("the backend serves", (line) => line.includes(`:${port}/`));
  const windows = [];
  for (const user of ["ann", "bob"]) {
    const context = await browser.newContext();
    t.after(() => context.close());
    const page = await context.newPage();
    const errors = [];
    page.on("pageerror", (error) => errors.push(error.message));
    await page.goto(`http://127.0.0.1:${port}/?user=${user}`);
    windows.push({ user, page, errors });
  }
  return windows;
}

async function rows(page) {
  const texts = await page.locator("li, pre").allInnerTexts();
  return texts.flatMap((text) => text.split("\n")).map((text) => text.replaceAll(/\s+/g, " ").trim()).filter(Boolean);
}

async function shows(page, wanted, deadlineMs = SOON_MS) {
  let seen = [];
  await until(`the page shows ${wanted}`, async () => (seen = await rows(page)).join("|") === wanted.join("|"), deadlineMs).catch((error) => {
    throw new Error(`${error.message}; it shows ${seen.join("|")}`);
  });
}

async function say(page, text) {
  await page.locator("form input").fill(text);
  await page.locator("form input").press("Enter");
}

test("the page of ten lines has ten lines, and two people talk over a kill of the server", limit(90_000), async (t) => {
  const lines = readFileSync(join(EXAMPLES, "html/index.html"), "utf8").trimEnd().split("\n");
  assert.equal(lines.length, 10);
  const { server } = await started(t, "html");
  const [ann, bob] = await twoWindows(t, "html", server);
  await until("bob is in", async () => (await bob.page.evaluate(() => document.querySelector("form"))) !== null, SOON_MS);
  await say(ann.page, "hello");
  await shows(ann.page, ["ann: hello (sent)"]);
  await shows(bob.page, ["ann: hello (sent)"]);
  await server.kill();
  await say(bob.page, "while it is down");
  await until("it waits in the page", async () => (await rows(bob.page)).some((row) => row.startsWith("bob: while it is down (")), SOON_MS);
  await server.restart();
  const both = ["ann: hello (sent)", "bob: while it is down (sent)"];
  await shows(bob.page, both, BACK_MS);
  await shows(ann.page, both, BACK_MS);
  assert.deepEqual([...ann.errors, ...bob.errors], []);
});

test("the page with React shows what is sent, who types, and a lost connection, and loses nothing", limit(90_000), async (t) => {
  const built = spawnSync("npm", ["run", "build"], { cwd: join(EXAMPLES, "react"), encoding: "utf8" });
  assert.equal(built.status, 0, built.stderr);
  const { server, backend } = await started(t, "react");
  const [ann, bob] = await twoWindows(t, "react", server);
  await until("both are connected", async () => {
    const texts = await Promise.all([ann, bob].map(({ page }) => page.locator("small[role=status]").first().innerText()));
    return texts.every((text) => text === "connected");
  }, SOON_MS);
  await ann.page.locator("form input").pressSequentially("hel");
  const typists = () => bob.page.locator("p[role=status]").innerText();
  await until("bob sees that ann types", async () => (await typists()) === "ann is typing…", SOON_MS);
  await say(ann.page, "hello");
  await shows(bob.page, ["ann hello sent"]);
  await shows(ann.page, ["ann hello sent"]);
  assert.equal(await typists(), "");
  await server.kill();
  await say(bob.page, "still there?");
  const state = bob.page.locator("small[role=status]").first();
  await until("bob is told that it waits", async () => (await state.innerText()).includes("1 waiting"), SOON_MS);
  await server.restart();
  await backend.say("ops", "ann", "back");
  const haveThree = async () => (await rows(ann.page)).length === 3 && (await rows(bob.page)).every((row) => row.endsWith("sent"));
  await until("both show three", haveThree, BACK_MS);
  assert.deepEqual(await rows(ann.page), await rows(bob.page));
  assert.deepEqual([...ann.errors, ...bob.errors], []);
});

test("the bot answers each message once, also what was written while it was dead", limit(90_000), async (t) => {
  const { server, backend } = await started(t, "bot");
  for (const id of ["ann", "bot"]) await backend.person(id, id);
  await backend.room({ id: "ops", kind: "group", name: "Ops", members: ["ann", "bot"] });
  await backend.say("ops", "ann", "!ping"); // Before its time.
  const { stdout } = spawnSync(BINARY, ["token", "mint", "--sub", "bot", "--jwt-secret", SECRET], { encoding: "utf8" });
  const file = join(tmpdir(), `moorline-bot-${process.pid}-${server.port}.json`);
  t.after(() => rmSync(file, { force: true }));
  const start = () => new Program(t, "bot", [process.execPath, "bot.mjs", server.url, file], { MOORLINE_TOKEN: stdout.trim() });
  const answers = async () => (await backend.events("ops")).filter(({ kind, from }) => kind === "message" && from === "bot").map(({ body }) => body);
  const first = start();
  await first.says("the bot is live", (line) => line.startsWith("live"));
  await until("it has written down where it begins", () => JSON.parse(read(file) || "{}").ops, SOON_MS);
  await backend.say("ops", "ann", "!ping");
  await until("it answers", async () => (await answers()).length === 1, SOON_MS);
  await first.end("SIGKILL");
  for (const body of ["!ping", "not for the bot", "!roll 1"]) await backend.say("ops", "ann", body);
  await server.kill();
  await server.restart();
  const second = start();
  await until("it answers what it missed", async () => (await answers()).length === 3, BACK_MS);
  await until("and has written it down", async () => JSON.parse(read(file)).ops.seq === (await backend.events("ops")).length, SOON_MS);
  await second.end("SIGTERM");
  assert.deepEqual(await answers(), ["pong", "pong", "You rolled 1."]);
  const replies = (await backend.events("ops")).filter(({ from }) => from === "bot").map(({ reply_to: to, cid }) => to === cid);
  assert.deepEqual(replies, [true, true, true]);
});

test("the Python script says something once and follows the room over a kill of the server", limit(60_000), async (t) => {
  const { server, backend } = await started(t, "python");
  await backend.room({ id: "ops", kind: "group", name: "Ops" });
  const env = { MOORLINE_URL: server.url, MOORLINE_API_KEY: API_KEY };
  const python = process.env.PYTHON ?? "python3";
  const follow = new Program(t, "python-script", [python, "chat.py", "follow", "ops"], env);
  const run = (...args) => {
    return spawnSync(python, ["chat.py", ...args], { cwd: join(EXAMPLES, "python-script"), env: { ...process.env, ...env }, encoding: "utf8" });
  };
  const post = (text, key) => {
    const ran = run("say", "ops", "shop", text, "--key", key);
    assert.equal(ran.status, 0, ran.stderr);
    return JSON.parse(ran.stdout);
  };
  const first = post("Order 4711 is paid.", "order-4711");
  assert.deepEqual(post("Order 4711 is paid.", "order-4711"), first);
  await server.kill();
  const later = new Program(t, "python-script", [python, "chat.py", "say", "ops", "shop", "Sent.", "--key", "sent-4711"], env);
  await server.restart();
  await later.says("it is posted", (line) => line.includes('"seq"'));
  await follow.says("it is followed", (line) => line.includes("Sent."));
  const bodies = follow.lines.map((line) => JSON.parse(line)).filter(({ kind }) => kind === "message").map(({ body }) => body);
  assert.deepEqual(bodies, ["Order 4711 is paid.", "Sent."]);
  const refused = run("say", "nowhere", "shop", "?");
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /not_found/);
});

/** What a file holds; nothing where it is not there. */
function read(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
