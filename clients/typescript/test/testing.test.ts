import { beforeEach, describe, expect, it } from "vitest";
import type { Client, ClientOptions, MessageItem } from "../src/api.js";
import { createClient } from "../src/client.js";
import { createTestServer, type TestServer } from "../src/testing/index.js";
import type { TestWindow } from "../src/testing/window.js";

let server: TestServer;

beforeEach(() => {
  server = createTestServer();
  server.person("ann", "Ann");
  server.person("bob", "Bob");
  server.room({ id: "ops", name: "Ops", members: ["ann", "bob"] });
});

interface Signed {
  readonly client: Client;
  readonly window: TestWindow;
}

async function live(user: string, options: ClientOptions = {}): Promise<Signed> {
  const window = server.window(user);
  const client = createClient({ ...window.options, ...options });
  client.start();
  await server.clock.settle();
  expect(client.getSnapshot().state.is).toBe("live");
  return { client, window };
}

function rows(client: Client, room = "ops"): string[] {
  const { items } = client.room(room).getSnapshot();
  return items.filter((item): item is MessageItem => item.type === "message").map(({ from, body, state }) => `${from}: ${body} (${state})`);
}

describe("without faults", () => {
  it("two people talk, and each sees both messages once", async () => {
    const [ann, bob] = [await live("ann"), await live("bob")];
    void ann.client.room("ops").open();
    void bob.client.room("ops").open();
    ann.client.room("ops").send("hello");
    await server.clock.settle();
    bob.client.room("ops").send("hi");
    await server.clock.advance(100);
    expect(rows(ann.client)).toEqual(["ann: hello (sent)", "bob: hi (sent)"]);
    expect(rows(bob.client)).toEqual(rows(ann.client));
    expect(ann.client.people.getSnapshot().get("bob")).toEqual({ id: "bob", name: "Bob", presence: "online", seen: expect.any(Number) });
  });

  it("a backend's message, room and person arrive", async () => {
    const { client } = await live("ann");
    server.say("ops", "bob", "from the backend", "c-1");
    server.say("ops", "bob", "from the backend", "c-1");
    server.room({ id: "new", name: "New", members: ["bob", "ann"] });
    server.person("bob", "Robert");
    await server.clock.advance(100);
    expect(server.log("ops").map(({ kind }) => kind)).toEqual(["member", "message"]);
    expect(client.rooms.getSnapshot().rooms.map(({ title, unread }) => `${title} ${unread}`).sort()).toEqual(["New 0", "Ops 1"]);
    expect(client.people.getSnapshot().get("bob")?.name).toBe("Robert");
  });

  it("typing, markers and presence are told, and end", async () => {
    const [ann, bob] = [await live("ann"), await live("bob")];
    const info = () => ann.client.rooms.getSnapshot().rooms[0];
    bob.client.room("ops").typing();
    await server.clock.advance(20);
    expect(info()?.typing).toEqual(["bob"]);
    const { seq } = server.say("ops", "ann", "read this");
    await server.clock.advance(20);
    bob.client.room("ops").markRead(seq);
    await server.clock.advance(6_000);
    expect(info()?.typing).toEqual([]);
    expect(ann.client.room("ops").getSnapshot().receipts).toEqual({ bob: seq });
    bob.client.setAway(true);
    await server.clock.advance(20);
    expect(ann.client.people.getSnapshot().get("bob")?.presence).toBe("away");
    bob.client.stop();
    await server.clock.advance(29_000);
    expect(ann.client.people.getSnapshot().get("bob")?.presence).toBe("away");
    await server.clock.advance(1_100);
    expect(ann.client.people.getSnapshot().get("bob")?.presence).toBe("offline");
  });

  it("the same seed gives the same ids, another one others", () => {
    const first = (seed: number): string => {
      const made = createTestServer({ seed });
      return made.log(made.room({ members: ["ann"] }))[0]!.id;
    };
    expect(first(1)).toBe(first(1));
    expect(first(1)).not.toBe(first(2));
  });
});

describe("what goes wrong on command", () => {
  it("a cut is bridged, and what came meanwhile is there", async () => {
    const { client, window } = await live("ann");
    void client.room("ops").open();
    await server.clock.settle();
    window.cut();
    server.say("ops", "bob", "while you were away");
    expect(client.getSnapshot().state.is).toBe("waiting");
    await server.clock.advance(1_000);
    expect(client.getSnapshot().state.is).toBe("live");
    expect(rows(client)).toEqual(["bob: while you were away (sent)"]);
  });

  it("a stall is noticed by silence", async () => {
    const { client, window } = await live("ann");
    window.stall();
    client.room("ops").send("into the tunnel");
    await server.clock.advance(4_000);
    expect(client.getSnapshot()).toMatchObject({ state: { is: "live" }, queued: 1 });
    await server.clock.advance(8_000);
    expect(client.getSnapshot()).toMatchObject({ state: { is: "live" }, queued: 0 });
    expect(server.log("ops").at(-1)).toMatchObject({ from: "ann", body: "into the tunnel" });
  });

  it("a machine without network says so and comes back", async () => {
    const { client, window } = await live("ann");
    window.offline();
    await server.clock.advance(60_000);
    expect(client.getSnapshot().state.is).toBe("offline");
    window.online();
    await server.clock.settle();
    expect(client.getSnapshot().state.is).toBe("live");
  });

  it("an expired token is fetched anew once, and a signed-out person stays out", async () => {
    const asked: string[] = [];
    const { client } = await live("ann", { getToken: (why) => (asked.push(why), server.token("ann")) });
    server.expireToken("ann");
    await server.clock.advance(100);
    expect(client.getSnapshot().state.is).toBe("live");
    expect(asked).toEqual(["first", "refused"]);
    server.signOut("ann");
    await server.clock.advance(60_000);
    expect(client.getSnapshot().state).toEqual({ is: "closed", code: 4403, reason: "signed out" });
  });

  it("a token that stays refused is no storm", async () => {
    const window = server.window("ann");
    let asked = 0;
    const client = createClient({ ...window.options, getToken: () => `nobody's ${++asked}` });
    client.start();
    await server.clock.advance(600_000);
    expect(client.getSnapshot().state).toMatchObject({ is: "closed", code: 4401 });
    expect(asked).toBe(2);
  });

  it("a server that goes away is back after its time", async () => {
    const { client } = await live("ann");
    server.goAway({ downMs: 3_000, spreadMs: 500 });
    await server.clock.settle();
    expect(client.getSnapshot().state).toMatchObject({ is: "waiting", code: 1012 });
    await server.clock.advance(10_000);
    expect(client.getSnapshot().state.is).toBe("live");
  });

  it("lost history is a reset, and nothing old is mixed with the new", async () => {
    const [ann, bob] = [await live("ann"), await live("bob")];
    void ann.client.room("ops").open();
    for (const body of ["one", "two", "three"]) server.say("ops", "bob", body);
    await server.clock.advance(100);
    const resets: string[] = [];
    ann.client.on("room", ({ change, reason }) => resets.push(`${change} ${reason}`));
    bob.window.offline();
    server.loseHistory("ops", 2);
    server.say("ops", "bob", "another two");
    await server.clock.advance(100);
    bob.window.online();
    void bob.client.room("ops").open();
    await server.clock.advance(100);
    expect(resets).toEqual(["reset epoch"]);
    expect(rows(ann.client)).toEqual(["bob: one (sent)", "bob: another two (sent)"]);
    expect(rows(bob.client)).toEqual(rows(ann.client));
  });

  it("a deletion erases the text everywhere, and a restore from before it brings it back", async () => {
    const { seq, message = "" } = server.say("ops", "ann", "teh first");
    const { client } = await live("ann");
    client.room("ops").edit(message, "the first");
    await server.clock.settle();
    client.room("ops").delete(message);
    await server.clock.settle();
    expect(JSON.stringify(server.log("ops"))).not.toContain("first");
    server.loseHistory("ops", seq);
    expect(server.log("ops").at(-1)).toMatchObject({ seq, body: "teh first" });
  });

  it("pruned events are told as such", async () => {
    const { client, window } = await live("ann");
    for (let index = 0; index < 5; index++) server.say("ops", "bob", `m${index}`);
    await server.clock.settle();
    window.offline();
    for (let index = 5; index < 12; index++) server.say("ops", "bob", `m${index}`);
    server.prune("ops", 10);
    const resets: string[] = [];
    client.on("room", ({ change, reason }) => resets.push(`${change} ${reason}`));
    window.online();
    await server.clock.settle();
    void client.room("ops").open();
    await server.clock.advance(100);
    expect(resets).toEqual(["reset pruned"]);
    expect(rows(client)[0]).toBe("bob: m8 (sent)");
  });

  it.each(["drop", "repeat", "reorder", "cut", "refuse", "unavailable"] as const)("the fault %s bites, and costs nothing", async (fault) => {
    const [ann, bob] = [await live("ann"), await live("bob", { everyEvent: true })];
    void ann.client.room("ops").open();
    const heard: string[] = [];
    bob.client.on("message", ({ message }) => heard.push(message.body));
    const wire: string[] = [];
    server.onFrame = ({ to, user, text }) => to === "client" && user === "bob" && wire.push(text);
    let losses = 0;
    ann.client.on("disconnected", () => losses++);
    ann.client.on("error", () => losses++);
    server.faults[fault] = 0.3;
    const sent: string[] = [];
    for (let index = 0; index < 30; index++) {
      sent.push(`m${index}`);
      ann.client.room("ops").send(`m${index}`);
      if (fault === "refuse") ann.window.cut();
      await server.clock.advance({ reorder: 20, drop: 5_000 }[fault as string] ?? 700);
    }
    server.heal();
    await server.clock.advance(60_000);
    expect(heard).toEqual(sent);
    expect(rows(ann.client)).toEqual(sent.map((body) => `ann: ${body} (sent)`));
    const seqs = wire.filter((text) => text.startsWith('{"type":"event"')).map((text) => (JSON.parse(text) as { seq: number }).seq);
    const inOrder = [...seqs].sort((left, right) => left - right);
    if (fault === "repeat") expect(new Set(seqs).size).toBeLessThan(seqs.length);
    if (fault === "reorder") expect(seqs).not.toEqual(inOrder);
    if (fault === "cut" || fault === "refuse") expect(losses).toBeGreaterThan(3);
    if (fault === "drop") expect(wire.some((text) => text.startsWith('{"type":"page"'))).toBe(true);
  });

  it("a delay takes its time and keeps the order", async () => {
    const { client } = await live("ann");
    const heard: string[] = [];
    client.on("message", ({ message }) => heard.push(message.body));
    server.faults.delayMs = 500;
    for (let index = 0; index < 20; index++) server.say("ops", "bob", `m${index}`);
    await server.clock.settle();
    expect(heard.length).toBeLessThan(20);
    await server.clock.advance(500);
    expect(heard).toEqual(Array.from({ length: 20 }, (_, index) => `m${index}`));
  });
});

describe("the fake clock", () => {
  it("rings each timer at its time and in the order of setting, and never after it was cleared", async () => {
    const { clock } = server;
    const rung: string[] = [];
    const ring = (name: string) => () => rung.push(`${name} ${clock.monotonic()}`);
    clock.setTimeout(ring("late"), 20);
    clock.setTimeout(ring("first"), 10);
    clock.setTimeout(ring("second"), 10);
    clock.clearTimeout(clock.setTimeout(ring("never"), 5));
    clock.setTimeout(() => clock.setTimeout(ring("nested"), 1), 10);
    await clock.advance(15);
    expect(rung).toEqual(["first 10", "second 10", "nested 11"]);
    await clock.advance(5);
    expect(rung.at(-1)).toBe("late 20");
  });

  it("jumps by the wall without ringing anything", async () => {
    const { client } = await live("ann");
    const before = server.clock.now();
    server.clock.jump(-3_600_000);
    expect(server.clock.now()).toBe(before - 3_600_000);
    client.room("ops").send("an hour ago");
    await server.clock.advance(100);
    expect(client.getSnapshot()).toMatchObject({ state: { is: "live" }, queued: 0 });
  });
});
