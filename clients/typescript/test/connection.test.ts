import { beforeEach, describe, expect, it } from "vitest";
import type { Client, ClientOptions, State } from "../src/api.js";
import { createClient } from "../src/client.js";
import { MoorlineError } from "../src/error.js";
import { memoryStore } from "../src/store/memory.js";
import { welcome, World } from "./world.js";

let world: World;
let states: State["is"][];

beforeEach(() => {
  world = new World();
  states = [];
});

function client(options: ClientOptions = {}): Client {
  const made = createClient({ environment: world.environment, store: memoryStore(), transports: ["ws"], ...options });
  made.on("state", ({ is }) => states.push(is));
  return made;
}

async function live(options: ClientOptions = {}): Promise<Client> {
  const made = client(options);
  made.start();
  await world.settle();
  greet();
  return made;
}

function greet(): void {
  world.peer.accept();
  world.peer.say(welcome());
}

describe("a connection", () => {
  it("goes from idle to live and says hello first", async () => {
    const made = client({ device: "a test" });
    expect(made.getSnapshot().state).toEqual({ is: "idle" });
    made.start();
    await world.settle();
    greet();
    expect(states).toEqual(["connecting", "live"]);
    expect(world.peer.url).toBe("wss://chat.example/ws");
    expect(world.peer.received[0]).toEqual({ type: "hello", resume: {}, keepalive: true, device: "a test" });
    expect(made.getSnapshot()).toMatchObject({ ready: true, user: { id: "ann", name: "Ann" }, messageBytes: 65_536 });
  });

  it("answers the server's ping", async () => {
    await live();
    world.peer.say({ type: "ping" });
    expect(world.peer.all("pong")).toHaveLength(1);
  });

  it("comes back within half a second after a cut, later and later while it fails", async () => {
    const made = await live();
    await world.advance(6_000);
    world.peer.drop();
    expect(made.getSnapshot().state).toMatchObject({ is: "waiting", attempt: 0, code: 1006 });
    await world.advance(250);
    expect(world.peers).toHaveLength(2);
    const waits: number[] = [];
    for (let attempt = 0; attempt < 8; attempt++) {
      world.peer.drop();
      const { state } = made.getSnapshot();
      const wait = state.is === "waiting" ? state.until - world.environment.now() : -1;
      waits.push(wait);
      await world.advance(wait);
    }
    expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  });

  it("does not call a server in a tight loop that welcomes and dies", async () => {
    const made = await live();
    const waits: number[] = [];
    for (let round = 0; round < 5; round++) {
      world.peer.drop(4440, "slow");
      const { state } = made.getSnapshot();
      const wait = state.is === "waiting" ? state.until - world.environment.now() : -1;
      waits.push(wait);
      await world.advance(wait);
      greet();
    }
    expect(waits).toEqual([250, 500, 1_000, 1_000, 1_000]);
  });

  it("comes back at once after 4440 to 4459", async () => {
    await live();
    await world.advance(6_000);
    world.peer.drop(4441, "ping timeout");
    await world.advance(0);
    expect(world.peers).toHaveLength(2);
  });

  it("comes back when the goodbye said", async () => {
    await live();
    await world.advance(6_000);
    world.peer.say({ type: "goodbye", code: 1012, reconnect: true, after_ms: 1_234 });
    world.peer.drop(1012, "drain");
    await world.advance(1_233);
    expect(world.peers).toHaveLength(1);
    await world.advance(1);
    expect(world.peers).toHaveLength(2);
  });

  it("stops where it shall not come back, and says why", async () => {
    const made = await live();
    world.peer.drop(4403, "signed out");
    expect(made.getSnapshot().state).toEqual({ is: "closed", code: 4403, reason: "signed out" });
    await world.advance(60_000);
    expect(world.peers).toHaveLength(1);
  });

  it("stops after a goodbye without return", async () => {
    const made = await live();
    world.peer.say({ type: "goodbye", code: 1000, reconnect: false, after_ms: 0 });
    world.peer.drop(1000, "");
    expect(made.getSnapshot().state.is).toBe("closed");
  });

  it("starts again after it was stopped", async () => {
    const made = await live();
    made.stop();
    expect(world.peer.closedByClient?.code).toBe(1000);
    expect(made.getSnapshot().state).toEqual({ is: "closed", code: 1000, reason: "stopped" });
    made.start();
    await world.settle();
    expect(world.peers).toHaveLength(2);
  });

  it("gives up a socket that brings no welcome", async () => {
    const made = client();
    made.start();
    await world.settle();
    world.peer.accept();
    const waited: number[] = [];
    for (let attempt = 0; attempt < 4; attempt++) {
      const [peer, from] = [world.peer, world.time];
      while (!peer.closedByClient) await world.advance(1_000);
      waited.push(world.time - from);
      expect(made.getSnapshot().state.is).toBe("waiting");
      made.retryNow();
      await world.settle();
    }
    expect(waited).toEqual([5_000, 5_000, 15_000, 15_000]);
  });

  it("reports what is no frame and goes on", async () => {
    const made = await live();
    const errors: MoorlineError[] = [];
    made.on("error", (error) => errors.push(error));
    for (const text of ["", "nonsense", "[1]", "7", "null", '{"type":7}', '{"type":"event","seq":1.5}']) world.peer.sayText(text);
    expect(errors).toHaveLength(7);
    expect(made.getSnapshot().state.is).toBe("live");
  });
});

describe("a token", () => {
  it("is fetched once, and once more when refused", async () => {
    const asked: string[] = [];
    const getToken = (why: string): string => `${why}-${asked.push(why)}`;
    const made = await live({ getToken });
    expect(world.peer.received[0]).toMatchObject({ token: "first-1" });
    world.peer.drop(4401, "expired");
    await world.settle();
    greet();
    expect(world.peer.received[0]).toMatchObject({ token: "refused-2" });
    expect(made.getSnapshot().state.is).toBe("live");
    await world.advance(6_000);
    world.peer.drop();
    await world.advance(500);
    world.peer.accept();
    expect(world.peer.received[0]).toMatchObject({ token: "refused-2" });
    expect(asked).toEqual(["first", "refused"]);
  });

  it("that is refused twice ends it, without a storm", async () => {
    let asked = 0;
    const made = client({ getToken: () => `t${++asked}` });
    made.start();
    for (let round = 0; round < 3; round++) {
      await world.settle();
      world.peer.accept();
      world.peer.drop(4401, "refused");
    }
    await world.advance(60_000);
    expect(asked).toBe(2);
    expect(world.peers).toHaveLength(2);
    expect(made.getSnapshot().state).toEqual({ is: "closed", code: 4401, reason: "refused" });
  });

  it("that grew old while the network was away is no refusal of a fresh one", async () => {
    let asked = 0;
    const made = client({ getToken: () => `t${++asked}` });
    made.start();
    await world.settle();
    world.peer.drop(4401, "expired");
    await world.settle();
    world.peer.drop(); // t2 was never shown.
    await world.advance(1_000);
    world.peer.accept();
    world.peer.drop(4401, "expired meanwhile");
    await world.settle();
    world.peer.accept();
    world.peer.say(welcome());
    expect(world.peer.received[0]).toMatchObject({ token: "t3" });
    expect(made.getSnapshot().state.is).toBe("live");
  });

  it("that cannot be fetched now is asked for again later", async () => {
    let asked = 0;
    const getToken = async (): Promise<string> => {
      if (++asked < 3) throw new TypeError("Failed to fetch");
      return "t";
    };
    client({ getToken }).start();
    await world.settle();
    expect(states).toEqual(["connecting", "waiting"]);
    await world.advance(5_000);
    expect(asked).toBe(3);
    expect(world.peers).toHaveLength(1);
  });

  it("that will never come ends it", async () => {
    const made = client({ getToken: () => Promise.reject(new MoorlineError("signed_out", "Sign in first.")) });
    made.start();
    await world.settle();
    expect(made.getSnapshot().state).toEqual({ is: "closed", code: 4401, reason: "Sign in first." });
  });
});

describe("silence", () => {
  it("of a ping interval makes the client ask, and no answer within 3 s ends the connection", async () => {
    await live();
    await world.advance(28_000);
    expect(world.peer.all("ping")).toHaveLength(1);
    await world.advance(3_000);
    expect(world.peers[0]?.closedByClient).toEqual({ code: 4441, reason: "no answer" });
    expect(states).toEqual(["connecting", "live", "waiting", "connecting"]);
  });

  it("ends with any frame", async () => {
    await live();
    for (let minute = 0; minute < 10; minute++) {
      await world.advance(25_000);
      world.peer.say({ type: "ping" });
    }
    expect(world.peers).toHaveLength(1);
    expect(world.peer.all("ping")).toHaveLength(0);
  });

  it("after a send is noticed within seven seconds", async () => {
    const made = await live();
    made.room("r1").send("hi");
    await world.settle();
    expect(world.peer.all("send")).toHaveLength(1);
    await world.advance(7_000);
    expect(world.peers[0]?.closedByClient).toBeDefined();
  });

  it("through a sleep of the whole machine ends the connection without asking", async () => {
    await live();
    world.time += 3_600_000;
    await world.advance(0);
    expect(world.peers[0]?.closedByClient?.reason).toBe("silence");
  });
});

describe("signs from the page", () => {
  it.each(["online", "visible", "restored", "offline"] as const)("%s makes a live connection show that it lives", async (signal) => {
    await live();
    await world.settle();
    world.signal(signal);
    world.signal(signal);
    expect(world.peer.all("ping")).toHaveLength(1);
    world.peer.say({ type: "pong" });
    await world.advance(4_000);
    expect(world.peers).toHaveLength(1);
    world.signal(signal);
    await world.advance(3_000);
    expect(world.peers[0]?.closedByClient).toBeDefined();
  });

  it("online ends a wait", async () => {
    const made = client();
    made.start();
    for (let attempt = 0; attempt < 6; attempt++) {
      await world.settle();
      world.peer.drop();
      made.retryNow();
    }
    await world.settle();
    world.peer.drop();
    const before = world.peers.length;
    expect(made.getSnapshot().state.is).toBe("waiting");
    world.signal("online");
    await world.settle();
    expect(world.peers).toHaveLength(before + 1);
  });

  it("without a network the state is offline, and retries go on", async () => {
    world.isOnline = false;
    const made = client();
    made.start();
    await world.settle();
    world.peer.drop();
    expect(made.getSnapshot().state).toMatchObject({ is: "offline", attempt: 1 });
    await world.advance(500);
    greet();
    expect(made.getSnapshot().state.is).toBe("live");
  });
});
