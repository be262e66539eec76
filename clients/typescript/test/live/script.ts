/**
 * The conversation that the conformance test has with both servers: each command of the protocol as it is meant, as it
 * may not be, and again. Every step is one connection's; what it refers to is read from what came before.
 */
import type { Json } from "./wires.js";

/** What a step may look at. */
export interface Known {
  token(user: string): string;
  frames(on: string): readonly Json[];
}

/** Commands on one connection, whose frames on all of them are then compared. */
export interface Step {
  readonly label: string;
  readonly on: string;
  /** Opens the connection anew. */
  readonly open?: true;
  /** Objects, or text as it stands. */
  readonly say: (known: Known) => readonly (Json | string)[];
}

const ack = (known: Known, on: string, id: number): Json => known.frames(on).find((frame) => frame["type"] === "ack" && frame["id"] === id) ?? {};
const room = (known: Known, id = 1): unknown => ack(known, "ann", id)["room"];
const message = (known: Known, on: string, id: number): unknown => ack(known, on, id)["message"];

function step(label: string, on: string, say: Step["say"]): Step {
  return { label, on, say };
}

function hello(on: string, user: string, more: (known: Known) => Json = () => ({})): Step {
  return { label: `${on} says hello`, on, open: true, say: (known) => [{ type: "hello", token: known.token(user), ...more(known) }] };
}

/** Commands in the room that ann made first. */
function inOps(label: string, on: string, ...commands: ((known: Known) => Json)[]): Step {
  return step(label, on, (known) => commands.map((command) => ({ room: room(known), ...command(known) })));
}

const plain = (command: Json) => (): Json => command;

const makingRooms: Step[] = [
  step("a group is made, again, and under the same cid another one", "ann", () => [
    { type: "create", id: 1, cid: "c-1", kind: "group", name: " Ops ", members: ["bob"] },
    { type: "create", id: 2, cid: "c-1", kind: "group", name: " Ops ", members: ["bob"] },
    { type: "create", id: 3, cid: "c-1", kind: "group", name: "Other", members: ["bob"] },
  ]),
  step("rooms that cannot be", "ann", () => [
    { type: "create", id: 4, cid: "c-2", kind: "group", members: ["nobody"] },
    { type: "create", id: 5, cid: "c-3", kind: "direct" },
    { type: "create", id: 6, cid: "c-4", kind: "direct", members: ["ann"] },
    { type: "create", id: 7, cid: "c-5", kind: "direct", members: ["bob"], name: "Us" },
    { type: "create", id: 8, cid: "c-6", kind: "public" },
    { type: "create", id: 9, cid: "c-7", kind: "group", name: "\u200b" },
    { type: "create", id: 10, cid: "c-8", kind: "club" },
  ]),
];

const talking: Step[] = [
  inOps(
    "a message, again, and under the same cid another one", "ann",
    plain({ type: "send", id: 11, cid: "m-1", body: "hello" }),
    plain({ type: "send", id: 12, cid: "m-1", body: "hello" }),
    plain({ type: "send", id: 13, cid: "m-1", body: "other" }),
  ),
  inOps(
    "what is no message", "ann",
    plain({ type: "send", id: 14, cid: "m-2", body: " \n" }),
    plain({ type: "send", id: 15, cid: "m-3", body: "x".repeat(65_537) }),
    plain({ type: "send", id: 16, cid: "m-4" }),
  ),
  inOps("a stranger sends", "cleo", plain({ type: "send", id: 17, cid: "m-5", body: "let me in" })),
  step("to no room", "ann", () => [{ type: "send", id: 18, room: "nowhere", cid: "m-6", body: "hello?" }]),
  inOps(
    "answers", "bob",
    (known) => ({ type: "send", id: 19, cid: "m-7", body: "hi", reply_to: message(known, "ann", 11) }),
    plain({ type: "send", id: 20, cid: "m-8", body: "?", reply_to: "0193a5f0-7c1e-7d2a-9b3c-000000000001" }),
  ),
  inOps(
    "edits", "ann",
    (known) => ({ type: "edit", id: 21, cid: "e-1", message: message(known, "ann", 11), body: "hello all" }),
    (known) => ({ type: "edit", id: 22, cid: "e-2", message: message(known, "bob", 19), body: "no" }),
  ),
  inOps(
    "deletes", "bob",
    (known) => ({ type: "delete", id: 23, cid: "d-1", message: message(known, "ann", 11) }),
    (known) => ({ type: "delete", id: 24, cid: "d-2", message: message(known, "bob", 19) }),
    (known) => ({ type: "delete", id: 25, cid: "d-3", message: message(known, "bob", 19) }),
  ),
  inOps(
    "an owner deletes, and nobody edits what is deleted", "ann",
    (known) => ({ type: "delete", id: 26, cid: "d-4", message: message(known, "ann", 11) }),
    (known) => ({ type: "edit", id: 27, cid: "e-3", message: message(known, "ann", 11), body: "again" }),
  ),
  inOps(
    "pages", "bob",
    plain({ type: "history", id: 30 }),
    plain({ type: "history", id: 31, before: 4, limit: 2 }),
    plain({ type: "history", id: 32, after: 2, limit: 2 }),
    plain({ type: "history", id: 33, after: 2, before: 9 }),
    plain({ type: "history", id: 34, after: 99 }),
    plain({ type: "history", id: 35, limit: 0 }),
  ),
  inOps("a page for a stranger", "cleo", plain({ type: "history", id: 36 })),
];

const around: Step[] = [
  inOps(
    "a marker moves, and back it does not", "bob",
    plain({ type: "read", seq: 3 }),
    plain({ type: "read", seq: 2 }),
    plain({ type: "read", seq: 99 }),
  ),
  inOps("typing", "bob", plain({ type: "typing" })),
  step("away and back", "bob", () => [{ type: "away", on: true }, { type: "away", on: true }, { type: "away", on: false }]),
  step("a ping, and what needs no answer", "bob", () => [{ type: "ping", id: 40 }, { type: "pong" }, { type: "ping" }]),
];

const members: Step[] = [
  inOps(
    "brings in", "bob",
    plain({ type: "invite", id: 50, cid: "i-1", users: ["cleo"] }),
    plain({ type: "invite", id: 51, cid: "i-2", users: ["cleo", "ann"] }),
    plain({ type: "invite", id: 52, cid: "i-3", users: ["nobody"] }),
    plain({ type: "invite", id: 53, cid: "i-4", users: [] }),
  ),
  inOps(
    "a newcomer sees what came since", "cleo",
    plain({ type: "history", id: 54 }),
    plain({ type: "send", id: 55, cid: "m-9", body: "thanks" }),
    (known) => ({ type: "send", id: 56, cid: "m-10", body: "what was that?", reply_to: message(known, "ann", 11) }),
  ),
  inOps(
    "who is in", "cleo",
    plain({ type: "members", id: 57 }),
    plain({ type: "members", id: 58, limit: 2 }),
    plain({ type: "members", id: 59, after: "ann" }),
  ),
  inOps("names", "ann", plain({ type: "rename", id: 60, cid: "n-1", name: " Operations " }), plain({ type: "rename", id: 61, cid: "n-2", name: "" })),
  inOps(
    "what a member may not", "bob",
    plain({ type: "rename", id: 62, cid: "n-3", name: "Mine" }),
    plain({ type: "remove", id: 63, cid: "x-1", users: ["cleo"] }),
  ),
  inOps(
    "takes out", "ann",
    plain({ type: "remove", id: 64, cid: "x-2", users: ["cleo", "nobody"] }),
    plain({ type: "remove", id: 65, cid: "x-2", users: ["cleo", "nobody"] }),
    plain({ type: "remove", id: 66, cid: "x-3", users: ["cleo"] }),
  ),
  inOps(
    "one who was removed is a stranger, but for what was done before", "cleo",
    plain({ type: "send", id: 67, cid: "m-9", body: "thanks" }),
    plain({ type: "send", id: 68, cid: "m-11", body: "hey" }),
    plain({ type: "join", id: 69, cid: "j-1" }),
    plain({ type: "members", id: 70 }),
  ),
];

const others: Step[] = [
  step("a direct room", "ann", () => [{ type: "create", id: 80, cid: "c-20", kind: "direct", members: ["bob"] }]),
  step("is the same from the other side", "bob", () => [{ type: "create", id: 81, cid: "c-21", kind: "direct", members: ["ann"] }]),
  step("and nobody leaves, names or opens it", "bob", (known) => [
    { type: "leave", id: 82, cid: "l-1", room: room(known, 80) },
    { type: "rename", id: 83, cid: "n-4", room: room(known, 80), name: "Us" },
    { type: "invite", id: 84, cid: "i-5", room: room(known, 80), users: ["cleo"] },
  ]),
  step("a public room", "ann", () => [{ type: "create", id: 85, cid: "c-22", kind: "public", name: "Harbour" }]),
  step(
    "is found",
    "cleo",
    () => [{ type: "browse", id: 86, query: " harb" }, { type: "browse", id: 87, query: "nothing" }, { type: "browse", id: 88 }],
  ),
  step("and entered", "cleo", (known) => [{ type: "join", id: 89, cid: "j-2", room: room(known, 85) }]),
  step("once", "cleo", (known) => [
    { type: "join", id: 90, cid: "j-3", room: room(known, 85) },
    { type: "send", id: 91, cid: "m-12", room: room(known, 85), body: "ahoy" },
  ]),
  step("with all that was", "cleo", (known) => [{ type: "history", id: 92, room: room(known, 85) }, { type: "rooms", id: 93 }]),
  step("and left", "cleo", (known) => [
    { type: "leave", id: 94, cid: "l-2", room: room(known, 85) },
    { type: "leave", id: 95, cid: "l-3", room: room(known, 85) },
    { type: "leave", id: 96, cid: "l-2", room: room(known, 85) },
  ]),
  step(
    "people",
    "bob",
    () => [{ type: "people", id: 97, ids: ["ann", "cleo", "nobody"] }, { type: "people", id: 98, query: "cl" }, { type: "people", id: 99 }],
  ),
];

const malformed: Step[] = [
  step("what is no command", "bob", () => [
    ...["nope", "[1]", '{"type":"ping"', '{"type":"nope","id":1}', '{"id":2}', '{"type":5,"id":3}', '{"type":"ping","id":-1}'],
    ...['{"type":"read","id":4,"room":"r","seq":-4}', '{"type":"send","id":5,"room":"no/slash","cid":"c","body":"x"}', '{"type":"toString","id":6}'],
    { type: "hello", id: 7 },
  ]),
  { label: "a first command that is no hello", on: "dan", open: true, say: () => [{ type: "ping", id: 1 }] },
  { label: "a first text that is nothing", on: "dan", open: true, say: () => ["nope"] },
  { label: "a token that is none", on: "dan", open: true, say: () => [{ type: "hello", id: 2, token: "nobody's" }] },
];

const last = (known: Known): Json => known.frames("ann").findLast((frame) => frame["type"] === "event" && frame["room"] === room(known)) ?? {};
const position = (known: Known, more: Json = {}): Json => {
  const { epoch, seq, id } = last(known);
  return { epoch, seq, check: String(id).slice(-8), ...more };
};
const earlier = (known: Known): Json => {
  const event = known.frames("bob").find((frame) => frame["type"] === "event" && frame["room"] === room(known)) ?? {};
  return { epoch: event["epoch"], seq: event["seq"], check: String(event["id"]).slice(-8) };
};
const from = (make: (known: Known) => Json) => (known: Known): Json => ({ resume: { [String(room(known))]: make(known) } });

const resuming: Step[] = [
  hello("bob-2", "bob", from(earlier)),
  hello("bob-2", "bob", from((known) => position(known))),
  hello("bob-2", "bob", from((known) => position(known, { seq: 5_000, check: undefined }))),
  hello("bob-2", "bob", from((known) => position(known, { epoch: "0123456789abcdef" }))),
  hello("bob-2", "bob", from((known) => position(known, { check: "00000000" }))),
  hello("bob-2", "bob", from((known) => position(known, { seq: 0, check: undefined }))),
  hello("cleo-2", "cleo", from((known) => position(known))),
  hello("ann-2", "ann"),
  step("further positions", "ann-2", (known) => [{ type: "resume", positions: { [String(room(known))]: earlier(known), nowhere: position(known) } }]),
  inOps("both windows hear", "ann-2", plain({ type: "send", id: 100, cid: "m-20", body: "from the other window" }), plain({ type: "read", seq: 99 })),
  inOps(
    "so many that a resume is too far", "ann-2",
    ...Array.from({ length: 1_100 }, (_, index) => plain({ type: "send", id: 1_000 + index, cid: `many-${index}`, body: `m${index}` })),
  ),
  hello("bob-2", "bob", from(earlier)),
];

/** All of it, in order. */
export const script: readonly Step[] = [
  ...[hello("ann", "ann"), hello("bob", "bob"), hello("cleo", "cleo")],
  ...[makingRooms, talking, around, members, others, malformed, resuming].flat(),
];
