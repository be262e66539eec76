/**
 * What must hold in every view of the page, with content in it: axe-core finds nothing in light, dark and forced
 * colours, on a desk and on a phone; nothing scrolls sideways; there is one heading of the first level.
 */

import assert from "node:assert/strict";

import { WITH_AXE, look } from "./axe.mjs";
import { WITH_API } from "./backend.mjs";
import { Stage } from "./stage.mjs";
import { firstRun, furnish, signedIn, signedOut } from "./views.mjs";

/** Fewer views than this, and the walk has lost some. */
const VIEWS = 30;
export const DESK = { viewport: { width: 1280, height: 800 }, reducedMotion: "reduce" };
export const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, reducedMotion: "reduce" };

/** Looks at a view in all its colours and notes what is wrong. */
export function inspector(window, wrong, seen) {
  return async ({ name, filled, words }) => {
    seen.push(name);
    const { page } = window;
    const note = (text) => wrong.push(`${name}: ${text}`);
    if (!(await isFilled(page, filled, words))) note(`nothing like ${words} in ${filled}`);
    const light = await look(page);
    light.violations.forEach(note);
    if (light.passes < 5) note("axe had nothing to look at");
    await page.emulateMedia({ colorScheme: "dark" });
    (await look(page, "colours")).violations.forEach((text) => note(`dark: ${text}`));
    await page.emulateMedia({ colorScheme: "light", forcedColors: "active" });
    (await look(page, "colours")).violations.forEach((text) => note(`forced colours: ${text}`));
    await page.emulateMedia({ colorScheme: "light", forcedColors: "none" });
    const { sideways, headings } = await shape(page);
    if (sideways > 0) note(`scrolls sideways by ${sideways} px`);
    if (headings !== 1) note(`${headings} headings of the first level`);
  };
}

/** Whether what the view is about is to be seen. */
async function isFilled(page, filled, words) {
  const texts = await page.locator(filled).filter({ visible: true }).allInnerTexts();
  return words.test(texts.join("\n"));
}

function shape(page) {
  return page.evaluate(() => {
    const root = document.documentElement;
    const shown = [...document.querySelectorAll("h1")].filter((one) => one.checkVisibility({ visibilityProperty: true }));
    return { sideways: root.scrollWidth - root.clientWidth, headings: shown.length };
  });
}

/** Goes through all views in one kind of window, which must be without a fault. */
export async function walk(t, browser, name, options) {
  const stage = await Stage.set(t, browser, name, WITH_API);
  const signUp = async (person) => {
    const window = await stage.person(person);
    const { user } = window.watch.welcome();
    await window.page.close();
    return user.id;
  };
  stage.ids = await furnish(stage.backend, signUp);
  const wrong = [];
  const seen = [];
  const look = { ...WITH_AXE, ...options };
  const visitor = await stage.window(look);
  await signedOut(visitor, inspector(visitor, wrong, seen));
  const newcomer = await stage.person("newcomer", look);
  await firstRun(newcomer, inspector(newcomer, wrong, seen));
  const ann = await stage.window(look);
  await (await ann.signIn("ann")).isIn();
  await signedIn(ann, stage, inspector(ann, wrong, seen));
  assert.ok(seen.length >= VIEWS, `only ${seen.length} views: ${seen}`);
  assert.deepEqual(wrong, []);
  assert.deepEqual(stage.foreign(), []);
  t.diagnostic(`${seen.length} views, three times each`);
}
