/**
 * What the tabs of one person in one browser say to each other. Types only. On the common channel tabs find their leader;
 * on a channel of its own, one for each tab and term, a tab speaks with the leader, so that a leader that was deposed
 * speaks to nobody.
 */
import type { State } from "../api.js";
import { MoorlineError } from "../error.js";
import type { Command, Position, Reply, Request, ServerFrame, Welcome } from "../wire.js";

/** As much of `BroadcastChannel` as is used. */
export interface ChannelLike {
  onmessage: ((event: never) => void) | null;
  postMessage(message: unknown): void;
  close(): void;
}

/** As much of `navigator.locks` as an election needs. */
export interface LeaderLocks {
  request(name: string, options: LockOptions, callback: (lock: unknown) => Promise<void>): Promise<unknown>;
  query(): Promise<{ readonly held?: readonly { readonly name?: string; readonly clientId?: string }[] }>;
}

interface LockOptions {
  readonly signal?: AbortSignal;
  readonly steal?: boolean;
  readonly ifAvailable?: boolean;
}

/** On the common channel. Terms only rise: of two who say that they lead, the later one does. */
export type Called =
  | { readonly is: "seek" }
  | { readonly is: "lead"; readonly term: number }
  | { readonly is: "join"; readonly term: number; readonly tab: string };

/** From a tab to its leader. */
export type Asked =
  /** Where the tab's rooms stand: the answer to each welcome. */
  | { readonly is: "positions"; readonly positions: Readonly<Record<string, Position>> }
  | { readonly is: "request"; readonly n: number; readonly command: Request }
  | { readonly is: "notify"; readonly command: Command }
  /** The person wants it now, or the network or the screen came back. */
  | { readonly is: "retry" }
  /** Again, after `closed`. */
  | { readonly is: "start" }
  | { readonly is: "ping" }
  | { readonly is: "bye" };

/** From the leader to a tab. */
export type Told =
  | { readonly is: "state"; readonly state: State }
  | { readonly is: "welcome"; readonly welcome: Welcome }
  | { readonly is: "frame"; readonly frame: ServerFrame }
  | { readonly is: "answer"; readonly n: number; readonly reply: Reply }
  | { readonly is: "refusal"; readonly n: number; readonly error: Told.Error }
  | { readonly is: "disconnected"; readonly code: number; readonly reason: string; readonly clean: boolean }
  | { readonly is: "fault"; readonly error: Told.Error }
  | { readonly is: "pong" };

export declare namespace Told {
  /** An error as it goes through a channel, which keeps no classes. */
  interface Error {
    readonly code: string;
    readonly message: string;
    readonly retryable: boolean;
    readonly retryAfterMs?: number | undefined;
  }
}

/** For the channel. */
export function plain({ code, message, retryable, retryAfterMs }: MoorlineError): Told.Error {
  return { code, message, retryable, retryAfterMs };
}

/** Out of the channel. */
export function thrown({ code, message, retryable, retryAfterMs }: Told.Error): MoorlineError {
  return new MoorlineError(code, message, retryable, retryAfterMs);
}
