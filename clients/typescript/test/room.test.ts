import { beforeEach, describe, expect, it } from "vitest";
import type { Client, ClientEvents, ClientOptions, MessageItem, TimelineItem } from "../src/api.js";
import { createClient } from "../src/client.js";
import { memoryStore } from "../src/store/memory.js";
import { EPOCH, eventId, message, page, Peer, room, welcome, World } from "./world.js";

let world: World;
let heard: string[];

beforeEach(() => {
  world = new World();
  heard = [];
});

async function live(rooms = [room()], options: ClientOptions = {}): Promise<Client> {
  const made = createClient({ environment: world.environment, store: memoryStore(), ...options });
  made.on("message", ({ message: { body, seq } }) => heard.push(`${seq} ${body}`));
  made.start();
  await greeted(rooms);
  return made;
}

async function greeted(rooms = [room()], more: object = {}): Promise<Peer> {
  await world.settle();
  world.peer.accept();
  world.peer.say(welcome(rooms, more));
  await world.settle();
  return world.peer;
}

async function reconnect(rooms = [room()]): Promise<Peer> {
  world.peer.drop();
  await world.advance(1_000);
  return greeted(rooms);
}

/** Answers all history commands not answered yet, from a log of `head` messages. */
async function serve(head: number, make?: (seq: number) => object, first = 1): Promise<void> {
  for (let round = 0; round < 50; round++) {
    const command = world.peer.received.find((each) => each["type"] === "history" && !each["answered"]);
    if (!command) return;
    command["answered"] = true;
    world.peer.say(page(command, head, make, first));
    await world.settle();
  }
}

function shown(client: Client): string {
  const text = (row: TimelineItem): string => {
    if (row.type === "message") return `${row.seq ?? row.state}`;
    return row.type === "gap" ? `[${row.after}-${row.before}]` : row.type;
  };
  return client.room("r1").getSnapshot().items.map(text).join(" ");
}

describe("events", () => {
  it("that were seen already are dropped", async () => {
    await live();
    for (const seq of [4, 5, 4, 5, 3, 1, 6]) world.peer.say(message(seq));
    expect(heard).toEqual(["4 m4", "5 m5", "6 m6"]);
  });

  it("after a gap wait until it is fetched, by one fetch at a time", async () => {
    await live();
    for (const seq of [4, 9, 10, 7]) world.peer.say(message(seq));
    expect(heard).toEqual(["4 m4"]);
    await world.settle();
    expect(world.peer.all("history")).toMatchObject([{ room: "r1", after: 4, limit: 200 }]);
    await serve(10);
    expect(heard).toEqual(["4 m4", "5 m5", "6 m6", "7 m7", "8 m8", "9 m9", "10 m10"]);
    expect(world.peer.all("history")).toHaveLength(1);
  });

  it("that were pruned are jumped over", async () => {
    await live();
    world.peer.say(message(20));
    await world.settle();
    await serve(20, undefined, 15);
    expect(heard).toEqual(["15 m15", "16 m16", "17 m17", "18 m18", "19 m19", "20 m20"]);
  });

  it("of kinds unknown here keep their place and say nothing", async () => {
    await live();
    const kinds: string[] = [];
    world.peer.say({ ...message(4), kind: "reaction" });
    world.peer.say(message(5));
    expect(heard).toEqual(["5 m5"]);
    expect(kinds).toEqual([]);
  });

  it("are told apart: live ones, and those caught up", async () => {
    const client = await live();
    const seen: ClientEvents["message"][] = [];
    client.on("message", (event) => seen.push(event));
    await reconnect([room({ head: 4 })]);
    world.peer.say(message(4));
    world.peer.say(message(5));
    expect(seen.map(({ live: isLive }) => isLive)).toEqual([false, true]);
  });
});

describe("a resume", () => {
  it("names every known room with epoch, seq and check", async () => {
    await live([room(), room({ id: "r2", head: 9 })]);
    world.peer.say(message(4));
    const peer = await reconnect();
    expect(peer.received[0]?.["resume"]).toEqual({
      r1: { epoch: EPOCH, seq: 4, check: eventId(4).slice(-8) },
      r2: { epoch: EPOCH, seq: 9 },
    });
  });

  it("of more rooms than hello takes goes on in resume commands, open rooms first", async () => {
    const rooms = Array.from({ length: 450 }, (_, index) => room({ id: `room-${index}`, at: index }));
    const client = await live(rooms);
    void client.room("room-0").open();
    const peer = await reconnect(rooms.slice(-100));
    const first = Object.keys(peer.received[0]?.["resume"] as object);
    const later = peer.all("resume").map(({ positions }) => Object.keys(positions as object));
    expect(first).toHaveLength(200);
    expect(first.slice(0, 2)).toEqual(["room-0", "room-449"]);
    expect(later.map((each) => each.length)).toEqual([200, 50]);
    expect(new Set([...first, ...later.flat()]).size).toBe(450);
  });

  it("from another epoch forgets what was loaded and shows the newest page", async () => {
    const client = await live();
    void client.room("r1").open();
    await world.settle();
    await serve(3);
    expect(shown(client)).toBe("1 2 3");
    const changes: unknown[] = [];
    client.on("room", (change) => changes.push(change));
    const epoch = "00c0ffee5eed0002";
    await reconnect([room({ epoch, head: 2, read: 2 })]);
    world.peer.say({ type: "reset", room: "r1", reason: "epoch", epoch, first: 1, head: 2 });
    await world.settle();
    const command = world.peer.last("history");
    world.peer.say({ ...page(command, 2, (seq) => ({ ...message(seq, "new"), epoch })), epoch });
    await world.settle();
    expect(changes).toMatchObject([{ room: "r1", change: "reset", reason: "epoch" }]);
    expect(client.room("r1").getSnapshot().items).toMatchObject([{ seq: 1, body: "new" }, { seq: 2 }]);
    world.peer.say({ ...message(3, "after"), epoch });
    expect(heard).toEqual(["3 after"]);
  });

  it("from too far shows the newest page above a gap, which fills", async () => {
    const client = await live();
    void client.room("r1").open();
    await world.settle();
    await serve(3);
    await reconnect([room({ head: 2_000, unread: 1_997, read: 3 })]);
    world.peer.say({ type: "reset", room: "r1", reason: "too_far", epoch: EPOCH, first: 1, head: 2_000 });
    await world.settle();
    await serve(2_000);
    const { items } = client.room("r1").getSnapshot();
    expect(items[3]).toEqual({ type: "gap", key: "gap-3", after: 3, before: 1_951 });
    expect(items).toHaveLength(54);
    world.peer.say(message(2_001));
    expect(heard).toEqual(["2001 m2001"]);
    void client.room("r1").fillGap("gap-3");
    await serve(2_001);
    void client.room("r1").fillGap("gap-3", "older");
    await serve(2_001);
    const gap = client.room("r1").getSnapshot().items.find(({ type }) => type === "gap");
    expect(gap).toMatchObject({ after: 53, before: 1_901 });
  });

  it("from too far pages forward for a bot that wants every event", async () => {
    await live([room()], { everyEvent: true });
    await reconnect([room({ head: 600 })]);
    world.peer.say({ type: "reset", room: "r1", reason: "too_far", epoch: EPOCH, first: 1, head: 600 });
    world.peer.say(message(601));
    await world.settle();
    await serve(601);
    expect(heard).toHaveLength(598);
    expect(heard[0]).toBe("4 m4");
    expect(heard.at(-1)).toBe("601 m601");
  });

  it("brings a bot also what was written in a room that it was invited to meanwhile", async () => {
    await live([room()], { everyEvent: true });
    await reconnect([room(), room({ id: "r9", first: 5, head: 7, read: 5, unread: 2 })]);
    await serve(7, (seq) => ({ ...message(seq), room: "r9" }));
    expect(heard).toEqual(["6 m6", "7 m7"]);
  });

  it("of a room that is gone takes it from the list", async () => {
    const client = await live([room(), room({ id: "r2" })]);
    const handle = client.room("r1");
    await reconnect([room({ id: "r2" })]);
    world.peer.say({ type: "reset", room: "r1", reason: "gone" });
    expect(client.rooms.getSnapshot().rooms.map(({ id }) => id)).toEqual(["r2"]);
    expect(handle.getSnapshot().status).toBe("gone");
  });
});

describe("a timeline", () => {
  it("opens at the end when everything is read, and loads older pages", async () => {
    const client = await live([room({ head: 120, read: 120 })]);
    const handle = client.room("r1");
    expect(handle.getSnapshot().status).toBe("idle");
    void handle.open();
    expect(handle.getSnapshot().status).toBe("loading");
    await world.settle();
    await serve(120);
    expect(handle.getSnapshot()).toMatchObject({ status: "ready", hasMoreBefore: true, hasMoreAfter: false, head: 120 });
    expect(handle.getSnapshot().items).toHaveLength(50);
    void handle.loadBefore();
    void handle.loadBefore();
    expect(handle.getSnapshot().loadingBefore).toBe(true);
    await world.settle();
    await serve(120);
    expect(handle.getSnapshot().items).toHaveLength(100);
    void handle.loadBefore();
    await world.settle();
    await serve(120);
    expect(handle.getSnapshot()).toMatchObject({ hasMoreBefore: false, loadingBefore: false });
    expect(handle.getSnapshot().items).toHaveLength(120);
    expect(world.peer.all("history")).toHaveLength(3);
  });

  it("ends where the server's pruning reached meanwhile", async () => {
    const client = await live([room({ head: 120, read: 120 })]);
    const handle = client.room("r1");
    void handle.open();
    await world.settle();
    await serve(120);
    expect(handle.getSnapshot()).toMatchObject({ hasMoreBefore: true, first: 1 });
    void handle.loadBefore();
    await world.settle();
    const command = world.peer.all("history").at(-1)!;
    command["answered"] = true;
    world.peer.say({ ...page(command, 120, undefined, 60), pruned: true });
    await world.settle();
    expect(handle.getSnapshot()).toMatchObject({ hasMoreBefore: false, first: 60 });
    expect(handle.getSnapshot().items).toHaveLength(61);
  });

  it("opens around the first unread message, and the mark does not move while reading", async () => {
    const client = await live([room({ head: 200, read: 100, unread: 100 })]);
    const handle = client.room("r1");
    void handle.open();
    await world.settle();
    await serve(200);
    const { items, firstUnreadSeq, hasMoreAfter } = handle.getSnapshot();
    expect([(items[0] as MessageItem).seq, (items.at(-1) as MessageItem).seq]).toEqual([76, 150]);
    expect([firstUnreadSeq, hasMoreAfter]).toEqual([101, true]);
    world.peer.say(message(201));
    handle.markRead(150);
    expect(handle.getSnapshot()).toMatchObject({ firstUnreadSeq: 101, read: 150, head: 201 });
    expect(handle.getSnapshot().items).toHaveLength(75);
    void handle.loadAfter();
    await world.settle();
    await serve(201);
    void handle.loadAfter();
    await world.settle();
    await serve(201);
    expect(handle.getSnapshot()).toMatchObject({ hasMoreAfter: false });
    world.peer.say(message(202));
    expect((handle.getSnapshot().items.at(-1) as MessageItem).seq).toBe(202);
  });

  it("that is opened before anybody is welcomed opens at the first unread message too", async () => {
    const client = createClient({ environment: world.environment, store: memoryStore() });
    void client.room("r1").open();
    client.start();
    await greeted([room({ head: 200, read: 100, unread: 100 })]);
    await serve(200);
    expect(client.room("r1").getSnapshot()).toMatchObject({ status: "ready", firstUnreadSeq: 101 });
  });

  it("of a room that both people have is loaded anew for the next person", async () => {
    const client = await live();
    void client.room("r1").open();
    await world.settle();
    await serve(3);
    world.peer.drop();
    await world.advance(1_000);
    await greeted([room({ head: 5, read: 5 })], { user: { id: "bob", name: "Bob" } });
    await serve(5);
    expect(shown(client)).toBe("1 2 3 4 5");
    expect(client.room("r1").getSnapshot().items).toMatchObject([{ from: "bob", mine: true }, {}, {}, {}, {}]);
  });

  it("jumps to any position and back to the end", async () => {
    const client = await live([room({ head: 1_000, read: 1_000 })]);
    const handle = client.room("r1");
    void handle.open();
    await world.settle();
    await serve(1_000);
    void handle.jumpTo(300);
    await world.settle();
    await serve(1_000);
    const { items } = handle.getSnapshot();
    expect(items).toHaveLength(75 + 1 + 50);
    expect(items.some((item) => item.type === "message" && item.seq === 300)).toBe(true);
    expect(items[75]).toMatchObject({ type: "gap", after: 349, before: 951 });
  });

  it("keeps the events that came while its page was on the way", async () => {
    const client = await live();
    void client.room("r1").open();
    await world.settle();
    world.peer.say(message(4));
    const edit = { ...message(5), kind: "edit", message: eventId(2), of: 2, body: "edited" };
    world.peer.say(edit);
    await serve(3);
    expect(shown(client)).toBe("1 2 3 4");
    expect(client.room("r1").getSnapshot().items[1]).toMatchObject({ body: "edited", edited: { seq: 5, at: 1005 } });
  });

  it("of an empty room takes the first message", async () => {
    const client = await live([room({ head: 0, read: 0 })]);
    void client.room("r1").open();
    await world.settle();
    await serve(0);
    expect(client.room("r1").getSnapshot()).toMatchObject({ status: "ready", hasMoreBefore: false, hasMoreAfter: false });
    world.peer.say(message(1));
    expect(shown(client)).toBe("1");
  });

  it("keeps the identity of what did not change", async () => {
    const client = await live();
    const handle = client.room("r1");
    void handle.open();
    await world.settle();
    await serve(3);
    const before = handle.getSnapshot();
    expect(handle.getSnapshot()).toBe(before);
    world.peer.say(message(4));
    const after = handle.getSnapshot();
    expect(after).not.toBe(before);
    expect(after.items.slice(0, 3).every((item, index) => item === before.items[index])).toBe(true);
    client.room("r1").send("own");
    const [own] = handle.getSnapshot().items.slice(-1);
    world.peer.say(message(5));
    expect(handle.getSnapshot().items.at(-1)).toBe(own);
  });

  it("shows edits and deletions once, whatever comes first, and again changes nothing", async () => {
    const client = await live([room({ head: 2 })]);
    void client.room("r1").open();
    await world.settle();
    await serve(2);
    world.peer.say({ ...message(3), kind: "edit", message: eventId(1), of: 1, body: "one" });
    world.peer.say({ ...message(4), kind: "edit", message: eventId(1), of: 1, body: "two" });
    world.peer.say({ ...message(5), kind: "delete", message: eventId(2), of: 2 });
    expect(client.room("r1").getSnapshot().items).toMatchObject([
      { seq: 1, body: "two", edited: { seq: 4 } },
      { seq: 2, body: "", deleted: { seq: 5 } },
    ]);
  });

  it("shows who came and went, and the room's new name", async () => {
    const client = await live([room({ head: 2, members: 2 })]);
    void client.room("r1").open();
    await world.settle();
    await serve(2);
    const changes = [{ user: "carol", change: "joined", role: "member" }, { user: "bob", change: "left" }];
    world.peer.say({ ...message(3), kind: "member", changes: [changes[0]], people: [{ id: "carol", name: "Carol" }] });
    world.peer.say({ ...message(4), kind: "member", changes: [changes[1]] });
    world.peer.say({ ...message(5), kind: "rename", name: "Operations" });
    expect(shown(client)).toBe("1 2 member member rename");
    expect(client.room("r1").getSnapshot().info).toMatchObject({ members: 2, name: "Operations", title: "Operations" });
    expect(client.people.getSnapshot().get("carol")?.name).toBe("Carol");
  });

  it("shows one's own edit at once and takes it back when it is refused", async () => {
    const own = (seq: number): object => message(seq, `m${seq}`, { from: "ann" });
    const client = await live();
    const handle = client.room("r1");
    void handle.open();
    await world.settle();
    await serve(3, own);
    const { cid } = handle.edit(eventId(2), "better");
    expect(handle.getSnapshot().items[1]).toMatchObject({ body: "better", change: { kind: "edit", state: "queued", cid } });
    await world.settle();
    world.peer.say({ type: "error", id: world.peer.last("edit")["id"], code: "forbidden", message: "No.", retry: false });
    await world.settle();
    expect(handle.getSnapshot().items[1]).toMatchObject({ body: "m2", change: { state: "failed", error: { code: "forbidden" } } });
    handle.discard(cid);
    expect(handle.getSnapshot().items[1]).toMatchObject({ body: "m2" });
    expect(handle.getSnapshot().items[1]).not.toHaveProperty("change");
  });

  it("says why a page could not be loaded, and loads it again", async () => {
    const client = await live();
    const handle = client.room("r1");
    const opened = handle.open();
    await world.settle();
    world.peer.say({ type: "error", id: world.peer.last("history")["id"], code: "not_found", message: "No.", retry: false });
    await expect(opened).rejects.toMatchObject({ code: "not_found" });
    expect(handle.getSnapshot().error).toMatchObject({ code: "not_found" });
    void handle.open();
    await world.settle();
    world.peer.received.splice(0, 2);
    await serve(3);
    expect(handle.getSnapshot()).toMatchObject({ status: "ready", error: undefined });
  });

  it("bridges a cut in the middle of a page", async () => {
    const client = await live();
    void client.room("r1").open();
    await world.settle();
    await reconnect();
    await serve(3);
    expect(shown(client)).toBe("1 2 3");
  });
});
