/**
 * The commands of the test server that only read: pages of rooms, logs, members and people. Every one sees what the
 * asking person may see. Called by the sessions.
 */
import type { Command, event, Member, Person, Presence, Reply, RoomInfo } from "../protocol.generated.js";
import { invalid, Refusal } from "./refusal.js";
import type { TestRoom } from "./room.js";

/** Up to so many members, markers and presence are told. */
const SMALL = 64;

type Of<T extends Command["type"]> = Extract<Command, { type: T }>;
type Answer<T extends Reply["type"]> = Extract<Reply, { type: T }>;
/** Commands that only read. */
export type Reading = Of<"rooms" | "browse" | "history" | "members" | "people" | "search">;

/** What the reads need of the server. */
export interface ReadsWorld {
  readonly rooms: ReadonlyMap<string, TestRoom>;
  /** Names by id. */
  readonly people: ReadonlyMap<string, string>;
  presence(user: string): Presence;
}

/** Answers a command that only reads. */
export function answerOf(world: ReadsWorld, user: string, command: Reading): Reply {
  switch (command.type) {
    case "rooms":
      return roomsPage(world, ownRooms(world, user), command, user);
    case "browse": {
      const part = (command.query ?? "").trim().toLowerCase();
      const found = [...world.rooms.values()].filter(({ kind, name }) => kind === "public" && name?.toLowerCase().includes(part));
      return roomsPage(world, found, command, user);
    }
    case "history":
      return history(world, user, command);
    case "members":
      return members(world, user, command);
    case "people":
      return peopleFound(world, user, command);
    case "search":
      return search(world, user, command);
  }
}

/** A person's rooms. */
export function ownRooms({ rooms }: ReadsWorld, user: string): TestRoom[] {
  return [...rooms.values()].filter(({ members }) => members.has(user));
}

/** A page of rooms, the latest activity first. */
export function roomsPage(
  world: ReadsWorld,
  rooms: readonly TestRoom[],
  { after, limit }: { readonly after?: string; readonly limit?: number },
  user: string,
): Answer<"rooms"> {
  const order = [...rooms].sort((left, right) => right.at - left.at || (left.id < right.id ? 1 : -1));
  const start = after === undefined ? 0 : order.findIndex((room) => isBelow(room, after));
  const rest = start < 0 ? [] : order.slice(start);
  const count = bounded(limit, 100, 100);
  const page = rest.slice(0, count).map((room) => room.info(user));
  const more = rest.length > count;
  const last = page.at(-1);
  const people = known(world, page.flatMap(mentionedIn)).map((person) => ({ ...person, presence: world.presence(person.id) }));
  return { type: "rooms", rooms: page, more, ...(more && last && { after: `${last.at} ${last.id}` }), people };
}

function isBelow({ at, id }: TestRoom, cursor: string): boolean {
  const [time = "", room = ""] = cursor.split(" ");
  if (!/^\d+$/.test(time)) throw invalid("`after` is no cursor");
  return at < Number(time) || (at === Number(time) && id < room);
}

/** Who is mentioned by what is told of a room. */
export function mentionedIn({ last, peer }: RoomInfo): string[] {
  return [...(last ? [last.from] : []), ...(peer === undefined ? [] : [peer])];
}

/** Whom an event mentions. */
export function mentioned(each: event): string[] {
  return [each.from, ...(each.kind === "member" ? each.changes.map(({ user }) => user) : [])];
}

/** People of these ids with their names. */
export function known({ people }: Pick<ReadsWorld, "people">, ids: readonly string[]): Person[] {
  return [...new Set(ids)].sort().flatMap((id) => (people.has(id) ? [{ id, name: people.get(id)! }] : []));
}

function roomOf({ rooms }: ReadsWorld, user: string, id: string): TestRoom {
  const room = rooms.get(id);
  if (!room?.members.has(user)) throw new Refusal("not_found");
  return room;
}

function history(world: ReadsWorld, user: string, { room: id, before, after, limit }: Of<"history">): Answer<"page"> {
  if (before !== undefined && after !== undefined) throw invalid("give `before` or `after`, not both");
  const room = roomOf(world, user, id);
  const count = bounded(limit, 50, 200);
  const all = after === undefined ? room.between(user, 1, (before ?? room.head + 1) - 1) : room.between(user, after + 1, room.head);
  const events = after === undefined ? all.slice(-count) : all.slice(0, count);
  const [first, head] = [room.seesFrom(user), room.head];
  const pruned = room.first > 1 && first === room.first;
  const page = { type: "page" as const, room: id, epoch: room.epoch, first, head, events: [...events], more: all.length > count };
  return { ...page, ...(pruned && { pruned }), people: known(world, events.flatMap(mentioned)) };
}

function members(world: ReadsWorld, user: string, { room: id, after, limit }: Of<"members">): Answer<"members"> {
  const room = roomOf(world, user, id);
  const all = room.list();
  const start = after === undefined ? 0 : all.findIndex((member) => member.id === after) + 1;
  const count = bounded(limit, 100, 100);
  const isSmall = all.length <= SMALL;
  const member = (each: (typeof all)[number]): Member => {
    const told = isSmall ? { read: each.read, presence: world.presence(each.id) } : {};
    return { id: each.id, name: world.people.get(each.id) ?? each.id, role: each.role, ...told };
  };
  const page = all.slice(start, start + count).map(member);
  return { type: "members", room: id, members: page, more: all.length > start + count, total: all.length };
}

function peopleFound(world: ReadsWorld, user: string, { ids, query, limit }: Of<"people">): Answer<"people"> {
  if ((ids === undefined) === (query === undefined)) throw invalid("give either `ids` or `query`");
  if (ids && ids.length > 100) throw invalid("at most 100 `ids` at once");
  const begins = (name: string): boolean => ` ${name.toLowerCase()}`.includes(` ${query?.trim().toLowerCase()}`);
  const found = ids?.filter((id) => id === user || sharesRoom(world, user, id));
  const order = ([, left]: [string, string], [, right]: [string, string]) => (left.toLowerCase() < right.toLowerCase() ? -1 : 1);
  const byName = [...world.people].filter(([, name]) => begins(name)).sort(order);
  const chosen = found ?? byName.map(([id]) => id).slice(0, bounded(limit, 20, 100));
  const people = chosen.flatMap((id) => known(world, [id])).map((person) => ({ ...person, presence: world.presence(person.id) }));
  return { type: "people", people };
}

function sharesRoom(world: ReadsWorld, one: string, other: string): boolean {
  return ownRooms(world, one).some(({ members: all }) => all.has(other));
}

/** Messages in which every word of the query begins some word, the newest first; no operators, no phrases, one page. */
function search(world: ReadsWorld, user: string, { query, room, limit }: Of<"search">): Answer<"hits"> {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (body: string): boolean => words.length > 0 && words.every((word) => ` ${body.toLowerCase()}`.includes(` ${word}`));
  const rooms = ownRooms(world, user).filter(({ id }) => room === undefined || id === room);
  const found = rooms.flatMap((each) => each.between(user, 1, each.head)).filter((each) => each.kind === "message" && fits(each.body));
  const count = bounded(limit, 50, 100);
  const hits = found.sort((left, right) => right.at - left.at || right.seq - left.seq).slice(0, count);
  return { type: "hits", hits, more: found.length > count, behind_ms: 0, people: known(world, hits.flatMap(mentioned)) };
}

function bounded(wanted: number | undefined, usual: number, most: number): number {
  return Math.min(most, Math.max(1, wanted ?? usual));
}
