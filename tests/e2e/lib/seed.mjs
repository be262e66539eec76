/**
 * Fills a room with messages by the server API, many requests at a time: every one is stored and
 * numbered by the server itself.
 */

import { connect } from "node:net";

const AT_ONCE = 128;

/** So many messages at either end of a room are stored in their order: more than a page keeps drawn around its reader. */
const ENDS = 40;

const WORDS = "crane quay berth tide rope hatch deck pilot buoy chart wind mast anchor ferry crew cargo".split(" ");

/** Message `n` of a long room: most are a few words, some are long, each can be told by its number. */
export function text(n) {
  const words = Array.from({ length: 1 + ((n * 7) % 12) }, (_, i) => WORDS[(n + i * 5) % WORDS.length]);
  const more = n % 11 === 0 ? ` ${Array(9).fill(words.join(" ")).join(" ")}` : "";
  return `message ${n} ${words.join(" ")}${more}${n % 29 === 0 ? "\n- one\n- two\n\n**bold** and `code`" : ""}`;
}

/**
 * Posts messages 1 to `count`, in groups of three by one person. With more than one at a time those in the middle come
 * only about in their order; the first and the last ones stand where their numbers say.
 */
export async function fill(backend, room, people, count, atOnce = AT_ONCE) {
  const post = (line, n) => {
    const from = people[Math.floor(n / 3) % people.length];
    return line.post(`/rooms/${room}/messages`, { from, body: text(n) }, { ...backend.headers, "idempotency-key": `seed-${n}` });
  };
  const begun = Math.min(ENDS, count);
  const ending = Math.max(begun, count - ENDS);
  for (const [from, to, lines] of [[1, begun, 1], [begun + 1, ending, atOnce], [ending + 1, count, 1]]) {
    let next = from;
    const work = async () => {
      const line = new Line(backend.url);
      for (let n = next++; n <= to; n = next++) await post(line, n);
      line.close();
    };
    await Promise.all(Array.from({ length: lines }, work));
  }
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
