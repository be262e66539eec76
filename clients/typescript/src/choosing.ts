/**
 * Which way to take: WebSocket first, then what is left where that fails, and back up when a better way opens. Loaded by
 * the connection when a first WebSocket failed, or in the background once one stands; not part of the core. It decides
 * between ways only; when to come back is the connection's business.
 */
import type { ClientOptions, State } from "./api.js";
import type { Environment, PageSignal } from "./env.js";
import { watchPage } from "./page.js";
import { PollTransport } from "./transport/poll.js";
import { SseTransport } from "./transport/sse.js";
import type { Transport, TransportEvents, TransportName } from "./transport/transport.js";
import type { Welcome } from "./wire.js";

const ALL: readonly TransportName[] = ["ws", "sse", "poll"];
/** A way that worked on this network and fails once is a server that restarts; failing twice, it may be blocked. */
const PATIENCE = 2;
/** After an hour people are elsewhere, or the proxy was mended. */
const MEMORY_MS = 3_600_000;
/** The first look for a better way; each next one after twice the time. */
const PROBE_MS = 15_000;
const PROBE_MAX_MS = 600_000;
/** Where a better way worked before, on this network. */
const PROBE_SOON_MS = 2_000;
/** By us: no word. */
const PING_TIMEOUT = 4441;
/** A probe keeps nobody waiting, so it may take its time. */
const WELCOME_MS = 15_000;

/** What the choosing needs of the connection. */
export interface Chooser extends TransportEvents {
  readonly state: State;
  enter(state: State): void;
  /** Opens a WebSocket. */
  webSocket(events: TransportEvents): Transport;
  /** What `#remember` wrote. */
  remembered(): string | null | undefined;
  /** Ends a wait; while live it asks whether the connection is. */
  retryNow(): void;
  /** The transport that was welcomed takes the place of the one in use. */
  takeOver(transport: Transport, welcome: Welcome): void;
}

/** A transport and what its words are taken for. */
interface Line {
  readonly at: number;
  readonly transport: Transport;
  is: "used" | "probed" | "left";
  timer?: unknown;
}

/** The ways of one client. */
export class Choosing {
  readonly #ways: readonly TransportName[];
  /** Where the next attempt begins. */
  #at = 0;
  #used: Line | undefined;
  #probed: Line | undefined;
  /** Ways that worked on this network. */
  readonly #worked = new Set<number>();
  #failures = 0;
  #probes = 0;
  #timer: unknown;
  #unwatch: (() => void) | undefined;

  constructor(
    private readonly env: Environment,
    private readonly connection: Chooser,
    private readonly client: { readonly url: string; readonly options: Pick<ClientOptions, "transports"> },
    /** There were attempts before this was loaded, all by WebSocket. */
    hasFailed: boolean,
  ) {
    this.#ways = client.options.transports ?? ALL;
    if (this.#isLive()) this.#worked.add(0);
    else if (hasFailed && this.#ways[0] === "ws") this.#at = 1 % this.#ways.length;
    else this.#at = Math.max(0, this.#ways.indexOf(this.#remembered()!));
    if (connection.state.is !== "closed") this.#watch();
  }

  /** Opens the way whose turn it is. */
  open(): Transport {
    this.#watch();
    try {
      this.#used = this.#line(this.#at, "used");
    } catch (error) {
      // Forbidden on this page, or impossible here, such as a WebSocket in Node 20 without a package.
      if (this.#at + 1 >= this.#ways.length) throw error;
      this.#at++;
      return this.open();
    }
    return this.#used.transport;
  }

  /** The attempt ended without a welcome. True if another way is to be tried at once. */
  failed(code: number): boolean {
    // The server's own words: the way to it is open.
    if (code >= 4000 && code !== PING_TIMEOUT) return false;
    if (this.#worked.has(this.#at) && ++this.#failures < PATIENCE) return false;
    // Not reached by HTTP either, on a network where WebSockets worked: the server is away, or else all is tried next time.
    const isAway = this.#used?.transport.isUnreachable && this.#worked.has(0);
    if (isAway) this.#worked.clear();
    this.#at = isAway ? 0 : (this.#at + 1) % this.#ways.length;
    return this.#at > 0;
  }

  /** The client was stopped; the next `open` goes on. */
  stop(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
  }

  #watch(): void {
    this.#unwatch ??= (this.env.onPageSignal ?? watchPage)((signal) => this.#signalled(signal));
  }

  #signalled(signal: PageSignal): void {
    const { connection } = this;
    const { state } = connection;
    if (signal === "online") this.#newNetwork();
    if (signal !== "offline" || state.is === "live") connection.retryNow();
    else if (state.is === "waiting") connection.enter({ ...state, is: "offline" });
  }

  /** What was known of the network does not hold any more. */
  #newNetwork(): void {
    this.#worked.clear();
    this.#probes = 0;
    this.#remember();
    if (!this.#isLive()) this.#at = 0;
    else if (this.#at > 0 && !this.#probed) this.#look(0);
  }

  #line(at: number, is: "used" | "probed"): Line {
    const { env, connection } = this;
    const events: TransportEvents = {
      open: (transport) => line.is !== "left" && connection.open(transport),
      frame: (text) => this.#frame(line, text),
      closed: (code, reason, clean) => {
        env.clearTimeout(line.timer);
        if (line.is === "probed") this.#look(at + 1);
        if (line.is !== "used") return;
        this.#rest();
        connection.closed(code, reason, clean);
      },
    };
    const line: Line = { at, is, transport: this.#make(this.#ways[at], events) };
    return line;
  }

  #make(name: TransportName | undefined, events: TransportEvents): Transport {
    const { env, client } = this;
    if (name === "sse") return new SseTransport(env, client.url, events);
    if (name === "poll") return new PollTransport(env, client.url, events);
    return this.connection.webSocket(events);
  }

  #frame(line: Line, text: string): void {
    if (line.is === "left") return;
    if (line.is === "probed") return this.#probeSaid(line, text);
    const wasLive = this.#isLive();
    this.connection.frame(text);
    if (!wasLive && this.#isLive()) this.#works();
  }

  #isLive(): boolean {
    return this.connection.state.is === "live";
  }

  #works(): void {
    this.#failures = 0;
    this.#worked.add(this.#at);
    this.#remember(this.#at > 0 ? this.#ways[this.#at] : undefined);
    if (this.#at > 0) this.#lookLater();
  }

  #lookLater(): void {
    const ms = this.#worked.has(0) && this.#probes === 0 ? PROBE_SOON_MS : Math.min(PROBE_MAX_MS, PROBE_MS * 2 ** this.#probes);
    this.#timer = this.env.setTimeout(() => this.#look(0), ms * (0.75 + this.env.random() / 2));
  }

  /** Tries the better ways, the best one first, while the one in use goes on. */
  #look(at: number): void {
    this.env.clearTimeout(this.#timer);
    this.#probed = undefined;
    if (at >= this.#at) {
      this.#probes++;
      return this.#lookLater();
    }
    try {
      const line = (this.#probed = this.#line(at, "probed"));
      line.timer = this.env.setTimeout(() => line.transport.close(PING_TIMEOUT, "no welcome"), WELCOME_MS);
    } catch {
      // Forbidden on this page.
      this.#look(at + 1);
    }
  }

  #probeSaid(line: Line, text: string): void {
    const frame = welcomeOf(text);
    if (!frame) return;
    this.env.clearTimeout(line.timer);
    this.#probed = undefined;
    const old = this.#used;
    if (old) old.is = "left";
    line.is = "used";
    this.#used = line;
    this.#at = line.at;
    this.#probes = 0;
    this.connection.takeOver(line.transport, frame);
    old?.transport.close(1000, "moved");
    this.#works();
  }

  /** The way that worked on the last visit, unless that is too long ago. */
  #remembered(): TransportName | undefined {
    const [name, at = 0] = this.connection.remembered()?.split(" ") ?? [];
    return this.env.now() - Number(at) < MEMORY_MS ? (name as TransportName) : undefined;
  }

  /** Nothing to be remembered: forgets. */
  #remember(name?: TransportName): void {
    const key = `moorline transport ${this.client.url}`;
    try {
      const storage = this.env.storage ?? localStorage;
      if (name) storage.setItem(key, `${name} ${this.env.now()}`);
      else storage.removeItem(key);
    } catch {
      // Full, or forbidden: the next visit looks for itself.
    }
  }

  /** The connection is gone: nothing to be better than. */
  #rest(): void {
    this.env.clearTimeout(this.#timer);
    const line = this.#probed;
    this.#probed = undefined;
    if (!line) return;
    line.is = "left";
    line.transport.close(1000, "not needed");
  }
}

/** Before its welcome there is nothing that the way in use does not bring as well. */
function welcomeOf(text: string): Welcome | undefined {
  try {
    const frame = JSON.parse(text) as Welcome & { readonly type: string };
    return frame?.type === "welcome" ? frame : undefined;
  } catch {
    return undefined;
  }
}
