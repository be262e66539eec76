/**
 * The rules of the commands that change something, as the real server has them: who may do what, what a cid is
 * answered that was carried out already. Called by the sessions, and by the test server for what a backend does.
 */
import type { Ack, Command, RoomKind } from "../protocol.generated.js";
import { invalid, Refusal } from "./refusal.js";
import type { Answered, Content, TestRoom } from "./room.js";

/** Largest message, in bytes of UTF-8. */
const MESSAGE_BYTES = 65_536;
/** Characters of a name. */
const NAME_CHARS = 80;
/** People in one list. */
const LIST = 100;

type Of<T extends Command["type"]> = Extract<Command, { type: T }>;
type InRoom = Of<"send" | "edit" | "delete" | "join" | "leave" | "invite" | "remove" | "rename">;
/** Commands that change something durable. */
export type Durable = InRoom | Of<"create">;

/** What the rules need of the server. */
export interface RulesWorld {
  readonly rooms: ReadonlyMap<string, TestRoom>;
  /** Cids of `create`, which belong to no room. */
  readonly creations: Map<string, Answered>;
  isPerson(id: string): boolean;
  newRoom(kind: RoomKind, name: string | undefined, id?: string): TestRoom;
  /** Stores an event and tells everybody. */
  commit(room: TestRoom, content: Content): Ack;
}

/** Carries out a command, once for each cid. */
export function carryOut(world: RulesWorld, user: string, command: Durable): Ack {
  check(command);
  if (command.type === "create") return create(world, user, command);
  const room = world.rooms.get(command.room);
  if (!room) throw new Refusal("not_found");
  const { cid } = command;
  return once(room.cids, `${user} ${cid}`, command, () => change(world, room, user, command));
}

/** What was carried out is answered so for ever, whatever changed since. */
function once(cids: Map<string, Answered>, key: string, command: Durable, act: () => Ack): Ack {
  const what = fingerprint(command);
  const known = cids.get(key);
  if (known && known.what !== what) throw new Refusal("cid_conflict");
  if (known) return known.ack;
  const ack = act();
  cids.set(key, { what, ack });
  return ack;
}

function fingerprint({ type, ...fields }: Durable): string {
  const { body, reply_to, message, users, name, kind, members } = fields as Record<string, unknown>;
  return JSON.stringify([type, body, reply_to, message, users, name, kind, members && [...new Set(members as string[])].sort()]);
}

/** What is refused before the store is asked. */
function check(command: Durable): void {
  if ("body" in command) {
    if (new TextEncoder().encode(command.body).length > MESSAGE_BYTES) throw new Refusal("too_large", "the text is too long");
    if (command.body.trim() === "") throw invalid("the `body` of a message must not be empty");
  }
  if ("name" in command && command.name !== undefined && !isName(command.name)) {
    throw invalid(`a name must be 1 to ${NAME_CHARS} visible characters`);
  }
  const list = command.type === "create" ? command.members : "users" in command ? command.users : undefined;
  if (list && list.length > LIST) throw invalid(`a list can name at most ${LIST} people`);
  if ("users" in command && command.users.length === 0) throw invalid("`users` must name somebody");
}

function isName(name: string): boolean {
  const trimmed = name.trim();
  return trimmed !== "" && [...trimmed].length <= NAME_CHARS && !/[\p{Cc}\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/u.test(trimmed);
}

function create(world: RulesWorld, user: string, command: Of<"create">): Ack {
  const { cid, kind, members = [] } = command;
  const name = command.name?.trim();
  if (kind === "direct" && members.length !== 1) throw invalid("a direct room needs exactly one other person in `members`");
  if (kind === "direct" && members[0] === user) throw invalid("a direct room needs another person than yourself");
  if (kind === "direct" && name !== undefined) throw invalid("a direct room has no `name`");
  if (kind === "public" && name === undefined) throw invalid("a public room needs a `name`");
  return once(world.creations, `${user} ${cid}`, command, () => {
    const unknown = members.find((member) => !world.isPerson(member));
    if (unknown !== undefined) throw invalid("there is no such person");
    const pair = kind === "direct" ? pairOf(world, user, members[0]!) : undefined;
    if (pair) return pair.ackOf(pair.get(1)!);
    const room = world.newRoom(kind, name);
    const people = [...new Set([user, ...members])];
    const role = (person: string) => (person === user && kind !== "direct" ? "owner" : "member");
    const changes = people.map((person) => ({ user: person, change: "joined" as const, role: role(person) as "owner" | "member" }));
    return world.commit(room, { kind: "member", from: user, cid, changes });
  });
}

/** The direct room of two people. */
function pairOf({ rooms }: RulesWorld, one: string, other: string): TestRoom | undefined {
  return [...rooms.values()].find(({ kind, members }) => kind === "direct" && members.has(one) && members.has(other));
}

function change(world: RulesWorld, room: TestRoom, user: string, command: InRoom): Ack {
  if (command.type === "join") return join(world, room, user, command);
  if (!room.members.has(user)) throw new Refusal("not_found");
  const { cid } = command;
  const from = user;
  switch (command.type) {
    case "send": {
      const { body, reply_to } = command;
      if (reply_to !== undefined) room.message(reply_to, user);
      return world.commit(room, { kind: "message", from, cid, body, ...(reply_to !== undefined && { reply_to }) });
    }
    case "edit": {
      const { id: message, seq: of } = changeable(room, user, command.message, false);
      return world.commit(room, { kind: "edit", from, cid, message, of, body: command.body });
    }
    case "delete": {
      const { id: message, seq: of } = changeable(room, user, command.message, true);
      return world.commit(room, { kind: "delete", from, cid, message, of });
    }
    case "leave":
      if (room.kind === "direct") throw new Refusal("forbidden");
      return world.commit(room, { kind: "member", from, cid, changes: [{ user, change: "left" }] });
    case "rename":
      checkAdmin(room, user);
      return world.commit(room, { kind: "rename", from, cid, name: command.name.trim() });
    case "invite":
      return invite(world, room, from, command);
    case "remove":
      return remove(world, room, from, command);
  }
}

/** A message that this person may change: its author, or who runs the room where that is enough. */
function changeable(room: TestRoom, user: string, id: string, isForAdmins: boolean): { readonly id: string; readonly seq: number } {
  const message = room.message(id, user);
  const isAdmin = isForAdmins && room.members.get(user)?.role !== "member";
  if (message.from !== user && !isAdmin) throw new Refusal("forbidden");
  if (message.deleted) throw new Refusal("deleted");
  return message;
}

function checkAdmin(room: TestRoom, user: string): void {
  if (room.members.get(user)?.role === "member" || room.kind === "direct") throw new Refusal("forbidden");
}

function join(world: RulesWorld, room: TestRoom, user: string, { cid }: Of<"join">): Ack {
  const known = room.members.get(user);
  if (known) return alreadyIn(room, known);
  if (room.kind !== "public") throw new Refusal("not_found");
  return world.commit(room, { kind: "member", from: user, cid, changes: [{ user, change: "joined", role: "member" }] });
}

/** Nothing to do: the answer is the event that brought the person in, or the oldest that is left. */
function alreadyIn(room: TestRoom, { joined }: { readonly joined: number }): Ack {
  return room.ackOf(room.get(Math.max(joined, room.first))!);
}

function invite(world: RulesWorld, room: TestRoom, from: string, { cid, users }: Of<"invite">): Ack {
  if (room.kind === "direct") throw new Refusal("forbidden");
  if (!users.every((user) => world.isPerson(user))) throw invalid("there is no such person");
  const fresh = [...new Set(users)].filter((user) => !room.members.has(user));
  if (fresh.length === 0) return alreadyIn(room, room.members.get(users[0]!)!);
  const changes = fresh.map((user) => ({ user, change: "joined" as const, role: "member" as const }));
  return world.commit(room, { kind: "member", from, cid, changes });
}

function remove(world: RulesWorld, room: TestRoom, from: string, { cid, users }: Of<"remove">): Ack {
  checkAdmin(room, from);
  const members = [...new Set(users)].filter((user) => room.members.has(user));
  if (members.some((user) => user !== from && room.members.get(user)?.role === "owner")) throw new Refusal("forbidden");
  if (members.length === 0) throw new Refusal("not_found");
  return world.commit(room, { kind: "member", from, cid, changes: members.map((user) => ({ user, change: "removed" as const })) });
}
