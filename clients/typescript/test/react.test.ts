// @vitest-environment happy-dom
import { createElement as h, StrictMode, startTransition, useLayoutEffect, useState, version, type FunctionComponent, type ReactNode } from "react";
import { act } from "react";
import { createRoot, type Root } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Client, MessageItem, TimelineSnapshot } from "../src/api.js";
import { createClient } from "../src/client.js";
import {
  MoorlineProvider,
  useClient,
  useClientEvent,
  useConnection,
  usePerson,
  useRoom,
  useRoomInfo,
  useRooms,
  useTyping,
} from "../src/react/index.js";
import { createTestServer, type TestServer, type TestWindow } from "../src/testing/index.js";

let server: TestServer;
let window: TestWindow;
let client: Client;
let root: Root;
let page: HTMLElement;
/** How often each component was drawn. */
let drawn: Map<string, number>;

beforeEach(() => {
  (globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;
  server = createTestServer();
  server.person("ann", "Ann");
  server.person("bob", "Bob");
  for (const id of ["ops", "harbour"]) server.room({ id, name: id, members: ["ann", "bob"] });
  window = server.window("ann");
  client = createClient(window.options);
  page = document.body.appendChild(document.createElement("main"));
  root = createRoot(page);
  drawn = new Map();
});

afterEach(async () => {
  await act(async () => root.unmount());
  client.stop();
  page.remove();
});

function count(name: string): void {
  drawn.set(name, (drawn.get(name) ?? 0) + 1);
}

async function show(content: ReactNode, wrap: FunctionComponent<{ children?: ReactNode }> = ({ children }) => children as never): Promise<void> {
  await act(async () => root.render(h(wrap, null, h(MoorlineProvider, { client }, content))));
  await pass();
}

async function pass(ms = 50): Promise<void> {
  await act(() => server.clock.advance(ms));
}

function Messages({ id }: { readonly id: string }): ReactNode {
  const { timeline } = useRoom(id);
  count(`messages of ${id}`);
  const messages = timeline.items.filter((item): item is MessageItem => item.type === "message");
  return h("ol", { id }, messages.map(({ key, body, state }) => h("li", { key }, `${body} ${state}`)));
}

function rows(id: string): string[] {
  return [...page.querySelectorAll(`#${id} li`)].map((row) => row.textContent ?? "");
}

it("draws with the React that this run is for", async () => {
  const { version: dom } = await import("react-dom");
  expect([version, dom].map((each) => each.split(".")[0])).toEqual([process.env["REACT"], process.env["REACT"]]);
});

describe("a component", () => {
  it("shows what it sends at once, then as sent, and what others write", async () => {
    await show(h(Messages, { id: "ops" }));
    act(() => void client.room("ops").send("hello"));
    expect(rows("ops")).toEqual(["hello queued"]);
    await pass();
    server.say("ops", "bob", "hi");
    await pass();
    expect(rows("ops")).toEqual(["hello sent", "hi sent"]);
  });

  it("shows the connection as it is lost and comes back", async () => {
    const Badge = (): ReactNode => h("b", null, useConnection().state.is);
    await show(h(Badge));
    expect(page.textContent).toBe("live");
    await act(async () => window.cut());
    await pass(20);
    expect(page.textContent).toBe("waiting");
    // What the client loads when a connection fails takes a moment of the machine's own time.
    for (const end = performance.now() + 5_000; page.textContent !== "live" && performance.now() < end; ) await pass(1_000);
    expect(page.textContent).toBe("live");
  });

  it("shows the list of rooms, one row of it, who types and who a person is", async () => {
    const List = (): ReactNode => h("ul", null, useRooms().rooms.map(({ id, title, unread }) => h("li", { key: id }, `${title} ${unread}`)));
    const Row = (): ReactNode => h("i", null, `${useRoomInfo("ops")?.unread} ${useRoomInfo("none") ?? "nothing"}`);
    const Typing = (): ReactNode => h("em", null, useTyping("ops").users.map((id) => usePerson(id).name).join());
    const Name = (): ReactNode => h("b", null, usePerson("bob").name);
    await show([h(List, { key: 1 }), h(Row, { key: 2 }), h(Typing, { key: 3 }), h(Name, { key: 4 })]);
    expect(page.querySelector("b")?.textContent).toBe("bob");
    server.say("ops", "bob", "one");
    await pass();
    expect([...page.querySelectorAll("ul li")].map(({ textContent }) => textContent)).toEqual(["ops 1", "harbour 0"]);
    expect(page.querySelector("i")?.textContent).toBe("1 nothing");
    expect(page.querySelector("b")?.textContent).toBe("Bob");
  });

  it("hears events with its newest listener, and none after it went", async () => {
    const heard: string[] = [];
    let rename: (name: string) => void = () => {};
    const Listener = (): ReactNode => {
      const [name, setName] = useState("first");
      rename = setName;
      useClientEvent("message", ({ message }) => heard.push(`${name}: ${message.body}`));
      return null;
    };
    await show(h(Listener));
    server.say("ops", "bob", "a");
    await pass();
    act(() => rename("second"));
    server.say("ops", "bob", "b");
    await pass();
    await show(null);
    server.say("ops", "bob", "c");
    await pass();
    expect(heard).toEqual(["first: a", "second: b"]);
  });

  it("says what is missing where there is no provider", () => {
    const Lost = (): ReactNode => useClient().room("ops").id;
    expect(() => renderToString(h(Lost))).toThrow(/MoorlineProvider/);
  });

  it("is drawn on a server too, as it is before the first connection", () => {
    const Badge = (): ReactNode => h("b", null, useConnection().state.is, useRooms().rooms.length);
    expect(renderToString(h(MoorlineProvider, { client }, h(Badge)))).toBe("<b>idle<!-- -->0</b>");
    expect(client.getSnapshot().state.is).toBe("idle");
  });
});

describe("drawing", () => {
  it("happens for nothing that the component does not show", async () => {
    const Typing = (): ReactNode => (count("typing in ops"), h("em", null, useTyping("ops").users.join()));
    const Info = (): ReactNode => (count("row of ops"), h("i", null, useRoomInfo("ops")?.unread));
    await show([h(Messages, { id: "ops", key: 1 }), h(Messages, { id: "harbour", key: 2 }), h(Typing, { key: 3 }), h(Info, { key: 4 })]);
    const before = new Map(drawn);
    for (let index = 0; index < 5; index++) {
      server.say("harbour", "bob", `m${index}`);
      await pass();
    }
    const more = (name: string): number => drawn.get(name)! - before.get(name)!;
    expect(more("messages of ops")).toBe(0);
    expect(more("typing in ops")).toBe(0);
    expect(more("row of ops")).toBe(0);
    expect(more("messages of harbour")).toBe(5);
    expect(rows("harbour")).toHaveLength(5);
    server.say("ops", "bob", "now");
    await pass();
    expect([more("messages of ops"), more("row of ops"), more("typing in ops")]).toEqual([1, 1, 0]);
  });

  it("of a thousand events at once is a few times, not a thousand", async () => {
    await show(h(Messages, { id: "ops" }));
    const before = drawn.get("messages of ops")!;
    for (let index = 0; index < 1_000; index++) server.say("ops", "bob", `m${index}`);
    await pass(100);
    expect(rows("ops")).toHaveLength(1_000);
    expect(drawn.get("messages of ops")! - before).toBeLessThan(6);
  });

  it("never shows two states of a room beside each other, also when one changes while it is drawn", async () => {
    expect(await commitsOf((id) => useRoom(id).timeline)).toEqual(["4,4"]);
  });

  it("would show two with a hook that only reads", async () => {
    expect(await commitsOf((id) => useClient().room(id).getSnapshot())).toEqual(["3,4"]);
  });
});

/** What stands beside each other at the commits of a page of which two pieces show a room that changes between them. */
async function commitsOf(useTimeline: (id: string) => TimelineSnapshot): Promise<string[]> {
  const commits: string[] = [];
  for (const body of ["a", "b"]) server.say("ops", "bob", body);
  let changes = 1;
  const Piece = (): ReactNode => {
    const { head } = useTimeline("ops");
    if (changes-- > 0) arrives(4);
    return h("b", null, head);
  };
  const Both = (): ReactNode => {
    useLayoutEffect(() => void commits.push([...page.querySelectorAll("b")].map(({ textContent }) => textContent).join()), []);
    return [h(Piece, { key: 1 }), h(Piece, { key: 2 })];
  };
  let reveal: (is: boolean) => void = () => {};
  const Page = (): ReactNode => {
    const [isShown, setShown] = useState(false);
    reveal = setShown;
    return isShown ? h(Both) : null;
  };
  await show(h(Page));
  await act(async () => startTransition(() => reveal(true)));
  return commits;
}

/** An event comes in this very moment. */
function arrives(seq: number): void {
  const { epoch, id } = server.log("ops")[0]!;
  const event = { type: "event", kind: "message", room: "ops", epoch, seq, id, from: "bob", at: 0, body: "now", n: seq };
  window.link?.onmessage?.({ data: JSON.stringify(event) } as never);
}

describe("coming and going", () => {
  it("in StrictMode makes one connection and loads a room once", async () => {
    const asked: string[] = [];
    server.onFrame = ({ to, text }) => to === "server" && asked.push((JSON.parse(text) as { type: string }).type);
    await show(h(Messages, { id: "ops" }), StrictMode as never);
    await pass(1_000);
    expect(asked).toEqual(["hello", "history"]);
    server.say("ops", "bob", "once");
    await pass();
    expect(rows("ops")).toEqual(["once sent"]);
  });

  it("ends the connection when the provider is gone, and only then", async () => {
    await show(h(Messages, { id: "ops" }));
    await show(h(Messages, { id: "harbour" }));
    expect(client.getSnapshot().state.is).toBe("live");
    await act(async () => root.render(null));
    await act(() => new Promise((resolve) => setTimeout(resolve)));
    expect(client.getSnapshot().state).toMatchObject({ is: "closed", reason: "stopped" });
  });

  it("opens a room while it is shown, and closes it when nobody shows it", async () => {
    await show([h(Messages, { id: "ops", key: 1 }), h(Messages, { id: "ops", key: 2 })]);
    expect(client.room("ops").getSnapshot().status).toBe("ready");
    await show([h(Messages, { id: "ops", key: 1 })]);
    await act(() => new Promise((resolve) => setTimeout(resolve)));
    expect(client.room("ops").getSnapshot().status).toBe("ready");
    await show(h(Messages, { id: "harbour", key: 3 }));
    await act(() => new Promise((resolve) => setTimeout(resolve)));
    expect(client.room("ops").getSnapshot().status).toBe("idle");
  });
});
