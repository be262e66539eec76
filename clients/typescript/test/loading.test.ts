import { beforeEach, expect, it, vi } from "vitest";
import type { ClientOptions } from "../src/api.js";
import { memoryStore } from "../src/store/memory.js";

/** Each test begins as a program does, with nothing loaded but what it imports itself. */
beforeEach(() => vi.resetModules());

async function atTheTestServer() {
  const [{ createClient }, { createTestServer }] = await Promise.all([import("../src/client.js"), import("../src/testing/index.js")]);
  const server = createTestServer();
  server.room({ id: "ops", name: "Ops", members: ["ann"] });
  const window = server.window("ann");
  const start = (options: ClientOptions = {}) => {
    const client = createClient({ ...window.options, ...options });
    client.start();
    return client;
  };
  return { server, window, start };
}

it("a client that is cut the moment it is live is back when the fake clock says so", async () => {
  const { server, window, start } = await atTheTestServer();
  const client = start();
  await server.clock.settle();
  expect(client.getSnapshot().state.is).toBe("live");
  window.cut();
  expect(client.getSnapshot().state.is).toBe("waiting");
  await server.clock.advance(1_000);
  expect(client.getSnapshot().state.is).toBe("live");
});

it("a client that finds no server at its first attempts is live when there is one", async () => {
  const { server, start } = await atTheTestServer();
  server.goAway({ downMs: 5_000 });
  const client = start();
  await server.clock.advance(60_000);
  expect(client.getSnapshot().state.is).toBe("live");
});

it("a machine that has its network back is live at once", async () => {
  const { server, window, start } = await atTheTestServer();
  const client = start();
  await server.clock.settle();
  window.offline();
  expect(client.getSnapshot().state.is).toBe("offline");
  window.online();
  await server.clock.settle();
  expect(client.getSnapshot().state.is).toBe("live");
});

it("what a window left in its store is sent by the next one when the clock has settled", async () => {
  const { server, window, start } = await atTheTestServer();
  const store = memoryStore();
  const first = start({ store });
  await server.clock.settle();
  window.stall();
  first.room("ops").send("left behind");
  await server.clock.settle();
  first.stop();
  start({ store });
  await server.clock.settle();
  expect(server.log("ops").at(-1)).toMatchObject({ from: "ann", body: "left behind" });
});
