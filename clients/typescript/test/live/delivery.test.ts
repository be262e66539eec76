import { IDBFactory } from "fake-indexeddb";
import "fake-indexeddb/auto";
import { describe, expect, it } from "vitest";
import { indexedDbStore } from "../../src/index.js";
import { History } from "./history.js";
import { person, rows, started } from "./people.js";
import { isBuilt } from "./server.js";
import { until } from "./until.js";

describe.skipIf(!isBuilt)("against the real server", () => {
  it("two people get 200 messages, each once, in one order, through cuts, stalls, kills and a drain", async () => {
    const server = await started();
    const history = new History(["cut", "stall", "kill", "drain"]);
    const bob = await person(server, history, "bob");
    const ann = await person(server, history, "ann");
    const id = await ann.client.create({ kind: "group", name: "Ops", members: ["bob"] });
    await until("bob has the room", () => bob.client.rooms.getSnapshot().rooms.length === 1);
    await Promise.all([ann.client.room(id).open(), bob.client.room(id).open()]);

    const bothHave = (count: number) => () => ann.heard.length >= count && bob.heard.length >= count;
    const restart = async (signal: "SIGKILL" | "SIGTERM"): Promise<void> => {
      await server.end(signal);
      await server.start();
    };
    const faults = [
      () => history.fault("cut", () => ann.proxy.cut(), () => {}),
      () => history.fault("kill", () => server.end("SIGKILL"), () => server.start()),
      () => history.fault("stall", () => bob.proxy.stall(), () => until("bob notices", () => bob.client.getSnapshot().state.is !== "live")),
      () => history.fault("drain", () => restart("SIGTERM"), () => {}),
      () => history.fault("kill", () => server.end("SIGKILL"), () => server.start()),
    ];
    for (const [round, fault] of faults.entries()) {
      for (let index = 0; index < 20; index++) {
        ann.client.room(id).send(`ann ${round * 20 + index}`);
        bob.client.room(id).send(`bob ${round * 20 + index}`);
      }
      await until("the round is under way", bothHave(round * 40 + 6));
      await fault();
      bob.proxy.heal();
      await until(`round ${round} is through`, bothHave((round + 1) * 40), 60_000);
    }

    expect(ann.heard).toHaveLength(200);
    expect(new Set(ann.heard).size).toBe(200);
    expect(bob.heard).toEqual(ann.heard);
    for (const name of ["ann", "bob"]) {
      const own = ann.heard.filter((body) => body.startsWith(name));
      expect(own).toEqual(Array.from({ length: 100 }, (_, index) => `${name} ${index}`));
    }
    for (const { client } of [ann, bob]) {
      await client.drained();
      expect(rows(client, id)).toEqual(ann.heard.map((body) => `${body} sent`));
      expect(client.getSnapshot()).toMatchObject({ queued: 0, failed: 0 });
    }
    console.log(await history.verdict(server));
  });

  it("a tab that is gone with a full outbox loses nothing, and nothing is stored twice", async () => {
    const server = await started();
    const history = new History(["stall"]);
    const database = new IDBFactory();
    const before = await person(server, history, "ann", { store: indexedDbStore("live", database) });
    const id = await before.client.create({ kind: "public", name: "Everyone" });
    const watcher = await person(server, history, "bob");
    await watcher.client.join(id);
    watcher.client.room(id).send("first");
    await until("both have the first", () => before.heard.length === 1 && watcher.heard.length === 1);

    await history.fault("stall", () => before.proxy.stall(), async () => {
      for (let index = 0; index < 30; index++) before.client.room(id).send(`m${index}`);
      await until("the first one is on its way", () => rows(before.client, id).includes("m0 sending"));
      before.client.stop();
    });
    // The same server by the same way: entries are kept for a person on a server.
    before.proxy.heal();
    const reopened = { proxy: before.proxy, store: indexedDbStore("live", database) };
    const after = await person(server, history, "ann", reopened);
    await until("all have arrived", () => watcher.heard.length >= 31);
    await after.client.drained();
    expect(watcher.heard).toEqual(["first", ...Array.from({ length: 30 }, (_, index) => `m${index}`)]);
    console.log(await history.verdict(server));
  });

  it("edits, deletions, members, names and markers reach the others through a restart", async () => {
    const server = await started();
    const history = new History(["kill"]);
    const bob = await person(server, history, "bob");
    const ann = await person(server, history, "ann");
    const id = await ann.client.create({ kind: "group", name: "Ops", members: ["bob"] });
    const room = ann.client.room(id);
    const first = await room.send("teh first").acked;
    const second = await room.send("second").acked;
    await until("bob has both", () => bob.heard.length === 2);
    expect(bob.client.rooms.getSnapshot()).toMatchObject({ unread: 2, rooms: [{ id, unread: 2, title: "Ops" }] });
    await bob.client.room(id).open();
    expect(bob.client.room(id).getSnapshot().firstUnreadSeq).toBe(first.seq);

    await history.fault("kill", () => server.end("SIGKILL"), () => {
      room.edit(first.id, "the first");
      room.delete(second.id);
      bob.client.room(id).markRead();
      return server.start();
    });
    await ann.client.drained();
    await room.rename("Operations");
    await until("bob sees all of it", () => rows(bob.client, id).join() === "the first sent, sent");
    await until("bob sees the name", () => bob.client.rooms.getSnapshot().rooms[0]?.title === "Operations");
    await until("ann sees bob's marker", () => (room.getSnapshot().receipts["bob"] ?? 0) >= second.seq);
    expect(bob.client.rooms.getSnapshot().unread).toBe(0);

    await room.remove(["bob"]);
    await until("bob has lost the room", () => bob.client.rooms.getSnapshot().rooms.length === 0);
    await expect(bob.client.room(id).send("still here?").acked).rejects.toMatchObject({ code: "not_found" });
    await expect(bob.client.join(id)).rejects.toMatchObject({ code: "not_found" });
    console.log(await history.verdict(server));
  });

  it("a person finds public rooms, people and messages", async () => {
    const server = await started();
    const history = new History([]);
    const ann = await person(server, history, "ann");
    const bob = await person(server, history, "bob");
    const id = await ann.client.create({ kind: "public", name: "Night shift" });
    await ann.client.room(id).send("the pump of hall nine is loud").acked;
    const { items } = await bob.client.browse({ query: "night" });
    expect(items).toMatchObject([{ id, title: "Night shift", kind: "public" }]);
    await bob.client.join(id);
    await until("bob has the room", () => bob.client.rooms.getSnapshot().rooms.length === 1);
    expect(await bob.client.findPeople("an")).toMatchObject([{ id: "ann", name: "ann" }]);
    await until("the message is found", async () => (await bob.client.search("pump loud")).hits.length === 1);
    const members = await bob.client.room(id).members();
    expect(members.items.map((member) => member.id).sort()).toEqual(["ann", "bob"]);
    const direct = await bob.client.create({ kind: "direct", members: ["ann"] });
    expect(await ann.client.create({ kind: "direct", members: ["bob"] })).toBe(direct);
    await until("ann has the direct room under bob's name", () => {
      return ann.client.rooms.getSnapshot().rooms.some((room) => room.id === direct && room.title === "bob");
    });
    ann.client.room(id).typing();
    await until("bob sees that ann types", () => bob.client.rooms.getSnapshot().rooms.some(({ typing }) => typing.includes("ann")));
    await bob.client.room(id).send("thanks").acked;
    console.log(await history.verdict(server));
  });
});
