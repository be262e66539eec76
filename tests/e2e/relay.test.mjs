/**
 * The page of the Channels tutorial with its socket moved to Moorline, in a real browser.
 *
 * Django, Daphne and channels_redis run beside it on a real Redis. The page comes from Django as the tutorial has it;
 * one expression of it is replaced on its way to the browser, the host of its socket. A page that was not moved stays on
 * Daphne, and both are in one room.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch } from "./lib/browser.mjs";
import { Django } from "./lib/django.mjs";
import { SOON_MS, limit } from "./lib/form.mjs";
import { Redis } from "./lib/redis.mjs";
import { Server } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

const RELAY = "/ws/chat/{room}/ group=chat_{room} types=chat.message anonymous=yes";
/** What the tutorial's page says of its socket's host, once. */
const HOST = "window.location.host";

let browser, redis, django;
before(async () => {
  [browser, redis] = await Promise.all([launch(), Redis.start()]);
  django = await Django.start("relay", redis.url);
});
after(async () => {
  await browser?.close();
  await django?.close();
  await redis?.close();
});

/** A server with one relay, which pages of Django may use. */
async function moorline(t, name, relay) {
  const server = await Server.start(name, ["--redis-url", redis.url, "--origin", django.url, "--relay", relay]);
  t.after(() => server.close());
  return server;
}

/** A window with the tutorial's page; with a server, its socket goes there. */
class Page {
  static async open(t, room, server) {
    const context = await browser.newContext();
    t.after(() => context.close());
    const page = new Page();
    page.page = await context.newPage();
    page.errors = [];
    page.page.on("console", (message) => message.type() === "error" && page.errors.push(message.text()));
    page.page.on("pageerror", (error) => page.errors.push(error.message));
    page.page.on("websocket", (socket) => (page.socket = socket));
    const url = `${django.url}/chat/${room}/`;
    if (server) await page.#move(url, server);
    await page.page.goto(url);
    await until("the page has a socket", () => page.page.evaluate("chatSocket.readyState === WebSocket.OPEN"), SOON_MS);
    return page;
  }

  async #move(url, server) {
    const unchanged = await (await fetch(url)).text();
    assert.equal(unchanged.split(HOST).length, 2, "the page names its socket's host once");
    const body = unchanged.replace(HOST, `'127.0.0.1:${server.port}'`);
    await this.page.route(url, (route) => route.fulfill({ body, contentType: "text/html; charset=utf-8" }));
  }

  /** Types and presses Enter. */
  async say(text) {
    await this.page.fill("#chat-message-input", text);
    await this.page.press("#chat-message-input", "Enter");
  }

  log() {
    return this.page.inputValue("#chat-log");
  }

  /** Waits until the log is exactly these lines. */
  async shows(...lines) {
    const wanted = lines.map((line) => `${line}\n`).join("");
    const shown = async () => (await this.log()) === wanted;
    await until(`the log is ${JSON.stringify(lines)}`, shown, SOON_MS).catch(async (error) => {
      throw new Error(`${error.message}, but ${JSON.stringify(await this.log())}; errors: ${this.errors}`);
    });
  }
}

test("the tutorial's page on Moorline, the same page on Daphne and Django's group_send are in one room", limit(60_000), async (t) => {
  const server = await moorline(t, "relay", `${RELAY} echo=chat.message`);
  const ann = await Page.open(t, "lobby", server);
  const bob = await Page.open(t, "lobby", server);
  const dan = await Page.open(t, "lobby");
  const all = [ann, bob, dan];
  const eachShows = (...lines) => Promise.all(all.map((page) => page.shows(...lines)));
  assert.ok(ann.socket.url().startsWith(`ws://127.0.0.1:${server.port}/`), ann.socket.url());
  assert.ok(dan.socket.url().startsWith(`ws://127.0.0.1:${django.port}/`), dan.socket.url());

  await ann.say("from a page on Moorline: é ✓ 😀 <b>");
  await eachShows("from a page on Moorline: é ✓ 😀 <b>");
  await dan.say("from a page on Daphne");
  await eachShows("from a page on Moorline: é ✓ 😀 <b>", "from a page on Daphne");
  await django.say("lobby", "from Django");
  await django.say("attic", "for another room");
  const lines = ["from a page on Moorline: é ✓ 😀 <b>", "from a page on Daphne", "from Django"];
  await eachShows(...lines);
  assert.deepEqual(all.flatMap((page) => page.errors), []);

  // A type that the consumer has no handler for ends the consumer on Daphne; here it is counted and passed over.
  await django.say("lobby", "nobody knows this", "chat.unheard");
  await until("Daphne's socket is gone", () => dan.errors.includes("Chat socket closed unexpectedly"), SOON_MS);
  await bob.say("still here");
  await Promise.all([ann, bob].map((page) => page.shows(...lines, "still here")));
  assert.deepEqual([...ann.errors, ...bob.errors], []);
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  assert.match(metrics, /^moorline_layer_messages_unknown_total 2$/m);

  await server.drain();
  await until("the pages are told", () => ann.errors.includes("Chat socket closed unexpectedly"), SOON_MS);
});

test("what the page says goes to a Django worker, which answers the page or the room", limit(60_000), async (t) => {
  const server = await moorline(t, "relay-inbox", `${RELAY} inbox=chat.inbox`);
  await django.work("chat.inbox");
  const ann = await Page.open(t, "workshop", server);
  const bob = await Page.open(t, "workshop", server);
  await ann.say("through the worker");
  await Promise.all([ann, bob].map((page) => page.shows("through the worker")));
  await bob.say("/who am I");
  await bob.shows("through the worker", "You are None");
  await ann.say("and on");
  await ann.shows("through the worker", "and on");
  assert.deepEqual([...ann.errors, ...bob.errors], []);
});

test("a page of another origin gets no socket", limit(30_000), async (t) => {
  const server = await Server.start("relay-origin", ["--redis-url", redis.url, "--relay", `${RELAY} echo=chat.message`]);
  t.after(() => server.close());
  await assert.rejects(Page.open(t, "lobby", server), /the page has a socket/);
});
