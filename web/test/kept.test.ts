import type { MessageItem, RoomInfo, RoomListSnapshot, TimelineItem, TimelineSnapshot } from '@moorline/client';
import { indexedDbStore, MoorlineError } from '@moorline/client';
import { IDBFactory } from 'fake-indexeddb';
import 'fake-indexeddb/auto';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { fakeClient } from '../dev/client.ts';
import { rooms } from '../dev/fixtures.ts';
import { Accounts, type Door } from '../src/state/account.ts';
import { App } from '../src/state/app.svelte.ts';
import { Chat } from '../src/state/chat.svelte.ts';
import { Kept, mostRooms, type KeptList, type KeptRoom } from '../src/state/kept.ts';
import { Queue } from '../src/state/queue.ts';
import { amended, listToKeep, mostItems, mostListed, recalledList, recalledRoom, roomLetters, roomToKeep } from '../src/state/recall.ts';

const ann = { id: 'u_ann', name: 'Ann' };
const bob = { id: 'u_bob', name: 'Bob' };
const info = (id: string): RoomInfo => ({ ...rooms[0]!, id });
const list = (...ids: string[]): KeptList => ({ at: 1, rooms: ids.map(info), unread: 0, mentions: 0, names: {} });
const message = (seq: number, more: Partial<MessageItem> = {}): MessageItem =>
  ({ type: 'message', key: `m${seq}`, seq, id: `m${seq}`, from: 'u_bob', mine: false, at: seq, body: `body ${seq}`, state: 'sent', ...more });
const kept = (...items: MessageItem[]): KeptRoom => ({ at: 1, info: info('a'), items, names: {} });
const timeline = (items: readonly TimelineItem[], more: Partial<TimelineSnapshot> = {}): TimelineSnapshot =>
  ({ ...fakeClient('live').room('release').getSnapshot(), status: 'ready', info: info('a'), items, ...more });
const snapshot = (more: Partial<RoomListSnapshot>): RoomListSnapshot => ({ rooms: [], unread: 0, mentions: 0, hasMore: false, ready: true, ...more });

let factory: IDBFactory;
let store: Kept;
beforeEach(() => {
  factory = new IDBFactory();
  store = new Kept(factory);
});
afterEach(() => void vi.useRealTimers());

test('what one person saw is never given to another, and goes when another comes', async () => {
  await store.own(ann);
  await store.keepList(ann.id, list('a'), false);
  await store.keepRoom(ann.id, 'a', kept(message(1)));
  expect((await store.list(ann.id))?.rooms[0]?.id).toBe('a');
  expect([await store.list(bob.id), await store.room(bob.id, 'a')]).toEqual([undefined, undefined]);
  await store.own(bob);
  expect([await store.list(bob.id), await store.room(bob.id, 'a'), await store.list(ann.id)]).toEqual([undefined, undefined, undefined]);
  expect(await store.owner()).toEqual(bob);
});

test('a tab of somebody who is not here any more writes nothing', async () => {
  await store.own(bob);
  await store.keepList(ann.id, list('a'), false);
  await store.keepRoom(ann.id, 'a', kept(message(1)));
  await store.own(ann);
  await store.erase();
  await store.keepList(ann.id, list('a'), false);
  expect([await store.owner(), await store.list(ann.id), await store.room(ann.id, 'a')]).toEqual([undefined, undefined, undefined]);
});

test('signing in again keeps what is there', async () => {
  await store.own(ann);
  await store.keepList(ann.id, list('a'), false);
  await store.own({ ...ann, name: 'Anna' });
  expect([(await store.list(ann.id))?.rooms.length, (await store.owner())?.name]).toEqual([1, 'Anna']);
});

test('messages of the rooms that were open last are kept, and of no more', async () => {
  await store.own(ann);
  for (let n = 0; n <= mostRooms; n += 1) await store.keepRoom(ann.id, `r${n}`, kept(message(n)));
  await store.keepRoom(ann.id, 'r1', kept(message(1)));
  await store.keepRoom(ann.id, 'late', kept(message(9)));
  const has = async (id: string) => (await store.room(ann.id, id)) !== undefined;
  expect([await has('r0'), await has('r1'), await has('r2'), await has('r3'), await has('late')]).toEqual([false, true, false, true, true]);
});

test('a whole list forgets the rooms that are not in it, a part of it does not', async () => {
  await store.own(ann);
  await store.keepRoom(ann.id, 'a', kept(message(1)));
  await store.keepList(ann.id, list('b'), false);
  expect(await store.room(ann.id, 'a')).toBeDefined();
  await store.keepList(ann.id, list('b'), true);
  expect(await store.room(ann.id, 'a')).toBeUndefined();
});

test('a deletion reaches what is kept, and a room that is gone goes', async () => {
  await store.own(ann);
  await store.keepRoom(ann.id, 'a', kept(message(1), message(2)));
  await store.changeRoom(ann.id, 'a', (one) => amended(one, 2, { body: '', deleted: { seq: 3, at: 9 } }));
  const items = (await store.room(ann.id, 'a'))?.items as MessageItem[];
  expect(items.map(({ body, deleted }) => [body, deleted?.seq])).toEqual([['body 1', undefined], ['', 3]]);
  await store.changeRoom(ann.id, 'a', () => undefined);
  expect(await store.room(ann.id, 'a')).toBeUndefined();
});

test('storage that is forbidden rejects and keeps nothing', async () => {
  const forbidden = new Kept(null as unknown as IDBFactory);
  await expect(forbidden.owner()).rejects.toThrow('IndexedDB');
});

test('the newest messages are kept, up to a hole and a size, without what waits', () => {
  const many = Array.from({ length: 80 }, (_, n) => message(n + 1));
  const own = message(0, { seq: undefined, id: undefined, cid: 'c', state: 'queued' });
  const names = new Map([[bob.id, bob]]);
  const found = roomToKeep(timeline([...many, own]), names, 7);
  expect([found?.items.length, found?.items[0]?.seq, found?.items.at(-1)?.seq, found?.at]).toEqual([mostItems, 31, 80, 7]);
  expect(found?.names).toEqual({ u_bob: 'Bob' });
  const holed = roomToKeep(timeline([message(1), { type: 'gap', key: 'g', after: 1, before: 9 }, message(9)]), names, 7);
  expect(holed?.items.map(({ seq }) => seq)).toEqual([9]);
  const long = message(1, { body: 'x'.repeat(roomLetters) });
  expect(roomToKeep(timeline([long, message(2), message(3)]), names, 7)?.items.map(({ seq }) => seq)).toEqual([2, 3]);
  expect(roomToKeep(timeline(many, { status: 'loading' }), names, 7)).toBeUndefined();
});

test('an edit on its way is kept with its message, but not why it failed', () => {
  const change = { kind: 'edit', cid: 'c', state: 'failed', error: new MoorlineError('invalid', 'no') } as const;
  const found = roomToKeep(timeline([message(1, { change })]), new Map(), 7);
  expect(found?.items[0]).toEqual({ ...message(1), change: { kind: 'edit', cid: 'c', state: 'failed' } });
});

test('the list is kept up to a number, with short last lines and nothing of the moment', () => {
  const last = { from: 'u_bob', body: 'y'.repeat(9_000), at: 1, deleted: false, state: 'sent' } as const;
  const all = Array.from({ length: 150 }, (_, n) => ({ ...info(`r${n}`), last, typing: ['u_bob'], queued: 3 }));
  const found = listToKeep(snapshot({ rooms: all }), new Map([[bob.id, bob]]), 5);
  expect([found.rooms.length, found.rooms[0]?.last?.body.length, found.rooms[0]?.typing, found.rooms[0]?.queued]).toEqual([mostListed, 300, [], 0]);
  expect(found.names).toMatchObject({ u_bob: 'Bob' });
});

test('what waits stands in the list and in its room, after what is kept and never twice', () => {
  const own = message(0, { seq: undefined, id: undefined, key: 'c', cid: 'c', from: 'u_ann', mine: true, at: 99_999_999_999_999, body: 'mine', state: 'queued' });
  const shown = recalledList(snapshot({ ready: false }), list('a', 'b'), (id) => (id === 'b' ? [own] : []));
  expect([shown.ready, shown.rooms[0]?.id, shown.rooms[0]?.last?.body, shown.rooms[0]?.queued]).toEqual([true, 'b', 'mine', 1]);
  const stored = message(2, { key: 'c', cid: 'c' });
  const room = recalledRoom(timeline([own], { status: 'loading', info: undefined }), kept(message(1)));
  expect(room.items.map((item) => item.key)).toEqual(['m1', 'c']);
  expect([room.info?.id, room.head]).toEqual(['a', 1]);
  expect(recalledRoom(timeline([own]), kept(stored)).items).toEqual([stored]);
});

test('signing out removes what one had not sent, and leaves what another had', async () => {
  const queue = new Queue(indexedDbStore('q', factory));
  await queue.drop();
  const entry = (cid: string) => ({ cid, room: 'a', at: 1, owner: 't', command: { type: 'send', room: 'a', cid, body: 'x' } }) as const;
  const bobs = await queue.open('ws://x bob');
  await bobs.put(entry('1'));
  const anns = await queue.open('ws://x ann');
  await anns.put(entry('2'));
  await queue.drop();
  expect([(await anns.entries()).length, (await bobs.entries()).length]).toEqual([0, 1]);
});

class Desk extends Accounts {
  isUp = true;
  user: Door['user'] = ann;
  override door = async (): Promise<Door> => {
    if (!this.isUp) throw new TypeError('no network');
    return { user: this.user, signup: 'open', server: { name: 'moorline', version: '1' } };
  };
  override signOut = async () => {};
}

function appAt(desk: Desk, scene = 'live'): App {
  const app: App = new App({ accounts: desk, connect: () => fakeClient(scene), navigate: (hash) => app.arrive(hash), kept: store });
  return app;
}

const chatOf = (app: App): Chat => {
  if (app.screen.is !== 'in') throw new Error(`the screen is ${app.screen.is}`);
  return app.screen.chat;
};

test('while the server is away one is let in as before, to what was seen', async () => {
  await store.own(ann);
  await store.keepList(ann.id, { ...list('release'), at: 77, names: { u_zoe: 'Zoe' } }, false);
  await store.keepRoom(ann.id, 'release', kept(message(1)));
  const desk = new Desk();
  desk.isUp = false;
  const app = appAt(desk, 'loading');
  app.arrive('#/room/release');
  await app.start();
  const chat = chatOf(app);
  await vi.waitFor(() => expect(chat.talk?.asOf).toBe(1));
  expect([chat.me.id, chat.listAsOf, chat.rooms.map(({ id }) => id), chat.name('u_zoe')]).toEqual([ann.id, 77, ['release'], 'Zoe']);
  expect(chat.talk?.rows.map((row) => row.key)).toEqual(['m1']);
  expect([chat.talk?.canEdit(message(1, { mine: true })), chat.talk?.lastOwn()]).toEqual([false, undefined]);
  chat.stop();
});

test('a device on which nobody was has nothing to show without the server', async () => {
  const desk = new Desk();
  desk.isUp = false;
  const app = appAt(desk);
  await app.start();
  expect(app.screen.is).toBe('unreachable');
});

test('when the server says that nobody is in, what was seen is erased', async () => {
  await store.own(ann);
  const desk = new Desk();
  desk.user = null;
  const app = appAt(desk);
  await app.start();
  expect(app.screen.is).toBe('signed-out');
  await vi.waitFor(async () => expect(await store.owner()).toBeUndefined());
});

test('signing out erases what was seen', async () => {
  const app = appAt(new Desk());
  await app.start();
  const chat = chatOf(app);
  chat.open('release');
  await vi.waitFor(async () => {
    chat.setAway(true);
    expect(await store.room(ann.id, 'release')).toBeDefined();
  });
  await app.signOut();
  expect([await store.owner(), await store.list(ann.id), await store.room(ann.id, 'release')]).toEqual([undefined, undefined, undefined]);
});

test('somebody whom the page does not keep waiting is in as before when the server is silent', async () => {
  await store.own(ann);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const desk = new Desk();
  desk.door = () => new Promise(() => undefined);
  const app = appAt(desk, 'loading');
  const started = app.start();
  await vi.advanceTimersByTimeAsync(3_000);
  vi.useRealTimers();
  await started;
  expect(chatOf(app).me.id).toBe(ann.id);
  chatOf(app).stop();
});

