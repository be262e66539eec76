/**
 * A proxy that understands HTTP, as stand in offices and hotels: it refuses upgrades to WebSocket or swallows them, holds
 * responses back until they are whole, and ends every connection by the clock.
 */

import { once } from "node:events";
import { Agent, createServer, request } from "node:http";
import { connect } from "node:net";

/** An answer that is held back for so long is one that was not only on its way. */
const HELD_MS = 1_000;

export class HttpProxy {
  /** How often each fault hit somebody. */
  bites = { refused: 0, swallowed: 0, held: 0, cut: 0 };
  /** Each request as it arrived, but for upgrades: `{method, path, headers}`. */
  requests = [];
  #server;
  #agent = new Agent({ keepAlive: true });
  #open = new Set();

  /**
   * @param {number} targetPort the server's
   * @param {{upgrades?: "pass" | "refuse" | "swallow", holds?: boolean, cutMs?: number, strips?: string}} faults `holds`: no
   *   byte of a response is passed on before its end; `cutMs`: what is under way on a connection that old is broken off;
   *   `strips`: this header is taken out of each response
   */
  constructor(targetPort, faults) {
    this.targetPort = targetPort;
    this.faults = { upgrades: "pass", holds: false, ...faults };
    this.#server = createServer((asked, answer) => this.#pass(asked, answer));
    this.#server.on("upgrade", (asked, socket, head) => this.#upgrade(asked, socket, head));
    this.#server.on("connection", (socket) => this.#accept(socket));
  }

  /** Listens on a free port. */
  static async start(targetPort, faults) {
    const proxy = new HttpProxy(targetPort, faults);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** From now on it is an ordinary proxy; what is under way stays as it is. */
  heal() {
    this.faults = { upgrades: "pass", holds: false };
  }

  /** Cuts every connection once, now. */
  cutAll() {
    for (const socket of this.#open) this.#cut(socket);
  }

  #accept(socket) {
    this.#open.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#open.delete(socket));
    const { cutMs } = this.faults;
    if (!cutMs) return;
    const timer = setTimeout(() => this.#cut(socket), cutMs);
    socket.on("close", () => clearTimeout(timer));
  }

  /** An idle connection of the browser's reserve is closed as well, but hurts nobody. */
  #cut(socket) {
    if (socket.busy) this.bites.cut += 1;
    socket.resetAndDestroy();
  }

  #pass(asked, answer) {
    const { socket } = asked;
    socket.busy = true;
    answer.on("close", () => (socket.busy = false));
    const { method, url: path, headers } = asked;
    this.requests.push({ method, path, headers });
    const options = { host: "127.0.0.1", port: this.targetPort, method, path, headers, agent: this.#agent };
    const up = request(options, (came) => {
      delete came.headers[this.faults.strips];
      return this.faults.holds ? this.#hold(came, answer) : forward(came, answer);
    });
    up.on("error", () => socket.destroy());
    answer.on("close", () => !answer.writableEnded && up.destroy());
    asked.pipe(up);
  }

  #hold(came, answer) {
    const parts = [];
    let bitten = false;
    const timer = setTimeout(() => {
      bitten = parts.length > 0;
      if (bitten) this.bites.held += 1;
    }, HELD_MS);
    came.on("data", (bytes) => parts.push(bytes));
    answer.on("close", () => clearTimeout(timer));
    came.on("error", () => answer.destroy());
    came.on("end", () => {
      answer.writeHead(came.statusCode, came.headers);
      answer.end(Buffer.concat(parts));
    });
  }

  #upgrade(asked, socket, head) {
    socket.busy = true;
    const { upgrades } = this.faults;
    if (upgrades === "refuse") {
      this.bites.refused += 1;
      return socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    if (upgrades === "swallow") {
      this.bites.swallowed += 1;
      return;
    }
    const server = connect(this.targetPort, "127.0.0.1");
    server.setNoDelay(true);
    const lines = Array.from({ length: asked.rawHeaders.length / 2 }, (_, n) => `${asked.rawHeaders[2 * n]}: ${asked.rawHeaders[2 * n + 1]}`);
    server.write(`${asked.method} ${asked.url} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
    server.write(head);
    server.pipe(socket).pipe(server);
    server.on("error", () => socket.destroy());
    socket.on("close", () => server.destroy());
    server.on("close", () => socket.destroy());
  }

  /** Ends everything. */
  async close() {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#open) socket.destroy();
    this.#agent.destroy();
    await closed;
  }
}

/** Passes each piece on as it comes, as proxies do for streams. */
function forward(came, answer) {
  answer.writeHead(came.statusCode, came.headers);
  answer.flushHeaders();
  came.on("error", () => answer.destroy());
  came.on("close", () => !came.complete && answer.destroy());
  came.pipe(answer);
}
