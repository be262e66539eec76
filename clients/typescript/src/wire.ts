/**
 * The words on the wire as this SDK uses them: names for the types that are generated from the server's own, and the
 * one place where text becomes a frame. Knows no state and never throws: what is not a frame is null.
 */
import type * as generated from "./protocol.generated.js";

export type {
  Goodbye,
  MemberChange,
  Position,
  Presence,
  Role,
  RoomKind,
  Person as WirePerson,
  RoomInfo as WireRoom,
} from "./protocol.generated.js";

/** One durable change of a room. */
export type WireEvent = generated.event | UnknownEvent;
/** A message; in pages and resumes as it is now. A deleted one has an empty body. */
export type MessageEvent = Extract<generated.event, { kind: "message" }>;
/** People came or went; an invitation is `joined` with the inviter as `from`. */
export type MemberEvent = Extract<generated.event, { kind: "member" }>;
/** A kind that this version does not know: it still takes its place in the order. */
export type UnknownEvent = Omit<generated.event, "kind"> & { readonly kind: "unknown" };

type Frame<T extends generated.Reply["type"]> = Extract<generated.Reply, { type: T }>;

/** Everything the server may send. */
export type ServerFrame = WireEvent | generated.Reply;
/** A frame that answers a command by its `id`. */
export type Reply = Frame<"ack" | "page" | "members" | "people" | "rooms" | "hits" | "pong" | "error">;
export type Welcome = Frame<"welcome">;
export type Ack = Frame<"ack">;
export type PageReply = Frame<"page">;
export type RoomsReply = Frame<"rooms">;
export type ReceiptFrame = Frame<"receipt">;
export type ResetFrame = Frame<"reset">;

type Answered =
  | "send"
  | "edit"
  | "delete"
  | "create"
  | "join"
  | "leave"
  | "invite"
  | "remove"
  | "rename"
  | "members"
  | "people"
  | "browse"
  | "rooms"
  | "search"
  | "history";

/** Commands that get an answer. The connection adds `id`. */
export type Request = Extract<generated.Command, { type: Answered }>;
/** Commands without an answer (but an `error` where refused). */
export type Command = Exclude<generated.Command, { type: Answered }>;

const kinds: ReadonlySet<string> = new Set<WireEvent["kind"]>(["message", "edit", "delete", "rename", "member"]);

/**
 * Text to frame. Null when it is not a frame. Only what the SDK's own order depends on is checked here; what people
 * write is checked by the server.
 */
export function parseFrame(text: string): ServerFrame | null {
  let frame: ServerFrame;
  try {
    frame = JSON.parse(text) as ServerFrame;
  } catch {
    return null;
  }
  if (typeof frame?.type !== "string") return null;
  if (frame.type !== "event") return frame;
  if (!Number.isSafeInteger(frame.seq)) return null;
  return kinds.has(frame.kind) ? frame : { ...frame, kind: "unknown" };
}

/** The last eight characters of an event's id, by which the server knows whether its history is ours. */
export function checkOf(eventId: string): string {
  return eventId.slice(-8);
}
