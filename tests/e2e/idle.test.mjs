/**
 * Windows that nobody types in, behind a proxy that cuts idle connections: pings hold them.
 *
 * The twin runs without pings and must lose its connection; else the proxy cut nothing and the
 * proof would prove nothing.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch } from "./lib/browser.mjs";
import { idle, limit } from "./lib/form.mjs";
import { Proxy } from "./lib/proxy.mjs";
import { Server } from "./lib/server.mjs";
import { pause } from "./lib/wait.mjs";
import { Window } from "./lib/window.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

/** Two windows in one room stay idle for `ms`; returns what happened to their connections. */
async function stayIdle(t, name, { pingSeconds, timeoutSeconds, ms }) {
  const pings = ["--ping-interval", String(pingSeconds), "--ping-timeout", String(timeoutSeconds)];
  const server = await Server.start(name, pings);
  t.after(() => server.close());
  const proxy = await Proxy.start(server.port, { idleCutMs: idle.cutMs });
  t.after(() => proxy.close());
  const windows = [await Window.open(browser, proxy.url), await Window.open(browser, proxy.url)];
  t.after(() => Promise.all(windows.map((window) => window.close())));
  await windows[0].signUp("ann");
  await windows[1].signUp("bob");
  await pause(ms);
  const lost = windows.flatMap(({ watch }) => watch.sockets).filter((socket) => socket.closed).length;
  return { lost, cut: proxy.bites.idle };
}

const seconds = (ms) => `${ms / 1000} s`;

test(`no connection is lost in ${seconds(idle.lastsMs)} behind a proxy that cuts after ${seconds(idle.cutMs)}`, limit(idle.lastsMs), async (t) => {
  const { lost, cut } = await stayIdle(t, "idle", { ...idle, ms: idle.lastsMs });
  console.log(`  ${lost} disconnects, ${cut} cut by the proxy`);
  assert.equal(lost, 0);
  assert.equal(cut, 0);
});

test("the same run without pings loses its connections", limit(idle.twinMs), async (t) => {
  const { lost, cut } = await stayIdle(t, "idle-twin", { pingSeconds: 3_600, timeoutSeconds: 7_200, ms: idle.twinMs });
  console.log(`  ${lost} disconnects, ${cut} cut by the proxy`);
  assert.ok(cut >= 2, "the proxy cut nothing");
  assert.ok(lost >= 2, "the windows did not notice");
});
