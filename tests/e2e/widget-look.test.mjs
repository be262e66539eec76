/**
 * How the widget looks where it stands: axe finds nothing in it, with content, in light, dark and forced colours, down to 320 px
 * and by keys alone; and no rule of the page around it, however rude, reaches what is in it.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { WITH_AXE, look } from "./lib/axe.mjs";
import { launch } from "./lib/browser.mjs";
import { Visitor, besideASite, widget } from "./lib/embed.mjs";
import { SOON_MS, limit } from "./lib/form.mjs";
import { until } from "./lib/wait.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

const LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk".repeat(3);
const AROUND = (inner) => `<header><a href="#x">Shop</a></header><main><h1>A shop</h1><p>Ask us.</p>${inner}</main>`;

/** Everything that a page could say to spoil what stands in it. */
const HOSTILE = `<style>
* { all: unset !important }
html { font-size: 5px; direction: rtl }
*, *::before, *::after { color: red !important; background: lime !important; font: italic 40px/3 cursive !important; letter-spacing: 9px !important;
  text-transform: uppercase !important; white-space: pre !important; display: inline !important; visibility: hidden !important;
  margin: 30px !important; padding: 30px !important; border: 5px solid red !important; box-sizing: content-box !important; cursor: none !important;
  text-align: right !important; user-select: none !important; pointer-events: none !important; word-spacing: 9px !important;
  text-indent: 40px !important; list-style: square !important; zoom: 1; tab-size: 1 !important; color-scheme: dark !important }
.msg, .composer, .moorline, button, textarea, #main, dialog { transform: rotate(3deg) !important; position: fixed !important; display: none !important }
:root { --bg: red; --text: lime; --rem: 50px; --t-15: 80px; --s-16: 90px; --avatar: 0; --line: red; --font: cursive; --ink: red; --edge: 50px; --gutter: 90px }
</style>`;

/** What was said in the room. */
async function talkedIn(backend) {
  await backend.say("quay", "bob", "The crane on the **north quay** is back in service, see https://example.org/crane");
  await backend.say("quay", "ann", "Thank you.\\n\\n> Good\\n\\n`crane --up`");
  await backend.say("quay", "bob", LONG);
}

for (const [name, size, more] of [
  ["on a desk", { viewport: { width: 1100, height: 800 } }, ""],
  ["320 px wide", { viewport: { width: 320, height: 568 }, hasTouch: true }, ""],
  ["floating on a desk", { viewport: { width: 1100, height: 800 } }, 'display="floating" open'],
  ["floating on a phone", { viewport: { width: 320, height: 568 }, hasTouch: true }, 'display="floating" open'],
]) {
  test(`axe finds nothing in it ${name}, in any colours, and nothing is cut off`, limit(90_000), async (t) => {
    const { site, server, backend } = await besideASite(t, `widget-axe-${name.replaceAll(" ", "-")}`);
    await talkedIn(backend);
    const ann = await Visitor.open(t, browser, site.page("/", AROUND(widget(server, { more }))), { ...WITH_AXE, ...size, reducedMotion: "reduce" });
    await ann.sees("north quay");
    const wrong = [];
    const light = await look(ann.page);
    wrong.push(...light.violations);
    assert.ok(light.passes > 20, "axe had something to look at");
    for (const media of [{ colorScheme: "dark" }, { colorScheme: "light", forcedColors: "active" }]) {
      await ann.page.emulateMedia(media);
      wrong.push(...(await look(ann.page, "colours")).violations.map((text) => `${JSON.stringify(media)}: ${text}`));
    }
    assert.deepEqual(wrong, []);
    const { sideways, field } = await ann.page.evaluate(() => ({
      sideways: [document.documentElement, ...document.querySelector("moorline-chat").shadowRoot.querySelectorAll(".moorline, .log")].map((one) => one.scrollWidth - one.clientWidth),
      field: document.querySelector("moorline-chat").shadowRoot.querySelector("textarea").getBoundingClientRect().width,
    }));
    assert.deepEqual(sideways, [0, 0, 0]);
    assert.ok(field > 150, `the field is ${field} px wide`);
  });
}

test("axe does see what is wrong in it", limit(60_000), async (t) => {
  const { site, server, backend } = await besideASite(t, "widget-axe-twin");
  await talkedIn(backend);
  const ann = await Visitor.open(t, browser, site.page("/", AROUND(widget(server))), WITH_AXE);
  await ann.sees("north quay");
  await ann.page.locator(".send").evaluate((one) => {
    one.removeAttribute("aria-label");
    one.removeAttribute("title");
  });
  assert.match((await look(ann.page)).violations.join("\n"), /button-name/);
});

/** What people see of the widget, of elements that stand for the rest. */
function seen({ page }) {
  return page.evaluate(() => {
    const root = document.querySelector("moorline-chat").shadowRoot;
    const frame = root.querySelector(".box").getBoundingClientRect();
    const of = (selector) => {
      const element = root.querySelector(selector);
      const style = getComputedStyle(element);
      const { x, y, width, height } = element.getBoundingClientRect();
      // Random names of anything generated, and what is measured while something still moves, are no looks.
      const names = [...style].filter((name) => !name.startsWith("--") && !/^(transition|animation)/.test(name));
      return { ...Object.fromEntries(names.map((name) => [name, style.getPropertyValue(name)])), place: [x - frame.x, y - frame.y, width, height].map(Math.round).join(" ") };
    };
    const parts = [".moorline", ".head", "h2", ".log", ".msg", ".msg .text", ".msg .text strong", ".msg time", ".own", ".composer", "textarea", ".send", ".send svg", ".status"];
    return Object.fromEntries(parts.map((selector) => [selector, of(selector)]));
  });
}

/** Lines that differ between two looks. */
function differences(plain, rude) {
  return Object.entries(plain).flatMap(([selector, style]) =>
    Object.entries(style).filter(([name, value]) => rude[selector][name] !== value).map(([name, value]) => `${selector} ${name}: ${value} became ${rude[selector][name]}`));
}

test("nothing that a page says of everything in it reaches the widget", limit(60_000), async (t) => {
  const { site, server, backend } = await besideASite(t, "widget-hostile");
  await talkedIn(backend);
  // Its own box is the page's to place; that of the rude one is spoiled too, but for this.
  const more = 'style="--moorline-height: 500px; margin: 0 !important; padding: 0 !important; border: 0 !important"';
  const box = (inner) => `<div id="place">${inner}</div>`;
  // All is read beforehand, so that neither has the line above what is new.
  const reader = await Visitor.open(t, browser, site.page("/reader", widget(server)));
  await reader.hears("unread", ({ count }) => count === 0);
  const [plain, rude] = [
    await Visitor.open(t, browser, site.page("/plain", box(widget(server, { more })), {}, "<style>body { margin: 0 }</style>")),
    await Visitor.open(t, browser, site.page("/rude", box(widget(server, { more })), {}, HOSTILE)),
  ];
  for (const page of [plain, rude]) {
    await page.page.evaluate(() => (document.querySelector("#place").style.cssText = "display: block !important; position: fixed !important; inset: 0 auto auto 0 !important; width: 600px !important; margin: 0 !important; padding: 0 !important; border: 0 !important; visibility: visible !important; opacity: 1 !important"));
    await page.page.locator("moorline-chat .msg").first().waitFor({ state: "attached" });
    await page.page.mouse.move(700, 600);
  }
  // The page is as rude as it means to be: what stands beside the widget is spoiled.
  assert.equal(await rude.page.evaluate(() => getComputedStyle(document.querySelector("#place")).letterSpacing), "9px");
  await until("the same width", async () => (await seen(rude))[".moorline"].width === (await seen(plain))[".moorline"].width, SOON_MS);
  assert.deepEqual(differences(await seen(plain), await seen(rude)), []);
});

test("its colours, its letters and its corners are set from outside, its parts are styled", limit(60_000), async (t) => {
  const { site, server, backend } = await besideASite(t, "widget-theme");
  await talkedIn(backend);
  const style = `<style>moorline-chat { --moorline-bg: rgb(250, 240, 230); --moorline-ink: rgb(0, 80, 0); --moorline-size: 20px; --moorline-radius: 24px; height: 420px }
    moorline-chat::part(composer) { border-style: dashed } moorline-chat::part(header) { display: none }</style>`;
  const ann = await Visitor.open(t, browser, site.page("/", widget(server), {}, style));
  await ann.sees("north quay");
  await ann.at("composer-input").fill("something");
  const css = (selector, name) => ann.page.locator(`moorline-chat ${selector}`).first().evaluate((one, name) => getComputedStyle(one)[name], name);
  assert.equal(await css(".moorline", "backgroundColor"), "rgb(250, 240, 230)");
  await until("the colour of the button", async () => (await css(".send", "backgroundColor")) === "rgb(0, 80, 0)", SOON_MS);
  assert.equal(await css(".msg .text", "fontSize"), "18.75px");
  assert.equal(await css(".composer", "borderTopStyle"), "dashed");
  assert.equal(await css(".head", "display"), "none");
  assert.equal(await css(".box", "borderTopLeftRadius"), "24px");
  assert.equal(await ann.element.evaluate((one) => one.getBoundingClientRect().height), 420);
});

test("a dark page has a dark widget if it says so, whatever the visitor's system is", limit(60_000), async (t) => {
  const { site, server } = await besideASite(t, "widget-dark");
  const ann = await Visitor.open(t, browser, site.page("/", widget(server, { more: 'theme="dark" lang="de"' })), { colorScheme: "light" });
  await ann.page.getByPlaceholder("Nachricht an Quay seven").waitFor();
  const ground = () => ann.page.locator("moorline-chat .moorline").evaluate((one) => getComputedStyle(one).backgroundColor);
  assert.equal(await ground(), "rgb(18, 25, 28)");
  await ann.element.evaluate((one) => {
    one.setAttribute("theme", "light");
    one.setAttribute("lang", "en");
  });
  await ann.page.getByPlaceholder("Message Quay seven").waitFor();
  assert.equal(await ground(), "rgb(255, 255, 255)");
});
