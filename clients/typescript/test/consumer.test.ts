import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Client } from "../src/api.js";
import { createClient } from "../src/client.js";
import { consume, memoryPositions, type Consumer, type ConsumerOptions, type Positions, type Skipped } from "../src/consumer/index.js";
import { createTestServer, FakeClock, TestServer, type TestWindow } from "../src/testing/index.js";
import type { WireEvent } from "../src/wire.js";

let server: TestServer;
let positions: Positions;

beforeEach(() => {
  server = createTestServer();
  server.room({ id: "ops", members: ["bot", "ann"] });
  positions = memoryPositions();
});

afterEach(() => vi.restoreAllMocks());

/** A bot's process: it has its handled events, and can be killed. */
class Bot {
  readonly handled: string[] = [];
  readonly skipped: Skipped[] = [];
  readonly errors: unknown[] = [];
  readonly window: TestWindow;
  readonly client: Client;
  readonly consumer: Consumer;

  constructor(options: Partial<ConsumerOptions> = {}) {
    this.window = server.window("bot");
    this.client = createClient({ ...this.window.options, everyEvent: true });
    this.consumer = consume(this.client, {
      positions,
      handle: (event) => void this.handled.push(words(event)),
      onSkipped: (skipped) => this.skipped.push(skipped),
      onError: (error) => this.errors.push(error),
      ...options,
    });
    this.client.start();
  }

  /** As by `kill -9`: nothing is told to anybody. */
  die(): void {
    void this.consumer.stop();
    this.client.stop();
  }
}

function words(event: WireEvent): string {
  const text = event.kind === "message" || event.kind === "edit" ? ` ${event.body}` : "";
  return `${event.room} ${event.seq} ${event.kind}${text}`;
}

/** Lets time pass until it is done. */
async function during<T>(promise: Promise<T>): Promise<T> {
  await server.clock.advance(200);
  return promise;
}

describe("a consumer", () => {
  it("begins with what comes, and handles each event once, in order", async () => {
    server.say("ops", "ann", "before its time");
    const bot = new Bot();
    await server.clock.advance(100);
    for (const body of ["a", "b", "c"]) server.say("ops", "ann", body);
    await server.clock.advance(100);
    expect(bot.handled).toEqual(["ops 3 message a", "ops 4 message b", "ops 5 message c"]);
  });

  it("goes on, and no faster than else, where the callback for errors throws itself", async () => {
    const uncaught: unknown[] = [];
    vi.spyOn(globalThis, "queueMicrotask").mockImplementation((callback) => {
      void Promise.resolve().then(callback).catch((error: unknown) => uncaught.push(error));
    });
    let pages = 0;
    server.onFrame = ({ to, text }) => to === "server" && text.startsWith('{"type":"history"') && pages++;
    const bot = new Bot({ onError: () => { throw new Error("in the callback"); } });
    await server.clock.advance(100);
    const save = positions.save.bind(positions);
    positions.save = () => Promise.reject(new Error("the disk is full"));
    server.say("ops", "ann", "a");
    await server.clock.advance(10_000);
    expect(pages).toBeLessThan(20);
    expect(uncaught.length).toBeGreaterThan(0);
    expect(uncaught.map((error) => (error as Error).message)).toEqual(uncaught.map(() => "in the callback"));
    positions.save = save;
    await server.clock.advance(60_000);
    server.say("ops", "ann", "b");
    await server.clock.advance(1_000);
    expect(bot.handled.at(-1)).toBe("ops 3 message b");
    await bot.consumer.stop();
  });

  it("begins with the oldest where it shall", async () => {
    server.say("ops", "ann", "old");
    const bot = new Bot({ from: "start" });
    await server.clock.advance(100);
    expect(bot.handled).toEqual(["ops 1 member", "ops 2 message old"]);
  });

  it("handles what came while it was not running, edits and all, however much it was", async () => {
    const first = new Bot();
    await server.clock.advance(100);
    const { message = "" } = server.say("ops", "ann", "one");
    await server.clock.advance(100);
    first.die();
    const ann = createClient(server.window("ann").options);
    ann.start();
    await server.clock.settle();
    ann.room("ops").edit(message, "ONE");
    await server.clock.settle();
    for (let index = 0; index < 1_500; index++) server.say("ops", "ann", `m${index}`);
    const second = new Bot();
    await server.clock.advance(1_000);
    expect(second.handled).toHaveLength(1_501);
    expect(second.handled.slice(0, 2)).toEqual(["ops 3 edit ONE", "ops 4 message m0"]);
    expect(second.handled.at(-1)).toBe("ops 1503 message m1499");
    expect(second.errors).toEqual([]);
  });

  it("that died before its first event has lost nothing since it began", async () => {
    new Bot().die();
    const first = new Bot();
    await server.clock.advance(100);
    first.die();
    server.say("ops", "ann", "while it was dead");
    const second = new Bot();
    await server.clock.advance(100);
    expect(second.handled).toEqual(["ops 2 message while it was dead"]);
  });

  it("handles what was written in a room into which it was brought meanwhile", async () => {
    const first = new Bot();
    await server.clock.advance(100);
    first.die();
    server.room({ id: "new", members: ["bot", "ann"] });
    server.say("new", "ann", "welcome, bot");
    const second = new Bot();
    await server.clock.advance(100);
    expect(second.handled).toEqual(["new 2 message welcome, bot"]);
  });

  it("finds all of its rooms, not only those with the latest activity", async () => {
    for (let index = 0; index < 250; index++) server.room({ id: `r${index}`, members: ["bot", "ann"] });
    const bot = new Bot();
    await server.clock.advance(1_000);
    for (let index = 0; index < 250; index++) server.say(`r${index}`, "ann", "hi");
    await server.clock.advance(1_000);
    expect(bot.handled).toHaveLength(250);
  });

  it("hands an event to a handler that rejects until it does not, and the next only then", async () => {
    const seen: string[] = [];
    const bot = new Bot({
      handle: async (event) => {
        seen.push(words(event));
        if (seen.length < 4) throw new Error("not now");
      },
    });
    await server.clock.advance(100);
    server.say("ops", "ann", "a");
    server.say("ops", "ann", "b");
    await server.clock.advance(6_900);
    expect(seen).toEqual(Array.from({ length: 3 }, () => "ops 2 message a"));
    await server.clock.advance(300);
    expect(seen.slice(3)).toEqual(["ops 2 message a", "ops 3 message b"]);
    expect(bot.errors).toHaveLength(3);
  });

  it("goes on where a position could not be kept, with the same event again", async () => {
    let fails = 2;
    const save = positions.save;
    const failing: Positions["save"] = async (room, position) => {
      if (position.seq === 2 && fails-- > 0) throw new Error("disk full");
      await save(room, position);
    };
    positions = { ...positions, save: failing };
    const bot = new Bot();
    await server.clock.advance(100);
    server.say("ops", "ann", "a");
    await server.clock.advance(10_000);
    expect(bot.handled).toEqual(["ops 2 message a", "ops 2 message a", "ops 2 message a"]);
    expect(await positions.load()).toMatchObject({ ops: { seq: 2 } });
  });

  it("answers once under the event's own cid, also when it dies between answer and position", async () => {
    let handled = 0;
    const answering = (bot: () => Bot, dies: boolean) => async (event: WireEvent): Promise<void> => {
      handled++;
      if (event.kind !== "message" || event.from === "bot") return;
      await bot().client.room(event.room).send(`re: ${event.body}`, { cid: event.id }).acked;
      if (dies) {
        bot().die();
        throw new Error("died");
      }
    };
    const first: Bot = new Bot({ handle: answering(() => first, true) });
    await server.clock.advance(100);
    server.say("ops", "ann", "hello?");
    await server.clock.advance(100);
    const second: Bot = new Bot({ handle: answering(() => second, false) });
    await server.clock.advance(1_000);
    const said = server.log("ops").flatMap((event) => (event.kind === "message" ? [event.body] : []));
    expect(said).toEqual(["hello?", "re: hello?"]);
    expect(handled).toBe(3); // The question twice, since the first bot died of it, and the answer.
  });

  it("says so where the history was replaced, and where events were pruned, and goes on", async () => {
    const bot = new Bot();
    await server.clock.advance(100);
    for (const body of ["a", "b", "c"]) server.say("ops", "ann", body);
    await server.clock.advance(100);
    server.loseHistory("ops", 2);
    await server.clock.advance(100);
    server.say("ops", "ann", "other b");
    await server.clock.advance(100);
    expect(bot.skipped).toMatchObject([{ room: "ops", reason: "history", from: { seq: 4 }, next: 3 }]);
    expect(bot.handled.at(-1)).toBe("ops 3 message other b");
    bot.die();
    for (let index = 0; index < 5; index++) server.say("ops", "ann", `m${index}`);
    server.prune("ops", 6);
    const second = new Bot();
    await server.clock.advance(100);
    expect(second.skipped).toMatchObject([{ room: "ops", reason: "pruned", from: { seq: 3 }, next: 6 }]);
    expect(second.handled).toEqual(["ops 6 message m2", "ops 7 message m3", "ops 8 message m4"]);
  });

  it("sees by the event's id that a restored history is not its own", async () => {
    const first = new Bot();
    await server.clock.advance(100);
    server.say("ops", "ann", "a");
    await server.clock.advance(100);
    first.die();
    const kept = (await positions.load())["ops"]!;
    await positions.save("ops", { ...kept, check: "00000000" });
    const second = new Bot();
    await server.clock.advance(100);
    expect(second.skipped).toMatchObject([{ reason: "history", next: 3 }]);
  });

  it("rests while the room is not its own, and goes on when it is again", async () => {
    const bot = new Bot();
    await server.clock.advance(100);
    const ann = createClient(server.window("ann").options);
    ann.start();
    await server.clock.settle();
    const room = await during(ann.create({ kind: "group", name: "Short", members: ["bot"] }));
    await during(ann.room(room).remove(["bot"]));
    server.say(room, "ann", "unheard");
    await during(ann.room(room).invite(["bot"]));
    server.say(room, "ann", "heard");
    await server.clock.advance(60_000);
    expect(bot.handled.at(-1)).toBe(`${room} 5 message heard`);
    expect(bot.handled.join()).not.toContain("unheard");
    expect(bot.errors).toEqual([]);
  });

  it("needs a client that fetches every event", () => {
    const client = createClient(server.window("bot").options);
    expect(() => consume(client, { positions, handle: () => {} })).toThrow(/everyEvent: true/);
  });

  it("stops when its handler is through, and handles nothing more", async () => {
    let release: () => void = () => {};
    const handled: string[] = [];
    const bot = new Bot({ handle: (event) => (handled.push(words(event)), new Promise((resolve) => (release = resolve))) });
    await server.clock.advance(100);
    for (const body of ["a", "b"]) server.say("ops", "ann", body);
    await server.clock.advance(100);
    let isStopped = false;
    const stopped = bot.consumer.stop().then(() => (isStopped = true));
    await server.clock.settle();
    expect(isStopped).toBe(false);
    release();
    await stopped;
    expect(handled).toEqual(["ops 2 message a"]);
    expect(await positions.load()).toMatchObject({ ops: { seq: 2 } });
  });
});

describe("whatever goes wrong", () => {
  it.each(Array.from({ length: 6 }, (_, seed) => seed + 1))("every event is handled, in order, over kills and faults (seed %i)", async (seed) => {
    server = new TestServer({ seed, clock: new FakeClock(undefined, 1) });
    for (const id of ["ops", "harbour"]) server.room({ id, members: ["bot", "ann"] });
    const handled = new Map<string, number[]>([["ops", []], ["harbour", []]]);
    const handle = async ({ room, seq }: WireEvent): Promise<void> => {
      if (server.random() < 0.01) throw new Error("not now");
      handled.get(room)?.push(seq);
    };
    let bot = new Bot({ handle, from: "start" });
    let kills = 0;
    for (let step = 0; step < 60; step++) {
      const [drop, cut, refuse] = [server.random() * 0.2, server.random() * 0.05, server.random() * 0.5];
      Object.assign(server.faults, { drop, cut, refuse, repeat: 0.2, reorder: 0.2, delayMs: server.random() * 500 });
      for (let count = server.random() * 10; count > 0; count--) server.say(server.random() < 0.5 ? "ops" : "harbour", "ann", `m${step}`);
      if (server.random() < 0.15) {
        bot.die();
        kills++;
        if (server.random() < 0.3) for (let count = 0; count < 1_100; count++) server.say("ops", "ann", `burst ${count}`);
        bot = new Bot({ handle, from: "start" });
      }
      await server.clock.advance(server.random() * 4_000);
    }
    server.heal();
    bot.client.retryNow();
    await server.clock.advance(200_000);
    expect(kills).toBeGreaterThan(0);
    for (const [room, seqs] of handled) expect(seqs).toEqual(server.log(room).map(({ seq }) => seq));
  });
});
