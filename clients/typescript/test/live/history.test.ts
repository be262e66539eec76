import { describe, expect, it } from "vitest";
import type { GapItem } from "../../src/index.js";
import { History } from "./history.js";
import { person, rows, started } from "./people.js";
import { isBuilt } from "./server.js";
import { until } from "./until.js";

/** More than a resume brings for one room. */
const MANY = 1_100;

describe.skipIf(!isBuilt)("history on the real server", () => {
  it("of a long absence is a gap for a person and complete for a bot", async () => {
    const server = await started();
    const history = new History(["stall"]);
    const [bot, bob, ann] = [
      await person(server, history, "bot", { everyEvent: true }),
      await person(server, history, "bob"),
      await person(server, history, "ann"),
    ];
    const id = await ann.client.create({ kind: "group", name: "Ops", members: ["bob", "bot"] });
    await until("all have the room", () => [bob, bot].every(({ client }) => client.rooms.getSnapshot().rooms.length === 1));
    const greetings = ["from ann", "from bob", "from bot"];
    for (const [index, { client }] of [ann, bob, bot].entries()) await client.room(id).send(greetings[index]!).acked;
    await until("both have the first ones", () => bob.heard.length === 3 && bot.heard.length === 3);
    await bob.client.room(id).open();

    const bodies = Array.from({ length: MANY }, (_, index) => `m${index}`);
    const away = [bot, bob];
    await history.fault(
      "stall",
      async () => {
        for (const { proxy } of away) proxy.stall();
        for (const { proxy } of away) proxy.cut();
        for (const body of bodies) ann.client.room(id).send(body);
        await ann.client.drained();
      },
      () => {
        for (const { proxy, client } of away) {
          proxy.heal();
          proxy.cut();
          client.retryNow();
        }
      },
    );
    await ann.client.room(id).send("last").acked;
    await until("the bot has everything", () => bot.heard.length === MANY + 4);
    expect(bot.heard).toEqual([...greetings, ...bodies, "last"]);
    await until("bob sees the last", () => rows(bob.client, id).at(-1) === "last sent");
    const room = bob.client.room(id);
    const gap = (): GapItem | undefined => room.getSnapshot().items.find((item): item is GapItem => item.type === "gap");
    expect(gap()).toBeDefined();
    for (let row = gap(); row; row = gap()) await room.fillGap(row.key);
    expect(rows(bob.client, id)).toEqual([...greetings, ...bodies, "last"].map((body) => `${body} sent`));
    console.log(await history.verdict(server));
  });

  it("that an operator put back to an older state is told to everybody, and nothing old is mixed with the new", async () => {
    const server = await started();
    const history = new History(["rollback"]);
    const [ann, bob] = [await person(server, history, "ann"), await person(server, history, "bob")];
    const id = await ann.client.create({ kind: "group", name: "Ops", members: ["bob"] });
    await ann.client.room(id).send("before the backup").acked;
    await until("bob has it", () => bob.heard.length === 1);
    await Promise.all([ann.client.room(id).open(), bob.client.room(id).open()]);
    await server.end("SIGTERM");
    server.backUp();
    await server.start();
    for (const body of ["lost 1", "lost 2", "lost 3"]) await ann.client.room(id).send(body).acked;
    await until("bob has them", () => bob.heard.length === 4);

    const resets: string[] = [];
    for (const { client } of [ann, bob]) client.on("room", ({ change, reason }) => change === "reset" && resets.push(reason ?? ""));
    await history.fault(
      "rollback",
      async () => {
        await server.end("SIGKILL");
        server.restore();
      },
      () => server.start(),
    );
    await until("both were told", () => resets.length >= 2);
    await ann.client.room(id).send("after").acked;
    await bob.client.room(id).send("indeed").acked;
    const expected = ["before the backup sent", "after sent", "indeed sent"];
    await until("both see the same", () => [ann, bob].every(({ client }) => rows(client, id).join() === expected.join()));
    console.log(resets, await history.verdict(server));
  });
});
