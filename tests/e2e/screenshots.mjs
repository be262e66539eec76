/**
 * Pictures of every view at three widths, light and dark, for people to look at.
 *
 * `node screenshots.mjs FOLDER`; each file is named VIEW-WIDTH-THEME.png. Nothing is compared.
 */

import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { Backend, WITH_API } from "./lib/backend.mjs";
import { launch } from "./lib/browser.mjs";
import { Proxy } from "./lib/proxy.mjs";
import { Server } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";
import { Window } from "./lib/window.mjs";

const FOLDER = process.argv[2] ?? "screenshots";
const SIZES = [[1440, 900], [768, 1024], [390, 844]];
const THEMES = ["light", "dark"];

const TALK = [
  ["bob", "The crane on the north quay is back in service."],
  ["bob", "First lift at seven, if the wind stays below nine metres a second."],
  ["eve", "Then the Aurora can come in before the tide turns?"],
  ["ann", "Yes. I moved her to berth 4, there is water enough until half past nine."],
  ["ann", "The list of the containers is at https://example.org/aurora, all 312 of them."],
  ["bob", "Good. Two of them are marked as reefers, so keep the plugs on the landside free."],
  ["eve", "Done.\n\nAlso, the night shift asks whether somebody found a grey jacket with a company badge in it."],
  ["ann", "It hangs in the office."],
];

let server, proxy, browser, backend;

/** One browser window for each size and theme, in which everybody is signed out. */
async function eachLook(visit) {
  for (const [width, height] of SIZES) {
    for (const colorScheme of THEMES) {
      const window = await Window.open(browser, proxy.url, { viewport: { width, height }, colorScheme });
      await visit(window, async (view) => {
        // A picture in the middle of a fade says nothing.
        await window.page.evaluate(() => Promise.all(document.getAnimations().map((one) => one.finished.catch(() => {}))));
        await window.page.screenshot({ path: join(FOLDER, `${view}-${width}-${colorScheme}.png`) });
      });
      await window.close();
    }
  }
}

/** People, rooms and what was said, so that no view is empty. */
async function furnish() {
  const ids = {};
  for (const name of ["ann", "bob", "eve"]) {
    const window = await Window.open(browser, proxy.url);
    await window.signUp(name);
    ids[name] = window.watch.welcome().user.id;
    await window.close();
  }
  const everybody = Object.values(ids);
  await backend.room({ id: "harbour", kind: "group", name: "North harbour", members: everybody });
  await backend.room({ id: "notices", kind: "public", name: "Notices", members: [ids.bob] });
  await backend.room({ id: "tools", kind: "public", name: "Tool exchange", members: [ids.eve] });
  await backend.room({ id: "berths", kind: "group", name: "Berths", members: everybody });
  for (const [who, body] of TALK) await backend.say("harbour", ids[who], body);
  for (let n = 1; n <= 12; n += 1) await backend.say("berths", ids.bob, `Berth ${n} is free from ${n + 6}:00.`);
}

async function visitSignedOut(window, picture) {
  await window.go("#/signin");
  await window.at("login-name").waitFor();
  await picture("signin");
  await window.go("#/signup");
  await window.at("signup-name").waitFor();
  await picture("signup");
  await window.at("signup-submit").click();
  await window.page.locator(".err").first().waitFor();
  await picture("signup-refused");
}

async function visitDialogs(window, picture) {
  const escape = async () => {
    await window.page.keyboard.press("Escape");
    await window.page.locator("dialog").waitFor({ state: "detached" });
  };
  await window.at("new-room").first().click();
  await picture("new-direct");
  await window.at("new-room-kind-group").check({ force: true });
  await picture("new-group");
  await escape();
  await window.at("browse-rooms").first().click();
  await window.at("browse-row").first().waitFor();
  await picture("browse");
  await escape();
  await window.at("go-to").first().click();
  await window.at("go-option").first().waitFor();
  await picture("go-to");
  await escape();
}

async function visitLink(window, picture) {
  proxy.refuseWebSockets();
  await window.say("Written while the connection is away.");
  await window.sees("Written while the connection is away.", "queued");
  await until("the banner", async () => (await window.banner()) === "reconnecting", 10_000);
  await picture("reconnecting");
  await window.page.context().setOffline(true);
  await until("the banner", async () => (await window.banner()) === "offline", 10_000);
  await picture("offline");
  proxy.pass();
  await window.page.context().setOffline(false);
  await until("the banner", async () => (await window.banner()) === "connected", 30_000);
  await picture("connected");
  await until("no banner", async () => [null, "none"].includes(await window.banner()), 10_000);
}

async function visitSignedIn(window, picture) {
  await (await window.signIn("ann")).isIn();
  await window.go("#/");
  await window.room("harbour").waitFor();
  await picture("rooms");
  await visitDialogs(window, picture);
  await window.go("#/room/berths");
  await window.sees("Berth 12 is free");
  await picture("unread");
  await window.go("#/room/harbour");
  await window.sees("hangs in the office");
  await picture("room");
  await window.go("#/room/harbour/details");
  await window.at("member-row").first().waitFor();
  await picture("details");
  await window.go("#/room/harbour");
  await visitLink(window, picture);
  await window.go("#/settings/devices");
  await window.at("device-row").first().waitFor();
  await picture("devices");
  await window.go("#/settings/appearance");
  await window.at("theme-dark").waitFor({ state: "attached" });
  await picture("appearance");
}

async function visitEmpty(window, picture) {
  await window.signUp(`new${Date.now() % 1e9}`);
  await picture("first");
}

mkdirSync(FOLDER, { recursive: true });
server = await Server.start("screenshots", WITH_API);
proxy = await Proxy.start(server.port);
browser = await launch();
backend = new Backend(server.url);
try {
  await furnish();
  await eachLook(visitSignedOut);
  await eachLook(visitEmpty);
  await eachLook(visitSignedIn);
} finally {
  await browser.close();
  await proxy.close();
  await server.close();
}
