import { beforeEach, describe, expect, it } from "vitest";
import type { Client, ClientOptions, State } from "../src/api.js";
import { createClient } from "../src/client.js";
import type { MoorlineError } from "../src/error.js";
import { memoryStore } from "../src/store/memory.js";
import { commandsOf, Http, type Asked } from "./http.js";
import { EPOCH, eventId, message, room, welcome, World, type Json } from "./world.js";

let world: World;
let http: Http;
let states: State["is"][];

beforeEach(() => {
  world = new World();
  http = new Http(world);
  states = [];
});

async function started(options: ClientOptions): Promise<Client> {
  const made = createClient({ environment: world.environment, store: memoryStore(), ...options });
  made.on("state", ({ is }) => states.push(is));
  made.start();
  await world.settle();
  return made;
}

async function bySse(options: ClientOptions = {}): Promise<Client> {
  const made = await started({ transports: ["sse"], ...options });
  await greet();
  return made;
}

async function greet(stream: Asked = http.last("stream")): Promise<void> {
  stream.begin();
  stream.say(welcome());
  await world.settle();
}

const positions = { r1: { epoch: EPOCH, seq: 3 } };

async function byPoll(options: ClientOptions = {}): Promise<Client> {
  const made = await started({ transports: ["poll"], ...options });
  http.last("poll").answer({ frames: [welcome()], positions });
  await world.settle();
  return made;
}

function acked(commands: readonly Json[]): object[] {
  return commands.map(({ id, room }, index) => {
    return { type: "ack", id, room, epoch: EPOCH, seq: 4 + index, message: eventId(4 + index), at: 1 };
  });
}

describe("a stream", () => {
  it("is read however the network cuts it, in the middle of a character too", async () => {
    const made = await bySse();
    const heard: string[] = [];
    made.on("message", ({ message }) => heard.push(message.body));
    const bytes = new TextEncoder().encode(`: alive\r\n\r\ndata: ${JSON.stringify(message(4, "grüße 👋"))}\r\n\r\n`);
    for (const byte of bytes) http.last("stream").write(Uint8Array.of(byte));
    await world.settle();
    expect(heard).toEqual(["grüße 👋"]);
  });

  it("that is cut after a good life is opened anew while the state stays live, and nothing comes twice", async () => {
    const made = await bySse();
    const heard: number[] = [];
    made.on("event", ({ seq }) => heard.push(seq));
    for (let round = 0; round < 3; round++) {
      const stream = http.last("stream");
      stream.say(message(4 + 2 * round), message(5 + 2 * round));
      await world.advance(10_000);
      if (round === 1) stream.fail();
      else stream.end();
      await world.settle();
      expect(http.last("stream").body).toMatchObject({ resume: { r1: { seq: 5 + 2 * round } } });
      await greet();
      http.last("stream").say(message(5 + 2 * round));
    }
    await world.settle();
    expect(heard).toEqual([4, 5, 6, 7, 8, 9]);
    expect(new Set(states)).toEqual(new Set(["connecting", "live"]));
  });

  it("that ends at once is not opened in a tight loop", async () => {
    await started({ transports: ["sse"] });
    for (let attempt = 0; attempt < 50 && world.time < 10_000; attempt++) {
      await greet();
      http.last("stream").end();
      await world.advance(100);
    }
    expect(http.all("stream").length).toBeLessThan(20);
  });

  it("that is silent is doubted although commands are answered, and left for a new one", async () => {
    const made = await bySse();
    http.onCommands = acked;
    const dead = http.last("stream");
    for (let second = 0; second < 28; second += 4) {
      made.room("r1").send("still here");
      await world.advance(4_000);
    }
    expect(http.all("stream")).toHaveLength(2);
    expect(dead.isAborted).toBe(false);
    await greet();
    expect(dead.isAborted).toBe(true);
    expect(states).toEqual(["connecting", "live", "live"]);
  });

  it("whose successor is not welcomed either ends the connection", async () => {
    await bySse();
    world.signal("visible");
    await world.settle();
    expect(http.all("stream")).toHaveLength(2);
    await world.advance(3_000);
    expect(states).toContain("waiting");
    expect(http.asked.slice(0, 2).every(({ isAborted }) => isAborted)).toBe(true);
  });

  it("ends as the goodbye says", async () => {
    await bySse();
    http.last("stream").say({ type: "goodbye", code: 1012, reconnect: true, after_ms: 4_000 });
    http.last("stream").end();
    await world.advance(3_900);
    expect(http.all("stream")).toHaveLength(1);
    await world.advance(100);
    expect(http.all("stream")).toHaveLength(2);
  });

  it("carries positions of more rooms than a WebSocket's hello", async () => {
    await started({ transports: ["sse"] });
    const rooms = Array.from({ length: 250 }, (_, index) => room({ id: `r${index}` }));
    http.last("stream").begin();
    http.last("stream").say(welcome(rooms));
    await world.settle();
    http.last("stream").say({ type: "goodbye", code: 1012, reconnect: true, after_ms: 0 });
    http.last("stream").end();
    await world.advance(0);
    expect(Object.keys(http.last("stream").body["resume"] as object)).toHaveLength(250);
  });
});

describe("a poll", () => {
  it("says what is known, and takes the answer's positions with its frames", async () => {
    const made = await byPoll();
    const heard: number[] = [];
    made.on("event", ({ seq }) => heard.push(seq));
    expect(http.last("poll").body).toEqual({ positions, wait_ms: 25_000 });
    const at5 = { epoch: EPOCH, seq: 5, check: "00000005" };
    http.last("poll").answer({ frames: [message(4), message(5)], positions: { r1: at5, r2: { epoch: "e2", seq: 1 } } });
    await world.settle();
    expect(http.last("poll").body).toMatchObject({ positions: { r1: at5, r2: { epoch: "e2", seq: 1 } } });
    http.last("poll").answer({ frames: [], positions: { r2: null } });
    await world.settle();
    expect(http.last("poll").body["positions"]).toEqual({ r1: at5 });
    expect(heard).toEqual([4, 5]);
  });

  it("that brings nothing is a sign of life", async () => {
    const made = await byPoll();
    for (let round = 0; round < 5; round++) {
      await world.advance(25_000);
      http.last("poll").answer({ frames: [], positions: {} });
      await world.settle();
    }
    expect(made.getSnapshot().state.is).toBe("live");
    expect(http.all("poll")).toHaveLength(7);
  });

  it("that is not answered ends the connection, although commands are", async () => {
    const made = await byPoll();
    http.onCommands = acked;
    for (let second = 0; second < 32; second += 4) {
      made.room("r1").send("still here");
      await world.advance(4_000);
    }
    expect(states).toContain("waiting");
  });

  it("that a proxy cuts by the clock waits for less, and the state stays live", async () => {
    const made = await byPoll();
    for (let round = 0; round < 3; round++) {
      const { wait_ms: wait } = http.last("poll").body as { wait_ms: number };
      await world.advance(Math.min(wait, 10_000));
      if (wait > 10_000) http.last("poll").fail();
      else http.last("poll").answer({ frames: [], positions: {} });
      await world.settle();
    }
    expect(http.all("poll").map(({ body }) => body["wait_ms"])).toEqual([25_000, 25_000, 8_000, 8_000, 8_000]);
    expect(made.getSnapshot().state.is).toBe("live");
  });

  it("is broken off to look at once when somebody asks whether the connection lives", async () => {
    await byPoll();
    world.signal("visible");
    await world.settle();
    expect(http.all("poll")[1]?.isAborted).toBe(true);
    expect(http.last("poll").body).toEqual({ positions, wait_ms: 0 });
    http.last("poll").answer({ frames: [], positions: {} });
    await world.advance(4_000);
    expect(states).toEqual(["connecting", "live"]);
  });

  it("says that one is away, each time", async () => {
    const made = await byPoll();
    made.setAway(true);
    await world.settle();
    expect(http.last("poll").body).toMatchObject({ away: true });
    expect(http.all("commands")).toHaveLength(0);
  });

  it("ends as the goodbye among its frames says", async () => {
    await byPoll();
    http.last("poll").answer({ frames: [{ type: "goodbye", code: 4403, reconnect: false, after_ms: 0 }], positions: {} });
    await world.settle();
    expect(states.at(-1)).toBe("closed");
    await world.advance(60_000);
    expect(http.all("poll")).toHaveLength(2);
  });
});

describe("commands over HTTP", () => {
  it("go in order, one request at a time, what waits in one", async () => {
    const made = await bySse();
    for (let n = 0; n < 150; n++) made.room(`r${n}`).send(`m${n}`);
    await world.settle();
    expect(http.all("commands")).toHaveLength(1);
    http.last("commands").answer({ answers: acked(commandsOf(http.last("commands"))) });
    await world.settle();
    expect(http.all("commands")).toHaveLength(2);
    for (const { body } of http.all("commands")) expect((body["commands"] as unknown[]).length).toBeLessThanOrEqual(100);
    expect(http.commands.map(({ body }) => body)).toEqual(Array.from({ length: 150 }, (_, n) => `m${n}`));
  });

  it("that a broken connection left without an answer are sent once more, then with a new connection under their cid", async () => {
    const made = await bySse();
    const { cid, acked: stored } = made.room("r1").send("hi");
    await world.settle();
    http.last("commands").fail();
    await world.settle();
    expect(states.at(-1)).toBe("live");
    expect(http.all("commands")).toHaveLength(2);
    http.last("commands").fail();
    await world.settle();
    expect(states.at(-1)).toBe("waiting");
    await world.advance(500);
    http.onCommands = acked;
    await greet();
    await expect(stored).resolves.toMatchObject({ seq: 4 });
    expect(http.commands.map((command) => command["cid"])).toEqual([cid, cid, cid]);
  });

  it("that are not answered are asked again after three seconds, and after nine in all it is the end", async () => {
    const made = await bySse();
    const { cid } = made.room("r1").send("hi");
    const keepStream = async (seconds: number): Promise<void> => {
      for (let second = 0; second < seconds; second++) {
        http.last("stream").say({ type: "ping" });
        await world.advance(1_000);
      }
    };
    await keepStream(4);
    expect(http.all("commands").map(({ isAborted }) => isAborted)).toEqual([true, false]);
    expect(http.commands.map((command) => command["cid"])).toEqual([cid, cid]);
    expect(states.at(-1)).toBe("live");
    await keepStream(5);
    expect(http.all("commands").map(({ isAborted }) => isAborted)).toEqual([true, true]);
    expect(states).toContain("waiting");
  });

  it("that the server never takes are refused one by one, so that the others go through", async () => {
    const made = await bySse();
    const failed: MoorlineError[] = [];
    made.on("failed", ({ error }) => failed.push(error));
    http.onCommands = undefined;
    const answer = (asked: Asked): void => {
      const commands = commandsOf(asked);
      const isBad = commands.some(({ body }) => body === "bad");
      if (isBad) asked.answer({ error: { code: "too_large", message: "Too large." } }, 413);
      else asked.answer({ answers: acked(commands) });
    };
    for (const [id, body] of [["r1", "good"], ["r2", "bad"], ["r3", "also good"]] as const) made.room(id).send(body);
    for (let round = 0; round < 6; round++) {
      await world.settle();
      for (const asked of http.all("commands")) answer(asked);
    }
    await world.settle();
    expect(failed).toMatchObject([{ code: "too_large", message: "Too large.", retryable: false }]);
    expect(made.getSnapshot()).toMatchObject({ queued: 0, failed: 1 });
  });

  it("that a proxy refuses with a page of its own are no fault of the message", async () => {
    const made = await bySse();
    made.room("r1").send("hi");
    await world.settle();
    http.last("commands").answer([] as object, 403);
    await world.settle();
    expect(made.getSnapshot()).toMatchObject({ queued: 1, failed: 0 });
    expect(states.at(-1)).toBe("waiting");
  });
});

describe("a token over HTTP", () => {
  it("that is refused is renewed once, then it is the end", async () => {
    let asked = 0;
    const made = await started({ transports: ["sse"], getToken: () => `t${++asked}` });
    const refuse = async (): Promise<void> => {
      http.last("stream").answer({ error: { code: "token_refused", message: "Expired." } }, 401);
      await world.settle();
    };
    await refuse();
    expect(http.last("stream").token).toBe("Bearer t2");
    await greet();
    http.last("stream").say({ type: "goodbye", code: 4401, reconnect: true, after_ms: 0 });
    http.last("stream").end();
    await world.settle();
    expect(http.last("stream").token).toBe("Bearer t3");
    await refuse();
    await world.advance(60_000);
    expect(made.getSnapshot().state).toEqual({ is: "closed", code: 4401, reason: "Expired." });
    expect(asked).toBe(3);
  });

  it("stands in no URL, and a cookie is sent where there is none", async () => {
    const inits: RequestInit[] = [];
    const answer = world.onFetch;
    world.onFetch = (url, init) => {
      expect(url).toBe("https://chat.example/team/api/v1/stream");
      inits.push(init);
      return answer(url, init);
    };
    await started({ transports: ["sse"], url: "https://chat.example/team/ws" });
    await started({ transports: ["sse"], url: "https://chat.example/team/ws", getToken: () => "t" });
    expect(inits.map(({ credentials }) => credentials)).toEqual(["include", "same-origin"]);
  });
});
