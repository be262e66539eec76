import { beforeEach, describe, expect, it } from "vitest";
import { MoorlineError } from "../src/error.js";
// The client loads these when it needs them; here they are at hand, since no clock tells how long that takes.
import "../src/tabs/leftovers.js";
import "../src/tabs/share.js";
import { Browser, type Tab } from "./browser.js";
import { room } from "./world.js";

let browser: Browser;

beforeEach(() => {
  browser = new Browser();
  for (const n of [1, 2, 3]) browser.server.post(`m${n}`);
});

/** So many tabs that show the room. */
async function opened(count: number): Promise<Tab[]> {
  const tabs: Tab[] = [];
  for (let n = 0; n < count; n++) tabs.push(await browser.open());
  for (const tab of tabs) void tab.client.room("r1").open();
  await browser.world.settle();
  return tabs;
}

function bodiesOf(count: number): string[] {
  return Array.from({ length: count }, (_, n) => `m${n + 1}`);
}

describe("tabs of one person", () => {
  it("share one connection, and each shows the same", async () => {
    const tabs = await opened(3);
    browser.server.post("m4");
    browser.server.say({ type: "typing", room: "r1", users: ["bob"], more: 0 });
    browser.server.say({ type: "presence", user: "bob", state: "away", at: 7 });
    await browser.world.settle();
    expect(browser.server.most).toBe(1);
    for (const { client, rows, heard } of tabs) {
      expect(client.getSnapshot()).toMatchObject({ state: { is: "live", connection: "c-1" }, user: { id: "ann" }, ready: true });
      expect(rows).toEqual(bodiesOf(4).map((body) => `${body} sent`));
      expect(heard).toEqual(["m4"]);
      expect(client.rooms.getSnapshot().rooms[0]?.typing).toEqual(["bob"]);
      expect(client.people.getSnapshot().get("bob")).toMatchObject({ presence: "away", seen: 7 });
    }
    expect(browser.leaders).toHaveLength(1);
  });

  it("send through the leader's connection", async () => {
    const [leader, follower] = await opened(2);
    const { acked } = follower!.client.room("r1").send("hello");
    expect(follower!.rows.at(-1)).toBe("hello queued");
    await browser.world.settle();
    expect((await acked).seq).toBe(4);
    expect(browser.server.of("send")).toMatchObject([{ by: "tab-1", body: "hello" }]);
    expect([leader!, follower!].map(({ rows }) => rows.at(-1))).toEqual(["hello sent", "hello sent"]);
  });

  it("that comes later knows the people and the rooms that the connection has told of before", async () => {
    await opened(1);
    browser.server.say({ type: "room", change: "added", room: room({ id: "r2", head: 1 }), people: [{ id: "carol", name: "Carol" }] });
    await browser.world.settle();
    const late = await browser.open();
    expect(late.client.people.getSnapshot().get("carol")?.name).toBe("Carol");
    // The page of rooms that it was welcomed with did not hold this one.
    browser.server.say({ ...browser.server.log[0], room: "r2", seq: 2, id: "x".repeat(36), body: "in r2" });
    await browser.world.settle();
    expect(late.heard).toEqual(["in r2"]);
  });

  it("that comes later gets what happens while it is welcomed", async () => {
    await opened(1);
    browser.server.onRooms = () => browser.server.post("m4");
    const late = await browser.open();
    expect(late.heard).toEqual(["m4"]);
  });

  it("that comes later is welcomed also where the server first refuses to say what it needs", async () => {
    await opened(1);
    const [wire] = browser.server.wires;
    const { onCommand } = wire!.peer;
    wire!.peer.onCommand = ({ id }) => {
      wire!.peer.onCommand = onCommand;
      wire!.peer.say({ type: "error", id, code: "rate_limited", message: "Slowly.", retry: true, retry_after_ms: 100 });
    };
    const late = await browser.open();
    expect(late.client.getSnapshot().ready).toBe(false);
    await browser.world.advance(1_000);
    expect(late.client.getSnapshot()).toMatchObject({ ready: true, state: { is: "live" } });
  });

  it("go on after a cut from where they were, all in the leader's states", async () => {
    const tabs = await opened(3);
    browser.server.cut();
    browser.server.post("m4");
    await browser.world.settle();
    const until = tabs[0]!.client.getSnapshot().state;
    expect(until.is).toBe("waiting");
    for (const { client } of tabs) expect(client.getSnapshot().state).toEqual(until);
    await browser.world.advance(500);
    expect(browser.server.of("hello")[1]).toMatchObject({ resume: { r1: { seq: 3 } } });
    for (const { heard, rows } of tabs) {
      expect(heard).toEqual(["m4"]);
      expect(rows).toHaveLength(4);
    }
    expect(browser.server.of("resume")).toEqual([]);
  });

  it("ask for one token among them, once more when it is refused, and then come to an end", async () => {
    browser.server.refusesTokens = true;
    const tabs: Tab[] = [];
    for (let n = 0; n < 12; n++) tabs.push(await browser.open());
    await browser.world.advance(60_000);
    // Twice for the first tab; and, since the other eleven may know better, twice more for all of them.
    expect(tabs.flatMap(({ tokens }) => tokens)).toEqual(["first", "refused", "first", "refused"]);
    for (const { client } of tabs) expect(client.getSnapshot().state).toEqual({ is: "closed", code: 4401, reason: "refused" });
  });

  it("are away when all of them are", async () => {
    const [one, other] = await opened(2);
    one!.client.setAway(true);
    await browser.world.settle();
    expect(browser.server.of("away")).toEqual([]);
    other!.client.setAway(true);
    await browser.world.settle();
    one!.client.setAway(false);
    await browser.world.settle();
    expect(browser.server.of("away").map(({ on }) => on)).toEqual([true, false]);
  });

  it("do not share with a person whom the leader's token does not name", async () => {
    const [one] = await opened(1);
    browser.server.user = "bob";
    browser.server.cut();
    await browser.world.advance(1_000);
    expect(one!.client.getSnapshot()).toMatchObject({ state: { is: "live" }, user: { id: "bob" }, leads: true });
    browser.server.user = "ann";
    const other = await browser.open();
    expect(other.client.getSnapshot()).toMatchObject({ state: { is: "live" }, user: { id: "ann" }, leads: true });
    expect(browser.server.wires.size).toBe(2);
  });

  it("have a connection each where the option says so, and where nobody knows who is signed in", async () => {
    await browser.open({ shareTabs: false });
    await browser.open({ shareTabs: false });
    await browser.open({ user: undefined as never });
    expect(browser.server.wires.size).toBe(3);
    expect(browser.leaders).toHaveLength(3);
  });

  it("give a reset to the one that asked", async () => {
    const [one, other] = await opened(2);
    const resets: string[] = [];
    for (const { client, name } of [one!, other!]) client.on("room", ({ change }) => change === "reset" && resets.push(name));
    // An event of another life of the log makes both ask.
    browser.server.say({ ...browser.server.log[0], epoch: "another", seq: 4 });
    await browser.world.settle();
    expect(browser.server.of("resume")).toHaveLength(2);
    browser.server.say({ type: "reset", room: "r1", reason: "epoch", epoch: "another", first: 1, head: 4 });
    await browser.world.settle();
    expect(resets).toEqual(["tab-1", "tab-2"]);
  });

  it("pass a refusal on as the error that it is", async () => {
    const [, follower] = await opened(2);
    browser.server.wires.forEach(({ peer }) => {
      peer.onCommand = ({ id }) => peer.say({ type: "error", id, code: "forbidden", message: "No.", retry: false });
    });
    const failed = await follower!.client.room("r1").send("x").acked.catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(MoorlineError);
    expect(failed).toMatchObject({ code: "forbidden", retryable: false });
  });
});

describe("a change of leader", () => {
  it("by closing it in mid-send loses and doubles nothing", async () => {
    const [leader, follower, third] = await opened(3);
    browser.server.isMute = true;
    leader!.client.room("r1").send("by the leader");
    const { acked } = follower!.client.room("r1").send("by a follower");
    await browser.world.settle();
    leader!.close();
    browser.server.isMute = false;
    await browser.world.advance(1_000);
    await acked;
    expect(browser.leaders).toHaveLength(1);
    expect(browser.server.log.map(({ body }) => body)).toEqual([...bodiesOf(3), "by the leader", "by a follower"]);
    for (const tab of [follower!, third!]) {
      expect(tab.heard).toEqual(["by the leader", "by a follower"]);
      expect(tab.rows.slice(3)).toEqual(["by the leader sent", "by a follower sent"]);
    }
    expect(browser.server.wires.size).toBe(1);
  });

  it("takes what the leader had written and not sent yet from the store", async () => {
    const [leader, follower] = await opened(2);
    browser.server.cut();
    leader!.client.room("r1").send("left behind");
    await browser.world.settle();
    leader!.close();
    await browser.world.advance(2_000);
    expect(follower!.rows.at(-1)).toBe("left behind sent");
    expect(browser.server.log.at(-1)).toMatchObject({ body: "left behind" });
  });

  it("comes in under two seconds when it stands still, and when it runs again it follows", async () => {
    const [leader, follower, third] = await opened(3);
    leader!.freeze();
    const { acked } = follower!.client.room("r1").send("m4");
    await browser.world.advance(2_000);
    expect((await acked).seq).toBe(4);
    expect(browser.leaders.map(({ name }) => name)).toHaveLength(2);
    browser.server.post("m5");
    await browser.world.settle();
    const closes: string[] = [];
    leader!.client.on("state", ({ is }) => closes.push(is));
    await leader!.thaw();
    await browser.world.advance(100);
    expect(browser.leaders).toHaveLength(1);
    expect(leader!.client.getSnapshot()).toMatchObject({ leads: false, state: { is: "live" } });
    expect(closes).toEqual(["connecting", "live"]);
    expect(browser.server.wires.size).toBe(1);
    for (const { heard, rows } of [leader!, follower!, third!]) {
      expect(heard).toEqual(["m4", "m5"]);
      expect(rows).toHaveLength(5);
    }
  });

  it("gives nothing out as leader that came while it stood still", async () => {
    const [leader] = await opened(3);
    const asLeader: string[] = [];
    leader!.client.on("message", ({ message }) => leader!.client.getSnapshot().leads && asLeader.push(message.body));
    leader!.freeze();
    browser.server.post("m4");
    await browser.world.advance(2_000);
    await leader!.thaw();
    await browser.world.advance(1_000);
    expect(leader!.heard).toEqual(["m4"]);
    expect(asLeader).toEqual([]);
  });

  it("does not happen while it answers, however long", async () => {
    await opened(4);
    await browser.world.advance(120_000);
    expect(browser.server.of("hello").map(({ by }) => by)).toEqual(["tab-1"]);
    expect(browser.leaders.map(({ name }) => name)).toEqual(["tab-1"]);
  });

  it("happens once, whoever notices first", async () => {
    const [leader] = await opened(6);
    leader!.freeze();
    await browser.world.advance(10_000);
    expect(browser.server.of("hello")).toHaveLength(2);
  });

  it("passes over a tab that was given the lock while it stood still", async () => {
    const [leader, second, third] = await opened(3);
    second!.freeze();
    leader!.close();
    await browser.world.advance(3_000);
    expect(browser.leaders).toEqual([third]);
    await second!.thaw();
    await browser.world.advance(3_000);
    expect(browser.server.of("hello").map(({ by }) => by)).toEqual(["tab-1", "tab-3"]);
    expect(second!.client.getSnapshot()).toMatchObject({ leads: false, state: { is: "live" } });
  });

  it("brings a tab that had been told less what it lacks, and the others nothing twice", async () => {
    const [leader, second, third] = await opened(3);
    third!.freeze();
    browser.server.post("m4");
    await browser.world.settle();
    leader!.close();
    await browser.world.advance(1_000);
    await third!.thaw();
    await browser.world.advance(3_000);
    for (const { heard } of [second!, third!]) expect(heard).toEqual(["m4"]);
  });
});

describe("a leader whose timers are slowed down", () => {
  it("comes back in time, since the others' messages wake it", async () => {
    const [leader, follower] = await opened(2);
    leader!.isThrottled = true;
    browser.server.cut();
    await browser.world.advance(1_000);
    expect(follower!.client.getSnapshot().state.is).toBe("live");
    expect(browser.leaders).toEqual([leader]);
  });

  it("looks after its connection when another tab comes to the front", async () => {
    const [, follower] = await opened(2);
    follower!.signal("visible");
    await browser.world.settle();
    expect(browser.server.of("ping")).toHaveLength(1);
  });
});
