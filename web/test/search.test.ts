// The search shows the answer to the latest question only, and can be asked again after a failure.
import { MoorlineError, type Hit, type Hits, type MessageItem } from '@moorline/client';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Search, pauseMs } from '../src/state/search.svelte.ts';

const hit = (room: string, seq: number): Hit => ({ room, message: { type: 'message', key: `${room} ${seq}`, seq, id: `m${seq}`, from: 'ann', mine: false, at: 0, body: 'x', state: 'sent' } satisfies MessageItem });

class Server {
  asked: { query: string; room: string | undefined; after: string | undefined; answer: (hits: Hit[], after?: string, behind?: number) => void; refuse: (code?: string) => void }[] = [];
  search = (query: string, { room, after }: { room?: string; after?: string } = {}) =>
    new Promise<Hits>((resolve, reject) => {
      const answer = (hits: Hit[], next?: string, behind = 0) => resolve({ hits, more: !!next, after: next, behind_ms: behind });
      this.asked.push({ query, room, after, answer, refuse: (code = 'unavailable') => reject(new MoorlineError(code, 'busy')) });
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
  server.asked[0]?.answer([hit('a', 9), hit('b', 4), hit('a', 2)], '0.2', 3000);
  await settle();
  expect(search.groups.map(({ room, hits }) => [room, hits.map(({ message }) => message.seq)])).toEqual([['a', [9, 2]], ['b', [4]]]);
  expect([search.isLooking, search.after, search.behindMs, search.answered]).toEqual([false, '0.2', 3000, 'crane']);
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

test('older hits are added behind the others, of the question that was answered', async () => {
  const server = new Server();
  const search = new Search(server);
  search.more();
  search.ask('crane', 'a');
  await settle();
  server.asked[0]?.answer([hit('a', 9)], '0.9');
  await settle();
  search.more();
  search.more();
  await settle();
  expect(server.asked.map(({ query, room, after }) => [query, room, after])).toEqual([['crane', 'a', undefined], ['crane', 'a', '0.9']]);
  server.asked[1]?.answer([hit('a', 3)]);
  await settle();
  expect([search.hits?.map(({ message }) => message.seq), search.after, search.isLooking]).toEqual([[9, 3], undefined, false]);
});

test('a question that the server does not understand is told to be unclear, until it is another one', async () => {
  const server = new Server();
  const search = new Search(server);
  search.ask('crane before:2026-', undefined);
  await settle();
  server.asked[0]?.refuse('invalid');
  await settle();
  expect([search.isUnclear, search.problem]).toEqual([true, expect.stringMatching(/2026-05-31/)]);
  search.ask('crane before:2026-05-31', undefined);
  expect([search.isUnclear, search.problem]).toEqual([false, '']);
});
