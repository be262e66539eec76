/**
 * Settings and the way in: look and language that stay, devices that are signed out, invitations.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { launch } from "./lib/browser.mjs";
import { SOON_MS, limit } from "./lib/form.mjs";
import { RESULTS } from "./lib/server.mjs";
import { Stage } from "./lib/stage.mjs";
import { until } from "./lib/wait.mjs";
import { PASSWORD } from "./lib/window.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

const root = (window) => window.page.evaluate(() => ({ ...document.documentElement.dataset, lang: document.documentElement.lang }));
const ground = (window) => window.page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);

test("theme, density, text size and language are changed at once and stay", limit(60_000), async (t) => {
  const stage = await Stage.set(t, browser, "settings-look");
  const ann = await stage.person("ann", { colorScheme: "light", locale: "en-GB" });
  await ann.go("#/settings/appearance");
  const light = await ground(ann);
  for (const choice of ["theme-dark", "density-compact", "size-large", "language-de"]) await ann.at(choice).check({ force: true });
  await ann.page.getByRole("heading", { name: "Aussehen" }).waitFor();
  assert.notEqual(await ground(ann), light);
  const chosen = { theme: "dark", density: "compact", size: "large", lang: "de" };
  assert.deepEqual(await root(ann), chosen);
  assert.equal(await ann.page.evaluate(() => getComputedStyle(document.documentElement).fontSize), "18px");
  await ann.reload();
  await ann.page.getByRole("heading", { name: "Aussehen" }).waitFor();
  assert.deepEqual(await root(ann), chosen);
  await ann.at("theme-system").check({ force: true });
  await ann.at("language-en").check({ force: true });
  await ann.page.getByRole("heading", { name: "Appearance" }).waitFor();
  assert.equal(await ground(ann), light);
  assert.deepEqual(stage.faults(), []);
});

test("the browser's language decides, and only its catalogue is fetched", limit(60_000), async (t) => {
  const stage = await Stage.set(t, browser, "settings-language");
  for (const [locale, words, other] of [["de-CH", "Konto anlegen", "en"], ["en-US", "Make your account", "de"], ["fr-FR", "Make your account", "de"]]) {
    const window = await stage.window({ locale });
    await window.page.getByRole("heading", { name: words }).waitFor();
    const files = await window.page.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => new URL(name).pathname));
    assert.ok(files.some((file) => /\/assets\/(en|de)-/.test(file)), files.join());
    assert.ok(!files.some((file) => file.startsWith(`/assets/${other}-`)), `${locale} fetched ${other}`);
  }
});

test("another device is signed out after a question, and this one stays", limit(60_000), async (t) => {
  const stage = await Stage.set(t, browser, "settings-devices");
  const ann = await stage.person("ann");
  const phone = await stage.window();
  await (await phone.signIn("ann")).isIn();
  await ann.go("#/settings/devices");
  await until("both devices", async () => (await ann.at("device-row").count()) === 2, SOON_MS);
  await ann.at("device-revoke").click();
  await ann.at("confirm").click();
  await phone.at("login-name").waitFor();
  await phone.page.getByText("You were signed out").waitFor();
  await until("one device", async () => (await ann.at("device-row").count()) === 1, SOON_MS);
  await ann.go("#/");
  await ann.at("new-room").waitFor();
  assert.deepEqual(stage.faults(), []);
});

test("by invitation: the first link is printed, the second person's is made in the page", limit(90_000), async (t) => {
  const stage = await Stage.set(t, browser, "settings-invite", ["--signup", "invite"]);
  const log = join(RESULTS, "settings-invite.server.log");
  const invite = await until("the printed link", () => /#invite=(\S+)/.exec(readFileSync(log, "utf8"))?.[1], SOON_MS);
  const uninvited = await stage.window();
  await uninvited.page.getByText("by invitation here").waitFor();
  const ann = await stage.window();
  await ann.go(`#invite=${invite}`);
  await accept(ann, "ann");
  assert.doesNotMatch(ann.page.url(), /invite/, "the secret left the address");
  await ann.at("invite-make").first().click();
  const link = new URL(await ann.at("invite-link").first().inputValue());
  const bob = await stage.window();
  await bob.go(link.hash);
  await accept(bob, "bob");
  const room = await ann.makeRoom("direct", { people: ["bob"] });
  await ann.say("welcome in");
  await bob.enter(room);
  await bob.sees("welcome in");
  const late = await stage.window();
  await late.go("#invite=not.a.token");
  await late.at("signup-name").fill("late");
  await late.at("signup-password").fill(PASSWORD);
  await late.at("signup-submit").click();
  assert.match(await late.refusal(), /not good any more/);
});

async function accept(window, name) {
  await window.page.getByText("You were invited").waitFor();
  await window.at("signup-name").fill(name);
  await window.at("signup-password").fill(PASSWORD);
  await window.at("signup-submit").click();
  return window.isIn();
}
