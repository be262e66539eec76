import { beforeEach, describe, expect, it } from "vitest";
import type { Client, ClientOptions, State } from "../src/api.js";
import { createClient } from "../src/client.js";
import { memoryStore } from "../src/store/memory.js";
import { commandsOf, Http } from "./http.js";
import { EPOCH, eventId, message, room, welcome, World, type Json } from "./world.js";

let world: World;
let http: Http;
let states: State[];

beforeEach(() => {
  world = new World();
  http = new Http(world);
  states = [];
});

function client(options: ClientOptions = {}): Client {
  const made = createClient({ environment: world.environment, store: memoryStore(), ...options });
  made.on("state", (state) => states.push(state));
  made.start();
  return made;
}

function transport(made: Client): string {
  const { state } = made.getSnapshot();
  return state.is === "live" ? state.transport : state.is;
}

/** A client on a network where WebSockets are refused, live by SSE. */
async function bySse(options: ClientOptions = {}): Promise<Client> {
  const made = client(options);
  await world.settle();
  world.peer.drop();
  await world.advance(500);
  await greetStream();
  return made;
}

async function greetStream(): Promise<void> {
  http.last("stream").begin();
  http.last("stream").say(welcome());
  await world.settle();
}

function ack(command: Json, seq: number): object {
  const common = { type: "ack", id: command["id"], room: "r1", epoch: EPOCH, seq };
  return { ...common, message: eventId(seq), at: 1000 + seq };
}

describe("a WebSocket that", () => {
  it("is refused makes room for SSE, with the token in the header and the positions in the body", async () => {
    const made = await bySse({ getToken: () => "t-1", device: "a test" });
    expect(transport(made)).toBe("sse");
    const { body, token } = http.last("stream");
    expect(body).toEqual({ type: "hello", resume: {}, keepalive: true, device: "a test" });
    expect(token).toBe("Bearer t-1");
    expect(world.time).toBeLessThan(1_000);
    expect(world.peers).toHaveLength(1);
  });

  it("is silently swallowed is given up after five seconds", async () => {
    const made = client();
    await world.settle();
    await world.advance(5_000);
    expect(world.peer.closedByClient).toBeDefined();
    await world.advance(500);
    await greetStream();
    expect(transport(made)).toBe("sse");
    expect(world.time).toBeLessThan(6_000);
  });

  it("is refused where streams are held back leads to long-poll", async () => {
    const made = client();
    await world.settle();
    world.peer.drop();
    await world.advance(500);
    http.last("stream").begin();
    await world.advance(5_000);
    expect(http.last("stream").isAborted).toBe(true);
    http.last("poll").answer({ frames: [welcome()], positions: { r1: { epoch: EPOCH, seq: 3 } } });
    await world.settle();
    expect(transport(made)).toBe("poll");
    expect(world.time).toBeLessThan(6_000);
  });

  it("worked here before is tried again before anything else: a server that restarts is no blocked network", async () => {
    const made = client();
    await world.settle();
    world.peer.accept();
    world.peer.say(welcome());
    await world.advance(6_000);
    world.peer.drop();
    await world.advance(500);
    world.peer.drop();
    await world.advance(500);
    expect(http.asked).toHaveLength(0);
    expect(world.peers).toHaveLength(3);
    world.peer.drop();
    await world.settle();
    expect(http.all("stream")).toHaveLength(1);
    // Nobody answers by HTTP either: the server is away, so long-poll is spared.
    http.last("stream").fail();
    await world.settle();
    expect(made.getSnapshot().state.is).toBe("waiting");
    expect(http.all("poll")).toHaveLength(0);
    await world.advance(5_000);
    expect(world.peers).toHaveLength(4);
  });

  it("is closed by the server's own word is not blamed on the network", async () => {
    client();
    await world.settle();
    world.peer.accept();
    world.peer.drop(4429, "too many");
    await world.advance(500);
    expect(http.asked.map(({ path }) => path)).toEqual(["stream"]);
    http.last("stream").answer({ error: { code: "rate_limited", message: "Slowly.", retry_after_ms: 7_000 } }, 429);
    await world.advance(6_900);
    expect(http.asked).toHaveLength(1);
    await world.advance(200);
    expect(http.asked).toHaveLength(2);
  });
});

describe("what worked", () => {
  const remembered = "moorline transport wss://chat.example/ws";

  it("is remembered over a reload, for this server", async () => {
    (await bySse()).stop();
    expect(world.kept.get(remembered)).toMatch(/^sse \d+$/);
    const after = client();
    await world.settle();
    expect(world.peers).toHaveLength(1);
    await greetStream();
    expect(transport(after)).toBe("sse");
    client({ url: "https://other.example/ws" });
    await world.settle();
    expect(world.peer.url).toBe("wss://other.example/ws");
  });

  it("is forgotten after an hour, and when the network comes back", async () => {
    const made = await bySse();
    const kept = world.kept.get(remembered)!;
    world.signal("online");
    expect(world.kept.get(remembered)).toBeUndefined();
    made.stop();
    world.kept.set(remembered, kept);
    await world.advance(3_600_001);
    client();
    await world.settle();
    expect(world.peers.at(-1)?.closedByClient).toBeUndefined();
    expect(http.all("stream").every(({ isAborted }) => isAborted)).toBe(true);
  });

  it("is not needed: where storage is forbidden everything else works", async () => {
    const forbidden = (): never => {
      throw new DOMException("forbidden", "SecurityError");
    };
    const storage = { getItem: forbidden, setItem: forbidden, removeItem: forbidden };
    const made = await bySse({ environment: { ...world.environment, storage } });
    expect(transport(made)).toBe("sse");
  });
});

describe("moving up", () => {
  /** The WebSocket of the first look for a better way. */
  async function probe(): Promise<void> {
    const before = world.peers.length;
    await world.advance(15_000);
    expect(world.peers).toHaveLength(before + 1);
    world.peer.accept();
  }

  it("happens without a gap, a repeat or a moment that is not live", async () => {
    const made = await bySse();
    const heard: number[] = [];
    made.on("event", ({ seq }) => heard.push(seq));
    const stream = http.last("stream");
    stream.say(message(4));
    await world.settle();
    await probe();
    expect(world.peer.received[0]).toMatchObject({ type: "hello", resume: { r1: { seq: 4 } } });
    stream.say(message(5));
    await world.settle();
    states.length = 0;
    world.peer.say(welcome([room({ head: 6 })]));
    stream.say(message(6), message(7));
    for (const seq of [5, 6, 7, 8]) world.peer.say(message(seq));
    await world.settle();
    expect(stream.isAborted).toBe(true);
    expect(states).toMatchObject([{ is: "live", transport: "ws" }]);
    expect(heard).toEqual([4, 5, 6, 7, 8]);
    expect(world.kept.size).toBe(0);
  });

  it("sends again under its cid what was not answered, and nothing else", async () => {
    const made = await bySse();
    const { cid, acked } = made.room("r1").send("hi");
    await world.settle();
    expect(http.commands).toMatchObject([{ type: "send", cid }]);
    world.signal("online");
    world.peer.accept();
    world.peer.say(welcome());
    await world.settle();
    expect(world.peer.all("send")).toMatchObject([{ cid, body: "hi" }]);
    http.last("commands").answer({ answers: [ack(http.commands[0]!, 4)] });
    world.peer.say(ack(world.peer.last("send"), 4));
    await expect(acked).resolves.toMatchObject({ seq: 4 });
    expect(world.peer.all("send")).toHaveLength(1);
  });

  it("asks for rooms that came between its hello and its welcome", async () => {
    await bySse();
    const stream = http.last("stream");
    await probe();
    stream.say({ type: "room", change: "added", room: room({ id: "r2", head: 1 }) });
    await world.settle();
    world.peer.say(welcome([room(), room({ id: "r2", head: 2 })]));
    expect(world.peer.last("resume")).toMatchObject({ positions: { r2: { epoch: EPOCH, seq: 1 } } });
  });

  it("is tried less and less often, and not while there is no connection", async () => {
    const made = await bySse();
    const at: number[] = [];
    world.onSocket = (peer) => {
      at.push(Math.round(world.time / 1_000));
      queueMicrotask(() => peer.drop());
    };
    const stream = http.last("stream");
    for (let second = 0; second < 1_000; second++) {
      await world.advance(1_000);
      if (second % 20 === 0) stream.say({ type: "ping" });
    }
    expect(at.map((time, index) => time - (at[index - 1] ?? 0))).toEqual([16, 30, 60, 120, 240, 480]);
    expect(transport(made)).toBe("sse");
    made.stop();
    await world.advance(3_600_000);
    expect(at).toHaveLength(6);
  });

  it("is tried at once when the network comes back", async () => {
    await bySse();
    world.signal("online");
    expect(world.peers).toHaveLength(2);
    world.peer.accept();
    world.peer.say(welcome());
    expect(states.at(-1)).toMatchObject({ is: "live", transport: "ws" });
  });

  it("from long-poll tries SSE where the WebSocket is still refused", async () => {
    const made = client({ transports: ["ws", "sse", "poll"] });
    await world.settle();
    world.peer.drop();
    await world.advance(500);
    await world.advance(5_000);
    http.last("poll").answer({ frames: [welcome()], positions: { r1: { epoch: EPOCH, seq: 3 } } });
    await world.advance(15_000);
    world.peer.drop();
    await world.settle();
    await greetStream();
    expect(transport(made)).toBe("sse");
    expect(http.last("poll").isAborted).toBe(true);
    expect(states.map(({ is }) => is)).toEqual(["connecting", "waiting", "connecting", "connecting", "live", "live"]);
  });
});

describe("the option transports", () => {
  it("names the ways and their order", async () => {
    const made = client({ transports: ["sse", "ws"] });
    await world.settle();
    expect(world.peers).toHaveLength(0);
    http.last("stream").fail();
    await world.settle();
    world.peer.accept();
    world.peer.say(welcome());
    expect(transport(made)).toBe("ws");
    made.stop();
    client({ transports: ["poll"] });
    await world.settle();
    expect(http.last("poll").body).toMatchObject({ hello: true, positions: {} });
    http.last("poll").fail();
    await world.advance(60_000);
    expect(world.peers).toHaveLength(1);
  });
});

it("a notice of a backend reaches the application", async () => {
  const made = await bySse();
  const notices: unknown[] = [];
  made.on("notice", (notice) => notices.push(notice));
  http.last("stream").say({ type: "notice", room: "r1", name: "deploy", data: { goodbye: [1, "two"] } });
  await world.settle();
  expect(notices).toEqual([expect.objectContaining({ room: "r1", name: "deploy", data: { goodbye: [1, "two"] } })]);
  expect(made.getSnapshot().state.is).toBe("live");
});

it("an away that was said is said to each new connection, with its name over SSE", async () => {
  const made = await bySse();
  http.onCommands = (commands) => commands.map(() => null);
  made.setAway(true);
  await world.settle();
  expect(http.last("commands").body).toMatchObject({ connection: "c-1", commands: [{ type: "away", on: true }] });
  expect(commandsOf(http.last("commands"))).toHaveLength(1);
});

it("where WebSockets cannot even be made, the next way is taken at once", async () => {
  const openSocket = (): never => {
    throw new DOMException("insecure", "SecurityError");
  };
  const made = client({ transports: ["poll", "ws", "sse"], environment: { ...world.environment, openSocket } });
  await world.settle();
  http.last("poll").fail();
  await world.settle();
  await greetStream();
  expect(transport(made)).toBe("sse");
});
