/**
 * The help: how the connection stands, and the button that cuts it, so that anyone can watch it heal and nothing be lost.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch } from "./lib/browser.mjs";
import { BACK_MS, SOON_MS, limit } from "./lib/form.mjs";
import { HttpProxy } from "./lib/http-proxy.mjs";
import { Stage } from "./lib/stage.mjs";
import { until } from "./lib/wait.mjs";
import { Window } from "./lib/window.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

test("one cuts one's own connection, goes on writing, and sees it heal with nothing lost", limit(120_000), async (t) => {
  const stage = await Stage.set(t, browser, "help", ["--ping-interval", "1", "--ping-timeout", "5"]);
  const [ann, bob] = [await stage.person("ann"), await stage.person("bob")];
  const room = await ann.makeRoom("group", { name: "Harbour", people: ["bob"] });
  await bob.enter(room);
  await ann.page.keyboard.press("Escape");
  await ann.at("help").click();
  const state = () => ann.at("line-state").getAttribute("data-state");
  assert.equal(await state(), "live");
  assert.equal(await ann.at("line-way").innerText(), "WebSocket");
  await until("a ping of the server", async () => /^\d+ s ago$/.test(await ann.at("line-ping").innerText()), SOON_MS);
  assert.equal(await ann.at("transport").count(), 0);

  const began = Date.now();
  await ann.at("line-cut").click();
  await until("the connection is cut", async () => (await state()) !== "live", SOON_MS);
  assert.match(await ann.at("line-cut").innerText(), /Cut for \d+ s more/);
  await ann.page.keyboard.press("Escape");
  await ann.say("written without a line");
  await ann.sees("written without a line", "queued");
  await bob.say("while you were away");
  assert.equal(await ann.message("while you were away").count(), 0);
  await until("the banner says so", async () => (await ann.banner()) !== null, SOON_MS);

  await bob.at("message-row").filter({ hasText: "written without a line" }).waitFor({ timeout: BACK_MS });
  assert.ok(Date.now() - began >= 9_500, "it was cut for ten seconds");
  await ann.sees("written without a line", "sent");
  await ann.sees("while you were away");
  assert.equal(await ann.message("written without a line").count(), 1);
  await ann.page.locator("body").click({ position: { x: 2, y: 2 } });
  await ann.at("help").click();
  assert.equal(await state(), "live");
  assert.equal(await ann.at("line-cut").innerText(), "Cut my connection for 10 s");
});

test("? opens the help, also from the settings, and its keys are listed", limit(60_000), async (t) => {
  const stage = await Stage.set(t, browser, "help-keys");
  const ann = await stage.person("ann");
  await ann.page.locator("body").press("?");
  await ann.at("keys").waitFor();
  assert.match(await ann.at("keys").innerText(), /Connection[^]*Next unread room/);
  await ann.page.keyboard.press("Escape");
  await ann.go("#/settings");
  await ann.at("show-keys").click();
  await ann.at("line-cut").waitFor();
});

for (const locale of ["en-GB", "de-DE"]) {
  test(`where sockets are refused the badge that says so stands clear of the buttons beside it, in ${locale}`, limit(90_000), async (t) => {
    const stage = await Stage.set(t, browser, `badge-${locale}`);
    const proxy = await HttpProxy.start(stage.server.port, { upgrades: "refuse" });
    t.after(() => proxy.close());
    const ann = await Window.open(browser, proxy.url, { viewport: { width: 1200, height: 800 }, locale });
    t.after(() => ann.close());
    await ann.signUp("ann");
    await ann.at("transport").waitFor();
    const [badge, help] = [await ann.at("transport").boundingBox(), await ann.at("help").boundingBox()];
    assert.ok(badge.width > 20 && badge.x + badge.width <= help.x, `the badge ends at ${badge.x + badge.width}, the button begins at ${help.x}`);
  });
}
