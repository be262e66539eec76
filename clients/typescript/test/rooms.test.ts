import { beforeEach, describe, expect, it } from "vitest";
import type { Client, RoomInfo } from "../src/api.js";
import { createClient } from "../src/client.js";
import { MoorlineError } from "../src/error.js";
import { memoryStore } from "../src/store/memory.js";
import { EPOCH, eventId, message, room, welcome, World } from "./world.js";

let world: World;

beforeEach(() => {
  world = new World();
});

async function live(rooms = [room()], more: object = {}): Promise<Client> {
  const made = createClient({ environment: world.environment, store: memoryStore() });
  made.start();
  await greeted(rooms, more);
  return made;
}

async function greeted(rooms = [room()], more: object = {}): Promise<void> {
  await world.settle();
  world.peer.accept();
  world.peer.say(welcome(rooms, more));
  await world.settle();
}

function row(client: Client, id = "r1"): RoomInfo | undefined {
  return client.rooms.getSnapshot().rooms.find((each) => each.id === id);
}

describe("the list of rooms", () => {
  it("is in order of activity and says what is unread in all", async () => {
    const rooms = [room({ id: "old", at: 1, unread: 2 }), room({ id: "new", at: 9 }), room({ id: "mid", at: 5, unread: 1 })];
    const client = await live(rooms, { totals: { rooms: 120, unread: 10, mentions: 1 }, after: "cursor" });
    const list = client.rooms.getSnapshot();
    expect(list.rooms.map(({ id }) => id)).toEqual(["new", "mid", "old"]);
    expect(list).toMatchObject({ unread: 10, mentions: 1, hasMore: true, ready: true });
    world.peer.say(message(4, "hi", { room: "old", at: 100 }));
    expect(client.rooms.getSnapshot().rooms[0]).toMatchObject({ id: "old", unread: 3, last: { body: "hi", from: "bob" } });
    expect(client.rooms.getSnapshot().unread).toBe(11);
  });

  it("grows by pages", async () => {
    const client = await live([room({ id: "a", at: 9 })], { totals: { rooms: 2, unread: 4, mentions: 0 }, after: "cursor" });
    const loaded = client.rooms.loadMore();
    await world.settle();
    const command = world.peer.last("rooms");
    expect(command).toMatchObject({ after: "cursor", limit: 100 });
    world.peer.say({ type: "rooms", id: command["id"], rooms: [room({ id: "b", at: 1, unread: 4 })], more: false });
    await loaded;
    expect(client.rooms.getSnapshot()).toMatchObject({ rooms: [{ id: "a" }, { id: "b" }], unread: 4, hasMore: false });
  });

  it("counts others' messages as unread, not one's own, and one's own marks all as read", async () => {
    const client = await live();
    world.peer.say(message(4));
    world.peer.say(message(5));
    expect(row(client)).toMatchObject({ unread: 2, read: 3, head: 5 });
    world.peer.say(message(6, "mine", { from: "ann" }));
    expect(row(client)).toMatchObject({ unread: 0, read: 6 });
  });

  it("does not count twice what a resume brings and the welcome has counted", async () => {
    const client = await live();
    world.peer.drop();
    await world.advance(1_000);
    await greeted([room({ head: 6, unread: 3, read: 3, last: message(6) as never })]);
    for (const seq of [4, 5, 6]) world.peer.say(message(seq));
    expect(row(client)).toMatchObject({ unread: 3 });
    world.peer.say(message(7));
    expect(row(client)).toMatchObject({ unread: 4 });
  });

  it("follows one's own marker on another device", async () => {
    const client = await live();
    for (const seq of [4, 5]) world.peer.say(message(seq));
    world.peer.say({ type: "receipt", room: "r1", user: "ann", seq: 5 });
    expect(row(client)).toMatchObject({ unread: 0, read: 5 });
    world.peer.say({ type: "receipt", room: "r1", user: "ann", seq: 4 });
    expect(row(client)).toMatchObject({ read: 5 });
  });

  it("gets a room when one is invited and loses it when one is removed", async () => {
    const client = await live();
    const changes: string[] = [];
    client.on("room", ({ room: id, change }) => changes.push(`${id} ${change}`));
    world.peer.say({ type: "room", change: "added", room: room({ id: "r2", name: "Night shift" }), people: [] });
    world.peer.say(message(4, "welcome", { room: "r2" }));
    expect(row(client, "r2")).toMatchObject({ title: "Night shift", unread: 1 });
    world.peer.say({ type: "room", change: "gone", id: "r2" });
    expect(row(client, "r2")).toBeUndefined();
    expect(changes).toEqual(["r2 added", "r2 gone"]);
  });

  it("names a direct room by the other person, as soon as the name is known", async () => {
    const direct = room({ id: "d1", kind: "direct", name: undefined, peer: "u_9" });
    const client = await live([direct]);
    expect(row(client, "d1")?.title).toBe("u_9");
    world.peer.say(message(4, "hi", { room: "d1", from: "u_9", people: [{ id: "u_9", name: "Carol" }] }));
    expect(row(client, "d1")?.title).toBe("Carol");
  });

  it("shows a message of one's own before it is sent, and that one failed", async () => {
    const client = await live();
    client.room("r1").send("on its way");
    expect(row(client)).toMatchObject({ queued: 1, last: { body: "on its way", state: "queued" } });
    await world.settle();
    world.peer.say({ type: "error", id: world.peer.last("send")["id"], code: "invalid", message: "No.", retry: false });
    await world.settle();
    expect(row(client)).toMatchObject({ queued: 0, failed: 1, last: { state: "failed" } });
  });

  it("shows an edit and a deletion of the last message", async () => {
    const client = await live();
    world.peer.say(message(4, "teh"));
    world.peer.say({ ...message(5), kind: "edit", message: eventId(4), of: 4, body: "the" });
    expect(row(client)?.last).toMatchObject({ body: "the", deleted: false });
    world.peer.say({ ...message(6), kind: "delete", message: eventId(4), of: 4 });
    expect(row(client)?.last).toMatchObject({ body: "", deleted: true });
  });
});

describe("a read marker", () => {
  it("moves at once, is told once a second, and the last one wins", async () => {
    const client = await live();
    const handle = client.room("r1");
    for (let seq = 4; seq <= 20; seq++) {
      world.peer.say(message(seq));
      handle.markRead();
      await world.advance(100);
    }
    expect(row(client)).toMatchObject({ unread: 0, read: 20 });
    await world.advance(1_000);
    expect(world.peer.all("read").map(({ seq }) => seq)).toEqual([4, 13, 20]);
  });

  it("that could not be told is told after the cut, and not lost to an older welcome", async () => {
    const client = await live([room({ head: 9, read: 3, unread: 6, last: message(9) as never })]);
    world.peer.drop();
    client.room("r1").markRead();
    await world.advance(1_000);
    await greeted([room({ head: 9, read: 3, unread: 6, last: message(9) as never })]);
    expect(world.peer.all("read")).toMatchObject([{ room: "r1", seq: 9 }]);
    expect(row(client)).toMatchObject({ read: 9, unread: 0 });
  });

  it("of others is kept, and only grows", async () => {
    const client = await live();
    for (const seq of [2, 3, 1]) world.peer.say({ type: "receipt", room: "r1", user: "bob", seq });
    expect(client.room("r1").getSnapshot().receipts).toEqual({ bob: 3 });
  });
});

describe("being away", () => {
  it("is told once a change, and again on a new connection", async () => {
    const client = await live();
    client.setAway(false);
    client.setAway(true);
    client.setAway(true);
    expect(world.peer.all("away")).toMatchObject([{ type: "away", on: true }]);
    world.peer.drop();
    await world.advance(1_000);
    await greeted();
    expect(world.peer.all("away")).toMatchObject([{ type: "away", on: true }]);
    client.setAway(false);
    expect(world.peer.all("away").at(-1)).toMatchObject({ on: false });
  });

  it("of others is shown as the server tells it, and so is another name", async () => {
    const client = await live();
    world.peer.say({ type: "presence", user: "bob", state: "away", at: 7 });
    expect(client.people.getSnapshot().get("bob")).toMatchObject({ presence: "away", seen: 7 });
    world.peer.say({ type: "people", people: [{ id: "bob", name: "Robert" }] });
    expect(client.people.getSnapshot().get("bob")).toMatchObject({ name: "Robert", presence: "away" });
  });
});

describe("typing", () => {
  it("of others is shown, without oneself, and expires after six seconds", async () => {
    const client = await live();
    world.peer.say({ type: "typing", room: "r1", users: ["ann", "bob"], more: 1 });
    expect(row(client)).toMatchObject({ typing: ["bob"], typingMore: 1 });
    await world.advance(5_999);
    expect(row(client)?.typing).toEqual(["bob"]);
    await world.advance(1);
    expect(row(client)?.typing).toEqual([]);
  });

  it("ends with the message", async () => {
    const client = await live();
    world.peer.say({ type: "typing", room: "r1", users: ["bob"], more: 0 });
    world.peer.say(message(4));
    expect(row(client)?.typing).toEqual([]);
  });

  it("of one's own is told once in three seconds, and anew after a message", async () => {
    const client = await live();
    for (let key = 0; key < 20; key++) {
      client.room("r1").typing();
      await world.advance(200);
    }
    expect(world.peer.all("typing")).toHaveLength(2);
    client.room("r1").send("done");
    client.room("r1").typing();
    expect(world.peer.all("typing")).toHaveLength(3);
  });
});

describe("questions", () => {
  it("are asked again after a cut, under the same cid", async () => {
    const client = await live();
    const created = client.create({ kind: "group", name: "Ops", members: ["bob"] });
    await world.settle();
    const { cid } = world.peer.last("create") as { cid: string };
    world.peer.drop();
    await world.advance(1_000);
    await greeted();
    expect(world.peer.last("create")).toMatchObject({ cid, kind: "group", name: "Ops", members: ["bob"] });
    world.peer.say({ type: "ack", id: world.peer.last("create")["id"], room: "r7", epoch: EPOCH, seq: 1, at: 0 });
    await expect(created).resolves.toBe("r7");
  });

  it("fail with the server's code, or as timed out after half a minute", async () => {
    const client = await live();
    const joined = client.join("r9");
    await world.settle();
    world.peer.say({ type: "error", id: world.peer.last("join")["id"], code: "not_found", message: "No.", retry: false });
    await expect(joined).rejects.toBeInstanceOf(MoorlineError);
    world.peer.drop(4403, "signed out");
    const failed = expect(client.join("r9")).rejects.toMatchObject({ retryable: true });
    await world.advance(31_000);
    await failed;
  });

  it("learn names, presence and markers from the list of members", async () => {
    const client = await live();
    const listed = client.room("r1").members();
    await world.settle();
    const members = [{ id: "bob", name: "Bobby", role: "owner", read: 2, presence: "online" }];
    world.peer.say({ type: "members", id: world.peer.last("members")["id"], room: "r1", members, more: false, total: 1 });
    await expect(listed).resolves.toMatchObject({ total: 1, items: [{ id: "bob", role: "owner" }] });
    expect(client.people.getSnapshot().get("bob")).toMatchObject({ name: "Bobby", presence: "online" });
    expect(client.room("r1").getSnapshot().receipts).toEqual({ bob: 2 });
    world.peer.say({ type: "presence", user: "bob", state: "offline", at: 77 });
    expect(client.people.getSnapshot().get("bob")).toMatchObject({ name: "Bobby", presence: "offline", seen: 77 });
  });

  it("look up only names that are not known, a hundred at a time", async () => {
    const client = await live();
    const ids = Array.from({ length: 150 }, (_, index) => `u${index}`);
    const done = client.lookUp(["bob", ...ids, ...ids]);
    for (const from of [0, 100]) {
      await world.settle();
      const command = world.peer.last("people");
      expect(command["ids"]).toEqual(ids.slice(from, from + 100));
      world.peer.say({ type: "people", id: command["id"], people: ids.map((id) => ({ id, name: id })) });
    }
    await done;
  });
});

describe("listeners", () => {
  it("are called at most once a frame, and at once after a pause", async () => {
    const client = await live();
    await world.advance(100);
    let calls = 0;
    client.rooms.subscribe(() => calls++);
    for (let seq = 4; seq < 500; seq++) world.peer.say(message(seq));
    await world.settle();
    expect(calls).toBe(1);
    for (let seq = 500; seq < 900; seq++) world.peer.say(message(seq));
    await world.settle();
    expect(calls).toBe(1);
    await world.advance(16);
    expect(calls).toBe(2);
    expect(row(client)?.head).toBe(899);
  });
});
