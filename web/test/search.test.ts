// The search shows the answer to the latest question only, and can be asked again after a failure.
import { MoorlineError, type Hit, type MessageItem } from '@moorline/client';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Search, pauseMs } from '../src/state/search.svelte.ts';

const hit = (room: string, seq: number): Hit => ({ room, message: { type: 'message', key: `${room} ${seq}`, seq, id: `m${seq}`, from: 'ann', mine: false, at: 0, body: 'x', state: 'sent' } satisfies MessageItem });

class Server {
  asked: { query: string; room: string | undefined; answer: (hits: Hit[], more?: boolean) => void; refuse: () => void }[] = [];
  search = (query: string, { room }: { room?: string } = {}) =>
    new Promise<{ hits: Hit[]; more: boolean }>((resolve, reject) => {
      this.asked.push({ query, room, answer: (hits, more = false) => resolve({ hits, more }), refuse: () => reject(new MoorlineError('unavailable', 'busy')) });
    });
}

beforeEach(() => { vi.useFakeTimers(); });
afterEach(() => { vi.useRealTimers(); });
const settle = () => vi.advanceTimersByTimeAsync(pauseMs);

test('one question goes out when the typing pauses, and its hits are grouped by room', async () => {
  const server = new Server();
  const search = new Search(server);
  for (const text of ['c', 'cr', 'crane']) search.ask(text, undefined);
  expect(search.isLooking).toBe(true);
  await settle();
  expect(server.asked.map(({ query }) => query)).toEqual(['crane']);
  server.asked[0]?.answer([hit('a', 9), hit('b', 4), hit('a', 2)], true);
  await settle();
  expect(search.groups.map(({ room, hits }) => [room, hits.map(({ message }) => message.seq)])).toEqual([['a', [9, 2]], ['b', [4]]]);
  expect([search.isLooking, search.hasMore, search.answered]).toEqual([false, true, 'crane']);
});

test('an answer that comes after a newer question is dropped', async () => {
  const server = new Server();
  const search = new Search(server);
  search.ask('old', undefined);
  await settle();
  search.ask('new', 'a');
  await settle();
  server.asked[1]?.answer([hit('a', 1)]);
  server.asked[0]?.answer([hit('b', 1), hit('b', 2)]);
  await settle();
  expect(search.hits?.map(({ room }) => room)).toEqual(['a']);
  expect(server.asked[1]?.room).toBe('a');
});

test('a failure is told in words, and asking again mends it', async () => {
  const server = new Server();
  const search = new Search(server);
  search.ask('crane', undefined);
  await settle();
  server.asked[0]?.refuse();
  await settle();
  expect(search.problem).toMatch(/not available/);
  search.again();
  await settle();
  server.asked[1]?.answer([]);
  await settle();
  expect([search.problem, search.hits]).toEqual(['', []]);
});

test('an empty field asks nothing and shows nothing', async () => {
  const server = new Server();
  const search = new Search(server);
  search.ask('crane', undefined);
  search.ask('  ', undefined);
  await settle();
  expect([server.asked, search.hits, search.isLooking]).toEqual([[], undefined, false]);
});
