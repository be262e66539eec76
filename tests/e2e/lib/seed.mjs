/**
 * Fills a room with messages by the server API, many requests at a time: every one is stored and
 * numbered by the server itself.
 */

import { connect } from "node:net";

const AT_ONCE = 128;

const WORDS = "crane quay berth tide rope hatch deck pilot buoy chart wind mast anchor ferry crew cargo".split(" ");

/** Message `n` of a long room: most are a few words, some are long, each can be told by its number. */
export function text(n) {
  const words = Array.from({ length: 1 + ((n * 7) % 12) }, (_, i) => WORDS[(n + i * 5) % WORDS.length]);
  const more = n % 11 === 0 ? ` ${Array(9).fill(words.join(" ")).join(" ")}` : "";
  return `message ${n} ${words.join(" ")}${more}${n % 29 === 0 ? "\n- one\n- two\n\n**bold** and `code`" : ""}`;
}

/**
 * Posts messages 1 to `count`, in groups of three by one person. With more than one at a time they
 * come about in their order.
 */
export async function fill(backend, room, people, count, atOnce = AT_ONCE) {
  let next = 1;
  const work = async () => {
    const line = new Line(backend.url);
    while (next <= count) {
      const n = next;
      next += 1;
      const from = people[Math.floor(n / 3) % people.length];
      await line.post(`/rooms/${room}/messages`, { from, body: text(n) }, { ...backend.headers, "idempotency-key": `seed-${n}` });
    }
    line.close();
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}

/** One connection that asks one thing after the other: `fetch` would take longer for a request than the server does. */
class Line {
  #socket;
  #host;
  #seen = "";
  #waiting;

  constructor(url) {
    const { hostname, port, host } = new URL(url);
    this.#host = host;
    this.#socket = connect(Number(port), hostname).setNoDelay(true).setEncoding("latin1");
    this.#socket.on("data", (part) => this.#read(part));
    this.#socket.on("error", (error) => this.#waiting?.reject(error));
  }

  post(path, body, headers) {
    const json = JSON.stringify(body);
    const all = { host: this.#host, "content-length": Buffer.byteLength(json), ...headers };
    const head = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`).join("");
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(`POST /api/v1${path} HTTP/1.1\r\n${head}\r\n${json}`);
    });
  }

  #read(part) {
    this.#seen += part;
    const end = this.#seen.indexOf("\r\n\r\n");
    const length = /\r\ncontent-length: (\d+)/i.exec(this.#seen)?.[1];
    if (end < 0 || this.#seen.length < end + 4 + Number(length ?? 0)) return;
    const answer = this.#seen;
    this.#seen = "";
    if (answer.startsWith("HTTP/1.1 201")) this.#waiting.resolve();
    else this.#waiting.reject(new Error(`a message was refused: ${answer}`));
  }

  close() {
    this.#socket.destroy();
  }
}
