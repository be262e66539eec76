/**
 * The public shapes of the SDK: options, states, snapshots and events. Types only, no code.
 * A snapshot is immutable and keeps its identity until something in it changes, so that it can be
 * given to React's `useSyncExternalStore`, to a Svelte store, or be compared with `===`.
 */
import type { Environment } from "./env.js";
import type { MoorlineError } from "./error.js";
import type { Store } from "./store/store.js";
import type { TransportName } from "./transport/transport.js";
import type { MemberChange, Role, RoomKind, WireEvent } from "./wire.js";

/** How to reach the server and as whom. Everything is optional on a page that the server itself serves. */
export interface ClientOptions {
  /** The WebSocket address. Default: `/ws` on the page's own host. `http(s)` is taken as `ws(s)`. */
  readonly url?: string | URL;
  /**
   * Fetches a token. Called once before the first connection, and once more when the server refuses the
   * one in use (`why: "refused"`). Leave it out to sign in by session cookie.
   */
  readonly getToken?: (why: "first" | "refused") => Promise<string> | string;
  /**
   * The id of the person who is signed in, when the page knows it. What is queued before the first
   * welcome is then stored for that person at once, and sent only if the welcome names the same one.
   */
  readonly user?: string;
  /** Where the outbox is kept. Default: IndexedDB. Where that is forbidden, the outbox lives in memory alone. */
  readonly store?: Store;
  /**
   * The ways to the server, the preferred one first. Default: `["ws", "sse", "poll"]`. Where the first fails the next is
   * tried, and better ones again from time to time.
   */
  readonly transports?: readonly TransportName[];
  /** For bots: every event is delivered, in order, also after a long absence (paged forward, no gap). */
  readonly everyEvent?: boolean;
  /**
   * Whether the tabs of this person in this browser share one connection. Default: true. It is done where `user` is given
   * and the browser has Web Locks and BroadcastChannel; else each tab has a connection of its own.
   */
  readonly shareTabs?: boolean;
  /** A word for the list of signed-in devices, such as "Firefox on Linux". */
  readonly device?: string;
  /** Clock, timers, random numbers, WebSocket, locks, page events: for tests and unusual hosts. */
  readonly environment?: Partial<Environment>;
}

/** Where the connection stands. `code` and `reason` are those of the close that led here. */
export type State =
  | { readonly is: "idle" }
  | { readonly is: "connecting"; readonly attempt: number }
  | { readonly is: "live"; readonly transport: TransportName; readonly connection: string; readonly since: number }
  /** A retry is due at `until` (ms since 1970); `client.retryNow()` does it at once. */
  | {
      readonly is: "waiting";
      readonly attempt: number;
      readonly until: number;
      readonly code: number;
      readonly reason: string;
    }
  /** The browser says that there is no network. Retries go on regardless, since browsers are wrong at times. */
  | { readonly is: "offline"; readonly attempt: number; readonly until: number; readonly code?: number; readonly reason?: string }
  /** Nothing more will be tried until `client.start()`. */
  | { readonly is: "closed"; readonly code: number; readonly reason: string };

/** A person as far as known here. `name` is the id until the server has told the name. */
export interface Person {
  readonly id: string;
  readonly name: string;
  readonly presence?: "online" | "away" | "offline";
  /** When the presence last changed, ms since 1970. */
  readonly seen?: number;
}

/** Something that can be read at any time and watched. Both functions are bound and may be passed around. */
export interface Readable<T> {
  readonly getSnapshot: () => T;
  /** Calls `listener` after each change; returns the function that stops it. */
  readonly subscribe: (listener: () => void) => () => void;
}

/** The client as a whole. */
export interface ClientSnapshot {
  readonly state: State;
  /** Who we are, once a welcome (or `options.user`) told. */
  readonly user?: Person;
  readonly server?: { readonly name: string; readonly version: string };
  /** False until the first welcome of this person. */
  readonly ready: boolean;
  /** Messages not yet acknowledged / finally refused, over all rooms. */
  readonly queued: number;
  readonly failed: number;
  /** False when the outbox does not survive a reload (IndexedDB is forbidden or broken). */
  readonly durable: boolean;
  /**
   * True in one tab of a browser: in the one that has the connection which the others share. What is to be done once, such
   * as to show a notification, is done there.
   */
  readonly leads: boolean;
  /** Largest message body in bytes of UTF-8, as the server told. */
  readonly messageBytes: number;
}

/** The latest message of a room, for a list's preview. */
export interface Preview {
  readonly from: string;
  readonly body: string;
  readonly at: number;
  readonly seq?: number;
  readonly deleted: boolean;
  readonly state: MessageState;
}

/** One room in the list. */
export interface RoomInfo {
  readonly id: string;
  readonly kind: RoomKind;
  /** The name as set; absent in direct rooms. */
  readonly name?: string;
  /** What to show: the name, in a direct room the other person's name, else the id. */
  readonly title: string;
  /** In a direct room, the other person's id. */
  readonly peer?: string;
  /** One's own role; absent in a room that was only browsed. */
  readonly role?: Role;
  readonly members: number;
  readonly head: number;
  readonly read: number;
  readonly unread: number;
  readonly mentions: number;
  readonly last?: Preview;
  /** Last activity, ms since 1970. */
  readonly at: number;
  /** Who is typing, by id, without oneself; `typingMore` counts those not named. */
  readonly typing: readonly string[];
  readonly typingMore: number;
  readonly queued: number;
  readonly failed: number;
}

/** The list of one's rooms, the latest activity first. */
export interface RoomListSnapshot {
  readonly rooms: readonly RoomInfo[];
  /** Over all rooms, also those not loaded yet. */
  readonly unread: number;
  readonly mentions: number;
  /** Further rooms can be loaded by `loadMore()`. */
  readonly hasMore: boolean;
  /** False before the first welcome. */
  readonly ready: boolean;
}

/** queued: waits for the connection or for an earlier one; sending: on its way; sent: stored by the server; failed: refused for good. */
export type MessageState = "queued" | "sending" | "sent" | "failed";

/** A message in a timeline. The same object as before unless something in it changed. */
export interface MessageItem {
  readonly type: "message";
  /** Stable for the life of the row, also when it turns from queued to sent. */
  readonly key: string;
  readonly seq?: number;
  readonly id?: string;
  readonly cid?: string;
  readonly from: string;
  readonly mine: boolean;
  readonly at: number;
  readonly body: string;
  readonly state: MessageState;
  /** Why it failed, or why it still waits. */
  readonly error?: MoorlineError;
  readonly edited?: { readonly seq: number; readonly at: number };
  readonly deleted?: { readonly seq: number; readonly at: number };
  /** The id of the message that this one answers. */
  readonly replyTo?: string;
  /** One's own edit or deletion that the server has not confirmed yet; an edit's new text already stands in `body`. */
  readonly change?: {
    readonly kind: "edit" | "delete";
    readonly cid: string;
    readonly state: Exclude<MessageState, "sent">;
    readonly error?: MoorlineError;
  };
}

/** People came or went. */
export interface MemberItem {
  readonly type: "member";
  readonly key: string;
  readonly seq: number;
  readonly id: string;
  readonly from: string;
  readonly at: number;
  readonly changes: readonly MemberChange[];
}

/** The room got a new name. */
export interface RenameItem {
  readonly type: "rename";
  readonly key: string;
  readonly seq: number;
  readonly id: string;
  readonly from: string;
  readonly at: number;
  readonly name: string;
}

/** A hole that is not loaded: everything with `after < seq < before`. `room.fillGap(key)` loads a page of it. */
export interface GapItem {
  readonly type: "gap";
  readonly key: string;
  readonly after: number;
  readonly before: number;
}

/** One row of a timeline. */
export type TimelineItem = MessageItem | MemberItem | RenameItem | GapItem;

/** What is loaded of one room, oldest first, own unsent messages at the end. */
export interface TimelineSnapshot {
  readonly id: string;
  /** idle: not opened; loading: the first page is under way; ready; gone: not one's room (any more). */
  readonly status: "idle" | "loading" | "ready" | "gone";
  /** The room as in the list; absent until known. */
  readonly info?: RoomInfo;
  readonly items: readonly TimelineItem[];
  readonly hasMoreBefore: boolean;
  readonly hasMoreAfter: boolean;
  readonly loadingBefore: boolean;
  readonly loadingAfter: boolean;
  /** Why the last page could not be loaded; cleared by the next attempt. */
  readonly error?: MoorlineError;
  /** The first unread message of others when the room was opened. It does not move while reading. */
  readonly firstUnreadSeq?: number;
  /** The first and last position of the room. */
  readonly first: number;
  readonly head: number;
  /** One's own read marker. */
  readonly read: number;
  /** Read markers of others as far as told (small rooms only): person → seq. */
  readonly receipts: Readonly<Record<string, number>>;
}

/** A member as `room.members()` lists them. */
export interface Member extends Person {
  readonly role: Role;
  /** Absent in large rooms. */
  readonly read?: number;
}

/** A page of a list that goes on at `after` while `more`. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly more: boolean;
  readonly after?: string;
}

/** What `room.send()` gives back at once. */
export interface Sending {
  readonly cid: string;
  /** Resolves when the server has stored the message; rejects when it was refused for good or discarded. */
  readonly acked: Promise<{ readonly seq: number; readonly id: string; readonly at: number }>;
}

/** A message found by a search. */
export interface Hit {
  readonly room: string;
  readonly message: MessageItem;
}

/** A page of what a search found. */
export interface Hits {
  readonly hits: readonly Hit[];
  /** Whether there may be more; `after` is where the next page begins. */
  readonly more: boolean;
  readonly after?: string;
  /** Whether the search ended before the page was full; `after` goes on. */
  readonly partial?: boolean;
  /** How long the oldest message waits that the search did not know yet, in ms; 0: nothing waits. */
  readonly behind_ms: number;
  /** Rooms in which newer messages wait, and up to which seq they were searched. */
  readonly upto?: Readonly<Record<string, number>>;
}

/** Events by name, for `client.on(name, listener)`. */
export interface ClientEvents {
  /** The connection's state changed. */
  state: State;
  /** Another person's welcome than before: outbox, rooms and timelines were switched. */
  user: { readonly previous?: string; readonly user: Person };
  /** A new message, once, in order, of whatever room; also one's own from any device. */
  message: { readonly room: string; readonly message: MessageItem; readonly live: boolean };
  /** Every event of every room in order (messages, edits, deletions, members, renames), as on the wire. */
  event: WireEvent;
  /** A room came, went, or lost its history (`reset`: positions known before mean nothing any more). */
  room: { readonly room: string; readonly change: "added" | "gone" | "reset"; readonly reason?: string };
  /** A message was refused for good. */
  failed: { readonly room: string; readonly cid: string; readonly error: MoorlineError };
  /** What a backend sent to a room (`room`) or to this person (`user`). At most once, not stored. */
  notice: { readonly room?: string; readonly user?: string; readonly name: string; readonly data: unknown };
  /** A connection ended: who wants to know why reads this, the state says what happens next. */
  disconnected: { readonly code: number; readonly reason: string; readonly clean: boolean };
  /** Something went wrong that belongs to no call, such as a frame that cannot be read. */
  error: MoorlineError;
}

/** Everything one can do with one room. `client.room(id)` gives the same object each time. */
export interface Room extends Readable<TimelineSnapshot> {
  readonly id: string;
  /** Loads the first page: around the first unread message, or at the end. Harmless when already open. */
  open(): Promise<void>;
  /** Forgets what was loaded and the first-unread mark; the list entry and the position stay. */
  close(): void;
  /**
   * Puts a message into the outbox; the row is in the snapshot when this returns. A `cid` of one's own (at most 64 printable
   * characters) makes it the same message each time: for bots, whose handler may run twice.
   */
  send(body: string, options?: { readonly replyTo?: string; readonly cid?: string }): Sending;
  /** Tries a failed message (or edit, or deletion) again under its cid. */
  retry(cid: string): void;
  /** Drops a queued or failed message from the outbox. False if it is on its way or gone already. */
  discard(cid: string): boolean;
  edit(message: string, body: string): Sending;
  delete(message: string): Sending;
  loadBefore(): Promise<void>;
  loadAfter(): Promise<void>;
  /** Loads a page of a gap: its newer end (for one who scrolls up), or its older end (for one who scrolls down). */
  fillGap(key: string, side?: "newer" | "older"): Promise<void>;
  /** Loads the page around a position. */
  jumpTo(seq: number): Promise<void>;
  /** Loads the newest page. */
  jumpToLatest(): Promise<void>;
  /** Moves one's read marker (default: to the end); sent at most once a second. */
  markRead(seq?: number): void;
  /** Says that one is typing; call at each key, it is sent at most once in three seconds. */
  typing(): void;
  members(options?: { readonly after?: string; readonly limit?: number }): Promise<Page<Member> & { readonly total: number }>;
  invite(users: readonly string[]): Promise<void>;
  remove(users: readonly string[]): Promise<void>;
  rename(name: string): Promise<void>;
  leave(): Promise<void>;
}

/** The list of one's rooms. */
export interface RoomList extends Readable<RoomListSnapshot> {
  loadMore(): Promise<void>;
}

/** One person's connection to one server. */
export interface Client extends Readable<ClientSnapshot> {
  readonly rooms: RoomList;
  /** Everybody whose name is known, by id. */
  readonly people: Readable<ReadonlyMap<string, Person>>;
  /** Connects; also after `closed`. */
  start(): void;
  /** Ends the connection and all timers. What is queued stays in the store. */
  stop(): void;
  /** Ends a wait and tries at once; while live it checks that the connection answers. */
  retryNow(): void;
  /** Says whether nobody is at this screen. Kept over reconnects; others see a person as away once all their windows are left. */
  setAway(on: boolean): void;
  on<K extends keyof ClientEvents>(event: K, listener: (value: ClientEvents[K]) => void): () => void;
  room(id: string): Room;
  /** Creates a room (a direct one is found again rather than made twice) and gives its id. */
  create(room: { readonly kind: RoomKind; readonly name?: string; readonly members?: readonly string[] }): Promise<string>;
  join(room: string): Promise<void>;
  /** Public rooms that one may join. */
  browse(options?: { readonly query?: string; readonly after?: string; readonly limit?: number }): Promise<Page<RoomInfo>>;
  /** People by name, as the server's directory allows. */
  findPeople(query: string, limit?: number): Promise<readonly Person[]>;
  /** Looks up names not known yet; the answers land in `people`. */
  lookUp(ids: readonly string[]): Promise<void>;
  search(
    query: string,
    options?: { readonly room?: string; readonly sort?: "newest" | "best"; readonly after?: string; readonly limit?: number },
  ): Promise<Hits>;
  /** Resolves when nothing is queued any more. */
  drained(): Promise<void>;
}
