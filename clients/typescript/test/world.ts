/**
 * A world for unit tests: a clock that is moved by hand, sockets whose other end is the test, locks as the browser's.
 * Nothing sleeps; `advance` runs what is due and lets promises settle in between.
 */
import * as choosing from "../src/choosing.js";
import type { Environment, LocksLike, PageSignal, SocketLike } from "../src/env.js";
import * as leftovers from "../src/tabs/leftovers.js";
import type { WireRoom } from "../src/wire.js";

interface Timer {
  readonly id: number;
  readonly due: number;
  readonly callback: () => void;
}

export type Json = Record<string, unknown>;

/** The server's end of a socket. */
export class Peer implements SocketLike {
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  readonly received: Json[] = [];
  /** Where a test plays the server. */
  onCommand: ((command: Json) => void) | undefined;
  closedByClient: { code: number | undefined; reason: string | undefined } | undefined;

  constructor(readonly url: string) {}

  send(text: string): void {
    const command = JSON.parse(text) as Json;
    this.received.push(command);
    this.onCommand?.(command);
  }

  close(code?: number, reason?: string): void {
    this.closedByClient = { code, reason };
  }

  accept(): void {
    this.onopen?.({} as never);
  }

  say(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) } as never);
  }

  sayText(data: string): void {
    this.onmessage?.({ data } as never);
  }

  drop(code = 1006, reason = ""): void {
    this.onclose?.({ code, reason, wasClean: code !== 1006 } as never);
  }

  /** All commands of one type, as received. */
  all(type: string): Json[] {
    return this.received.filter((command) => command["type"] === type);
  }

  /** The last command of one type. */
  last(type: string): Json {
    const command = this.all(type).at(-1);
    if (!command) throw new Error(`no ${type} among ${JSON.stringify(this.received)}`);
    return command;
  }
}

/** Locks of a browser, shared by the tabs that get the same object. */
export class FakeLocks implements LocksLike {
  private readonly tails = new Map<string, Promise<unknown>>();

  request(name: string, { signal }: { signal?: AbortSignal }, callback: () => Promise<void>): Promise<unknown> {
    const turn = (this.tails.get(name) ?? Promise.resolve()).then(() => (signal?.aborted ? undefined : callback()));
    this.tails.set(name, turn.catch(() => {}));
    return turn;
  }
}

/** Everything outside the SDK. */
export class World {
  time = 0;
  isOnline = true;
  readonly peers: Peer[] = [];
  /** Where a test plays the server: called for each socket. */
  onSocket: ((peer: Peer) => void) | undefined;
  /** The server over HTTP; nobody is there unless a test says so. */
  onFetch: (url: string, init: RequestInit) => Promise<Response> = () => Promise.reject(new TypeError("Failed to fetch"));
  /** What the browser keeps over reloads. */
  kept = new Map<string, string>();
  private timers: Timer[] = [];
  private nextTimer = 1;
  private readonly signals = new Set<(signal: PageSignal) => void>();
  /** The n-th number of `random`; 0.5 where nothing else is said. */
  randoms: number[] = [];
  private seed = 1;
  readonly environment: Environment;

  constructor(locks?: LocksLike, seed = 1) {
    this.seed = seed;
    this.environment = {
      now: () => 1_795_377_137_000 + this.time,
      monotonic: () => this.time,
      setTimeout: (callback, ms) => this.setTimer(callback, ms),
      clearTimeout: (id) => (this.timers = this.timers.filter((timer) => timer.id !== id)),
      random: () => this.randoms.shift() ?? 0.5,
      randomBytes: (count) => Uint8Array.from({ length: count }, () => (this.seed = (this.seed * 48_271) % 2_147_483_647) & 0xff),
      openSocket: (url) => {
        const peer = new Peer(url);
        this.peers.push(peer);
        this.onSocket?.(peer);
        return peer;
      },
      fetch: (url, init) => this.onFetch(url, init),
      storage: {
        getItem: (key) => this.kept.get(key) ?? null,
        setItem: (key, value) => void this.kept.set(key, value),
        removeItem: (key) => void this.kept.delete(key),
      },
      locks,
      isOnline: () => this.isOnline,
      onPageSignal: (listener) => {
        this.signals.add(listener);
        return () => this.signals.delete(listener);
      },
      location: "https://chat.example/rooms",
      load: { choosing: async () => choosing, leftovers: async () => leftovers },
    };
  }

  /** The server's end of the newest socket. */
  get peer(): Peer {
    const peer = this.peers.at(-1);
    if (!peer) throw new Error("no socket was opened");
    return peer;
  }

  signal(signal: PageSignal): void {
    for (const listener of this.signals) listener(signal);
  }

  /** Lets promises settle; time stands still. */
  async settle(): Promise<void> {
    for (let round = 0; round < 24; round++) await new Promise((resolve) => setImmediate(resolve));
  }

  async advance(ms: number): Promise<void> {
    const end = this.time + ms;
    await this.settle();
    for (let next = this.nextDue(end); next; next = this.nextDue(end)) {
      this.time = Math.max(this.time, next.due);
      this.timers = this.timers.filter((timer) => timer !== next);
      next.callback();
      await this.settle();
    }
    this.time = end;
  }

  private nextDue(end: number): Timer | undefined {
    return this.timers.filter(({ due }) => due <= end).sort((left, right) => left.due - right.due || left.id - right.id)[0];
  }

  private setTimer(callback: () => void, ms: number): number {
    const id = this.nextTimer++;
    this.timers.push({ id, due: this.time + ms, callback });
    return id;
  }
}

export const EPOCH = "00c0ffee5eed0001";

/** The id of the n-th event. */
export function eventId(n: number): string {
  return `0193a5f0-7c1e-7d2a-9b3c-${n.toString(16).padStart(12, "0")}`;
}

/** A message as the wire brings it; `n` is taken to be the seq. */
export function message(seq: number, body = `m${seq}`, more: object = {}) {
  const common = { type: "event" as const, room: "r1", epoch: EPOCH, seq, id: eventId(seq), from: "bob", at: 1000 + seq };
  return { ...common, kind: "message" as const, body, n: seq, ...more };
}

/** A room as the wire describes it. */
export function room(more: Partial<WireRoom> = {}): WireRoom {
  const { head = 3, id = "r1" } = more;
  return {
    ...{ id, kind: "group", name: "Ops", epoch: EPOCH, first: 1, head, read: head, unread: 0, mentions: 0 },
    ...{ members: 2, role: "member", at: 1000, history: "joined" },
    ...more,
  };
}

/** A welcome with these rooms. */
export function welcome(rooms: readonly WireRoom[] = [room()], more: object = {}) {
  const unread = rooms.reduce((sum, each) => sum + each.unread, 0);
  return {
    ...{ type: "welcome", connection: "c-1", user: { id: "ann", name: "Ann" }, time: 0 },
    ...{ server: { name: "moorline", version: "0.1.0" }, keepalive: { interval_ms: 25_000, timeout_ms: 60_000 } },
    ...{ limits: { message_bytes: 65_536, resume_rooms: 200, list: 100 }, totals: { rooms: rooms.length, unread, mentions: 0 } },
    ...{ rooms, people: [{ id: "ann", name: "Ann" }, { id: "bob", name: "Bob" }] },
    ...more,
  };
}

/** The page that answers a history command, cut from a log of messages 1 to `head`. */
export function page(command: Json, head: number, make: (seq: number) => object = (seq) => message(seq), first = 1) {
  const limit = command["limit"] as number;
  const after = command["after"] as number | undefined;
  const before = (command["before"] as number | undefined) ?? head + 1;
  const from = after === undefined ? Math.max(first, before - limit) : Math.max(after + 1, first);
  const to = after === undefined ? Math.min(before - 1, head) : Math.min(head, from + limit - 1);
  const events = Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => make(from + index));
  const more = after === undefined ? from > first : to < head;
  return { type: "page", id: command["id"], room: command["room"], epoch: EPOCH, first, head, events, more };
}
