import { describe, expect, it } from "vitest";
import type { TransportName } from "../../src/index.js";
import { History } from "./history.js";
import { person, rows, started, type Person } from "./people.js";
import { isBuilt } from "./server.js";
import { until } from "./until.js";

const transportOf = ({ client }: Person): string => {
  const { state } = client.getSnapshot();
  return state.is === "live" ? state.transport : state.is;
};

const storage = (): Pick<Storage, "getItem" | "setItem" | "removeItem"> => {
  const kept = new Map<string, string>();
  return { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value), removeItem: (key) => kept.delete(key) };
};

describe.skipIf(!isBuilt)("on the real server", () => {
  it.each(["sse", "poll"] as const)("%s carries a conversation through cuts, stalls, kills and a drain", async (name: TransportName) => {
    const server = await started();
    const history = new History(["cut", "stall", "kill", "drain"]);
    const transports = [name];
    const ann = await person(server, history, "ann", { transports });
    const bob = await person(server, history, "bob", { transports: ["ws"] });
    expect(transportOf(ann)).toBe(name);
    const id = await ann.client.create({ kind: "group", name: "Ops", members: ["bob"] });
    await until("bob has the room", () => bob.client.rooms.getSnapshot().rooms.length === 1);
    await Promise.all([ann.client.room(id).open(), bob.client.room(id).open()]);

    const bothHave = (count: number) => () => ann.heard.length >= count && bob.heard.length >= count;
    const faults = [
      () => history.fault("cut", () => ann.proxy.cut(), () => {}),
      () => history.fault("kill", () => server.end("SIGKILL"), () => server.start()),
      () => history.fault("stall", () => ann.proxy.stall(), () => until("ann notices", () => transportOf(ann) !== name, 60_000)),
      () => history.fault("drain", () => server.end("SIGTERM"), () => server.start()),
    ];
    for (const [round, fault] of faults.entries()) {
      for (let index = 0; index < 20; index++) {
        ann.client.room(id).send(`ann ${round * 20 + index}`);
        bob.client.room(id).send(`bob ${round * 20 + index}`);
      }
      await until("the round is under way", bothHave(round * 40 + 6));
      await fault();
      ann.proxy.heal();
      await until(`round ${round} is through`, bothHave((round + 1) * 40), 60_000);
    }
    expect(new Set(ann.heard).size).toBe(160);
    expect(bob.heard).toEqual(ann.heard);
    for (const { client } of [ann, bob]) {
      await client.drained();
      expect(rows(client, id)).toEqual(ann.heard.map((body) => `${body} sent`));
    }
    expect(transportOf(ann)).toBe(name);
    console.log(await history.verdict(server));
  });

  it("a client moves between all three while it talks, and nobody notices", async () => {
    const server = await started();
    const history = new History(["blocked"]);
    const signals = new Set<(signal: "online") => void>();
    const onPageSignal = (listener: (signal: "online") => void) => {
      signals.add(listener);
      return () => signals.delete(listener);
    };
    const ann = await person(server, history, "ann", { environment: { storage: storage(), onPageSignal } });
    const bob = await person(server, history, "bob");
    const id = await ann.client.create({ kind: "group", name: "Ops", members: ["bob"] });
    await until("bob has the room", () => bob.client.rooms.getSnapshot().rooms.length === 1);
    const seen: string[] = [];
    ann.client.on("state", (state) => seen.push(state.is === "live" ? state.transport : state.is));
    const steps = [
      ["ws blocked", () => ann.proxy.block("/ws"), "sse"],
      ["streams blocked too", () => ann.proxy.block("/ws", "/api/v1/stream"), "poll"],
      ["streams pass again", () => ann.proxy.block("/ws"), "sse"],
      ["all passes again", () => ann.proxy.block(), "ws"],
    ] as const;
    let sent = 0;
    for (const [step, change, expected] of steps) {
      const talk = setInterval(() => {
        ann.client.room(id).send(`ann ${sent}`);
        bob.client.room(id).send(`bob ${sent++}`);
      }, 80);
      const isUp = expected === "ws" || step.includes("again");
      seen.length = 0;
      await history.fault(
        "blocked",
        () => {
          change();
          if (!isUp) ann.proxy.cut();
          else for (const listener of signals) listener("online");
        },
        () => until(`${step}: by ${expected}`, () => transportOf(ann) === expected, 60_000),
      );
      clearInterval(talk);
      if (isUp) expect(seen.filter((state) => !["ws", "sse", "poll"].includes(state))).toEqual([]);
      await until(`${step}: both have all`, () => ann.heard.length === 2 * sent && bob.heard.length === 2 * sent);
    }
    expect(sent).toBeGreaterThan(20);
    expect(new Set(ann.heard).size).toBe(2 * sent);
    expect(bob.heard).toEqual(ann.heard);
    expect(ann.proxy.refused).toBeGreaterThan(1);
    console.log(await history.verdict(server));
  });
});
