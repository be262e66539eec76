/**
 * One window (or device) of one person at the test server: the options with which a client is made there, and what
 * happens to the machine it runs on. Made by `server.window()`.
 */
import type { ClientOptions } from "../api.js";
import * as choosing from "../choosing.js";
import type { Environment, Loading, PageSignal, SocketLike } from "../env.js";
import { memoryStore } from "../store/memory.js";
import * as leftovers from "../tabs/leftovers.js";
import { bytesOf, type Chance } from "./chance.js";
import type { Clock } from "./clock.js";
import type { Link } from "./link.js";

/** Each window has a connection of its own, by WebSocket: other tabs and other ways to the server are not played here. */
const ALONE: object = { transports: ["ws"], shareTabs: false };

/** A clock that is moved by hand cannot wait for a file to be loaded: what a client loads later is here already. */
const AT_HAND: Loading = { choosing: async () => choosing, leftovers: async () => leftovers };

/** What a window needs of the server. */
export interface WindowWorld {
  readonly clock: Clock;
  readonly random: Chance;
  connect(isReachable: boolean): Link;
  token(user: string): string;
}

/** A window of a person. */
export class TestWindow {
  /** For `createClient`; may be spread and changed. */
  readonly options: ClientOptions & { readonly environment: Partial<Environment> };
  /** The newest connection, also when it has ended. */
  link: Link | undefined;
  #isOnline = true;
  readonly #listeners = new Set<(signal: PageSignal) => void>();

  constructor(
    private readonly world: WindowWorld,
    readonly user: string,
  ) {
    const { clock, random } = world;
    const environment: Partial<Environment> = {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      setTimeout: (callback, ms) => clock.setTimeout(callback, ms),
      clearTimeout: (timer) => clock.clearTimeout(timer),
      random,
      randomBytes: (count) => bytesOf(random, count),
      openSocket: () => this.#open(),
      locks: undefined,
      isOnline: () => this.#isOnline,
      onPageSignal: (listener) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
      location: "https://moorline.test/",
      load: AT_HAND,
    };
    const getToken = (): string => world.token(user);
    this.options = { url: "wss://moorline.test/ws", user, getToken, store: memoryStore(), environment, ...ALONE };
  }

  /** The connection ends (code 1006); the client comes back by itself. */
  cut(): void {
    this.link?.cut();
  }

  /** The connection carries nothing any more, and nothing says so: a tunnel, another network. A new one works. */
  stall(): void {
    this.link?.stall();
  }

  /** The machine has no network: the browser says so, the connection ends, and new ones fail. */
  offline(): void {
    this.#isOnline = false;
    this.cut();
    this.signal("offline");
  }

  /** The network is back. */
  online(): void {
    this.#isOnline = true;
    this.signal("online");
  }

  /** What the page is told, such as `visible` when its tab is. */
  signal(signal: PageSignal): void {
    for (const listener of [...this.#listeners]) listener(signal);
  }

  #open(): SocketLike {
    return (this.link = this.world.connect(this.#isOnline));
  }
}
