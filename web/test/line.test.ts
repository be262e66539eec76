import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { cutMs, Line, wayOf } from '../src/state/line.svelte.ts';

class FakeSocket {
  onopen: ((event: unknown) => void) | null = null;
  onmessage: ((event: unknown) => void) | null = null;
  onclose: ((event: unknown) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;
  sent: string[] = [];
  closed = 0;
  send(text: string): void {
    this.sent.push(text);
  }
  close(): void {
    this.closed += 1;
  }
}

let opened: FakeSocket[];
let asked: RequestInit[];
let line: Line;
beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  opened = [];
  asked = [];
  line = new Line(
    () => {
      const socket = new FakeSocket();
      opened.push(socket);
      return socket as unknown as WebSocket;
    },
    async (_, init) => {
      asked.push(init);
      return new Response('{}');
    },
  );
});
afterEach(() => vi.useRealTimers());

function connect() {
  const closes: unknown[] = [];
  const socket = line.environment.openSocket!('ws://server/ws', 'moorline.v1');
  const heard: unknown[] = [];
  socket.onclose = (event: { code: number }) => closes.push(event.code);
  socket.onmessage = ({ data }: { data: unknown }) => heard.push(data);
  return { socket, closes, heard };
}

test('what goes over it goes through untouched, and the last ping is known', () => {
  const { socket, heard, closes } = connect();
  socket.send('hello');
  opened[0]?.onmessage?.({ data: '{"type":"event"}' });
  expect(line.pingAt).toBe(0);
  opened[0]?.onmessage?.({ data: '{"type":"ping"}' });
  opened[0]?.onclose?.({ code: 1012 });
  expect([opened[0]?.sent, heard, closes, line.pingAt]).toEqual([['hello'], ['{"type":"event"}', '{"type":"ping"}'], [1012], 1_000_000]);
});

test('a cut breaks what is open as a network does, once, and nothing more is heard of it', () => {
  const { closes, heard } = connect();
  line.cut();
  expect([closes, opened[0]?.closed]).toEqual([[1006], 1]);
  expect(opened[0]?.onmessage).toBeNull();
  expect(heard).toEqual([]);
});

test('while it is cut nothing opens and nothing is answered; after ten seconds both work again', async () => {
  line.cut();
  const { closes } = connect();
  expect(closes).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect([closes, opened.length]).toEqual([[1006], 0]);
  const fetch = (line.environment as { fetch: (url: string, init: RequestInit) => Promise<Response> }).fetch;
  await expect(fetch('/api/v1/poll', {})).rejects.toThrow(TypeError);
  await vi.advanceTimersByTimeAsync(cutMs);
  expect(line.isCut).toBe(false);
  connect();
  expect(opened.length).toBe(1);
  expect((await fetch('/api/v1/poll', {})).ok).toBe(true);
});

test('a cut ends answers that are under way', async () => {
  const fetch = (line.environment as { fetch: (url: string, init: RequestInit) => Promise<Response> }).fetch;
  const own = new AbortController();
  await fetch('/api/v1/stream', { signal: own.signal });
  expect(asked[0]?.signal?.aborted).toBe(false);
  line.cut();
  expect(asked[0]?.signal?.aborted).toBe(true);
  expect(own.signal.aborted).toBe(false);
});

test('a second cut while it is cut makes it no longer', async () => {
  line.cut();
  await vi.advanceTimersByTimeAsync(cutMs / 2);
  line.cut();
  await vi.advanceTimersByTimeAsync(cutMs / 2);
  expect(line.isCut).toBe(false);
});

test('the way is told only while there is a connection', () => {
  expect(wayOf({ is: 'live', transport: 'sse', connection: 'c', since: 0 })).toBe('sse');
  expect(wayOf({ is: 'connecting', attempt: 0 })).toBeUndefined();
});
