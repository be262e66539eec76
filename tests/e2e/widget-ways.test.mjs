/**
 * Another site's page where WebSockets do not get through: the widget, and the SDK in a page of its own, go on by stream and
 * then by long-poll. All that they send goes to another origin, with a token in a header and without a cookie. A twin
 * without the server's word that such pages may read its answers shows what that word is for.
 */

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { launch } from "./lib/browser.mjs";
import { Visitor, besideASite, widget } from "./lib/embed.mjs";
import { BACK_MS, SOON_MS, limit } from "./lib/form.mjs";
import { HttpProxy } from "./lib/http-proxy.mjs";
import { until } from "./lib/wait.mjs";

const SDK = fileURLToPath(new URL("../../clients/typescript/", import.meta.url));
const { build } = createRequire(`${SDK}package.json`)("esbuild");

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

const PROXIES = [
  { by: "sse", name: "refuses upgrades", faults: { upgrades: "refuse" }, bites: ({ refused }) => refused > 0 },
  { by: "poll", name: "refuses upgrades and holds streams back", faults: { upgrades: "refuse", holds: true }, bites: ({ refused, held }) => refused > 0 && held > 0 },
];

/** A page that is a client by itself, and tells what it sees. */
const OWN_PAGE = `
  import { createClient } from "./src/index.ts";
  globalThis.states = [];
  globalThis.bodies = [];
  const getToken = async () => (await (await fetch("/token?as=ann")).json()).token;
  globalThis.begin = (url) => {
    const client = (globalThis.client = createClient({ url, user: "ann", getToken }));
    client.on("state", (state) => globalThis.states.push(state));
    client.on("message", ({ message }) => globalThis.bodies.push(message.body));
    client.start();
  };
`;

/** The two kinds of pages: each says by what it is live, what it saw, and how it sends. */
const KINDS = {
  async widget(t, { site, server, proxy }) {
    // As careful as sites are: it may ask its own server, and that of the chat.
    const policy = `default-src 'none'; script-src ${proxy.url}; connect-src 'self' ${proxy.url} ${proxy.url.replace("http", "ws")}`;
    const url = site.page("/", widget({ ...server, url: proxy.url }), { "content-security-policy": policy });
    const visitor = await Visitor.open(t, browser, url);
    return { visitor, states: () => visitor.told("state"), say: (text) => visitor.say(text), sees: (text) => visitor.sees(text) };
  },
  async "page of its own"(t, { site, proxy }) {
    const { outputFiles } = await build({
      ...{ stdin: { contents: OWN_PAGE, resolveDir: SDK }, bundle: true, format: "esm", splitting: true, outdir: "/", write: false },
    });
    for (const { path, text } of outputFiles) site.script(path, text);
    const visitor = await Visitor.open(t, browser, site.page("/", '<script type="module" src="/stdin.js"></script>'));
    await until("the page", () => visitor.page.evaluate(() => typeof globalThis.begin === "function"), SOON_MS);
    await visitor.page.evaluate((url) => globalThis.begin(url), `${proxy.url}/ws`);
    return {
      visitor,
      states: () => visitor.page.evaluate(() => globalThis.states),
      say: (text) => visitor.page.evaluate((body) => void globalThis.client.room("quay").send(body), text),
      sees: (text) => until(`the page has "${text}"`, () => visitor.page.evaluate((body) => globalThis.bodies.includes(body), text), SOON_MS),
    };
  },
};

/** Whether a bare WebSocket of this page opens. */
const webSocketOpens = ({ page }, { url }) =>
  page.evaluate(
    (address) =>
      new Promise((resolve) => {
        const socket = new WebSocket(address);
        socket.onopen = () => resolve(true);
        socket.onerror = () => resolve(false);
      }),
    `${url.replace("http", "ws")}/ws`,
  );

/** What went over the proxy as the chat, without the browser's own questions beforehand. */
const ofTheChat = ({ requests }) => requests.filter(({ method, path }) => method !== "OPTIONS" && /^\/api\/v1\/(stream|poll|commands)/.test(path));

async function behind(t, name, faults, kind) {
  const { site, server, backend } = await besideASite(t, name);
  const proxy = await HttpProxy.start(server.port, faults);
  t.after(() => proxy.close());
  return { backend, proxy, site, ...(await KINDS[kind](t, { site, server, proxy })) };
}

for (const kind of Object.keys(KINDS)) {
  for (const { by, name, faults, bites } of PROXIES) {
    test(`behind a proxy that ${name}, a ${kind} on another site talks by ${by}, with a token and without a cookie`, limit(90_000), async (t) => {
      const { site, backend, proxy, visitor, states, say, sees } = await behind(t, `widget-ways-${by}`, faults, kind);
      await until(`it is live by ${by}`, async () => (await states()).some(({ is, transport }) => is === "live" && transport === by), BACK_MS);
      await say("from the other site");
      await until("it is stored", async () => (await backend.events("quay")).some(({ from, body }) => from === "ann" && body === "from the other site"), SOON_MS);
      await backend.say("quay", "bob", "from here");
      await sees("from here");
      assert.ok(!(await webSocketOpens(visitor, proxy)), "a WebSocket would have worked as well");
      assert.ok(bites(proxy.bites), `the fault did not bite: ${JSON.stringify(proxy.bites)}`);
      const asked = ofTheChat(proxy);
      assert.deepEqual(new Set(asked.map(({ headers }) => headers.origin)), new Set([site.url]));
      assert.deepEqual(asked.filter(({ headers }) => headers.cookie !== undefined), []);
      assert.ok(asked.every(({ headers, path }) => headers.authorization?.startsWith("Bearer ") && !path.includes("?")), "a token stands elsewhere than in its header");
      assert.ok(asked.some(({ path }) => path === "/api/v1/commands"));
    });
  }
}

test("a page on another site that is cut off by its browser's rule is never live, however it tries", limit(90_000), async (t) => {
  const faults = { upgrades: "refuse", strips: "access-control-allow-origin" };
  const { proxy, states } = await behind(t, "widget-ways-twin", faults, "page of its own");
  await until("stream and poll were tried", () => ["stream", "poll"].every((way) => proxy.requests.some(({ path }) => path === `/api/v1/${way}`)), BACK_MS);
  await until("it waits", async () => (await states()).some(({ is }) => is === "waiting"), BACK_MS);
  assert.ok((await states()).every(({ is }) => is !== "live"), "it is live without being allowed to read");
});
