import { describe, expect, it } from "vitest";
import type { GapItem, MessageItem } from "../src/api.js";
import { createClient } from "../src/client.js";
import { memoryStore } from "../src/store/memory.js";
import { EPOCH, eventId, message, page, Peer, room, welcome, World, type Json } from "./world.js";

/** Numbers by chance that are the same for the same seed. */
function chance(seed: number): () => number {
  let state = seed * 2_654_435_761 + 1;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_519) + 0x9e3779b9) | 0;
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
  };
}

/** A server of one room that keeps the contract on a network that does not: cuts, delays, repeats, live events that go astray. */
class ModelServer {
  readonly log: ReturnType<typeof message>[] = [];
  isFaulty = true;
  resumeEvents = 15;
  private readonly cids = new Map<string, number>();
  private current: Peer | undefined;

  constructor(
    private readonly world: World,
    private readonly random: () => number,
  ) {
    world.onSocket = (peer) => this.later(() => this.accept(peer));
  }

  /** Somebody writes; who is connected hears of it, mostly. */
  write(body: string, from = "bob", cid?: string): number {
    const seq = this.log.length + 1;
    this.log.push(message(seq, body, { from, cid }));
    if (cid !== undefined) this.cids.set(cid, seq);
    if (this.current && !this.fails(0.1)) this.tell(this.current, this.log[seq - 1]!);
    return seq;
  }

  private fails(probability: number): boolean {
    return this.isFaulty && this.random() < probability;
  }

  private later(what: () => void): void {
    this.world.environment.setTimeout(what, Math.floor(this.random() * 20));
  }

  private accept(peer: Peer): void {
    if (this.fails(0.2)) return peer.drop();
    this.current = undefined;
    peer.onCommand = (command) => this.later(() => this.take(peer, command));
    peer.accept();
  }

  private take(peer: Peer, command: Json): void {
    if (this.fails(0.03)) return this.cut(peer); // Before it was carried out.
    const { type, id } = command;
    if (type === "hello") this.hello(peer, command);
    if (type === "history") this.tell(peer, page(command, this.log.length, (seq) => this.log[seq - 1]!));
    if (type === "ping") this.tell(peer, { type: "pong", id });
    if (type === "send") this.send(peer, command);
  }

  private send(peer: Peer, { id, cid, body }: Json): void {
    if (this.fails(0.05)) {
      const error = { type: "error", id, code: "unavailable", message: "No.", retry: true, retry_after_ms: 100 };
      return this.tell(peer, error);
    }
    const seq = this.cids.get(cid as string) ?? this.write(body as string, "ann", cid as string);
    if (this.fails(0.05)) return this.cut(peer); // After it was carried out.
    this.tell(peer, { type: "ack", id, room: "r1", epoch: EPOCH, seq, message: eventId(seq), at: 0 });
  }

  private hello(peer: Peer, { resume }: Json): void {
    const head = this.log.length;
    this.tell(peer, welcome([room({ head, read: 0, first: 1 })]));
    this.current = peer;
    const position = (resume as Record<string, { seq: number }> | undefined)?.["r1"];
    if (!position) return;
    if (head - position.seq > this.resumeEvents) {
      return this.tell(peer, { type: "reset", room: "r1", reason: "too_far", epoch: EPOCH, first: 1, head });
    }
    for (const event of this.log.slice(position.seq, head)) this.tell(peer, event);
  }

  private tell(peer: Peer, frame: object): void {
    if (this.fails(0.01)) return this.cut(peer);
    peer.say(frame);
    if (this.fails(0.05) && this.current === peer && this.log.length > 0) {
      peer.say(this.log[Math.floor(this.random() * this.log.length)]!);
    }
  }

  private cut(peer: Peer): void {
    if (this.current === peer) this.current = undefined;
    peer.onCommand = undefined;
    peer.drop();
  }
}

async function run(seed: number, everyEvent: boolean) {
  const random = chance(seed);
  const world = new World(undefined, seed + 1);
  world.environment.random = random;
  const server = new ModelServer(world, random);
  const client = createClient({ environment: world.environment, store: memoryStore(), user: "ann", everyEvent });
  const heard: number[] = [];
  client.on("message", ({ message: { seq } }) => heard.push(seq ?? 0));
  client.start();
  await world.advance(5_000);
  void client.room("r1").open().catch(() => {});
  const sent: string[] = [];
  for (let step = 0; step < 60; step++) {
    if (random() < 0.5) sent.push(client.room("r1").send(`own ${step}`).cid);
    if (random() < 0.7) for (let count = random() * 8; count > 0; count--) server.write(`other ${step}`);
    await world.advance(Math.floor(random() * 400));
  }
  server.isFaulty = false;
  client.retryNow();
  await world.advance(60_000);
  server.write("last");
  await world.advance(60_000);
  return { world, server, client, heard, sent };
}

const seeds = Array.from({ length: 40 }, (_, seed) => seed);

describe("on any course of cuts, delays, repeats and losses", () => {
  it.each(seeds)("a bot gets every event once, in order, and what it sent is stored once, in order (seed %i)", async (seed) => {
    const { server, client, heard, sent } = await run(seed, true);
    const first = heard[0] ?? 0;
    expect(heard).toEqual(Array.from({ length: server.log.length - first + 1 }, (_, index) => first + index));
    const own = server.log.filter(({ from }) => from === "ann").map((event) => (event as { cid?: string }).cid);
    expect(own).toEqual(sent);
    expect(client.getSnapshot()).toMatchObject({ queued: 0, failed: 0 });
  });

  it.each(seeds)("a person sees order without repeats, and nothing is missing once the gaps are filled (seed %i)", async (seed) => {
    const { world, server, client, heard, sent } = await run(seed, false);
    expect(heard).toEqual([...new Set(heard)].sort((left, right) => left - right));
    expect(heard.at(-1)).toBe(server.log.length);
    const handle = client.room("r1");
    for (let round = 0; round < 100; round++) {
      const { items, hasMoreBefore, hasMoreAfter } = handle.getSnapshot();
      const gap = items.find((item): item is GapItem => item.type === "gap");
      if (gap) void handle.fillGap(gap.key, round % 2 ? "newer" : "older");
      else if (hasMoreBefore) void handle.loadBefore();
      else if (hasMoreAfter) void handle.loadAfter();
      else break;
      await world.advance(100);
    }
    const items = handle.getSnapshot().items as MessageItem[];
    expect(items.map(({ seq, body, state }) => `${seq} ${body} ${state}`)).toEqual(server.log.map(({ seq, body }) => `${seq} ${body} sent`));
    expect(items.filter(({ mine }) => mine).map(({ cid }) => cid)).toEqual(sent);
  });
});
