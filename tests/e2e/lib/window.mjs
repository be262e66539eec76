/**
 * A window of the chat page as one person uses it: clicks, keys, and what can be seen.
 *
 * Everything goes by the page's test ids and never by its state; what a person cannot do is not
 * here. Waits have a deadline and say what did not come.
 */

import { SOON_MS } from "./form.mjs";
import { until } from "./wait.mjs";
import { Watch } from "./watch.mjs";

/** A selector for one of the page's test ids. */
const id = (name) => `[data-testid="${name}"]`;

/** The scrolling list of a room, which may hold only a part of the room's rows. */
const LIST = '[role="log"]';

/** The password of everybody in these tests. */
export const PASSWORD = "correct horse battery";

export class Window {
  /** @param {import("playwright-core").Page} page */
  constructor(page, url, watch) {
    this.page = page;
    this.url = url;
    this.watch = watch;
    page.setDefaultTimeout(SOON_MS);
  }

  static async #in(context, url) {
    const page = await context.newPage();
    const window = new Window(page, url, await Watch.begin(page, new URL(url).origin));
    await page.goto(url);
    return window;
  }

  /**
   * Opens the page as somebody whom the server does not know.
   *
   * @param {import("playwright-core").Browser} browser
   * @param {string} url
   * @param {import("playwright-core").BrowserContextOptions & {initScript?: string}} look
   *   `initScript`: a file that runs in each document before the page
   */
  static async open(browser, url, { initScript, ...look } = {}) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...look });
    if (initScript) await context.addInitScript({ path: initScript });
    return Window.#in(context, url);
  }

  /** Another tab of the same person in the same browser. */
  tab() {
    return Window.#in(this.page.context(), this.url);
  }

  at(name) {
    return this.page.locator(id(name));
  }

  /** Follows a link of the page; the page is not loaded again. */
  async go(hash) {
    await this.page.evaluate((to) => (location.hash = to), hash);
  }

  // --- Who one is

  /** Fills the form of a new account and sends it; it may be refused. */
  async askForName(name) {
    await this.go("#/signup");
    await this.at("signup-display").fill(name[0].toUpperCase() + name.slice(1));
    await this.at("signup-name").fill(name);
    await this.at("signup-password").fill(PASSWORD);
    await this.at("signup-submit").click();
  }

  async signUp(name) {
    await this.askForName(name);
    return this.isIn();
  }

  async signIn(name, password = PASSWORD) {
    await this.go("#/signin");
    await this.at("login-name").fill(name);
    await this.at("login-password").fill(password);
    await this.at("login-submit").click();
    return this;
  }

  /** Waits until the page shows the rooms of somebody signed in and its socket is welcomed. */
  async isIn() {
    await this.at("new-room").first().waitFor();
    await until("a welcome of the server", () => this.watch.isWelcomed, SOON_MS);
    return this;
  }

  async signOut() {
    await this.at("settings").first().click();
    await this.at("sign-out").first().click();
    await this.at("login-name").waitFor();
  }

  /** What the page says about a sign-in or sign-up that was refused. */
  refusal() {
    return this.page.locator(".auth-card .err").first().innerText();
  }

  // --- Rooms

  /** Makes a room by the page's dialog and returns its id. */
  async makeRoom(kind, { name, people = [] }) {
    await this.at("new-room").first().click();
    await this.at(`new-room-kind-${kind}`).check({ force: true });
    if (name) await this.at("new-room-name").fill(name);
    for (const person of people) await this.#choose(person);
    await this.at("new-room-create").click();
    await this.page.locator("dialog").waitFor({ state: "detached" });
    await this.at("composer-input").waitFor();
    return this.roomId();
  }

  async #choose(person) {
    await this.at("new-room-people").fill(person);
    await this.at("person-option").filter({ hasText: new RegExp(person, "i") }).first().click();
  }

  /** The id of the room that is open, as the page's address has it. */
  async roomId() {
    await this.page.waitForURL(/#\/room\//);
    return decodeURIComponent(new URL(this.page.url()).hash.split("/")[2]);
  }

  room(roomId) {
    return this.page.locator(`${id("room-row")}[data-room-id="${roomId}"]`);
  }

  async enter(roomId) {
    await this.room(roomId).click();
    await this.at("composer-input").waitFor();
  }

  // --- Messages

  /** Types a message and presses Enter; it need not be stored when this returns. */
  async say(text) {
    await this.at("composer-input").fill(text);
    await this.at("composer-input").press("Enter");
  }

  message(text) {
    return this.at("message-row").filter({ hasText: text });
  }

  /** Waits until a message is to be seen, in a state if one is given. */
  async sees(text, state) {
    const row = state ? this.message(text).and(this.page.locator(`[data-state="${state}"]`)) : this.message(text);
    await row.first().waitFor();
  }

  /** The message rows that are in the page right now, in their order. */
  shown() {
    return this.at("message-row").evaluateAll((rows) =>
      rows.map((row) => ({
        seq: row.dataset.seq ? Number(row.dataset.seq) : null,
        cid: row.dataset.cid ?? null,
        state: row.dataset.state ?? null,
        from: row.dataset.from ?? null,
        text: row.querySelector(".text")?.textContent ?? "",
      })),
    );
  }

  /** All message rows of the room, in their order, by scrolling from the first to the last. */
  async all() {
    await this.toStart();
    const rows = [];
    let last = "";
    for (;;) {
      const shown = await this.shown();
      const known = rows.findLastIndex((row) => isSame(row, shown[0]));
      rows.splice(known < 0 ? rows.length : known, rows.length, ...shown);
      const place = await this.#scroll(1);
      if (place === last && !(await this.page.locator(`${LIST} .edge`).count())) return rows;
      last = place;
    }
  }

  /** Scrolls up until the beginning of the room is there, as far as one may see it. */
  async toStart() {
    const begun = this.page.locator(`${LIST} .beginning`);
    await until("the beginning of the room", async () => (await this.#scroll(0)) && begun.count(), SOON_MS);
    await this.#scroll(0);
  }

  /** Scrolls the list to its top (0) or most of a screen on (1) and tells where it is. */
  #scroll(way) {
    return this.page.locator(LIST).evaluate(async (list, way) => {
      list.scrollTop = way === 0 ? 0 : list.scrollTop + list.clientHeight * 0.8;
      await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
      return `${Math.round(list.scrollTop)} of ${list.scrollHeight}`;
    }, way);
  }

  /** What the banner says about the connection; null if there is none. */
  async banner() {
    // On a phone the list has one too, behind the room that is open.
    return this.at("banner").evaluateAll((banners) => banners.at(-1)?.dataset.state ?? null);
  }

  async reload() {
    await this.page.reload();
  }

  async close() {
    await this.page.context().close();
  }
}

/** A row keeps its cid from the first moment on; what a backend posted without one keeps its seq. */
function isSame(one, other) {
  return other !== undefined && (one.cid ? one.cid === other.cid : one.seq === other.seq);
}
