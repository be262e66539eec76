/**
 * Text to command, as the real server reads it: what is missing or of another kind is refused with the protocol's codes.
 * Used by the sessions.
 */
import type { Command } from "../protocol.generated.js";
import { invalid, Refusal } from "./refusal.js";

type Check = (value: unknown) => boolean;

const text: Check = (value) => typeof value === "string";
const integer: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const flag: Check = (value) => typeof value === "boolean";
const room: Check = (value) => text(value) && /^[A-Za-z0-9_.-]{1,64}$/.test(value as string);
const cid: Check = (value) => text(value) && /^[\x21-\x7e]{1,64}$/.test(value as string);
const person: Check = (value) => text(value) && value !== "";
const people: Check = (value) => Array.isArray(value) && value.every(person);
const eventId: Check = (value) => text(value) && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value as string);
const kind: Check = (value) => value === "direct" || value === "group" || value === "public";
const positions: Check = (value) => typeof value === "object" && !Array.isArray(value) && Object.values(value!).every(isPosition);

function isPosition(value: unknown): boolean {
  const { epoch, seq } = (value ?? {}) as Record<string, unknown>;
  return text(epoch) && integer(seq);
}

/** The fields of each command; those of the second object may be absent or null. */
const FIELDS: Record<Command["type"], readonly [Record<string, Check>, Record<string, Check>?]> = {
  hello: [{}, { token: text, resume: positions, keepalive: flag, device: text }],
  resume: [{ positions }],
  rooms: [{}, { after: text, limit: integer }],
  send: [{ room, cid, body: text }, { reply_to: eventId }],
  edit: [{ room, cid, message: eventId, body: text }],
  delete: [{ room, cid, message: eventId }],
  create: [{ cid, kind }, { name: text, members: people }],
  join: [{ room, cid }],
  leave: [{ room, cid }],
  invite: [{ room, cid, users: people }],
  remove: [{ room, cid, users: people }],
  rename: [{ room, cid, name: text }],
  members: [{ room }, { after: person, limit: integer }],
  people: [{}, { ids: people, query: text, limit: integer }],
  browse: [{}, { query: text, after: text, limit: integer }],
  search: [{ query: text }, { room, sort: text, after: text, limit: integer }],
  read: [{ room, seq: integer }],
  typing: [{ room }],
  away: [{ on: flag }],
  history: [{ room }, { before: integer, after: integer, limit: integer }],
  ping: [{}],
  pong: [{}],
};

/** A command with the number that its answer carries. */
export interface Numbered {
  readonly id: number | undefined;
  /** The command, or why there is none. */
  readonly command: Command | Refusal;
}

/** Reads one text. */
export function parse(input: string): Numbered {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(input) as Record<string, unknown>;
  } catch {
    return { id: undefined, command: new Refusal("bad_json") };
  }
  if (typeof fields !== "object" || fields === null || Array.isArray(fields)) return { id: undefined, command: new Refusal("bad_json") };
  const { id, ...rest } = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
  if (id !== undefined && !integer(id)) return { id: undefined, command: invalid("`id` is not allowed like this") };
  const { type = "" } = rest;
  if (typeof type !== "string") return { id: undefined, command: invalid("`type` is not allowed like this") };
  return { id: id as number | undefined, command: commandOf(type, rest) };
}

function commandOf(type: string, fields: Record<string, unknown>): Command | Refusal {
  if (type === "") return invalid("the field `type` is missing");
  if (!Object.hasOwn(FIELDS, type)) return new Refusal("unknown_type");
  const [required, optional = {}] = FIELDS[type as Command["type"]];
  for (const [name, check] of Object.entries(required)) {
    if (!check(fields[name])) return invalid(`the field \`${name}\` is missing or not allowed like this`);
  }
  for (const [name, check] of Object.entries(optional)) {
    if (fields[name] !== undefined && !check(fields[name])) return invalid(`the field \`${name}\` is not allowed like this`);
  }
  return fields as Command;
}
