/**
 * A widget in a page of another site, as its visitor and its author see it: what stands in it, what its element tells, and
 * what the page's policy complained about.
 */

import { SOON_MS } from "./form.mjs";
import { Site, WITH_TOKENS } from "./site.mjs";
import { Backend, WITH_API } from "./backend.mjs";
import { Server } from "./server.mjs";
import { until } from "./wait.mjs";

const EVENTS = ["ready", "message", "unread", "state", "error"];

/** A server with the room of the tests, and a site beside it. */
export async function besideASite(t, name, args = []) {
  const site = await Site.open(t);
  const server = await Server.start(name, [...WITH_API, ...WITH_TOKENS, ...args.map((arg) => arg.replace("{site}", site.url))]);
  t.after(() => server.close());
  const backend = new Backend(server.url);
  for (const who of ["ann", "bob"]) await backend.person(who, who[0].toUpperCase() + who.slice(1));
  await backend.room({ id: "quay", kind: "group", name: "Quay seven", members: ["ann", "bob"] });
  return { site, server, backend };
}

/** Markup of a widget. */
export function widget(server, { as = "ann", room = "quay", more = "" } = {}) {
  return `<script type="module" src="${server.url}/embed.js"></script>
<moorline-chat room="${room}" token-endpoint="/token?as=${as}" ${more}></moorline-chat>`;
}

export class Visitor {
  constructor(page) {
    this.page = page;
    page.setDefaultTimeout(SOON_MS);
  }

  /**
   * @param {import("node:test").TestContext} t
   * @param {import("playwright-core").Browser} browser
   */
  static async open(t, browser, url, { initScript, ...look } = {}) {
    const context = await browser.newContext({ viewport: { width: 900, height: 700 }, ...look });
    t.after(() => context.close());
    if (initScript) await context.addInitScript({ path: initScript });
    // What the element tells from its first moment on, and what the policy of any document forbids.
    await context.addInitScript((names) => {
      globalThis.told = [];
      globalThis.forbidden = [];
      for (const name of names) {
        document.addEventListener(name, ({ detail, target }) => target.localName === "moorline-chat" && globalThis.told.push({ name, detail }), true);
      }
      document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => globalThis.forbidden.push(`${violatedDirective}: ${blockedURI}`));
    }, EVENTS);
    const visitor = new Visitor(await context.newPage());
    visitor.complaints = [];
    visitor.page.on("console", (message) => message.type() === "error" && visitor.complaints.push(message.text()));
    visitor.page.on("pageerror", (error) => visitor.complaints.push(String(error)));
    await visitor.page.goto(url);
    return visitor;
  }

  get element() {
    return this.page.locator("moorline-chat");
  }

  /** By test id, in the element or in its frame. */
  at(name, inside = this.page) {
    return inside.locator(`[data-testid="${name}"]`);
  }

  get frame() {
    return this.page.frameLocator("moorline-chat iframe");
  }

  async say(text, inside = this.page) {
    await this.at("composer-input", inside).fill(text);
    await this.at("composer-input", inside).press("Enter");
  }

  async sees(text, inside = this.page) {
    await this.at("message-row", inside).filter({ hasText: text }).first().waitFor();
  }

  /** What the element told under a name. */
  told(name) {
    return this.page.evaluate((name) => globalThis.told.filter((one) => one.name === name).map(({ detail }) => detail), name);
  }

  /** Waits for an event of the element. */
  async hears(name, fits = () => true) {
    return until(`the event ${name}`, async () => (await this.told(name)).find(fits), SOON_MS);
  }

  forbidden() {
    return this.page.evaluate(() => globalThis.forbidden);
  }
}
