/** The twin of the walk through all views: each kind of fault is planted once and must be found. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { WITH_AXE } from "./lib/axe.mjs";
import { launch } from "./lib/browser.mjs";
import { limit } from "./lib/form.mjs";
import { DESK, inspector } from "./lib/inspect.mjs";
import { Stage } from "./lib/stage.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

test("a planted fault is found: a button without a name, grey words, an empty view, two headings", limit(60_000), async (t) => {
  const stage = await Stage.set(t, browser, "views-twin");
  const window = await stage.window({ ...WITH_AXE, ...DESK });
  await window.go("#/signin");
  await window.at("login-name").waitFor();
  const wrong = [];
  await window.page.evaluate(() => {
    const card = document.querySelector(".auth-card");
    card.append(document.createElement("button"), document.createElement("h1"));
    const grey = document.createElement("p");
    grey.textContent = "hard to read";
    grey.style.color = "#ccc";
    card.append(grey);
    const wide = document.createElement("p");
    wide.textContent = "wide";
    wide.style.inlineSize = "3000px";
    document.body.append(wide);
  });
  await inspector(window, wrong, [])({ name: "twin", filled: ".auth-card", words: /words that are not there/ });
  for (const fault of [/nothing like/, /button-name/, /color-contrast/, /forced colours: color-contrast/, /sideways/, /2 headings/]) {
    assert.ok(wrong.some((text) => fault.test(text)), `${fault} is not among ${JSON.stringify(wrong)}`);
  }
});
