/**
 * What a window did behind the page: its WebSockets frame by frame, its requests, and everything
 * that the browser complained about.
 *
 * The proofs read from here; nothing here changes how the page behaves. Times are microseconds of
 * the machine's monotonic clock as the browser took them: a frame is sent when the page sends it
 * and received when the page gets it, so they can be put in order with those of other windows.
 */

import { HttpWatch } from "./http-watch.mjs";

/** Microseconds of the same clock for what the tests themselves do. */
export function now() {
  return Number(process.hrtime.bigint() / 1000n);
}

const micros = (seconds) => Math.round(seconds * 1e6);

/** One WebSocket of a window, from its first request on; or what stands for one over HTTP. */
class Socket {
  /** "ws", "sse", "poll", or "commands" for those that go beside the latter two. */
  transport = "ws";
  openedAt = 0;
  closedAt = null;
  /** `{at, way: "sent" | "received", text}` in the order of the browser. */
  frames = [];

  constructor(number, load) {
    this.number = number;
    /** After which load of the page it was opened. */
    this.load = load;
  }

  get closed() {
    return this.closedAt !== null;
  }

  get welcomed() {
    return this.frames.some(isWelcome);
  }
}

function isWelcome({ way, text }) {
  return way === "received" && text.includes('"type":"welcome"');
}

export class Watch {
  /** @type {Socket[]} */
  sockets = [];
  /** Requests to anywhere but the server. */
  foreign = [];
  /** Violations of the content security policy, errors of scripts, and console errors. */
  complaints = [];
  /** How often the page was loaded. */
  loads = 0;
  #byRequest = new Map();
  #http;

  constructor(origin) {
    this.origin = origin;
  }

  /** @param {import("playwright-core").Page} page */
  static async begin(page, origin) {
    const watch = new Watch(origin);
    page.on("request", (request) => watch.#request(request.url()));
    page.on("pageerror", (error) => watch.complaints.push(`script: ${error.message}`));
    page.on("console", (message) => watch.#console(message));
    page.on("dialog", (dialog) => watch.#dialog(dialog));
    const browser = await page.context().newCDPSession(page);
    watch.#http = new HttpWatch(browser, { connected: (transport, at) => watch.#connected(transport, at) });
    browser.on("Network.webSocketCreated", ({ requestId, url }) => watch.#opened(requestId, url));
    browser.on("Network.webSocketFrameSent", (event) => watch.#frame("sent", event));
    browser.on("Network.webSocketFrameReceived", (event) => watch.#frame("received", event));
    browser.on("Network.webSocketClosed", ({ requestId, timestamp }) => {
      watch.#closed(watch.#byRequest.get(requestId), micros(timestamp));
    });
    browser.on("Page.frameNavigated", ({ frame }) => !frame.parentId && watch.#loaded());
    await browser.send("Network.enable");
    await browser.send("Page.enable");
    return watch;
  }

  #connected(transport, at) {
    const socket = new Socket(this.sockets.length + 1, this.loads);
    socket.transport = transport;
    socket.openedAt = at;
    this.sockets.push(socket);
    return socket;
  }

  #opened(requestId, url) {
    this.#request(url.replace(/^ws/, "http"));
    this.#byRequest.set(requestId, this.#connected("ws", now()));
  }

  #frame(way, { requestId, timestamp, response }) {
    const socket = this.#byRequest.get(requestId);
    const isText = response.opcode === 1;
    if (!socket || !isText) return;
    const at = micros(timestamp);
    socket.openedAt = Math.min(socket.openedAt, at);
    socket.frames.push({ at, way, text: response.payloadData });
    if (isWelcome(socket.frames.at(-1))) this.#http.welcomed(socket, at);
  }

  #closed(socket, at) {
    if (socket && !socket.closed) socket.closedAt = at;
  }

  /** With a new document, the sockets of the old one are gone. */
  #loaded() {
    this.loads += 1;
    this.#http.loaded();
    const at = now();
    for (const socket of this.sockets) if (socket.load < this.loads) this.#closed(socket, at);
  }

  #request(address) {
    const url = new URL(address);
    const ownScheme = url.protocol === "data:" || url.protocol === "blob:";
    if (!ownScheme && url.origin !== this.origin) this.foreign.push(url.href);
  }

  #console(message) {
    if (message.type() === "error") this.complaints.push(`console: ${message.text()}`);
  }

  #dialog(dialog) {
    this.complaints.push(`dialog: ${dialog.message()}`);
    dialog.dismiss().catch(() => {});
  }

  /** By what the window was last welcomed. */
  get transport() {
    return this.sockets.findLast(({ welcomed }) => welcomed)?.transport;
  }

  /** Whether the server has welcomed the page since its last load. */
  get isWelcomed() {
    return this.sockets.some(({ load, welcomed }) => welcomed && load === this.loads);
  }

  /** Whether nothing is open on which the server could speak. */
  get isCut() {
    return this.sockets.every(({ closed, transport }) => closed || transport === "commands");
  }

  /** How often the page lost its connection and asked for another. */
  get reconnects() {
    return this.sockets.length - new Set(this.sockets.map(({ load }) => load)).size;
  }

  /** Complaints other than of the network, which tests take away on purpose. */
  get faults() {
    const ofNetwork = /net::ERR_|WebSocket connection to|Failed to load resource/;
    return this.complaints.filter((text) => !ofNetwork.test(text));
  }

  /** The latest `welcome` of the server, parsed. */
  welcome() {
    const frame = this.sockets.flatMap(({ frames }) => frames.filter(isWelcome)).at(-1);
    return frame && JSON.parse(frame.text);
  }
}
