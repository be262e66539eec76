/**
 * What a window did behind the page: its WebSockets frame by frame, its requests, and everything
 * that the browser complained about.
 *
 * The proofs read from here; nothing here changes how the page behaves.
 */

/** One WebSocket of a window, from its opening on. */
class Socket {
  closed = false;
  constructor(number) {
    this.number = number;
  }
}

export class Watch {
  /** @type {Socket[]} */
  sockets = [];
  /** Every frame, in the order in which the browser saw them. */
  frames = [];
  /** Requests to anywhere but the server. */
  foreign = [];
  /** Violations of the content security policy, errors of scripts, and console errors. */
  complaints = [];
  /** How often the page was loaded. */
  loads = 0;

  /** @param {import("playwright-core").Page} page */
  constructor(page, origin) {
    this.origin = origin;
    page.on("websocket", (socket) => this.#socket(socket));
    page.on("request", (request) => this.#request(request));
    page.on("pageerror", (error) => this.complaints.push(`script: ${error.message}`));
    page.on("console", (message) => this.#console(message));
    page.on("dialog", (dialog) => this.#dialog(dialog));
    page.on("domcontentloaded", () => (this.loads += 1));
  }

  #socket(webSocket) {
    const socket = new Socket(this.sockets.length);
    this.sockets.push(socket);
    const frame = (way) => (event) =>
      this.frames.push({ at: Date.now(), socket: socket.number, way, text: String(event.payload) });
    webSocket.on("framesent", frame("sent"));
    webSocket.on("framereceived", frame("received"));
    webSocket.on("close", () => (socket.closed = true));
    this.#request({ url: () => webSocket.url().replace(/^ws/, "http") });
  }

  #request(request) {
    const url = new URL(request.url());
    const ownScheme = url.protocol === "data:" || url.protocol === "blob:";
    if (!ownScheme && url.origin !== this.origin) this.foreign.push(url.href);
  }

  #console(message) {
    const text = message.text();
    if (message.type() === "error") this.complaints.push(`console: ${text}`);
  }

  #dialog(dialog) {
    this.complaints.push(`dialog: ${dialog.message()}`);
    dialog.dismiss().catch(() => {});
  }

  /** Times that the page had to connect again since its first connection or its last load. */
  get reconnects() {
    return this.sockets.length - this.loads;
  }

  /** Complaints other than of the network, which tests take away on purpose. */
  get faults() {
    const ofNetwork = /net::ERR_|WebSocket connection to|Failed to load resource/;
    return this.complaints.filter((text) => !ofNetwork.test(text));
  }

  /** The latest `welcome` of the server, parsed. */
  welcome() {
    const frame = this.frames.findLast(
      ({ way, text }) => way === "received" && text.includes('"type":"welcome"'),
    );
    return frame && JSON.parse(frame.text);
  }
}
