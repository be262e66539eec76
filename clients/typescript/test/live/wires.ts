/**
 * Raw connections to the real server and to the one in memory, side by side: what is sent on each, and what came, in a
 * form in which two runs can be compared. Used by the conformance test alone.
 */
import WebSocket from "ws";
import type { SocketLike } from "../../src/env.js";
import { createTestServer } from "../../src/testing/index.js";
import type { Server } from "./server.js";
import { until } from "./until.js";

export type Json = Record<string, unknown>;

/** A server under comparison. */
export interface Subject {
  readonly name: string;
  open(): SocketLike;
  token(user: string): string;
  /** Waits until everything has come; `counts` says how many frames each connection should have by then. */
  settle(wires: readonly Wire[], counts: readonly number[] | undefined): Promise<void>;
}

/** One connection and what came on it. A close is the last frame. */
export class Wire {
  readonly frames: Json[] = [];
  isOpen = false;

  constructor(private readonly socket: SocketLike) {
    socket.onopen = () => (this.isOpen = true);
    socket.onmessage = ({ data }: { data: unknown }) => {
      const frame = JSON.parse(String(data)) as Json;
      if (frame["type"] !== "ping" && frame["id"] !== BARRIER) this.frames.push(frame);
      else if (frame["id"] === BARRIER) this.barriers++;
    };
    socket.onclose = ({ code }: { code: number }) => {
      this.isOpen = false;
      this.frames.push({ type: "closed", code });
    };
    socket.onerror = () => {};
  }

  barriers = 0;

  send(command: Json): void {
    this.sendText(JSON.stringify(command));
  }

  sendText(text: string): void {
    this.socket.send(text);
  }

  close(): void {
    this.socket.onclose = null;
    this.socket.close();
    this.isOpen = false;
  }
}

/** The id of pings that only show that what was sent before has been answered. */
const BARRIER = 999_999;

export function inMemory(): Subject {
  const server = createTestServer();
  return {
    name: "in memory",
    open: () => server.connect(true),
    token: (user) => {
      if (!server.people.has(user)) server.person(user);
      return server.token(user);
    },
    // Time passes as on the real one, so that no two steps are of the same moment.
    settle: () => server.clock.advance(5),
  };
}

export function real(server: Server): Subject {
  return {
    name: "real",
    open: () => new WebSocket(`ws://127.0.0.1:${server.port}/ws`, "moorline.v1") as unknown as SocketLike,
    token: (user) => server.token(user),
    async settle(wires, counts) {
      const haveAll = (): boolean => wires.every(({ frames }, index) => frames.length >= (counts?.[index] ?? 0));
      await until("all frames have come", haveAll, 10_000).catch((error: Error) => {
        const last = wires.map(({ frames }, index) => `${frames.length} of ${counts?.[index]}: ${JSON.stringify(frames.slice(-3))}`);
        throw new Error(`${error.message}\n${last.join("\n")}`);
      });
      // Whatever comes beyond the expected is behind no more than a ping.
      const open = wires.filter(({ isOpen }) => isOpen);
      const before = open.map(({ barriers }) => barriers);
      for (const wire of open) wire.send({ type: "ping", id: BARRIER });
      await until("the pings are answered", () => open.every(({ barriers, isOpen }, index) => !isOpen || barriers > before[index]!));
    },
  };
}

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** Names for what is random, the same in both runs: the n-th id, epoch or room that appears. */
export class Names {
  readonly #known = new Map<string, string>();

  /** Frames of one step on one connection: what is ordered in its order, then the rest. */
  told(frames: readonly Json[]): string[] {
    const masked = frames.map((frame) => ({ isOrdered: ORDERED.has(String(frame["type"])), text: JSON.stringify(plain(frame)) }));
    const sortKey = (text: string): string => text.replace(RANDOM, "?");
    const rest = masked.filter(({ isOrdered }) => !isOrdered).sort((left, right) => (sortKey(left.text) < sortKey(right.text) ? -1 : 1));
    return [...masked.filter(({ isOrdered }) => isOrdered), ...rest].map(({ text }) => text.replace(RANDOM, (word) => this.#name(word)));
  }

  #name(word: string): string {
    const known = this.#known.get(word) ?? `<${this.#known.size + 1}>`;
    this.#known.set(word, known);
    return known;
  }
}

/** Those whose order is promised. */
const ORDERED: ReadonlySet<string> = new Set(["event", "room", "reset", "closed"]);
const RANDOM = new RegExp(`${UUID.source}|(?<=")(r_)?[0-9a-f]{16,24}(?=")`, "g");
/** Times, and what tells one server from another. */
const OWN: ReadonlySet<string> = new Set(["at", "time", "seen", "connection", "server", "after"]);

/** A frame without what may differ: times, the server's own names, texts for people. */
function plain(frame: Json): Json {
  // Who is introduced with an event depends on who was before, on other connections too.
  const { people, ...event } = frame;
  if (frame["type"] === "event") return sorted(event) as Json;
  return sorted(frame["type"] === "error" ? { ...frame, message: "" } : frame) as Json;
}

function byId(people: readonly Json[]): Json[] {
  return [...people].sort((left, right) => (String(left["id"]) < String(right["id"]) ? -1 : 1));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  const shown = (name: string, inner: unknown): unknown => {
    if (OWN.has(name)) return "?";
    return sorted(name === "people" && Array.isArray(inner) ? byId(inner as Json[]) : inner);
  };
  return Object.fromEntries(entries.map(([name, inner]) => [name, shown(name, inner)]));
}
