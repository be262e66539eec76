/**
 * Pictures of every view at three widths, light and dark, for people to look at.
 *
 * `node screenshots.mjs FOLDER [VIEW …]`; each file is named VIEW-WIDTH-THEME.png. Nothing is compared. With `--readme`
 * it takes the three of the README instead, smaller.
 */

import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { Backend, WITH_API } from "./lib/backend.mjs";
import { launch } from "./lib/browser.mjs";
import { Proxy } from "./lib/proxy.mjs";
import { Server } from "./lib/server.mjs";
import { firstRun, furnish, signedIn, signedOut } from "./lib/views.mjs";
import { Window } from "./lib/window.mjs";

const words = process.argv.slice(2).filter((word) => word !== "--readme");
const isReadme = process.argv.includes("--readme");
const FOLDER = words[0] ?? "screenshots";
const ONLY = isReadme ? ["room", "search-hits", "rooms"] : words.slice(1);
const SIZES = [[1440, 900], [768, 1024], [390, 844]];
const THEMES = ["light", "dark"];
/** For the README: the view, how wide, which theme. */
const README = ["room-1440-light", "search-hits-1440-dark", "rooms-390-light"];

let server, proxy, browser, backend, ids;

/** One browser window for each size and theme, in which everybody is signed out. */
async function eachLook(visit) {
  for (const [width, height] of SIZES) {
    for (const colorScheme of THEMES) {
      if (isReadme && !README.some((name) => name.endsWith(`${width}-${colorScheme}`))) continue;
      const window = await Window.open(browser, proxy.url, { viewport: { width, height }, colorScheme });
      await visit(window, picture(window, `${width}-${colorScheme}`));
      await window.close();
    }
  }
}

function picture(window, look) {
  return async ({ name }) => {
    const file = `${name}-${look}`;
    if (isReadme ? !README.includes(file) : ONLY.length > 0 && !ONLY.includes(name)) return;
    // A picture in the middle of a fade says nothing.
    await window.page.evaluate(() =>
      Promise.all(document.getAnimations().filter((one) => one.effect?.getTiming().iterations !== Infinity).map((one) => one.finished.catch(() => {}))),
    );
    await window.page.screenshot({ path: join(FOLDER, `${file}.png`), caret: "hide" });
  };
}

/** Some of the people stay, so that the pictures show who is here. */
async function signUp(name) {
  const window = await Window.open(browser, server.url);
  await window.signUp(name);
  const { user } = window.watch.welcome();
  if (!["bob", "ines", "kofi"].includes(name)) await window.close();
  return user.id;
}

let newcomers = 0;
mkdirSync(FOLDER, { recursive: true });
server = await Server.start("screenshots", WITH_API);
proxy = await Proxy.start(server.port);
browser = await launch();
backend = new Backend(server.url);
try {
  ids = await furnish(backend, signUp);
  if (!isReadme) {
    await eachLook(signedOut);
    await eachLook(async (window, see) => firstRun(await window.signUp(`new${(newcomers += 1)}`), see));
  }
  await eachLook(async (window, see) => {
    await (await window.signIn("ann")).isIn();
    await signedIn(window, { proxy, backend, ids }, see);
  });
} finally {
  await browser.close();
  await proxy.close();
  await server.close();
}
