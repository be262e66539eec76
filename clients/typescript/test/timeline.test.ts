import { beforeEach, describe, expect, it } from "vitest";
import type { MessageItem } from "../src/api.js";
import { createClient } from "../src/client.js";
import { memoryStore } from "../src/store/memory.js";
import { begin, greeted, live, reconnect, serve, shown, world } from "./room-stage.js";
import { eventId, message, page, room } from "./world.js";

beforeEach(begin);

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
