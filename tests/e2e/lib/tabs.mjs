/**
 * People with several tabs each, in a browser of their own (a context), on the SDK alone. Each tab is a client of the
 * recorded history, by what its application sent and saw; each person's WebSockets are another, by what went over them.
 */
import { BACK_MS, SOON_MS } from "./form.mjs";
import { pause, until, within } from "./wait.mjs";
import { now, Watch } from "./watch.mjs";

/** How long a busy machine may take to open a tab, or to answer from one. */
const OPEN_MS = 90_000;

/** How long Chromium may take to answer that it opened a page: asked again too soon, it has two to open at once. */
const PAGE_MS = 60_000;

/** How long a crash may take before it is asked for again. */
const CRASH_MS = 3_000;

/** Where the pages look for the function. */
const TELL = "tellTest";

/** On a busy machine Chromium at times never answers that a page was opened: then another one is asked for. */
async function newPage(context) {
  for (let tries = 0; tries < 2; tries += 1) {
    const page = await Promise.race([context.newPage(), pause(PAGE_MS)]);
    if (page) return page;
  }
  throw new Error("the browser opens no page");
}

/** One tab. */
export class Tab {
  /** What the application in it told, each with `t` in microseconds of the machine's clock. */
  told = [];
  /** What the test asked it to say, and when. */
  said = [];
  isGone = false;
  #offset = 0;
  /** How far the two clocks may be apart, in microseconds. */
  #doubt = 0;

  constructor(person, name, page) {
    this.person = person;
    this.name = name;
    this.page = page;
    page.setDefaultTimeout(SOON_MS);
  }

  /** Opens a tab of a person; nothing is started in it. */
  static async open(person, name, { options = {}, initScript } = {}) {
    const page = await newPage(person.context);
    if (initScript) await page.addInitScript(initScript);
    const tab = new Tab(person, name, page);
    await page.exposeFunction(TELL, (text) => tab.#tell(JSON.parse(text)));
    tab.watch = await Watch.begin(page, new URL(person.host.url).origin);
    const about = { user: person.name, url: person.server, ...options };
    await page.goto(`${person.host.url}/#${encodeURIComponent(JSON.stringify(about))}`, { timeout: OPEN_MS });
    await tab.until("the page", ({ is }) => is === "loaded");
    await tab.#compareClocks();
    return tab;
  }

  /** Starts the client and waits until it is live. */
  async start() {
    await this.run(() => globalThis.tab.start());
    await until(`${this.name} is live`, async () => (await this.snapshot()).state.is === "live", SOON_MS);
    this.rooms = await this.run(() => globalThis.tab.rooms());
    this.readyAt = now();
    return this;
  }

  run(work, argument) {
    return within(`an answer of ${this.name}`, this.page.evaluate(work, argument), OPEN_MS);
  }

  snapshot() {
    return this.run(() => globalThis.tab.snapshot());
  }

  say(room, body) {
    this.said.push({ t: now(), room, body });
    return this.run(([to, text]) => globalThis.tab.send(to, text), [room, body]);
  }

  rows(room) {
    return this.run((id) => globalThis.tab.rows(id), room);
  }

  /** Waits until the application has told something. */
  until(what, isIt, deadlineMs = SOON_MS) {
    return until(`${what} in ${this.name}`, () => this.told.find(isIt), deadlineMs);
  }

  /** Bodies of all messages in the order in which the application got them. */
  heard(room) {
    return this.told.filter(({ is, event }) => is === "event" && event.kind === "message" && event.room === room).map(({ event }) => event.body);
  }

  /** Ends the tab as a person does. */
  async close() {
    this.gone();
    await this.page.close();
  }

  /** Ends its process; a command to crash that the browser did not hear is given again. */
  async crash() {
    let isCrashed = false;
    this.page.once("crash", () => (isCrashed = true));
    const browser = await this.page.context().newCDPSession(this.page);
    this.gone();
    for (let tries = 0; tries < 5 && !isCrashed; tries += 1) {
      browser.send("Page.crash").catch(() => {});
      await until("the crash", () => isCrashed, CRASH_MS).catch(() => {});
    }
    if (!isCrashed) throw new Error(`${this.name} does not crash`);
  }

  gone() {
    this.isGone = true;
    this.goneAt = now();
    for (const socket of this.watch.sockets) socket.closedAt ??= this.goneAt;
  }

  /** The page and the tests take their times from the same clock of the machine, counted from another beginning. */
  async #compareClocks() {
    let best = Infinity;
    for (let round = 0; round < 8; round += 1) {
      const before = now();
      const page = await this.run(() => performance.now());
      const after = now();
      if (after - before >= best) continue;
      best = after - before;
      this.#offset = (before + after) / 2 - page * 1_000;
    }
    this.#doubt = best / 2;
  }

  #tell({ at, is, ...fields }) {
    this.told.push({ page: at, is, ...fields });
  }

  /** A tab that goes cannot tell its last words any more; it was the test that asked for them, and the store has their cids. */
  #untold(stored, line) {
    const told = new Set(this.told.filter(({ is }) => is === "send").map(({ body }) => body));
    return this.said
      .filter(({ body }) => !told.has(body))
      .flatMap(({ t, room, body }) => stored.filter((message) => message.body === body).map(({ cid }) => ({ ...line, t, frame: { type: "send", room, cid, body } })));
  }

  /** In microseconds of the tests' clock. */
  timeOf(told, doubt = 0) {
    return Math.round(told.page * 1_000 + this.#offset + doubt * this.#doubt);
  }

  /**
   * Lines of the history: what the application sent and saw, as if the tab had a connection of its own. `stored` are the
   * room's messages in the end.
   */
  lines(epochs, stored) {
    const [c, user, n] = [this.name, this.person.name, 1];
    const start = this.timeOf(this.told.find(({ is }) => is === "start"), -1);
    const rooms = this.rooms.map((room) => ({ ...room, epoch: epochs[room.id], history: "joined" }));
    const lines = [
      { t: start, is: "open", c, n, user, fresh: true },
      { t: start, is: "sent", c, n, frame: { type: "hello" } },
      { t: this.readyAt, is: "got", c, n, frame: { type: "welcome", connection: c, user: { id: user, name: user }, rooms } },
    ];
    const known = Object.fromEntries(this.rooms.map(({ id, head }) => [id, head]));
    for (const told of this.told) {
      const { is, id, room, cid, body, seq, message, stored, event } = told;
      // What came before the rooms were noted is covered by their heads.
      if (is === "event" && event.seq <= (known[event.room] ?? 0)) continue;
      const before = { t: this.timeOf(told, -1), c, n };
      const after = { t: Math.max(this.timeOf(told, 1), this.readyAt), c, n };
      if (is === "send") lines.push({ ...before, is: "sent", frame: { type: "send", id, room, cid, body } });
      if (is === "acked") lines.push({ ...after, is: "got", frame: { type: "ack", id, room, epoch: epochs[room], seq, message, at: stored } });
      if (is === "event") {
        lines.push({ ...after, is: "got", frame: event });
        lines.push({ ...after, is: "applied", room: event.room, epoch: event.epoch, seq: event.seq, id: event.id });
      }
    }
    if (this.isGone) lines.push(...this.#untold(stored, { is: "sent", c, n }));
    if (this.isGone) lines.push({ t: Math.max(this.goneAt, ...lines.map(({ t }) => t)), is: "close", c, n });
    return lines;
  }
}

/** A person with a browser. */
export class TabPerson {
  /** @type {Tab[]} all tabs that were ever open */
  tabs = [];

  constructor(context, name, host, server) {
    this.context = context;
    this.name = name;
    this.host = host;
    this.server = server;
  }

  static async come(browser, name, host, server) {
    return new TabPerson(await browser.newContext(), name, host, server);
  }

  async tab(more) {
    const tab = await Tab.open(this, `${this.name}-${this.tabs.length + 1}`, more);
    this.tabs.push(tab);
    return tab;
  }

  get open() {
    return this.tabs.filter(({ isGone }) => !isGone);
  }

  /** The tabs that lead, as each told last; one that stands still does not tell that it leads no more. */
  get leaders() {
    return this.open.filter(({ told }) => told.findLast(({ is }) => is === "leads" || is === "follows")?.is === "leads");
  }

  untilLeads(but) {
    return until(`${this.name} has a leader`, () => this.leaders.find((tab) => tab !== but), BACK_MS);
  }

  /** Lines of all sockets of the person, as one client that connects again and again. */
  wireLines() {
    const sockets = this.tabs.flatMap(({ watch }) => watch.sockets).sort((one, other) => one.openedAt - other.openedAt);
    const c = `${this.name}-wire`;
    return sockets.flatMap(({ openedAt, closedAt, frames }, index) => {
      const n = index + 1;
      const last = frames.at(-1)?.at ?? openedAt;
      return [
        { t: openedAt, is: "open", c, n, user: this.name },
        ...frames.map(({ at, way, text }) => ({ t: at, is: way === "sent" ? "sent" : "got", c, n, raw: text })),
        ...(closedAt === null ? [] : [{ t: Math.max(closedAt, last), is: "close", c, n }]),
      ];
    });
  }

  close() {
    return this.context.close();
  }
}
