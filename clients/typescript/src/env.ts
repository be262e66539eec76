/**
 * The world outside: clock, timers, random numbers, sockets, locks, page events. Everything the SDK
 * needs of it comes through here, so that tests use a clock of their own and never sleep.
 */
import type { ChannelLike } from "./tabs/words.js";

/** As much of `WebSocket` as is used; the browser's own, or a package's in Node. */
export interface SocketLike {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}

/** As much of `navigator.locks` as is used. */
export interface LocksLike {
  request(name: string, options: { signal?: AbortSignal }, callback: () => Promise<void>): Promise<unknown>;
}

/** What happened to the page that a connection wants to know of. */
export type PageSignal = "online" | "offline" | "visible" | "restored";

/** Replaceable one by one in `options.environment`. */
export interface Environment {
  /** Wall clock, ms since 1970: for what people see. */
  now(): number;
  /** A clock that never jumps, ms: for deadlines. */
  monotonic(): number;
  setTimeout(callback: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
  /** From 0 (included) to 1 (excluded): for jitter. */
  random(): number;
  randomBytes(count: number): Uint8Array;
  openSocket(url: string, protocol: string): SocketLike;
  /** For SSE, long-poll and commands over HTTP. Default: the global one, looked up when it is needed. */
  readonly fetch?: ((url: string, init: RequestInit) => Promise<Response>) | undefined;
  /** Where it is remembered which transport works. Default: `localStorage`, where that is allowed. */
  readonly storage?: Pick<Storage, "getItem" | "setItem" | "removeItem"> | undefined;
  /** Absent outside secure contexts and in Node. */
  readonly locks?: LocksLike | undefined;
  /** Opens a `BroadcastChannel`. Absent where tabs do not share a connection. */
  readonly openChannel?: ((name: string) => ChannelLike) | undefined;
  /** False when the browser says that there is no network. */
  isOnline(): boolean;
  /**
   * Calls back at `online`, `offline`, when the tab becomes visible, and when the page comes out of the back-forward cache.
   * Default: what the browser tells, from when a connection stands or failed; before, nothing can be done about it.
   */
  readonly onPageSignal?: ((listener: (signal: PageSignal) => void) => () => void) | undefined;
  /** Where the page is, for the default address; empty outside a page. */
  readonly location: string;
  /** Loads what the core is without until it is needed. Where it is at hand already, as in tests, that takes no time. */
  readonly load: Loading;
}

/** The parts that are files of their own. */
export interface Loading {
  choosing(): Promise<typeof import("./choosing.js")>;
  leftovers(): Promise<typeof import("./tabs/leftovers.js")>;
}

/** The environment of the browser (or of Node, as far as it has these). */
export function defaultEnvironment(): Environment {
  const { navigator, location } = globalThis as Partial<typeof globalThis>;
  return {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    setTimeout: (callback, ms) => setTimeout(callback, ms),
    clearTimeout: (timer) => clearTimeout(timer as number),
    random: () => Math.random(),
    randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
    openSocket: (url, protocol) => new WebSocket(url, protocol),
    locks: navigator?.locks as LocksLike | undefined,
    openChannel: location && navigator?.locks && ((name) => new BroadcastChannel(name)),
    isOnline: () => navigator?.onLine !== false,
    location: location?.href ?? "",
    load: { choosing: () => import("./choosing.js"), leftovers: () => import("./tabs/leftovers.js") },
  };
}
