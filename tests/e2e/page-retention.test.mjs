/**
 * How long a room's messages are kept, in the page: its owner sets it, its members read it, and neither loses what was there
 * where the server says no.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { look, WITH_AXE } from "./lib/axe.mjs";
import { Backend, WITH_API } from "./lib/backend.mjs";
import { launch } from "./lib/browser.mjs";
import { SOON_MS, limit } from "./lib/form.mjs";
import { Stage } from "./lib/stage.mjs";
import { until } from "./lib/wait.mjs";

const DAY = 86_400;

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

/** A room of Ann, with Bob in it, and its details open in both windows. */
async function withDetails(t, name) {
  const stage = await Stage.set(t, browser, name, WITH_API);
  const ann = await stage.person("ann", WITH_AXE);
  const bob = await stage.person("bob");
  const room = await ann.makeRoom("group", { name: "Harbour", people: ["bob"] });
  for (const window of [ann, bob]) await window.go(`#/room/${room}/details`);
  return { ann, bob, room, backend: new Backend(stage.server.url), stage };
}

function says(window, what) {
  return until(`the details say ${what}`, async () => what.test(await window.at("retention").innerText()), SOON_MS);
}

test("an owner sets by keys how long a room is kept, and a member reads it", limit(90_000), async (t) => {
  const { ann, bob, room, backend, stage } = await withDetails(t, "retention");
  await says(ann, /as long as this server keeps them/);
  await says(bob, /as long as this server keeps them/);
  assert.equal(await bob.at("retention-change").count(), 0, "a member may not change it");
  await ann.at("retention-change").focus();
  await ann.page.keyboard.press("Enter");
  const list = ann.page.getByLabel("Keep messages");
  await list.waitFor();
  assert.equal(await list.evaluate((element) => element === document.activeElement), true, "the focus is in the list");
  await list.selectOption({ label: "30 days" });
  await ann.page.getByText("It cannot be brought back.").waitFor();
  for (const rules of ["all", "colours"]) {
    const { violations, passes } = await look(ann.page, rules);
    assert.deepEqual(violations, []);
    assert.ok(passes > 0);
  }
  await list.press("Tab");
  await ann.page.keyboard.press("Tab");
  await ann.page.keyboard.press("Enter");
  await says(ann, /kept for 30 days/);
  assert.equal(await ann.at("retention-change").evaluate((element) => element === document.activeElement), true, "the focus is back");
  assert.deepEqual(await backend.retention(room), { seconds: 30 * DAY });
  await bob.reload();
  await says(bob, /kept for 30 days/);
  assert.deepEqual(stage.faults(), []);
});

test("where it is not saved the dialog stays and says why", limit(90_000), async (t) => {
  const { ann } = await withDetails(t, "retention-refused");
  await ann.page.route("**/retention", (route) => (route.request().method() === "PUT" ? route.abort() : route.continue()));
  await ann.at("retention-change").click();
  await ann.at("retention-list").selectOption({ label: "for ever" });
  await ann.at("retention-save").click();
  await ann.page.getByText("It was not saved.").waitFor();
  await ann.page.unroute("**/retention");
  await ann.at("retention-save").click();
  await says(ann, /kept for ever/);
});
