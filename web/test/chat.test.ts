import type { Client, State } from '@moorline/client';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { fakeClient } from '../dev/client.ts';
import { me, rooms } from '../dev/fixtures.ts';
import { Accounts, type Door } from '../src/state/account.ts';
import { Announcer } from '../src/state/announcer.svelte.ts';
import { App } from '../src/state/app.svelte.ts';
import { Chat } from '../src/state/chat.svelte.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Waits for the microtasks of a promise without the clock moving. */
const settled = () => vi.advanceTimersByTimeAsync(0);

test('rooms stay in their order while somebody points at the list, and sort themselves afterwards', () => {
  const client = fakeClient('live');
  const chat = new Chat(client, me);
  const before = chat.rooms.map((room) => room.id);
  chat.isListHeld = true;
  const reversed = [...rooms].reverse();
  (client.rooms as unknown as { getSnapshot: () => unknown }).getSnapshot = () => ({ ...fakeClient('live').rooms.getSnapshot(), rooms: reversed });
  expect(chat.rooms.map((room) => room.id)).toEqual(before);
  chat.isListHeld = false;
  expect(chat.rooms.map((room) => room.id)).toEqual([...before].reverse());
  chat.stop();
});

test('the next unread room is found in both directions, round the end', () => {
  const chat = new Chat(fakeClient('live'), me);
  expect(chat.nextUnread(1)).toBe('incidents');
  chat.open('incidents');
  expect([chat.nextUnread(1), chat.nextUnread(-1)]).toEqual(['design', 'django']);
  chat.stop();
});

test('what is sent stands in the room at once, and the draft is empty', async () => {
  const chat = new Chat(fakeClient('live'), me);
  chat.open('release');
  await vi.advanceTimersByTimeAsync(50);
  const talk = chat.talk!;
  talk.writing.set('  hello  ');
  expect(talk.writing.send()).toBe('sent');
  const last = talk.rows.at(-1);
  expect(last?.is === 'message' && [last.item.body, last.item.state]).toEqual(['hello', 'queued']);
  expect(talk.writing.text).toBe('');
  await vi.advanceTimersByTimeAsync(700);
  const sent = talk.rows.at(-1);
  expect(sent?.is === 'message' && sent.item.state).toBe('sent');
  expect(sent?.key).toBe(last?.key);
  chat.stop();
});

test('an empty draft is not sent, and one that is too long says so and stays', async () => {
  const chat = new Chat(fakeClient('live'), me);
  chat.open('release');
  await vi.advanceTimersByTimeAsync(50);
  const talk = chat.talk!;
  const count = talk.rows.length;
  talk.writing.set(' \n ');
  expect(talk.writing.send()).toBe('nothing');
  talk.writing.set('ü'.repeat(40_000));
  expect(talk.writing.send()).toBe('nothing');
  expect(talk.writing.problem).toMatch(/too long/);
  expect(talk.writing.text.length).toBe(40_000);
  expect(talk.rows.length).toBe(count);
  chat.stop();
});

test('a draft stays in its room', () => {
  const chat = new Chat(fakeClient('live'), me);
  chat.open('release');
  chat.talk?.writing.set('half a sentence');
  chat.open('design');
  expect(chat.talk?.writing.text).toBe('');
  expect(chat.draftOf('release')).toBe('half a sentence');
  chat.open('release');
  expect(chat.talk?.writing.text).toBe('half a sentence');
  chat.stop();
});

test('somebody who wrote later has read what stands before', async () => {
  const chat = new Chat(fakeClient('live'), me);
  chat.open('release');
  await vi.advanceTimersByTimeAsync(50);
  expect([chat.talk?.readers(9).length, chat.talk?.readers(13).length]).toEqual([4, 1]);
  chat.stop();
});

test('new messages are spoken at most once a second, together', async () => {
  const announcer = new Announcer();
  announcer.message('Ann', 'one');
  await vi.advanceTimersByTimeAsync(1000);
  expect(announcer.polite).toBe('Ann: one');
  announcer.message('Ann', 'two');
  announcer.message('Bob', 'three');
  expect(announcer.polite).toBe('Ann: one');
  await vi.advanceTimersByTimeAsync(1000);
  expect(announcer.polite).toBe('2 new messages');
});

class Desk extends Accounts {
  user: Door['user'] = null;
  override door = async (): Promise<Door> => ({ user: this.user, signup: 'open', server: { name: 'moorline', version: '1' } });
  override signIn = async () => ({ id: 'u_ann', name: 'Ann' });
  override signOut = async () => {};
}

function appAt(accounts: Accounts, client: Client = fakeClient('live')): { app: App; hashes: string[]; client: Client } {
  const hashes: string[] = [];
  const app: App = new App({ accounts, connect: () => client, navigate: (hash) => { hashes.push(hash); app.arrive(hash); } });
  return { app, hashes, client };
}

test('a stranger is asked to sign in, and is then inside', async () => {
  const { app } = appAt(new Desk());
  await app.start();
  expect(app.screen.is).toBe('signed-out');
  await app.signIn('ann', 'secret');
  expect(app.screen.is).toBe('in');
});

test('somebody with a session goes straight to the room of the address', async () => {
  const desk = new Desk();
  desk.user = { id: 'u_ann', name: 'Ann' };
  const { app } = appAt(desk);
  app.arrive('#/room/release');
  await app.start();
  expect(app.screen.is === 'in' && app.screen.chat.talk?.id).toBe('release');
});

test('signing out leaves the rooms and shows the sign-in', async () => {
  const { app, hashes } = appAt(new Desk());
  await app.start();
  await app.signIn('ann', 'secret');
  await app.signOut();
  expect(app.screen).toEqual({ is: 'signed-out', hasEnded: false });
  expect(hashes.at(-1)).toBe('#/signin');
});

test('a session that the server ended is told as such; a mere cut is not', async () => {
  const client = fakeClient('live');
  const listeners: ((state: State) => void)[] = [];
  client.on = ((name: string, listener: (state: State) => void) => {
    if (name === 'state') listeners.push(listener);
    return () => {};
  }) as Client['on'];
  const tell = (state: State) => listeners.forEach((listener) => listener(state));
  const desk = new Desk();
  desk.user = { id: 'u_ann', name: 'Ann' };
  const { app } = appAt(desk, client);
  await app.start();
  tell({ is: 'waiting', attempt: 1, until: 0, code: 1006, reason: '' });
  expect(app.screen.is).toBe('in');
  tell({ is: 'closed', code: 4403, reason: 'signed out' });
  expect(app.screen).toEqual({ is: 'signed-out', hasEnded: true });
});

test('when somebody else signs in in another tab, the page begins anew as that person', async () => {
  const client = fakeClient('live');
  let tell: (value: { user: { id: string; name: string } }) => void = () => {};
  client.on = ((name: string, listener: typeof tell) => {
    if (name === 'user') tell = listener;
    return () => {};
  }) as Client['on'];
  const desk = new Desk();
  desk.user = { id: 'u_ann', name: 'Ann' };
  const { app } = appAt(desk, client);
  await app.start();
  desk.user = { id: 'u_bob', name: 'Bob' };
  tell({ user: { id: 'u_ann', name: 'Ann' } });
  expect(app.screen.is === 'in' && app.screen.chat.me.name).toBe('Ann');
  tell({ user: { id: 'u_bob', name: 'Bob' } });
  await settled();
  expect(app.screen.is === 'in' && app.screen.chat.me.name).toBe('Bob');
});

test('a server that cannot be reached is tried again by itself', async () => {
  const desk = new Desk();
  let isUp = false;
  const door = desk.door;
  desk.door = async () => {
    if (!isUp) throw new Error('down');
    return door();
  };
  const { app } = appAt(desk);
  await app.start();
  expect(app.screen.is).toBe('unreachable');
  isUp = true;
  await vi.advanceTimersByTimeAsync(2000);
  await settled();
  expect(app.screen.is).toBe('signed-out');
});

test('the same words twice are spoken twice', async () => {
  const announcer = new Announcer();
  announcer.message('Ann', 'ok');
  await vi.advanceTimersByTimeAsync(1000);
  const first = announcer.polite;
  announcer.message('Ann', 'ok');
  await vi.advanceTimersByTimeAsync(1000);
  expect(announcer.polite).not.toBe(first);
  expect(announcer.polite.trim()).toBe(first);
});

test('a refused message is counted for the bar, and all of them can be retried', async () => {
  const client = fakeClient('live');
  const chat = new Chat(client, me);
  chat.open('release');
  await vi.advanceTimersByTimeAsync(50);
  const retried: string[] = [];
  client.room('release').retry = (cid) => void retried.push(cid);
  expect(chat.talk?.failed.map((item) => item.state)).toEqual(['failed']);
  chat.talk?.retryAll();
  expect(retried).toEqual(chat.talk?.failed.map((item) => item.cid));
  chat.stop();
});

test('a jump marks its message for two seconds, and says so when it cannot', async () => {
  const client = fakeClient('live');
  const chat = new Chat(client, me);
  chat.open('incidents');
  const talk = chat.talk!;
  await vi.advanceTimersByTimeAsync(50);
  await Promise.all([talk.jumpTo(100), vi.advanceTimersByTimeAsync(50)]);
  expect(talk.target).toBe(100);
  talk.arrived('h100');
  expect([talk.target, talk.flash]).toEqual([undefined, 'h100']);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(talk.flash).toBe('');
  client.room('incidents').jumpTo = () => Promise.reject(new Error('no'));
  await Promise.all([talk.jumpTo(50), vi.advanceTimersByTimeAsync(50)]);
  expect([talk.target, talk.jumpProblem.length > 0]).toEqual([undefined, true]);
  chat.stop();
});
