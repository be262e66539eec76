import { IDBFactory } from "fake-indexeddb";
import "fake-indexeddb/auto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Client, ClientOptions, MessageItem } from "../src/api.js";
import { createClient } from "../src/client.js";
import { indexedDbStore } from "../src/store/indexeddb.js";
import { memoryStore } from "../src/store/memory.js";
import type { Store } from "../src/store/store.js";
import { EPOCH, eventId, FakeLocks, message, Peer, welcome, World } from "./world.js";

let world: World;
let database: IDBFactory;

beforeEach(() => {
  world = new World(new FakeLocks());
  database = new IDBFactory();
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

function tab(options: ClientOptions = {}, where = world): Client {
  const made = createClient({ environment: where.environment, store: indexedDbStore("test", database), ...options });
  made.start();
  return made;
}

async function greeted(where = world, user = "ann"): Promise<Peer> {
  await where.settle();
  where.peer.accept();
  where.peer.say(welcome(undefined, { user: { id: user, name: user } }));
  await where.settle();
  return where.peer;
}

function rows(client: Client): string[] {
  const items = client.room("r1").getSnapshot().items as MessageItem[];
  return items.map(({ body, state }) => `${body} ${state}`);
}

/** The server stores a send: its ack, then its event. */
function store(peer: Peer, seq: number, command = peer.last("send")): void {
  acknowledge(peer, seq, command);
  peer.say(message(seq, command["body"] as string, { from: "ann", cid: command["cid"] }));
}

function acknowledge(peer: Peer, seq: number, command = peer.last("send")): void {
  peer.say({ type: "ack", id: command["id"], room: "r1", epoch: EPOCH, seq, message: eventId(seq), at: 5_000 });
}

function refuse(peer: Peer, code: string, retry: boolean, more: object = {}): void {
  peer.say({ type: "error", id: peer.last("send")["id"], code, message: `${code}.`, retry, ...more });
}

describe("a message", () => {
  it("is a row before send returns, and keeps its key through all states", async () => {
    const client = tab();
    const peer = await greeted();
    const room = client.room("r1");
    let told = 0;
    room.subscribe(() => told++);
    const { cid, acked } = room.send("hi");
    const [row] = room.getSnapshot().items as MessageItem[];
    expect(row).toMatchObject({ key: cid, cid, body: "hi", from: "ann", mine: true, state: "queued" });
    expect(told).toBe(1);
    await world.settle();
    expect(rows(client)).toEqual(["hi sending"]);
    acknowledge(peer, 4);
    await expect(acked).resolves.toEqual({ seq: 4, id: eventId(4), at: 5_000 });
    expect(room.getSnapshot().items).toMatchObject([{ key: cid, seq: 4, id: eventId(4), state: "sent" }]);
    expect(client.getSnapshot().queued).toBe(0);
  });

  it("is in the store before the first attempt", async () => {
    let write = (): void => {};
    const inner = memoryStore();
    const slow: Store = {
      durable: true,
      open: async (scope) => {
        const opened = await inner.open(scope);
        return Object.assign(opened, { put: () => new Promise<void>((resolve) => (write = resolve)) });
      },
    };
    const client = tab({ store: slow });
    const peer = await greeted();
    client.room("r1").send("hi");
    await world.advance(60);
    expect(peer.all("send")).toHaveLength(0);
    write();
    await world.settle();
    expect(peer.all("send")).toHaveLength(1);
  });

  it("is sent although the store refuses, and the snapshot says that it is not durable", async () => {
    const broken: Store = { durable: true, open: () => Promise.reject(new Error("forbidden")) };
    const client = tab({ store: broken });
    const peer = await greeted();
    client.room("r1").send("hi");
    await world.settle();
    expect(peer.all("send")).toHaveLength(1);
    expect(client.getSnapshot().durable).toBe(false);
  });

  it.each([
    ["opens", { open: () => ({}) as IDBOpenDBRequest }],
    ["writes to", {}],
  ])("is sent although the browser never %s its database, and the snapshot says that it is not durable", async (_, stuck) => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    vi.spyOn(IDBObjectStore.prototype, "put").mockImplementation(() => ({ transaction: { commit() {} } }) as never);
    const factory = Object.assign(Object.create(database) as IDBFactory, { open: database.open.bind(database) }, stuck);
    const client = tab({ store: indexedDbStore("test", factory) });
    const peer = await greeted();
    client.room("r1").send("hi");
    await world.settle();
    expect(peer.all("send")).toHaveLength(0);
    expect(client.getSnapshot().durable).toBe(true);
    await vi.advanceTimersByTimeAsync(5_000);
    await world.settle();
    expect(peer.all("send")).toHaveLength(1);
    expect(client.getSnapshot().durable).toBe(false);
  });

  it("goes after the one before it, and only then", async () => {
    const client = tab();
    const peer = await greeted();
    for (const body of ["a", "b", "c"]) client.room("r1").send(body);
    client.room("r2").send("elsewhere");
    await world.settle();
    expect(peer.all("send").map(({ body }) => body)).toEqual(["a", "elsewhere"]);
    store(peer, 4, peer.all("send")[0]);
    await world.settle();
    store(peer, 5);
    await world.settle();
    expect(peer.all("send").map(({ body }) => body)).toEqual(["a", "elsewhere", "b", "c"]);
  });

  it("is sent again under the same cid after ten seconds without an answer", async () => {
    const client = tab();
    const peer = await greeted();
    const { cid } = client.room("r1").send("hi");
    await world.settle();
    for (let second = 0; second < 10; second++) {
      peer.say({ type: "typing", room: "r1", users: [] });
      await world.advance(1_000);
    }
    expect(peer.all("send").map((command) => command["cid"])).toEqual([cid, cid]);
  });

  it("counts before send returns, also without a connection and for one who looked before", async () => {
    const client = tab();
    const peer = await greeted();
    peer.drop();
    await world.settle();
    expect(client.getSnapshot().queued).toBe(0);
    client.room("r1").send("hi");
    expect(client.getSnapshot().queued).toBe(1);
  });

  it("is sent again under the same cid after a cut, and its own event settles it", async () => {
    const client = tab();
    const first = await greeted();
    const { cid, acked } = client.room("r1").send("hi");
    await world.settle();
    first.drop();
    await world.settle();
    expect(rows(client)).toEqual(["hi queued"]);
    await world.advance(500);
    const second = await greeted();
    expect(second.all("send")).toMatchObject([{ cid }]);
    second.say(message(4, "hi", { from: "ann", cid }));
    await expect(acked).resolves.toMatchObject({ seq: 4 });
    acknowledge(second, 4);
    await world.settle();
    expect(client.getSnapshot().queued).toBe(0);
  });

  it("waits as long as the server asks, and keeps its place", async () => {
    const client = tab();
    const peer = await greeted();
    client.room("r1").send("a");
    client.room("r1").send("b");
    await world.settle();
    refuse(peer, "rate_limited", true, { retry_after_ms: 2_000 });
    await world.settle();
    const [row] = client.room("r1").getSnapshot().items as MessageItem[];
    expect(row).toMatchObject({ state: "queued", error: { code: "rate_limited", retryable: true } });
    await world.advance(1_999);
    expect(peer.all("send")).toHaveLength(1);
    await world.advance(600);
    expect(peer.all("send").map(({ body }) => body)).toEqual(["a", "a"]);
  });

  it("that is refused for good fails with the reason and lets the next one pass", async () => {
    const client = tab();
    const peer = await greeted();
    const failures: unknown[] = [];
    client.on("failed", (failure) => failures.push(failure));
    const { cid, acked } = client.room("r1").send("too long");
    client.room("r1").send("next");
    await world.settle();
    refuse(peer, "too_large", false);
    await expect(acked).rejects.toMatchObject({ code: "too_large", retryable: false });
    await world.settle();
    expect(rows(client)).toEqual(["too long failed", "next sending"]);
    expect(failures).toMatchObject([{ room: "r1", cid, error: { code: "too_large" } }]);
    expect(client.getSnapshot()).toMatchObject({ queued: 1, failed: 1 });
  });

  it("that failed is tried again under its cid, or discarded", async () => {
    const client = tab();
    const peer = await greeted();
    const room = client.room("r1");
    const { cid } = room.send("hi");
    await world.settle();
    refuse(peer, "forbidden", false);
    await world.settle();
    room.retry(cid);
    expect(rows(client)).toEqual(["hi queued"]);
    await world.settle();
    expect(peer.all("send").map((command) => command["cid"])).toEqual([cid, cid]);
    expect(room.discard(cid)).toBe(false);
    refuse(peer, "forbidden", false);
    await world.settle();
    expect(room.discard(cid)).toBe(true);
    expect(rows(client)).toEqual([]);
    expect(client.getSnapshot().failed).toBe(0);
  });
});

describe("what is queued", () => {
  it("survives a reload, in order, under the same cids, also what had failed", async () => {
    const before = tab({ user: "ann" });
    const peer = await greeted();
    const cids = ["bad", "a", "b"].map((body) => before.room("r1").send(body).cid);
    await world.settle();
    refuse(peer, "forbidden", false);
    await world.settle();
    before.stop();
    const after = tab({ user: "ann" });
    await world.settle();
    expect(rows(after)).toEqual(["bad failed", "a queued", "b queued"]);
    const next = await greeted();
    store(next, 4);
    await world.settle();
    expect(next.all("send").map(({ cid }) => cid)).toEqual(cids.slice(1));
  });

  it("belongs to its tab, and is taken over when that one is gone", async () => {
    const locks = new FakeLocks();
    const [one, two] = [new World(locks, 1), new World(locks, 2)];
    const first = tab({ user: "ann" }, one);
    first.room("r1").send("mine");
    await one.settle();
    const second = tab({ user: "ann" }, two);
    const peer = await greeted(two);
    expect(rows(second)).toEqual([]);
    first.stop();
    await two.settle();
    expect(peer.all("send")).toMatchObject([{ body: "mine" }]);
    expect(rows(second)).toEqual(["mine sending"]);
  });

  it("is taken over also when it was written after the other tab had looked", async () => {
    const locks = new FakeLocks();
    const [one, two] = [new World(locks, 1), new World(locks, 2)];
    const first = tab({ user: "ann" }, one);
    tab({ user: "ann" }, two);
    const peer = await greeted(two);
    first.room("r1").send("late");
    await one.settle();
    first.stop();
    peer.say({ type: "ping" });
    await two.advance(10_000);
    expect(peer.all("send")).toMatchObject([{ body: "late" }]);
  });

  it("by one person is never sent as another, and waits for its sender", async () => {
    const client = tab({ user: "ann" });
    const { acked } = client.room("r1").send("from ann");
    const users: unknown[] = [];
    client.on("user", (change) => users.push(change));
    await world.settle();
    const asBob = await greeted(world, "bob");
    expect(users).toMatchObject([{ previous: "ann", user: { id: "bob" } }]);
    await expect(acked).rejects.toMatchObject({ code: "user_changed" });
    client.room("r1").send("from bob");
    await world.settle();
    expect(asBob.all("send").map(({ body }) => body)).toEqual(["from bob"]);
    expect(rows(client)).toEqual(["from bob sending"]);
    store(asBob, 4);
    await world.settle();
    asBob.drop();
    await world.advance(500);
    const asAnn = await greeted(world, "ann");
    await world.settle();
    expect(asAnn.all("send").map(({ body }) => body)).toEqual(["from ann"]);
  });

  it("on one server is never sent to another", async () => {
    const here = tab({ user: "ann", url: "wss://one.example/ws" });
    here.room("r1").send("for one");
    await world.settle();
    here.stop();
    tab({ user: "ann", url: "wss://two.example/ws" });
    const peer = await greeted();
    expect(peer.all("send")).toHaveLength(0);
  });

  it("before anybody is known belongs to the first who is welcomed", async () => {
    const client = tab();
    client.room("r1").send("early");
    await world.settle();
    expect(rows(client)).toEqual(["early queued"]);
    const peer = await greeted();
    expect(peer.all("send")).toMatchObject([{ body: "early" }]);
  });

  it("is drained when the last one is acknowledged", async () => {
    const client = tab();
    const peer = await greeted();
    client.room("r1").send("hi");
    let drained = false;
    void client.drained().then(() => (drained = true));
    await world.settle();
    expect(drained).toBe(false);
    store(peer, 4);
    await world.advance(20);
    expect(drained).toBe(true);
  });
});
