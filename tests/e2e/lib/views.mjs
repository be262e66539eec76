/**
 * Every view of the page with something in it, one after the other: for the pictures, and for what must hold in all of
 * them. A view is shown by clicks, keys and addresses; then `see` is called with its name and what must be filled.
 */

import { forget } from "./kept.mjs";
import { until } from "./wait.mjs";

/** How long the banner may take: it keeps quiet for two seconds. */
const BANNER_MS = 15_000;

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

/** Written by ann without a connection, another one in each walk over the same rooms. */
const WAITING = [
  "They hang behind the door of the office.",
  "The second pair is with the pilots.",
  "I bring them along at six.",
  "Please lock the gate after the last lift.",
  "The lamp on the crane is mended.",
  "Coffee is in the canteen, as always.",
];
let walks = 0;

const NAMES = ["ann", "bob", "eve", "ines", "jonas", "kofi"];

/** People, rooms and what was said. Everybody needs an account, so `signUp` makes one and gives its id. */
export async function furnish(backend, signUp) {
  const ids = {};
  for (const name of NAMES) ids[name] = await signUp(name);
  const everybody = Object.values(ids);
  const crew = [ids.ann, ids.bob, ids.eve];
  const rooms = [
    { id: "quay", kind: "group", name: "Quay seven", members: [ids.ann] },
    { id: "lost", kind: "public", name: "Lost and found", members: [ids.eve, ids.kofi] },
    { id: "tools", kind: "public", name: "Tool exchange", members: [ids.eve] },
    { id: "notices", kind: "public", name: "Notices", members: everybody },
    { id: "pilots", kind: "group", name: "Pilots", members: [ids.ann, ids.jonas, ids.kofi] },
    { id: "night", kind: "group", name: "Night shift", members: [ids.ann, ids.ines] },
    { id: "berths", kind: "group", name: "Berths", members: everybody },
    { id: "harbour", kind: "group", name: "North harbour", members: crew },
  ];
  for (const room of rooms) await backend.room(room);
  await backend.say("notices", ids.jonas, "The canteen opens at six from Monday on.");
  await backend.say("pilots", ids.kofi, "Wind from the north-west, five metres a second.");
  await backend.say("pilots", ids.jonas, "Then the tug can wait.");
  await backend.say("night", ids.ann, "Who has the keys of the crane?");
  for (let n = 1; n <= 12; n += 1) await backend.say("berths", ids.bob, `Berth ${n} is free from ${n + 6}:00.`);
  for (const [who, body] of TALK) await backend.say("harbour", ids[who], body);
  return ids;
}

/** What `see` gets: the view's name and what must be in it; `filled` is a selector, `words` stand in it. */
const view = (name, filled, words) => ({ name, filled, words });

/** A window in which nobody is signed in. */
export async function signedOut(window, see) {
  await window.go("#/signin");
  await window.at("login-name").waitFor();
  await see(view("signin", ".auth-card", /Sign in to Moorline/));
  await window.go("#/signup");
  await window.at("signup-name").waitFor();
  await see(view("signup", ".auth-card", /Make your account/));
  await window.at("signup-submit").click();
  await window.page.locator(".err").first().waitFor();
  await see(view("signup-refused", ".auth-card .err", /Type a user name/));
  await window.page.route("**/api/v1/session", (route) => route.abort());
  await window.reload();
  await window.at("unreachable").waitFor();
  await see(view("unreachable", "main", /cannot be reached/));
  await window.page.unroute("**/api/v1/session");
  await window.at("login-name").or(window.at("signup-name")).waitFor();
}

/** A window of somebody who has just made an account and is in no room. */
export async function firstRun(window, see) {
  await window.at("invite-link").first().waitFor();
  await see(view("first", ".blank", /Say hello to someone[^]*Bring somebody in/));
}

/** A window in which ann is signed in, on a phone or not; `stage` has its server, proxy and backend. */
export async function signedIn(window, stage, see) {
  await window.go("#/");
  await window.room("harbour").waitFor();
  await see(view("rooms", '[data-testid="room-row"]', /North harbour/));
  await dialogs(window, see);
  await search(window, see);
  await rooms(window, see);
  await details(window, see);
  await settings(window, see);
  await connection(window, stage, see);
}

async function escape(window) {
  await window.page.keyboard.press("Escape");
  await window.page.locator("dialog").waitFor({ state: "detached" });
}

async function dialogs(window, see) {
  await window.at("new-room").click();
  await window.at("new-room-people").fill("bo");
  await window.at("person-option").first().waitFor();
  await see(view("new-direct", "dialog", /Bob/));
  await window.at("new-room-kind-group").check({ force: true });
  await window.at("new-room-name").fill("Harvest party");
  await window.at("new-room-people").fill("ev");
  await window.at("person-option").first().click();
  await see(view("new-group", "dialog", /Eve/));
  await window.at("new-room-kind-public").check({ force: true });
  await see(view("new-public", "dialog", /Make room/));
  await escape(window);
  await window.at("browse-rooms").click();
  await window.at("browse-row").first().waitFor();
  await see(view("browse", "dialog", /Tool exchange/));
  await window.at("browse-search").fill("nothing of the kind");
  await window.at("browse-row").first().waitFor({ state: "detached" });
  await see(view("browse-none", "dialog", /No public room by this name/));
  // In a field for searching, Esc empties the field first.
  await window.at("browse-search").fill("");
  await escape(window);
  await window.at("go-to").click();
  await window.at("go-input").fill("n");
  await window.at("go-option").first().waitFor();
  await see(view("go-to", "dialog", /North harbour/));
  await escape(window);
  await window.page.keyboard.press("?");
  await window.at("keys").waitFor();
  await see(view("keys", "dialog", /Next unread room/));
  await escape(window);
}

async function search(window, see) {
  await window.go("#/search");
  await window.at("search-input").fill("");
  await window.page.getByText("Find what was said").waitFor();
  await see(view("search", "main", /Find what was said/));
  await window.at("search-input").fill("berth");
  await window.at("search-hit").first().waitFor();
  await see(view("search-hits", '[data-testid="search-hit"]', /berth 4/i));
  await window.at("search-input").fill("zeppelin");
  await window.at("search-none").waitFor();
  await see(view("search-none", "main", /No message with these words/));
}

async function rooms(window, see) {
  await window.go("#/room/berths");
  await window.sees("Berth 12 is free");
  await see(view("unread", '[data-testid="message-row"]', /Berth/));
  await window.go("#/room/harbour");
  await window.sees("hangs in the office");
  await see(view("room", '[data-testid="message-row"]', /hangs in the office/));
  await window.go("#/room/quay");
  await window.page.getByText("This room is ready").waitFor();
  await see(view("room-empty", "main", /Write the first message/));
  await window.go("#/room/there-is-none");
  await window.page.getByText("This room is gone").waitFor();
  await see(view("room-gone", "main", /This room is gone/));
  await window.go("#/");
}

async function details(window, see) {
  await window.go("#/room/harbour/details");
  await window.at("member-row").first().waitFor();
  await see(view("details", '[data-testid="member-row"]', /Bob/));
  await window.at("leave-room").click();
  await see(view("leave", "dialog", /Leave North harbour/));
  await escape(window);
  const mine = window.page.locator(".about");
  await mine.waitFor();
  await window.at("add-people").click();
  await see(view("add-people", "dialog", /Add people/));
  await escape(window);
}

async function settings(window, see) {
  await window.go("#/settings");
  await window.at("settings-devices").waitFor();
  await see(view("settings", '[data-testid="settings-devices"]', /Devices/));
  await window.go("#/settings/profile");
  await window.at("profile-name").waitFor();
  await see(view("profile", "main", /Your name[^]*Bring somebody in/));
  await window.go("#/settings/devices");
  await window.at("device-row").first().waitFor();
  await see(view("devices", '[data-testid="device-row"]', /this device/));
  await window.at("device-revoke").first().click();
  await see(view("device-revoke", "dialog", /Sign out/));
  await escape(window);
  await window.go("#/settings/appearance");
  await window.at("theme-dark").waitFor({ state: "attached" });
  await see(view("appearance", "main", /Theme[^]*Language/));
}

/** Away and back, with a message that waits meanwhile. */
async function connection(window, { proxy }, see) {
  const waiting = WAITING[(walks += 1) % WAITING.length];
  await window.go("#/room/night");
  await window.sees("keys of the crane");
  proxy.refuseChat();
  await window.say(waiting);
  await window.sees(waiting, "queued");
  await until("the banner", async () => (await window.banner()) === "reconnecting", BANNER_MS);
  await see(view("reconnecting", '[data-testid="banner"]', /Your messages are kept/));
  await window.go("#/search");
  await window.at("search-input").fill("aurora");
  await window.at("search-waiting").waitFor();
  await see(view("search-waiting", "main", /Not connected/));
  await window.reload();
  await window.at("search-input").waitFor();
  await window.go("#/");
  await window.at("rooms-as-of").waitFor();
  await see(view("rooms-as-of", ".side-scroll", /As of [^]*Night shift/));
  await window.go("#/room/night");
  await window.at("messages-as-of").waitFor();
  await window.sees(waiting, "queued");
  await until("the banner", async () => (await window.banner()) === "reconnecting", BANNER_MS);
  await see(view("messages-as-of", "main", /As of [^]*keys of the crane/));
  await window.go("#/search");
  await forget(window);
  await window.reload();
  await window.at("search-input").waitFor();
  await window.go("#/");
  await window.page.locator(".skel-room").first().waitFor();
  await see(view("loading", ".side-scroll", /Loading rooms/));
  await window.at("rooms-away").waitFor();
  await see(view("rooms-away", ".side-scroll", /as soon as the connection is back/));
  await window.page.context().setOffline(true);
  await window.go("#/room/night");
  await window.sees(waiting, "queued");
  await until("the banner", async () => (await window.banner()) === "offline", BANNER_MS);
  await see(view("offline", '[data-testid="banner"]', /You are offline/));
  await window.page.context().setOffline(false);
  proxy.pass();
  await until("the banner", async () => (await window.banner()) === "connected", 2 * BANNER_MS);
  await see(view("connected", '[data-testid="banner"]', /Connected/));
  await window.sees(waiting, "sent");
  await until("no banner", async () => (await window.banner()) === null, BANNER_MS);
}
