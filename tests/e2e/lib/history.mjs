/**
 * The record of a run for `moorline soak verify`, in the format of `docs/history.md`: every frame
 * of every window, each fault, and the store's own logs at the end.
 *
 * The lines are put in order by the machine's one monotonic clock, which browser and tests share.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { RESULTS } from "./server.mjs";
import { now } from "./watch.mjs";

export class History {
  #lines = [];
  #faults = new Set();
  #began = now();

  /** @param {{pingMs: number}} limits the server's ping interval, which bounds what is late */
  constructor({ pingMs }) {
    this.pingMs = pingMs;
  }

  /** Runs `work` as the fault `name`, which hits everybody until it is over. */
  async fault(name, work) {
    this.#faults.add(name);
    this.#lines.push({ t: now(), is: "fault", edge: "begin", name });
    try {
      return await work();
    } finally {
      this.#lines.push({ t: now(), is: "fault", edge: "end", name });
    }
  }

  /** Notes that the server was started. */
  started() {
    this.#lines.push({ t: now(), is: "server", edge: "start" });
  }

  /** The log of a room as the store has it, in pages of the server API. */
  async audit(backend, room) {
    for (let after = 0; ; ) {
      const page = await backend.page(room, after);
      this.#lines.push({ t: now(), is: "audit", page: { type: "page", room, ...page } });
      if (!page.more) return;
      after = page.events.at(-1).seq;
    }
  }

  /** The frames of a window, whose person is known by its last welcome. */
  #ofWindow(c, { watch }) {
    const user = watch.welcome().user.id;
    const seen = new Set();
    return watch.sockets.flatMap(({ number: n, load, openedAt, closedAt, frames }) => {
      // After a load of the page, the window remembers only what its storage kept.
      const fresh = !seen.has(load);
      seen.add(load);
      return [
        { t: openedAt, is: "open", c, n, user, fresh },
        ...frames.map(({ at, way, text }) => ({ t: at, is: way === "sent" ? "sent" : "got", c, n, raw: text })),
        ...(closedAt === null ? [] : [{ t: Math.max(closedAt, frames.at(-1)?.at ?? 0), is: "close", c, n }]),
      ];
    });
  }

  /**
   * Writes everything to a file in the results and returns its path.
   *
   * @param {string} name
   * @param {Record<string, import("./window.mjs").Window>} windows
   */
  write(name, windows) {
    return this.writeLines(name, Object.entries(windows).flatMap(([c, window]) => this.#ofWindow(c, window)));
  }

  /** The same with lines of clients that somebody else has recorded; `raw` in a line is a frame as it was on the wire. */
  writeLines(name, ofClients) {
    const lines = [...ofClients, ...this.#lines].sort((one, other) => one.t - other.t);
    const first = Math.min(this.#began, lines[0].t);
    const run = { t: first, is: "run", version: 1, faults: [...this.#faults], ping_ms: this.pingMs };
    const all = [run, ...lines, { t: Math.max(now(), lines.at(-1).t), is: "end" }];
    const file = join(RESULTS, `${name}.jsonl`);
    writeFileSync(file, all.map((line) => textOf({ ...line, t: line.t - first })).join(""));
    return file;
  }
}

/** A frame stands in its line exactly as it was on the wire. */
function textOf({ raw, ...line }) {
  const text = JSON.stringify(line);
  return raw === undefined ? `${text}\n` : `${text.slice(0, -1)},"frame":${raw}}\n`;
}

/**
 * A copy of a history in which the store's log lacks one message that was acknowledged: the
 * planted fault of a proof's twin.
 */
export function withoutOneRow(file) {
  let taken = false;
  const lines = readFileSync(file, "utf8").split("\n").map((text) => {
    if (taken || !text.includes('"is":"audit"')) return text;
    const line = JSON.parse(text);
    const index = line.page.events.findIndex(({ kind }, n) => kind === "message" && n > 10);
    if (index < 0) return text;
    line.page.events.splice(index, 1);
    taken = true;
    return JSON.stringify(line);
  });
  if (!taken) throw new Error(`${file} holds no log of the store`);
  const twin = file.replace(/\.jsonl$/, ".twin.jsonl");
  writeFileSync(twin, lines.join("\n"));
  return twin;
}
