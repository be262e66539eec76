// Made-up people, rooms and messages for looking at the page without a server. Never part of the built page.
import { MoorlineError, type Member, type MessageItem, type Person, type RoomInfo, type TimelineItem } from '@moorline/client';

const today = (hour: number, minute: number, daysAgo = 0) => {
  const day = new Date();
  day.setHours(hour, minute, 0, 0);
  return day.getTime() - daysAgo * 86_400_000;
};

export const me: Person = { id: 'u_ada', name: 'Ada', presence: 'online' };

const named = (id: string, name: string, presence: Person['presence'], seen?: number): Person => ({ id, name, presence, seen });

export const people: Person[] = [
  me,
  named('u_jonas', 'Jonas', 'online'), named('u_mina', 'Mina', 'online'), named('u_ines', 'Ines', 'online'),
  named('u_kofi', 'Kofi', 'online'), named('u_priya', 'Priya', 'away'), named('u_tomas', 'Tomas', 'offline', today(9, 12)),
  named('u_lena', 'Lena', 'offline', today(18, 0, 1)), named('u_yusuf', 'Yusuf', 'offline', today(12, 0, 4)),
];

const base = { members: 8, head: 40, read: 40, unread: 0, mentions: 0, typing: [], typingMore: 0, queued: 0, failed: 0, role: 'member' as const };
const last = (from: string, body: string, at: number, state: 'sent' | 'queued' = 'sent') => ({ from, body, at, seq: 40, deleted: false, state });

function room(id: string, kind: RoomInfo['kind'], title: string, at: number, from: string, body: string, more: Partial<RoomInfo> = {}): RoomInfo {
  return { ...base, id, kind, title, name: kind === 'direct' ? undefined : title, at, last: last(from, body, at), ...more };
}

export const rooms: RoomInfo[] = [
  room('release', 'group', 'Release 2.4', today(9, 58), 'u_ines', 'Node two is draining now', { role: 'owner', typing: ['u_ines', 'u_mina'] }),
  room('mina', 'direct', 'Mina', today(9, 57), 'u_mina', 'On my way', { peer: 'u_mina', typing: ['u_mina'], members: 2 }),
  room('incidents', 'public', 'Incidents', today(9, 52), 'u_kofi', '@ada can you look at the proxy log from 09:40?', { unread: 12, mentions: 2, read: 28 }),
  room('design', 'group', 'Design', today(9, 31), 'u_lena', 'New icons are in the shared folder', { unread: 3, read: 37 }),
  room('tomas', 'direct', 'Tomas', today(9, 12), 'u_tomas', 'Thanks, that fixed it', { peer: 'u_tomas', members: 2 }),
  room('support', 'group', 'Support', today(8, 47), 'u_ada', 'The export is ready for you', { failed: 1 }),
  room('priya', 'direct', 'Priya', today(8, 20), 'u_ada', 'whiteboard photo is in the folder', { peer: 'u_priya', members: 2 }),
  room('django', 'group', 'Django migration', today(16, 3, 1), 'u_yusuf', 'Consumers moved, 14 rooms left', { unread: 28, read: 12 }),
  room('kofi', 'direct', 'Kofi', today(15, 40, 1), 'u_kofi', 'See you on Thursday then', { peer: 'u_kofi', members: 2 }),
  room('welcome', 'public', 'Welcome', today(11, 0, 4), 'u_jonas', 'Hello everybody', {}),
  room('jonas', 'direct', 'Jonas', today(10, 0, 4), 'u_ada', 'Sure, I will add you', { peer: 'u_jonas', members: 2 }),
  room('lunch', 'group', 'Lunch', today(12, 30, 5), 'u_lena', 'The place on the corner again?', {}),
  room('empty', 'group', 'Harvest party', today(8, 0, 6), 'u_ada', '', { last: undefined, members: 1, role: 'owner', head: 1 }),
];

export const publicRooms: RoomInfo[] = [
  ...rooms.filter((one) => one.kind === 'public'),
  room('books', 'public', 'Books', today(8, 0, 2), 'u_lena', '', { role: undefined, members: 23 }),
  room('running', 'public', 'Running on Thursdays', today(8, 0, 3), 'u_kofi', '', { role: undefined, members: 5 }),
  room('found', 'public', 'Lost and found', today(8, 0, 9), 'u_mina', '', { role: undefined, members: 112 }),
];

export const members: Member[] = people.map((person, index) => ({
  ...person,
  role: person.id === 'u_ada' ? 'owner' : person.id === 'u_ines' ? 'admin' : 'member',
  read: 40 - index,
}));

let seq = 0;
function said(from: string, at: number, body: string, more: Partial<MessageItem> = {}): MessageItem {
  seq += 1;
  return { type: 'message', key: `m${seq}`, seq, id: `m${seq}`, from, mine: from === me.id, at, body, state: 'sent', ...more };
}

function unsent(at: number, body: string, more: Partial<MessageItem>): MessageItem {
  return { type: 'message', key: body, cid: body, from: me.id, mine: true, at, body, state: 'queued', ...more };
}

/** A history of `n` plain messages, to scroll through. */
export function longHistory(n: number): TimelineItem[] {
  const who = ['u_jonas', 'u_mina', 'u_ada', 'u_ines', 'u_kofi'];
  return Array.from({ length: n }, (_, i) => {
    const from = who[Math.floor(i / 3) % who.length] ?? 'u_jonas';
    const words = 'one two three four five six seven eight nine ten'.split(' ').slice(0, 1 + (i * 7) % 10).join(' ');
    return { type: 'message', key: `h${i + 1}`, seq: i + 1, id: `h${i + 1}`, from, mine: from === me.id, at: today(9, 0) - (n - i) * 180_000, body: `${i + 1}. ${words}${i % 9 === 0 ? ` ${words} ${words} ${words} ${words} ${words}` : ''}`, state: 'sent' };
  });
}

export const talk: TimelineItem[] = [
  { type: 'member', key: 'e1', seq: (seq += 1), id: 'e1', from: 'u_jonas', at: today(16, 2, 6), changes: ['u_jonas', 'u_mina', 'u_ines', 'u_ada'].map((user) => ({ user, change: 'joined' })) },
  said('u_jonas', today(16, 20, 6), 'Plan for tomorrow, please correct me if a step is wrong:\n1. Drain node one, wait until it is empty\n2. Restart it with 2.4, watch the reconnect time\n3. Same for node two, then close the ticket'),
  said('u_mina', today(16, 34, 6), 'Looks right. The notes are here: https://docs.example.org/rolling-restart. One thing to add: look at the slow readers before step 1, last time a single phone held the drain for a minute.', { id: 'quoted' }),
  said('u_mina', today(16, 35, 6), '```\nmoorline clients list --slow\nmoorline drain node-one --timeout 30s\n```'),
  said('u_ada', today(16, 41, 6), 'Good catch. I have added it to the list, with `--slow` as the **first** command.', { replyTo: 'quoted' }),
  said('u_tomas', today(16, 58, 6), '', { deleted: { seq: 9, at: today(16, 59, 6) } }),
  { type: 'member', key: 'e2', seq: (seq += 1), id: 'e2', from: 'u_jonas', at: today(9, 30), changes: [{ user: 'u_kofi', change: 'joined' }, { user: 'u_priya', change: 'joined' }] },
  said('u_ines', today(9, 38), 'Morning! Node one is empty, restarting it now.\n> look at the slow readers before step 1\n\nNone left. See [the graph](https://graphs.example.org/reconnect) and [docs.example.org](https://evil.example/docs)'),
  said('u_ines', today(9, 43), 'Done. Everybody was back within 1.4 seconds, nothing lost, nothing doubled.', { edited: { seq: 11, at: today(9, 44) } }),
  said('u_ada', today(9, 46), 'That is faster than I hoped. Shall we do node two right away?'),
  said('u_ada', today(9, 47), 'I am at my desk until eleven.', { edited: { seq: 13, at: today(9, 48) } }),
  said('u_jonas', today(9, 55), 'Yes, go ahead. Please keep the graph open, Ines does the drain.'),
  said('u_ines', today(9, 58), 'Node two is draining now'),
  unsent(today(10, 1), 'Watching. The curve is flat so far.', {}),
  unsent(today(10, 2), 'Here is the whole log of node one since midnight', { state: 'failed', error: new MoorlineError('too_large', 'The message is too long.') }),
];
/** The first message that the reader of the made-up room has not seen. */
export const firstUnreadSeq = talk.findIndex((item) => item.type === 'message' && item.body.startsWith('Yes, go ahead')) + 1;
export const receipts = { u_jonas: 11, u_mina: 11, u_ines: 10, u_kofi: 10 };
