/**
 * The SDK in workers, which have no window and no document: a dedicated one, a shared one, and a service worker, whose parts
 * that are loaded later cannot be loaded unless they were bundled with it. Each connects, sends, hears, and comes back; where
 * WebSockets are refused, a worker goes on by stream; and what one that was ended had not sent, the next one sends.
 */

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { launch } from "./lib/browser.mjs";
import { Visitor, besideASite } from "./lib/embed.mjs";
import { BACK_MS, SOON_MS, limit } from "./lib/form.mjs";
import { HttpProxy } from "./lib/http-proxy.mjs";
import { until } from "./lib/wait.mjs";

const SDK = fileURLToPath(new URL("../../clients/typescript/", import.meta.url));
const { build } = createRequire(`${SDK}package.json`)("esbuild");

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

/** What runs in each kind of worker. It is told what to do over a port, and tells what it sees. */
const WORKER = `
  import { createClient, indexedDbStore } from "./src/index.ts";

  const serve = (port) => {
    let client;
    const getToken = async () => (await (await fetch("/token?as=ann")).json()).token;
    const tell = (is, fields = {}) => port.postMessage({ is, ...fields });
    port.onmessage = ({ data }) => {
      if (data.is === "say") return void client.room("quay").send(data.body);
      client = createClient({ url: data.url, user: "ann", getToken, store: indexedDbStore() });
      client.on("state", (state) => tell("state", { state }));
      client.on("message", ({ message }) => tell("message", { body: message.body }));
      client.subscribe(() => tell("snapshot", { queued: client.getSnapshot().queued, durable: client.getSnapshot().durable }));
      client.start();
    };
  };
  self.addEventListener("connect", ({ ports }) => serve(ports[0]));
  self.addEventListener("message", ({ ports }) => ports[0] && serve(ports[0]));
`;

/** How a page starts each of them and comes by a port to it; runs in the page. */
const PAGE = `
  globalThis.told = [];
  const options = (isWhole) => ({ type: isWhole ? "classic" : "module" });
  const handed = (worker) => {
    const { port1, port2 } = new MessageChannel();
    worker.postMessage(null, [port2]);
    return port1;
  };
  const START = {
    dedicated: (url, isWhole) => handed((globalThis.worker = new Worker(url, options(isWhole)))),
    shared: (url, isWhole) => new SharedWorker(url, options(isWhole)).port,
    async service(url, isWhole) {
      await navigator.serviceWorker.register(url, options(isWhole));
      return handed((await navigator.serviceWorker.ready).active);
    },
  };
  globalThis.begin = async (kind, script, isWhole, url) => {
    const port = (globalThis.port = await START[kind](script, isWhole));
    port.onmessage = ({ data }) => globalThis.told.push(data);
    port.postMessage({ is: "start", url });
  };
  globalThis.say = (body) => globalThis.port.postMessage({ is: "say", body });
  globalThis.stored = async () => {
    const result = (request) => new Promise((resolve, reject) => ((request.onsuccess = () => resolve(request.result)), (request.onerror = () => reject(request.error))));
    const database = await result(indexedDB.open("moorline"));
    const rows = database.objectStoreNames.contains("outbox") ? await result(database.transaction("outbox").objectStore("outbox").getAll()) : [];
    database.close();
    return rows.map(({ command }) => command.body);
  };
`;

/** A page of a site with the worker's script beside it: in files, or in one. */
async function page(t, site, { isWhole = false } = {}) {
  const { outputFiles } = await build({
    ...{ stdin: { contents: WORKER, resolveDir: SDK }, bundle: true, outdir: "/", write: false, logLevel: "error" },
    ...(isWhole ? { format: "iife" } : { format: "esm", splitting: true }),
  });
  assert.equal(outputFiles.length === 1, isWhole);
  for (const { path, text } of outputFiles) site.script(path, text);
  site.script("/page.js", PAGE);
  const { page } = await Visitor.open(t, browser, site.page("/", '<script src="/page.js"></script>'));
  const told = (fits) => page.evaluate(() => globalThis.told).then((all) => all.filter(fits));
  return {
    page,
    begin: (kind, url) => page.evaluate(([kind, isWhole, url]) => globalThis.begin(kind, "/stdin.js", isWhole, url), [kind, isWhole, url]),
    say: (body) => page.evaluate((text) => globalThis.say(text), body),
    hears: (body) => until(`the worker hears "${body}"`, async () => (await told((one) => one.body === body)).length, BACK_MS),
    bodies: async () => (await told(({ is }) => is === "message")).map(({ body }) => body),
    /** By which ways it was live so far. */
    lives: async () => (await told(({ state }) => state?.is === "live")).map(({ state }) => state.transport),
    told,
  };
}

const socket = ({ url }) => `${url.replace("http", "ws")}/ws`;
const bodies = async (backend) => (await backend.events("quay")).filter(({ kind }) => kind === "message").map(({ body }) => body);

const CASES = [
  { name: "a worker", kind: "dedicated" },
  { name: "a shared worker", kind: "shared" },
  { name: "a service worker in one file", kind: "service", isWhole: true },
  { name: "a service worker that can load nothing later", kind: "service" },
];

for (const { name, kind, isWhole } of CASES) {
  test(`${name} connects, sends, hears, and comes back after the server was away`, limit(90_000), async (t) => {
    const { site, server, backend } = await besideASite(t, `workers-${kind}`);
    const worker = await page(t, site, { isWhole });
    await worker.begin(kind, socket(server));
    await until("it is live", async () => (await worker.lives()).includes("ws"), BACK_MS);
    await worker.say("out of the worker");
    await until("it is stored", async () => (await bodies(backend)).includes("out of the worker"), BACK_MS);
    await backend.say("quay", "bob", "into the worker");
    await worker.hears("into the worker");
    await server.kill();
    await until("it waits", async () => (await worker.told(({ state }) => state?.is === "waiting")).length, BACK_MS);
    await worker.say("while it is away");
    await server.restart();
    await worker.hears("while it is away");
    assert.deepEqual(await worker.bodies(), ["out of the worker", "into the worker", "while it is away"]);
    assert.deepEqual(await bodies(backend), await worker.bodies());
    assert.ok((await worker.told(({ durable }) => durable === false)).length === 0, "its outbox is not durable");
  });
}

test("a worker whose WebSockets are refused talks by stream", limit(90_000), async (t) => {
  const { site, server, backend } = await besideASite(t, "workers-stream");
  const proxy = await HttpProxy.start(server.port, { upgrades: "refuse" });
  t.after(() => proxy.close());
  const worker = await page(t, site);
  await worker.begin("dedicated", socket(proxy));
  await until("it is live by a stream", async () => (await worker.lives()).includes("sse"), BACK_MS);
  await worker.say("by a stream");
  await worker.hears("by a stream");
  assert.deepEqual(await bodies(backend), ["by a stream"]);
  assert.ok(proxy.bites.refused > 0);
});

test("what a worker that was ended had not sent is sent once by the next one", limit(90_000), async (t) => {
  const { site, server, backend } = await besideASite(t, "workers-left");
  const worker = await page(t, site);
  await worker.begin("dedicated", socket(server));
  await until("it is live", async () => (await worker.lives()).includes("ws"), BACK_MS);
  await server.kill();
  await worker.say("left behind");
  await until("it is written down", async () => (await worker.page.evaluate(() => globalThis.stored())).includes("left behind"), BACK_MS);
  await worker.page.evaluate(() => globalThis.worker.terminate());
  await server.restart();
  await worker.begin("dedicated", socket(server));
  await until("it is stored", async () => (await bodies(backend)).length > 0, BACK_MS);
  await until("nothing is left", async () => (await worker.page.evaluate(() => globalThis.stored())).length === 0, SOON_MS);
  assert.deepEqual(await bodies(backend), ["left behind"]);
});
