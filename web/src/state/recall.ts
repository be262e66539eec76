// What of the SDK's snapshots is kept on the device, and how it is shown until the server answers. Pure; used by keeping.svelte.ts.
import type { MemberItem, MessageItem, Person, RenameItem, RoomInfo, RoomListSnapshot, TimelineItem, TimelineSnapshot } from '@moorline/client';
import type { KeptList, KeptRoom, Names } from './kept.ts';

/** An item of a room's log: neither a gap nor what waits to be sent. */
export type LogItem = MessageItem | MemberItem | RenameItem;

type Known = ReadonlyMap<string, Person>;

/** Rooms in the kept list. */
export const mostListed = 100;
/** Messages kept of a room. */
export const mostItems = 50;
/** Letters of a room's last line. */
const mostLetters = 300;
/** Letters of all messages of one room: long ones are fewer. */
export const roomLetters = 262_144;

/** The list, the latest activity first. What is typed or waits is no part of it. */
export function listToKeep({ rooms, unread, mentions }: RoomListSnapshot, people: Known, at: number): KeptList {
  const kept = rooms.slice(0, mostListed).map(infoToKeep);
  const names = namesOf(kept.flatMap(({ peer, last }) => [peer, last?.from]), people);
  return { at, rooms: kept, unread, mentions, names };
}

/** The newest part of a timeline without a hole; undefined where nothing of it is known. */
export function roomToKeep({ info, items, status }: TimelineSnapshot, people: Known, at: number): KeptRoom | undefined {
  if (status !== 'ready' || !info) return undefined;
  const kept: LogItem[] = [];
  let letters = 0;
  for (let i = items.length - 1; i >= 0 && kept.length < mostItems; i -= 1) {
    const item = items[i];
    if (!item || item.type === 'gap') break;
    if (item.seq === undefined || (item.type === 'message' && item.state !== 'sent')) continue;
    letters += item.type === 'message' ? item.body.length : 0;
    if (letters > roomLetters && kept.length > 0) break;
    kept.unshift(item.type === 'message' ? storable(item) : item);
  }
  return { at, info: infoToKeep(info), items: kept, names: namesOf(kept.flatMap(peopleIn), people) };
}

/** Edits and deletions that happen while a room is not on screen. */
export function amended(kept: KeptRoom, of: number, change: Partial<MessageItem>): KeptRoom {
  return { ...kept, items: kept.items.map((item) => (item.type === 'message' && item.seq === of ? { ...item, ...change } : item)) };
}

/** The list until the server's own is there. `unsent` tells the latest own message of a room that is not in its log yet. */
export function recalledList(now: RoomListSnapshot, kept: KeptList, unsent: (room: string) => readonly MessageItem[]): RoomListSnapshot {
  const rooms = kept.rooms.map((room) => withUnsent(room, unsent(room.id))).sort((a, b) => b.at - a.at);
  return { ...now, rooms, unread: kept.unread, mentions: kept.mentions, ready: true };
}

/** A room until its first page is there: what is kept, then what waits to be sent. */
export function recalledRoom(now: TimelineSnapshot, kept: KeptRoom): TimelineSnapshot {
  const known = new Set(kept.items.map((item) => item.key));
  const items: TimelineItem[] = [...kept.items, ...now.items.filter((item) => !known.has(item.key))];
  const head = kept.items.at(-1)?.seq ?? 0;
  return { ...now, info: now.info ?? kept.info, items, head, read: Math.max(now.read, kept.info.read), error: undefined };
}

function infoToKeep(room: RoomInfo): RoomInfo {
  const last = room.last?.state === 'sent' ? { ...room.last, body: room.last.body.slice(0, mostLetters) } : undefined;
  return { ...room, last, typing: [], typingMore: 0, queued: 0, failed: 0 };
}

/** Why something failed is an object that storage does not take as it is; the outbox knows it. */
function storable({ error: _, change, ...item }: MessageItem): MessageItem {
  return change ? { ...item, change: { kind: change.kind, cid: change.cid, state: change.state } } : item;
}

function withUnsent(room: RoomInfo, unsent: readonly MessageItem[]): RoomInfo {
  const latest = unsent.at(-1);
  if (!latest) return room;
  const { from, body, at, state } = latest;
  const failed = unsent.filter((item) => item.state === 'failed').length;
  return { ...room, last: { from, body, at, state, deleted: false }, at: Math.max(room.at, at), queued: unsent.length - failed, failed };
}

function peopleIn(item: LogItem): string[] {
  return item.type === 'member' ? [item.from, ...item.changes.map(({ user }) => user)] : [item.from];
}

function namesOf(ids: readonly (string | undefined)[], people: Known): Names {
  const names: Record<string, string> = {};
  for (const id of ids) {
    const name = id === undefined ? undefined : people.get(id)?.name;
    if (id !== undefined && name !== undefined) names[id] = name;
  }
  return names;
}
