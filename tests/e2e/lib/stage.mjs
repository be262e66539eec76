/**
 * What most tests of the page begin with: a server, a proxy before it, and people in windows; all
 * of it goes away with the test, and a failed test leaves a picture of each window.
 */

import { join } from "node:path";

import { Backend } from "./backend.mjs";
import { Proxy } from "./proxy.mjs";
import { RESULTS, Server } from "./server.mjs";
import { Window } from "./window.mjs";

export class Stage {
  #windows = [];
  #browser;
  #name;

  constructor(browser, name, server, proxy) {
    this.#browser = browser;
    this.#name = name;
    this.server = server;
    this.proxy = proxy;
    this.backend = new Backend(server.url);
  }

  /**
   * @param {import("node:test").TestContext} t
   * @param {import("playwright-core").Browser} browser
   * @param {string} name of the logs and pictures
   * @param {string[]} args more arguments of `moorline serve`
   */
  static async set(t, browser, name, args = []) {
    const server = await Server.start(name, args);
    const proxy = await Proxy.start(server.port);
    const stage = new Stage(browser, name, server, proxy);
    t.after(() => stage.#clear());
    return stage;
  }

  /** A window in which nobody is signed in; `look` is what Playwright's contexts take. */
  async window(look) {
    const window = await Window.open(this.#browser, this.proxy.url, look);
    this.#windows.push(window);
    return window;
  }

  /** Another tab of a window's person. */
  async tab(window) {
    const tab = await window.tab();
    this.#windows.push(tab);
    return tab;
  }

  /** A window with somebody who just signed up. */
  async person(name, look) {
    return (await this.window(look)).signUp(name);
  }

  /** Complaints of all windows, but for those of a network that was taken away. */
  faults() {
    return this.#windows.flatMap((window) => window.watch.faults);
  }

  /** Requests of all windows to anywhere else. */
  foreign() {
    return this.#windows.flatMap((window) => window.watch.foreign);
  }

  async #clear() {
    for (const [index, window] of this.#windows.entries()) {
      const path = join(RESULTS, `${this.#name}.${index}.png`);
      await window.page.screenshot({ path }).catch(() => {});
      await window.close().catch(() => {});
    }
    await this.proxy.close();
    await this.server.close();
  }
}
