import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Client, TimelineSnapshot } from "../src/api.js";
import { createClient } from "../src/client.js";
import { connection, person, room, roomInfo, rooms, selected, typing } from "../src/svelte/index.js";
import { createTestServer, type TestServer } from "../src/testing/index.js";
import { built, type Built } from "./svelte/build.js";

let server: TestServer;
let client: Client;

beforeEach(() => {
  server = createTestServer();
  server.person("bob", "Bob");
  for (const id of ["ops", "harbour"]) server.room({ id, name: id, members: ["ann", "bob"] });
  client = createClient(server.window("ann").options);
});

describe("a store", () => {
  it("calls at once, then after each change, and not after the end", async () => {
    const seen: number[] = [];
    client.start();
    const end = rooms(client).subscribe(({ unread }) => seen.push(unread));
    await server.clock.advance(50);
    server.say("ops", "bob", "one");
    await server.clock.advance(50);
    end();
    server.say("ops", "bob", "two");
    await server.clock.advance(50);
    expect(seen).toEqual([0, 0, 1]);
  });

  it("hears of what its own first run has changed", async () => {
    client.start();
    await server.clock.advance(50);
    const queued: number[] = [];
    connection(client).subscribe((snapshot) => {
      if (queued.push(snapshot.queued) === 1) client.room("ops").send("from the first run");
    });
    expect(queued).toEqual([0, 1]);
    await server.clock.advance(50);
    expect(queued.at(-1)).toBe(0);
  });

  it("of a room opens it for its first subscriber and closes it after its last", async () => {
    client.start();
    const store = room(client, "ops");
    const statuses: TimelineSnapshot["status"][] = [];
    const [first, second] = [store.subscribe(({ status }) => statuses.push(status)), store.subscribe(() => {})];
    await server.clock.advance(50);
    expect(statuses[0]).toBe("idle");
    expect(statuses.at(-1)).toBe("ready");
    first();
    await new Promise((resolve) => setTimeout(resolve));
    expect(store.room.getSnapshot().status).toBe("ready");
    second();
    await new Promise((resolve) => setTimeout(resolve));
    expect(store.room.getSnapshot().status).toBe("idle");
  });

  it("of a part hears of nothing else", async () => {
    client.start();
    await server.clock.advance(50);
    const heard: Record<string, unknown[]> = { typing: [], info: [], person: [], state: [] };
    typing(client, "ops").subscribe(({ users }) => heard["typing"]!.push(users.join()));
    roomInfo(client, "ops").subscribe((info) => heard["info"]!.push(info?.unread));
    person(client, "bob").subscribe(({ name }) => heard["person"]!.push(name));
    selected(client, ({ state }) => state.is).subscribe((is) => heard["state"]!.push(is));
    for (let index = 0; index < 3; index++) {
      server.say("harbour", "bob", `m${index}`);
      await server.clock.advance(50);
    }
    server.say("ops", "bob", "now");
    await server.clock.advance(50);
    expect(heard).toEqual({ typing: [""], info: [0, 1], person: ["bob", "Bob"], state: ["live"] });
  });
});

describe("a component of Svelte 5", () => {
  let bundle: Built;
  beforeAll(async () => {
    bundle = await built();
  }, 60_000);

  it("shows the connection, the counts, the typists and the messages, and ends with its page", async () => {
    const { Chat, mount, unmount, flushSync, ...sdk } = bundle;
    const memory = sdk.createTestServer();
    memory.room({ id: "ops", name: "ops", members: ["ann", "bob"] });
    const window = memory.window("ann");
    const ann = sdk.createClient(window.options);
    const bob = sdk.createClient(memory.window("bob").options);
    bob.start();
    const target = document.body.appendChild(document.createElement("main"));
    const chat = mount(Chat, { target, props: { client: ann, id: "ops" } });
    const text = (selector: string): string => (flushSync(), target.querySelector(selector)?.textContent?.trim() ?? "");
    expect(text("b")).toBe("idle");
    flushSync();
    await memory.clock.advance(50);
    expect(text("b")).toBe("live");
    bob.room("ops").typing();
    await memory.clock.advance(50);
    expect(text("em")).toBe("bob");
    bob.room("ops").send("hi");
    target.querySelector("button")!.click();
    await memory.clock.advance(50);
    flushSync();
    expect([...target.querySelectorAll("li")].map(({ textContent }) => textContent)).toEqual(["hi sent", "from the button sent"]);
    expect(text("em")).toBe("");
    await unmount(chat);
    await new Promise((resolve) => setTimeout(resolve));
    expect(ann.getSnapshot().state.is).toBe("closed");
    expect(ann.room("ops").getSnapshot().status).toBe("idle");
  });
});
