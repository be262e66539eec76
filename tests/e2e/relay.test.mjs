/**
 * The page of the Channels tutorial with its socket moved to Moorline, in a real browser.
 *
 * Django, Daphne and channels_redis run beside it on a real Redis. The page comes from Django as the tutorial has it;
 * one expression of it is replaced on its way to the browser, the host of its socket. A page that was not moved stays on
 * Daphne, and both are in one room.
 *
 * The replaced page comes from a server of its own: Chromium forbids a page that the test only hands to it, which is from
 * no address, to open sockets to this machine.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
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
/** What it says when its socket is gone. */
const CLOSED = "Chat socket closed unexpectedly";

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

/** Serves the pages of Django with the host of their socket replaced by that of the server in hand. */
class Moved {
  static async start(t) {
    const moved = new Moved();
    moved.http = createServer((request, answer) => moved.#answer(request, answer));
    moved.http.listen(0, "127.0.0.1");
    await once(moved.http, "listening");
    t.after(() => moved.http.close());
    moved.url = `http://127.0.0.1:${moved.http.address().port}`;
    return moved;
  }

  async #answer(request, answer) {
    const page = await (await fetch(`${django.url}${request.url}`)).text();
    const parts = page.split(HOST);
    // A page that does not name it exactly once is not the tutorial's.
    const status = parts.length === 2 ? 200 : 500;
    answer.writeHead(status, { "content-type": "text/html; charset=utf-8", connection: "close" });
    answer.end(parts.join(`'127.0.0.1:${this.server.port}'`));
  }
}

/** A server with one relay, and the pages that may use it. */
async function moorline(t, name, relay) {
  const pages = await Moved.start(t);
  const words = ["--redis-url", redis.url, "--origin", pages.url, "--relay", relay];
  pages.server = await Server.start(name, words);
  t.after(() => pages.server.close());
  return pages;
}

/** A window with a room's page. */
class Page {
  static async open(t, room, site) {
    const page = await Page.#load(t, room, site);
    const isOpen = () => page.page.evaluate("chatSocket.readyState === WebSocket.OPEN");
    await until("the page has a socket", isOpen, SOON_MS).catch((error) => {
      throw new Error(`${error.message}; errors of the page: ${page.errors}`);
    });
    return page;
  }

  /** A page whose socket is refused. */
  static async refused(t, room, site) {
    const page = await Page.#load(t, room, site);
    await until("the socket is refused", () => page.errors.includes(CLOSED), SOON_MS);
    return page;
  }

  static async #load(t, room, site) {
    const context = await browser.newContext();
    t.after(() => context.close());
    const page = new Page();
    page.page = await context.newPage();
    page.errors = [];
    // The tutorial has no icon.
    const isFault = (message) => message.type() === "error" && !message.location().url.endsWith("/favicon.ico");
    page.page.on("console", (message) => isFault(message) && page.errors.push(message.text()));
    page.page.on("pageerror", (error) => page.errors.push(error.message));
    page.page.on("websocket", (socket) => (page.socket = socket));
    const answer = await page.page.goto(`${site.url}/chat/${room}/`);
    assert.equal(answer.status(), 200);
    return page;
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
  const pages = await moorline(t, "relay", `${RELAY} echo=chat.message`);
  const { server } = pages;
  const ann = await Page.open(t, "lobby", pages);
  const bob = await Page.open(t, "lobby", pages);
  const dan = await Page.open(t, "lobby", django);
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
  await until("Daphne's socket is gone", () => dan.errors.includes(CLOSED), SOON_MS);
  await bob.say("still here");
  await Promise.all([ann, bob].map((page) => page.shows(...lines, "still here")));
  assert.deepEqual([...ann.errors, ...bob.errors], []);
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  assert.match(metrics, /^moorline_layer_messages_unknown_total 2$/m);

  await server.drain();
  await until("the pages are told", () => ann.errors.includes(CLOSED), SOON_MS);
});

test("what the page says goes to a Django worker, which answers the page or the room", limit(60_000), async (t) => {
  const pages = await moorline(t, "relay-inbox", `${RELAY} inbox=chat.inbox`);
  await django.work("chat.inbox");
  const ann = await Page.open(t, "workshop", pages);
  const bob = await Page.open(t, "workshop", pages);
  await ann.say("through the worker");
  await Promise.all([ann, bob].map((page) => page.shows("through the worker")));
  await bob.say("/who am I");
  await bob.shows("through the worker", "You are None");
  await ann.say("and on");
  await ann.shows("through the worker", "and on");
  assert.deepEqual([...ann.errors, ...bob.errors], []);
});

test("a Django worker hears of each socket's beginning and end where the relay says so", limit(60_000), async (t) => {
  const pages = await moorline(t, "relay-lifecycle", `${RELAY} inbox=chat.inbox lifecycle=yes`);
  await django.work("chat.inbox");
  const dan = await Page.open(t, "door", django);
  const ann = await Page.open(t, "door", pages);
  await dan.shows("somebody came");
  const bob = await Page.open(t, "door", pages);
  await Promise.all([dan, ann].map((page) => page.shows("somebody came", "somebody came")));
  await bob.say("hello");
  await bob.page.evaluate("chatSocket.close(4321)");
  const lines = ["somebody came", "somebody came", "hello", "somebody went: 4321"];
  await Promise.all([dan, ann].map((page) => page.shows(...lines)));
  await pages.server.drain();
  await dan.shows(...lines, "somebody went: 1012");
  assert.deepEqual(dan.errors, []);
});

test("a page of another origin gets no socket, nor one of somebody who has not signed in", limit(30_000), async (t) => {
  const open = await moorline(t, "relay-origin", `${RELAY} echo=chat.message`);
  const foreign = await Moved.start(t);
  foreign.server = open.server;
  await Page.refused(t, "lobby", foreign);
  await refusals(open.server, "bad_origin", 1);
  const closed = await moorline(t, "relay-closed", `${RELAY.replace(" anonymous=yes", "")} echo=chat.message`);
  await Page.refused(t, "lobby", closed);
  await refusals(closed.server, "unauthorized", 1);
});

/** That the server has refused so many handshakes for this reason, so that it was the server that did. */
async function refusals(server, reason, count) {
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  const line = `moorline_handshakes_refused_total{reason="${reason}"} ${count}`;
  assert.ok(metrics.split("\n").includes(line), `no ${line} in ${metrics}`);
}
