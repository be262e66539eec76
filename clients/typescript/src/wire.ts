/**
 * The words on the wire: every command the SDK sends and every frame it understands, as TypeScript types,
 * and the one place where text becomes a frame. Knows no state and never throws: what is not a frame is null.
 */

/** Where one stands in a room: the last event seen. `check` is the end of that event's id. */
export interface Position {
  readonly epoch: string;
  readonly seq: number;
  readonly check?: string;
}

/** direct: two people, one room a pair; group: by invitation; public: anyone signed in may find and join it. */
export type RoomKind = "direct" | "group" | "public";

/** What a member may do in a room. */
export type Role = "owner" | "admin" | "member";

/** What happened to one person's membership. */
export interface MemberChange {
  readonly user: string;
  readonly change: "joined" | "left" | "removed";
  readonly role?: Role;
}

/** When an edit or a deletion changed a message: the position of the event that did it. */
export interface ChangedAt {
  readonly seq: number;
  readonly at: number;
}

/** A person as the wire names them. */
export interface WirePerson {
  readonly id: string;
  readonly name: string;
  readonly presence?: Presence;
}

export type Presence = "online" | "away" | "offline";

interface EventCommon {
  readonly type: "event";
  readonly room: string;
  readonly epoch: string;
  readonly seq: number;
  readonly id: string;
  readonly from: string;
  readonly cid?: string;
  readonly at: number;
  readonly people?: readonly WirePerson[];
}

/** A message; in pages and resumes as it is now. A deleted one has an empty body. */
export interface MessageEvent extends EventCommon {
  readonly kind: "message";
  readonly body: string;
  readonly reply_to?: string;
  /** The running number of messages in its room. */
  readonly n: number;
  readonly edited?: ChangedAt;
  readonly deleted?: ChangedAt;
}

/** A message got another text. `of` is its seq, `message` its id. */
export interface EditEvent extends EventCommon {
  readonly kind: "edit";
  readonly message: string;
  readonly of: number;
  readonly body: string;
}

/** A message was deleted. */
export interface DeleteEvent extends EventCommon {
  readonly kind: "delete";
  readonly message: string;
  readonly of: number;
}

/** The room got another name. */
export interface RenameEvent extends EventCommon {
  readonly kind: "rename";
  readonly name: string;
}

/** People came or went; an invitation is `joined` with the inviter as `from`. */
export interface MemberEvent extends EventCommon {
  readonly kind: "member";
  readonly changes: readonly MemberChange[];
}

/** A kind that this version does not know: it still takes its place in the order. */
export interface UnknownEvent extends EventCommon {
  readonly kind: "unknown";
}

/** One durable change of a room. */
export type WireEvent = MessageEvent | EditEvent | DeleteEvent | RenameEvent | MemberEvent | UnknownEvent;

/** A room as `welcome`, `rooms` and `room` describe it. */
export interface WireRoom {
  readonly id: string;
  readonly kind: RoomKind;
  readonly name?: string;
  readonly epoch: string;
  readonly first: number;
  readonly head: number;
  readonly read: number;
  readonly unread: number;
  readonly mentions: number;
  readonly members: number;
  readonly role?: Role;
  readonly peer?: string;
  readonly last?: MessageEvent;
  readonly at: number;
  readonly history?: "all" | "joined";
}

/** The answer to `hello`. */
export interface Welcome {
  readonly type: "welcome";
  readonly connection: string;
  readonly user: WirePerson;
  readonly time: number;
  readonly server: { readonly name: string; readonly version: string };
  readonly keepalive: { readonly interval_ms: number; readonly timeout_ms: number };
  readonly limits: Readonly<Record<string, number>>;
  readonly totals: { readonly rooms: number; readonly unread: number; readonly mentions: number };
  readonly rooms: readonly WireRoom[];
  /** Where the next page of `rooms` goes on; absent where these are all. */
  readonly after?: string;
  readonly people?: readonly WirePerson[];
}

/** Stored. Sent only after the commit. */
export interface Ack {
  readonly type: "ack";
  readonly id?: number;
  readonly room: string;
  readonly epoch?: string;
  readonly seq?: number;
  readonly message?: string;
  readonly at?: number;
}

/** A piece of a room's log, ascending. */
export interface PageReply {
  readonly type: "page";
  readonly id?: number;
  readonly room: string;
  readonly epoch: string;
  readonly first: number;
  readonly head: number;
  readonly events: readonly WireEvent[];
  readonly more: boolean;
  readonly people?: readonly WirePerson[];
}

export interface WireMember {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  /** Absent in large rooms. */
  readonly read?: number;
  readonly presence?: Presence;
  readonly seen?: number;
}

export interface MembersReply {
  readonly type: "members";
  readonly id?: number;
  readonly room: string;
  readonly members: readonly WireMember[];
  readonly more: boolean;
  readonly total: number;
}

export interface PeopleReply {
  readonly type: "people";
  readonly id?: number;
  readonly people: readonly WirePerson[];
}

export interface RoomsReply {
  readonly type: "rooms";
  readonly id?: number;
  readonly rooms: readonly WireRoom[];
  readonly more: boolean;
  readonly after?: string;
  readonly people?: readonly WirePerson[];
}

export interface HitsReply {
  readonly type: "hits";
  readonly id?: number;
  readonly hits: readonly MessageEvent[];
  readonly more: boolean;
  readonly people?: readonly WirePerson[];
}

export interface Pong {
  readonly type: "pong";
  readonly id?: number;
}

/** Anything refused. `retry` says whether the same command may succeed later. */
export interface WireError {
  readonly type: "error";
  readonly id?: number;
  readonly code: string;
  readonly message: string;
  readonly retry: boolean;
  readonly retry_after_ms?: number;
}

export type RoomFrame =
  | { readonly type: "room"; readonly change: "added"; readonly room: WireRoom; readonly people?: readonly WirePerson[] }
  | { readonly type: "room"; readonly change: "gone"; readonly id: string };

export interface TypingFrame {
  readonly type: "typing";
  readonly room: string;
  readonly users: readonly string[];
  readonly more?: number;
}

export interface ReceiptFrame {
  readonly type: "receipt";
  readonly room: string;
  readonly user: string;
  readonly seq: number;
}

export interface PresenceFrame {
  readonly type: "presence";
  readonly user: string;
  readonly state: Presence;
  readonly at: number;
}

/** The position given cannot be continued from. */
export interface ResetFrame {
  readonly type: "reset";
  readonly room: string;
  readonly reason: "epoch" | "future" | "pruned" | "too_far" | "gone";
  readonly epoch?: string;
  readonly first?: number;
  readonly head?: number;
}

/** The server is about to close; `after_ms` is when to come back. */
export interface Goodbye {
  readonly type: "goodbye";
  readonly code: number;
  readonly reconnect: boolean;
  readonly after_ms?: number;
}

/** A frame that answers a command by its `id`. */
export type Reply = Ack | PageReply | MembersReply | PeopleReply | RoomsReply | HitsReply | Pong | WireError;

/** Everything the server may send. */
export type ServerFrame =
  | Welcome
  | Reply
  | WireEvent
  | RoomFrame
  | TypingFrame
  | ReceiptFrame
  | PresenceFrame
  | ResetFrame
  | Goodbye
  | { readonly type: "ping" };

interface Durable {
  readonly room: string;
  readonly cid: string;
}

/** Commands that get an answer. The connection adds `id`. */
export type Request =
  | ({ readonly type: "send"; readonly body: string; readonly reply_to?: string } & Durable)
  | ({ readonly type: "edit"; readonly message: string; readonly body: string } & Durable)
  | ({ readonly type: "delete"; readonly message: string } & Durable)
  | {
      readonly type: "create";
      readonly cid: string;
      readonly kind: RoomKind;
      readonly name?: string;
      readonly members?: readonly string[];
    }
  | ({ readonly type: "join" | "leave" } & Durable)
  | ({ readonly type: "invite" | "remove"; readonly users: readonly string[] } & Durable)
  | ({ readonly type: "rename"; readonly name: string } & Durable)
  | { readonly type: "members"; readonly room: string; readonly after?: string; readonly limit: number }
  | { readonly type: "people"; readonly ids?: readonly string[]; readonly query?: string; readonly limit: number }
  | { readonly type: "browse"; readonly query?: string; readonly after?: string; readonly limit: number }
  | { readonly type: "rooms"; readonly after?: string; readonly limit: number }
  | {
      readonly type: "search";
      readonly query: string;
      readonly room?: string;
      readonly limit: number;
    }
  | { readonly type: "history"; readonly room: string; readonly before?: number; readonly after?: number; readonly limit: number }
  | { readonly type: "ping" };

/** Commands without an answer (but an `error` where refused). */
export type Command =
  | {
      readonly type: "hello";
      readonly token?: string;
      readonly resume?: Readonly<Record<string, Position>>;
      readonly keepalive?: boolean;
      readonly device?: string;
    }
  | { readonly type: "resume"; readonly positions: Readonly<Record<string, Position>> }
  | { readonly type: "read"; readonly room: string; readonly seq: number }
  | { readonly type: "typing"; readonly room: string }
  | { readonly type: "pong" };

const kinds = new Set(["message", "edit", "delete", "rename", "member"]);

/**
 * Text to frame. Null when it is not a frame or of a type unknown here, which a newer server may send.
 * Only what the SDK's own order depends on is checked; the server is the one that checks people's input.
 */
export function parseFrame(text: string): ServerFrame | null {
  let frame: ServerFrame & Record<string, unknown>;
  try {
    frame = JSON.parse(text) as typeof frame;
  } catch {
    return null;
  }
  if (typeof frame !== "object" || frame === null || typeof frame.type !== "string") return null;
  if (frame.type !== "event") return frame;
  if (!Number.isSafeInteger(frame.seq) || typeof frame.room !== "string" || typeof frame.epoch !== "string") return null;
  return knownEvent(frame);
}

/** An event of a kind unknown here keeps its place in the order and nothing else. */
export function knownEvent(event: WireEvent): WireEvent {
  return kinds.has(event.kind) ? event : { ...event, kind: "unknown" };
}

/** The last eight characters of an event's id, by which the server knows whether its history is ours. */
export function checkOf(eventId: string): string {
  return eventId.slice(-8);
}
