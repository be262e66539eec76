/**
 * A TCP proxy between browser and server that can break what passes through it.
 *
 * It knows of HTTP only so much that it can tell a WebSocket's connection from that of a page, so
 * that a page can be loaded while its socket cannot be opened.
 */

import { once } from "node:events";
import { connect, createServer } from "node:net";

/** The request line of a WebSocket; Chromium never reuses a connection for one. */
const WEBSOCKET = /^GET \/ws[ ?]/;
/** The request lines of all ways of the chat. */
const CHAT = /^(GET \/ws|(GET|POST) \/api\/v1\/(stream|poll|commands))[ ?]/;
const isOfChat = (bytes) => CHAT.test(bytes.toString("latin1", 0, 32));

/**
 * Ends a socket by a reset. One that has said its end already is only destroyed: Node would never
 * close its handle, and the process could not exit.
 */
function reset(socket) {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

/** A connection from the browser and the one to the server that belongs to it. */
class Pair {
  webSocket = false;
  /** It has carried the chat, in whatever way. */
  isOfChat = false;
  /** Bytes are swallowed in both directions, for ever. */
  lost = false;
  #lastByte = performance.now();

  /** @param {(bytes: Buffer) => boolean} isRefused whether a request that the browser begins ends the connection */
  constructor(browser, server, isRefused) {
    this.browser = browser;
    this.server = server;
    this.#join(browser, server, isRefused);
    this.#join(server, browser, () => false);
  }

  #join(from, to, isRefused) {
    from.on("data", (bytes) => {
      this.#lastByte = performance.now();
      if (this.lost) return;
      this.isOfChat ||= from === this.browser && isOfChat(bytes);
      if (isRefused(bytes)) return this.reset();
      if (!to.write(bytes)) from.pause();
    });
    to.on("drain", () => from.resume());
    from.on("end", () => !this.lost && to.end());
    from.on("error", () => !this.lost && this.reset());
    from.on("close", () => !this.lost && to.destroy());
  }

  idleMs() {
    return performance.now() - this.#lastByte;
  }

  reset() {
    reset(this.browser);
    reset(this.server);
  }

  freeze() {
    this.browser.pause();
    this.server.pause();
  }

  thaw() {
    this.browser.resume();
    this.server.resume();
  }
}

export class Proxy {
  /** How many connections were cut by `cut`, lost by `lose`, or cut for being idle. */
  bites = { reset: 0, lost: 0, frozen: 0, idle: 0, refused: 0 };
  #pairs = new Set();
  /** Also those that have not sent a byte yet, as browsers open in advance. */
  #browsers = new Set();
  #mode = "pass";
  #listener;
  #timer;

  constructor(listener, targetPort, idleCutMs) {
    this.#listener = listener;
    this.targetPort = targetPort;
    listener.on("connection", (browser) => this.#accept(browser));
    if (idleCutMs) this.#timer = setInterval(() => this.#cutIdle(idleCutMs), 100);
  }

  /**
   * Listens on a free port.
   *
   * @param {number} targetPort the server's
   * @param {{idleCutMs?: number}} options `idleCutMs`: a connection without a byte in either
   *   direction for so long is closed, as proxies do
   */
  static async start(targetPort, { idleCutMs } = {}) {
    const listener = createServer({ allowHalfOpen: true });
    listener.listen(0, "127.0.0.1");
    await once(listener, "listening");
    return new Proxy(listener, targetPort, idleCutMs);
  }

  get url() {
    return `http://127.0.0.1:${this.#listener.address().port}`;
  }

  #accept(browser) {
    this.#browsers.add(browser);
    browser.on("close", () => this.#browsers.delete(browser));
    browser.on("error", () => browser.destroy());
    browser.once("data", (head) => {
      if (this.#refuses(head)) return reset(browser);
      this.#connect(browser, head, WEBSOCKET.test(head.toString("latin1", 0, 16)));
    });
  }

  #refuses(bytes) {
    const isRefused = this.#mode === "refuse" && isOfChat(bytes);
    if (isRefused) this.bites.refused += 1;
    return isRefused;
  }

  #connect(browser, head, webSocket) {
    browser.pause();
    const server = connect({ port: this.targetPort, host: "127.0.0.1", allowHalfOpen: true });
    server.setNoDelay(true);
    browser.setNoDelay(true);
    server.on("error", () => reset(browser));
    const pair = new Pair(browser, server, (bytes) => this.#refuses(bytes));
    pair.webSocket = webSocket;
    pair.isOfChat = isOfChat(head);
    this.#pairs.add(pair);
    for (const end of [browser, server]) {
      end.on("close", () => browser.destroyed && server.destroyed && this.#pairs.delete(pair));
    }
    server.write(head);
    if (this.#mode === "freeze") pair.freeze();
    else browser.resume();
  }

  #cutIdle(idleCutMs) {
    for (const pair of this.#pairs) {
      if (pair.idleMs() < idleCutMs) continue;
      if (pair.webSocket) this.bites.idle += 1;
      pair.browser.destroy();
      pair.server.destroy();
    }
  }

  #webSockets() {
    return [...this.#pairs].filter((pair) => pair.webSocket);
  }

  /** Resets every connection, as a network that goes away loudly. */
  cut() {
    this.bites.reset += this.#webSockets().length;
    for (const pair of this.#pairs) pair.reset();
  }

  /**
   * Swallows what is sent on the connections that are open, for ever, and tells nobody; what is
   * sent on new ones is held back until `pass`, as the retransmissions of TCP would do.
   */
  lose() {
    this.bites.lost += this.#webSockets().length;
    this.#mode = "freeze";
    for (const pair of this.#pairs) pair.lost = true;
  }

  /** Holds back what is sent from now on, until `pass`. */
  freeze() {
    this.bites.frozen += this.#webSockets().length;
    this.#mode = "freeze";
    for (const pair of this.#pairs) pair.freeze();
  }

  /** Lets pages through but no way of the chat, neither WebSocket nor streams, polls and commands; cuts those that are open. */
  refuseChat() {
    this.#mode = "refuse";
    for (const pair of this.#pairs) if (pair.isOfChat) pair.reset();
  }

  /** Lets new connections through; frozen ones go on, lost ones stay lost. */
  pass() {
    this.#mode = "pass";
    for (const pair of this.#pairs) pair.thaw();
  }

  /** Stops listening and ends every connection. */
  async close() {
    clearInterval(this.#timer);
    const closed = once(this.#listener, "close");
    this.#listener.close();
    for (const pair of this.#pairs) pair.reset();
    for (const browser of this.#browsers) browser.destroy();
    await closed;
  }
}
