/**
 * The widget in pages of another site: two people talk through it, it stands under the strictest policy, floats, opens by
 * keys, says what is wrong, and takes as read only what was to be seen.
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { launch } from "./lib/browser.mjs";
import { Visitor, besideASite, widget } from "./lib/embed.mjs";
import { BACK_MS, SOON_MS, limit } from "./lib/form.mjs";
import { SECRET } from "./lib/site.mjs";
import { until } from "./lib/wait.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

/** What a careful site sends: nothing but what the widget's documentation names. */
function strict({ url }) {
  const socket = url.replace("http", "ws");
  return {
    "content-security-policy": `default-src 'none'; script-src ${url}; connect-src 'self' ${url} ${socket}; style-src 'none'; frame-src ${url}; ` +
      "base-uri 'none'; require-trusted-types-for 'script'; trusted-types svelte-trusted-html",
  };
}

test("two people talk through widgets of another site, and the page hears of it", limit(90_000), async (t) => {
  const { site, server } = await besideASite(t, "widget-talk");
  const ann = await Visitor.open(t, browser, site.page("/ann", widget(server)));
  const bob = await Visitor.open(t, browser, site.page("/bob", widget(server, { as: "bob" })));
  assert.deepEqual(await ann.hears("ready"), { user: { id: "ann", name: "Ann" }, room: "quay" });
  await bob.hears("ready");
  await ann.say("hello from the shop");
  await bob.sees("hello from the shop");
  const heard = await bob.hears("message", ({ body }) => body === "hello from the shop");
  assert.deepEqual({ from: heard.from, name: heard.name, mine: heard.mine }, { from: "ann", name: "Ann", mine: false });
  await ann.hears("message", ({ mine, body }) => mine && body === "hello from the shop");
  assert.ok((await ann.told("state")).some(({ is }) => is === "live"));
  assert.deepEqual([ann.complaints, bob.complaints], [[], []]);
  assert.equal(site.tokens, 2);
});

test("it works under a policy that allows no style at all, and breaks none of it", limit(90_000), async (t) => {
  const { site, server, backend } = await besideASite(t, "widget-strict");
  const ann = await Visitor.open(t, browser, site.page("/", widget(server), strict(server)));
  await ann.say("**strict**");
  await ann.sees("strict");
  await backend.say("quay", "bob", "an answer");
  await ann.sees("an answer");
  // What the styles are for: the field stands at the lower edge, in the page's own colours.
  const look = await ann.page.locator(".composer").evaluate((one) => ({ radius: getComputedStyle(one).borderRadius, box: one.getBoundingClientRect().width }));
  assert.equal(look.radius, "12px");
  assert.ok(look.box > 300);
  await ann.at("message-row").last().hover();
  await ann.at("act-more").last().click();
  await ann.at("message-menu").waitFor();
  assert.deepEqual(await ann.forbidden(), []);
  assert.deepEqual(ann.complaints, []);
});

test("a policy that forbids its script keeps it out, and that is noticed", limit(60_000), async (t) => {
  const { site, server } = await besideASite(t, "widget-twin");
  const headers = { "content-security-policy": "default-src 'none'; script-src 'none'" };
  const ann = await Visitor.open(t, browser, site.page("/", widget(server), headers));
  await until("the policy's complaint", async () => (await ann.forbidden()).length, SOON_MS);
  assert.match((await ann.forbidden())[0], /^script-src.*embed\.js$/);
  assert.equal(await ann.at("composer-input").count(), 0);
});

test("in a frame of its own it does the same, where the server names the site", limit(90_000), async (t) => {
  const { site, server, backend } = await besideASite(t, "widget-frame", ["--embed-origin", "{site}"]);
  const ann = await Visitor.open(t, browser, site.page("/", widget(server, { more: "frame" }), strict(server)));
  assert.deepEqual(await ann.hears("ready"), { user: { id: "ann", name: "Ann" }, room: "quay" });
  await ann.say("out of the frame", ann.frame);
  await ann.sees("out of the frame", ann.frame);
  await backend.say("quay", "bob", "into the frame");
  await ann.hears("message", ({ body }) => body === "into the frame");
  // Nothing of the chat is in the page, and a dark look goes through.
  assert.equal(await ann.at("message-row").count(), 0);
  await ann.element.evaluate((one) => one.setAttribute("theme", "dark"));
  await until("the dark look", () => ann.frame.locator('.moorline[data-theme="dark"]').count(), SOON_MS);
  assert.deepEqual(ann.complaints, []);
});

test("a server that names nobody is framed by nobody, and the page hears why", limit(60_000), async (t) => {
  const { site, server } = await besideASite(t, "widget-unframed");
  const ann = await Visitor.open(t, browser, site.page("/", widget(server, { more: "frame" })));
  const { code, message } = await ann.hears("error");
  assert.equal(code, "frame");
  assert.match(message, /--embed-origin http:\/\/localhost:\d+/);
  assert.equal(await ann.at("composer-input", ann.frame).count(), 0);
});

test("the frame's address alone is enough, and the token does not stay in it", limit(60_000), async (t) => {
  const { site, server } = await besideASite(t, "widget-address", ["--embed-origin", "{site}"]);
  const { token } = await (await fetch(`${site.url}/token?as=ann`)).json();
  const ann = await Visitor.open(t, browser, site.page("/", `<iframe title="Chat" width="400" height="500" src="${server.url}/embed#room=quay&token=${token}"></iframe>`));
  const frame = ann.page.frameLocator("iframe");
  await ann.say("by address", frame);
  await ann.sees("by address", frame);
  assert.equal(await frame.locator("body").evaluate(() => location.hash), "#room=quay");
});

test("floating, it opens and closes by keys and by script, counts, and gives the focus back", limit(90_000), async (t) => {
  const { site, server, backend } = await besideASite(t, "widget-floating");
  const ann = await Visitor.open(t, browser, site.page("/", `<h1>Shop</h1>${widget(server, { more: "display=floating" })}<a href="#end">End</a>`));
  const launcher = ann.page.locator("moorline-chat").getByRole("button", { name: /^Chat/ });
  await ann.hears("ready");
  assert.equal(await ann.at("composer-input").count(), 0);
  await backend.say("quay", "bob", "anybody there?");
  await ann.hears("unread", ({ count }) => count === 1);
  assert.equal(await launcher.getAttribute("aria-label"), "Chat 1");
  await ann.page.keyboard.press("Tab");
  await ann.page.keyboard.press("Enter");
  await ann.sees("anybody there?");
  await until("the field has the focus", () => inside(ann, "textarea"), SOON_MS);
  await ann.page.keyboard.type("yes");
  await ann.page.keyboard.press("Enter");
  await ann.sees("yes");
  await ann.hears("unread", ({ count }) => count === 0);
  await ann.element.evaluate((one) => one.close());
  await until("the launcher has the focus", () => inside(ann, ".launcher"), SOON_MS);
  assert.equal(await ann.element.evaluate((one) => one.isOpen), false);
  await ann.at("composer-input").waitFor({ state: "detached" });
  await ann.element.evaluate((one) => one.open());
  await ann.sees("anybody there?");
  assert.deepEqual(ann.complaints, []);
});

/** Whether the focus inside the element is on this. */
function inside({ page }, selector) {
  return page.evaluate((selector) => document.activeElement?.shadowRoot?.activeElement?.matches(selector), selector);
}

test("what is typed in it is no shortcut of the page around it", limit(60_000), async (t) => {
  const { site, server } = await besideASite(t, "widget-keys");
  const ann = await Visitor.open(t, browser, site.page("/", widget(server)));
  await ann.page.evaluate(() => {
    globalThis.heard = [];
    addEventListener("keydown", ({ key }) => globalThis.heard.push(key));
  });
  await ann.at("composer-input").click();
  await ann.page.keyboard.type("jk?");
  assert.equal(await ann.at("composer-input").inputValue(), "jk?");
  assert.deepEqual(await ann.page.evaluate(() => globalThis.heard), []);
});

test("it takes nothing as read that is far below what one looks at", limit(60_000), async (t) => {
  const { site, server, backend } = await besideASite(t, "widget-below");
  await backend.say("quay", "bob", "read me");
  // 250 px below the window's end: near enough to be loaded, too far to be seen.
  const ann = await Visitor.open(t, browser, site.page("/", `<div id="above"></div>${widget(server)}`));
  await ann.page.evaluate(() => (document.querySelector("#above").style.height = `${innerHeight + 250}px`));
  await ann.sees("read me");
  await backend.say("quay", "bob", "me too");
  await ann.sees("me too");
  assert.deepEqual((await ann.told("unread")).at(-1), { count: 2 });
  await ann.element.evaluate((one) => one.scrollIntoView());
  await ann.hears("unread", ({ count }) => count === 0);
});

test("whoever is not signed in there is told so, and gets in once they are", limit(60_000), async (t) => {
  const { site, server } = await besideASite(t, "widget-nobody");
  site.refusals.push(401);
  const ann = await Visitor.open(t, browser, site.page("/", widget(server)));
  assert.equal((await ann.hears("error")).code, "token");
  await ann.page.getByText("You are not signed in, or not any more.").waitFor();
  await ann.page.getByRole("button", { name: "Try again" }).click();
  await ann.hears("ready");
  await ann.at("composer-input").waitFor();
});

test("a room that is not for this person is said to be gone, and a token that names it lets them in", limit(60_000), async (t) => {
  const { site, server, backend } = await besideASite(t, "widget-rooms");
  await backend.room({ id: "private", kind: "group", name: "Private", members: ["bob"] });
  const eve = await Visitor.open(t, browser, site.page("/eve", widget(server, { as: "eve" })));
  await eve.hears("ready");
  await backend.say("quay", "bob", "for all who may");
  await eve.sees("for all who may");
  const shut = await Visitor.open(t, browser, site.page("/shut", widget(server, { as: "eve", room: "private" })));
  assert.equal((await shut.hears("error")).code, "room");
  await shut.page.getByText("This room is gone, or you are no longer in it.").waitFor();
});

test("the example is a page of ten lines, and its site lets two guests talk", limit(60_000), async (t) => {
  const { server } = await besideASite(t, "widget-example");
  const example = spawn(process.execPath, [fileURLToPath(new URL("../../examples/widget/site.mjs", import.meta.url))], {
    env: { ...process.env, PORT: "0", MOORLINE_URL: server.url, MOORLINE_JWT_SECRET: SECRET, MOORLINE_API_KEY: "the-key-of-the-tests-0123456789abcdef" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => example.kill());
  const [line] = await example.stdout.setEncoding("utf8").take(1).toArray();
  const [one, other] = [await Visitor.open(t, browser, line.trim()), await Visitor.open(t, browser, line.trim())];
  await one.say("is the blue one in stock?");
  await other.sees("is the blue one in stock?");
  assert.deepEqual([one.complaints, other.complaints], [[], []]);
});

test("as a package it is bundled with the page, and the chat still comes from the server", limit(60_000), async (t) => {
  const { site, server } = await besideASite(t, "widget-package");
  const sdk = fileURLToPath(new URL("../../clients/typescript/", import.meta.url));
  const { build } = createRequire(`${sdk}package.json`)("esbuild");
  const entry = `import "./src/element/index.ts"; document.body.append(Object.assign(document.createElement("p"), { textContent: "bundled" }));`;
  const { outputFiles } = await build({ stdin: { contents: entry, resolveDir: sdk }, bundle: true, format: "esm", splitting: true, outdir: "/", write: false, minify: true });
  for (const { path, text } of outputFiles) site.script(path, text);
  const page = `<script type="module" src="/stdin.js"></script><moorline-chat server="${server.url}" room="quay" token-endpoint="/token?as=ann"></moorline-chat>`;
  const ann = await Visitor.open(t, browser, site.page("/", page));
  await ann.say("from a bundle");
  await ann.sees("from a bundle");
  assert.deepEqual(ann.complaints, []);
});

test("taken out of the page it disconnects, moved it goes on, and another room is another chat", limit(60_000), async (t) => {
  const { site, server, backend } = await besideASite(t, "widget-moves");
  await backend.room({ id: "pier", kind: "group", name: "Pier two", members: ["ann", "bob"] });
  await backend.say("pier", "bob", "on the pier");
  const ann = await Visitor.open(t, browser, site.page("/", `<div id="a">${widget(server)}</div><div id="b"></div>`));
  await ann.say("in its first place");
  await ann.sees("in its first place");
  const tokens = site.tokens;
  await ann.element.evaluate((one) => document.querySelector("#b").append(one));
  await until("it is signed in again in its new place", () => site.tokens > tokens, SOON_MS);
  await ann.sees("in its first place");
  await ann.element.evaluate((one) => one.setAttribute("room", "pier"));
  await ann.sees("on the pier");
  assert.equal(await ann.page.getByText("in its first place").count(), 0);
  await ann.element.evaluate((one) => (globalThis.gone = one).remove());
  await until("the connection is closed", () => ann.page.evaluate(() => globalThis.gone.shadowRoot.querySelector(".moorline") === null), SOON_MS);
  assert.deepEqual(ann.complaints, []);
});

test("a cut of the network is told in it, what is written meanwhile waits, and goes out", limit(90_000), async (t) => {
  const { site, server, backend } = await besideASite(t, "widget-cut");
  const ann = await Visitor.open(t, browser, site.page("/", widget(server)));
  await ann.hears("ready");
  await server.kill();
  await ann.hears("state", ({ is }) => is === "waiting");
  await ann.say("while it is away");
  await ann.page.locator('[data-testid="message-row"][data-state="queued"]').waitFor();
  await ann.at("banner").waitFor();
  await server.restart();
  await ann.page.locator('[data-testid="message-row"][data-state="sent"]').waitFor({ timeout: BACK_MS });
  assert.equal((await backend.events("quay")).filter(({ body }) => body === "while it is away").length, 1);
});

test("a lazy one asks for nothing before it is opened, and then has the focus where one writes", limit(60_000), async (t) => {
  const { site, server } = await besideASite(t, "widget-lazy");
  const ann = await Visitor.open(t, browser, site.page("/", widget(server, { more: 'display="floating" loading="lazy"' })));
  const launcher = ann.page.locator("moorline-chat").getByRole("button", { name: "Chat" });
  await launcher.focus();
  assert.equal(site.tokens, 0);
  await ann.page.keyboard.press("Enter");
  await until("the field has the focus", () => inside(ann, "textarea"), SOON_MS);
  assert.equal(site.tokens, 1);
});

test("a chat that could not be fetched says so, and comes when it can be", limit(60_000), async (t) => {
  const { site, server } = await besideASite(t, "widget-unfetched");
  const url = site.page("/", `<div id="place"></div><script type="module" src="${server.url}/embed.js"></script>`);
  const ann = await Visitor.open(t, browser, url);
  await ann.page.route("**/assets/widget-mount-*", (route) => route.abort());
  await ann.page.evaluate(() => {
    const chat = Object.assign(document.createElement("moorline-chat"), { getToken: async () => (await (await fetch("/token?as=ann")).json()).token });
    chat.setAttribute("room", "quay");
    document.querySelector("#place").append(chat);
  });
  assert.equal((await ann.hears("error")).code, "load");
  await ann.page.getByText("The chat cannot be reached right now.").waitFor();
  await ann.page.unroute("**/assets/widget-mount-*");
  await ann.hears("ready");
  await ann.at("composer-input").waitFor();
});
