import { beforeEach, describe, expect, it } from "vitest";
import type { ClientEvents } from "../src/api.js";
import { begin, heard, live, reconnect, serve, shown, world } from "./room-stage.js";
import { EPOCH, eventId, message, page, room } from "./world.js";

beforeEach(begin);

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
