/**
 * A conversation of several people in several windows on the test server, driven by chance, and what each window saw of
 * it. Used by the property tests: it judges nothing.
 */
import type { Client, GapItem, MessageItem } from "../../src/api.js";
import { createClient } from "../../src/client.js";
import { FakeClock, TestServer, type TestWindow } from "../../src/testing/index.js";

const PEOPLE = ["ann", "bob", "cleo"] as const;
const ROOMS = ["ops", "harbour"] as const;
const STEPS = 40;
/** How much goes wrong at most. */
const MOST = { drop: 0.1, repeat: 0.3, reorder: 0.3, cut: 0.05, refuse: 0.5, unavailable: 0.2, delayMs: 800 };
/** Longer than anything that heals by the clock: silence, looks, backoff. */
const HEALS_MS = 90_000;

/** What one window was told. */
export interface Seen {
  readonly name: string;
  readonly user: string;
  readonly window: TestWindow;
  readonly client: Client;
  readonly isBot: boolean;
  /** Messages as the application heard of them, by room. */
  readonly heard: Map<string, number[]>;
}

/** A message that was acknowledged to whoever sent it. */
export interface Acknowledged {
  readonly room: string;
  readonly user: string;
  readonly cid: string;
  readonly seq: number;
  readonly body: string;
}

/** A run and all that became of it. */
export interface Run {
  readonly server: TestServer;
  readonly windows: readonly Seen[];
  readonly acknowledged: readonly Acknowledged[];
  /** By window and room: the bodies in the order of their writing. */
  readonly written: ReadonlyMap<string, readonly string[]>;
  /** How often each fault happened. */
  readonly bites: ReadonlyMap<string, number>;
}

/** What a twin plants. */
export interface Planted {
  /** Called before each step. */
  readonly server?: (server: TestServer) => void;
}

/** Plays one run to its end: faults, then quiet. */
export async function play(seed: number, planted: Planted = {}): Promise<Run> {
  const server = new TestServer({ seed, clock: new FakeClock(undefined, 1) });
  for (const id of ROOMS) server.room({ id, kind: "public", name: id, members: PEOPLE });
  const windows = [...PEOPLE, "ann", "bob"].map((user, index) => open(server, user, `${user}-${index}`, index === 2));
  const written = new Map<string, string[]>();
  const acknowledged: Acknowledged[] = [];
  const bites = new Map<string, number>();
  await server.clock.advance(1_000);
  for (const { client } of windows) for (const room of ROOMS) void client.room(room).open().catch(() => {});
  for (let step = 0; step < STEPS; step++) {
    planted.server?.(server);
    misfortune(server, windows, (what) => bites.set(what, (bites.get(what) ?? 0) + 1));
    for (const seen of windows) if (server.random() < 0.4) write(server, seen, `${seen.name} ${step}`, written, acknowledged);
    await server.clock.advance(Math.floor(server.random() * 3_000));
  }
  await settle(server, windows);
  return { server, windows, acknowledged, written, bites };
}

function open(server: TestServer, user: string, name: string, isBot: boolean): Seen {
  const window = server.window(user);
  const client = createClient({ ...window.options, everyEvent: isBot });
  const heard = new Map<string, number[]>(ROOMS.map((room) => [room, []]));
  client.on("message", ({ room, message: { seq = 0 } }) => heard.get(room)?.push(seq));
  client.start();
  return { name, user, window, client, isBot, heard };
}

function write(server: TestServer, { client, name, user }: Seen, body: string, written: Map<string, string[]>, acknowledged: Acknowledged[]): void {
  const room = ROOMS[Math.floor(server.random() * ROOMS.length)]!;
  const key = `${name} ${room}`;
  written.set(key, [...(written.get(key) ?? []), body]);
  const { cid, acked } = client.room(room).send(body);
  void acked.then(({ seq }) => acknowledged.push({ room, user, cid, seq, body }), () => {});
}

/** Changes what goes wrong, and lets something go wrong now. */
function misfortune(server: TestServer, windows: readonly Seen[], note: (what: string) => void): void {
  const { random, faults } = server;
  for (const [name, most] of Object.entries(MOST)) faults[name as keyof typeof MOST] = random() < 0.5 ? 0 : random() * most;
  for (const [name, value] of Object.entries(faults)) if (value > 0) note(name);
  const { window, user } = windows[Math.floor(random() * windows.length)]!;
  const happenings: [string, () => void][] = [
    ["cut", () => window.cut()],
    ["stall", () => window.stall()],
    ["offline", () => window.offline()],
    ["online", () => window.online()],
    ["expire", () => server.expireToken(user)],
    ["go away", () => server.goAway({ downMs: random() * 4_000, spreadMs: 1_000 })],
    ["jump", () => server.clock.jump((random() - 0.5) * 7_200_000)],
    ["absence", () => burst(server, window)],
  ];
  const [what, happen] = happenings[Math.floor(random() * happenings.length * 2)] ?? ["", () => {}];
  if (what) note(what);
  happen();
}

/** More is written while a window is away than fits into its next page. */
function burst(server: TestServer, window: TestWindow): void {
  window.offline();
  for (let index = 0; index < 120; index++) server.say("harbour", "cleo", `burst ${index}`);
}

/** The faults end; everybody comes back and loads what they have not seen. */
async function settle(server: TestServer, windows: readonly Seen[]): Promise<void> {
  server.heal();
  for (const { window, client } of windows) {
    window.online();
    client.retryNow();
    // Two tokens in a row that expired on their way are the end; the person signs in again.
    if (client.getSnapshot().state.is === "closed") client.start();
  }
  await server.clock.advance(HEALS_MS);
  for (const { client, isBot } of windows) {
    if (!isBot) for (const room of ROOMS) await fill(server, client, room);
  }
}

/** Scrolls through a room until nothing is left to load. */
async function fill(server: TestServer, client: Client, room: string): Promise<void> {
  const handle = client.room(room);
  void handle.open().catch(() => {});
  await server.clock.settle();
  for (let round = 0; round < 200; round++) {
    const { items, hasMoreBefore, hasMoreAfter } = handle.getSnapshot();
    const gap = items.find((item): item is GapItem => item.type === "gap");
    if (gap) void handle.fillGap(gap.key, round % 2 ? "newer" : "older");
    else if (hasMoreBefore) void handle.loadBefore();
    else if (hasMoreAfter) void handle.loadAfter();
    else return;
    await server.clock.settle();
  }
}

/** The messages that a window shows of a room. */
export function shown({ client }: Seen, room: string): MessageItem[] {
  return client.room(room).getSnapshot().items.filter((item): item is MessageItem => item.type === "message");
}
