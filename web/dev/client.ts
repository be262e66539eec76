// A stand-in for the SDK's client with made-up data: same shapes, no network. What one sends is 'sent' after a moment.
import type { Client, ClientEvents, ClientSnapshot, MessageItem, Readable, Room, RoomInfo, RoomListSnapshot, State, TimelineItem, TimelineSnapshot } from '@moorline/client';
import { firstUnreadSeq, longHistory, me, members, people, publicRooms, receipts, rooms, talk } from './fixtures.ts';

class Value<T> implements Readable<T> {
  private listeners = new Set<() => void>();
  constructor(private value: T) {}
  getSnapshot = (): T => this.value;
  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };
  set(change: Partial<T>): void {
    this.value = { ...this.value, ...change };
    for (const listener of this.listeners) listener();
  }
}

const pageSize = 50;
const later = (ms: number) => new Promise((done) => setTimeout(done, ms));

function stateOf(scene: string): State {
  if (scene === 'reconnecting') return { is: 'waiting', attempt: 4, until: Date.now() + 8_900, code: 1006, reason: '' };
  if (scene === 'offline') return { is: 'offline', attempt: 2, until: Date.now() + 60_000 };
  if (scene === 'loading') return { is: 'connecting', attempt: 0 };
  return { is: 'live', transport: 'ws', connection: 'c1', since: Date.now() - 11_520_000 };
}

function itemsOf(scene: string, id: string): TimelineItem[] {
  if (id === 'empty' || scene === 'loading') return [];
  return id === 'release' ? talk : longHistory(600);
}

/** The made-up client for a scene. */
export function fakeClient(scene: string): Client {
  const isEmpty = scene === 'first';
  const isReady = scene !== 'loading';
  const snapshot = new Value<ClientSnapshot>({ state: { is: 'connecting', attempt: 0 }, user: me, server: { name: 'moorline', version: '0.1.0' }, ready: isReady, queued: scene === 'offline' ? 2 : 0, failed: 0, durable: true, leads: true, messageBytes: 65_536 });
  const list = new Value<RoomListSnapshot>({ rooms: isEmpty ? [] : rooms, unread: isEmpty ? 0 : 15, mentions: 0, hasMore: false, ready: isReady });
  const listeners = new Map<string, Set<(value: never) => void>>();
  const made = new Map<string, Room>();
  const emit = <K extends keyof ClientEvents>(name: K, value: ClientEvents[K]) => {
    for (const listener of listeners.get(name) ?? []) (listener as (value: ClientEvents[K]) => void)(value);
  };
  const go = (state: State) => {
    snapshot.set({ state });
    emit('state', state);
  };

  function makeRoom(id: string): Room {
    const info = [...rooms, ...publicRooms].find((one) => one.id === id);
    const all = itemsOf(scene, id);
    let from = Math.max(0, all.length - pageSize);
    let end = all.length;
    const timeline = new Value<TimelineSnapshot>({ id, status: 'idle', info, items: [], hasMoreBefore: false, hasMoreAfter: false, loadingBefore: false, loadingAfter: false, first: 1, head: all.length, read: all.length, receipts, firstUnreadSeq: id === 'release' ? firstUnreadSeq : undefined });
    const show = (more: Partial<TimelineSnapshot> = {}) =>
      timeline.set({ status: 'ready', items: all.slice(from, end), hasMoreBefore: from > 0, hasMoreAfter: end < all.length, ...more });
    const change = (id: string, more: Partial<MessageItem>) => {
      const index = all.findIndex((item) => item.type === 'message' && item.id === id);
      all[index] = { ...(all[index] as MessageItem), ...more };
      show();
      return { cid: crypto.randomUUID(), acked: Promise.resolve({ seq: all.length, id, at: Date.now() }) };
    };
    return {
      id,
      getSnapshot: timeline.getSnapshot,
      subscribe: timeline.subscribe,
      async open() {
        if (!info) return timeline.set({ status: 'gone' });
        timeline.set({ status: 'loading' });
        if (scene === 'loading') return;
        if (scene === 'error') {
          const { MoorlineError } = await import('@moorline/client');
          return timeline.set({ error: new MoorlineError('unavailable', 'the store does not answer', true, 2000) });
        }
        await later(20);
        show();
      },
      close() {},
      send(body) {
        const cid = crypto.randomUUID();
        const item = { type: 'message', key: cid, cid, from: me.id, mine: true, at: Date.now(), body, state: 'queued' } as const;
        all.push(item);
        end = all.length;
        show();
        const acked = later(600).then(() => {
          all[all.indexOf(item)] = { ...item, state: 'sent', seq: all.length, id: cid };
          show({ head: all.length });
          return { seq: all.length, id: cid, at: Date.now() };
        });
        return { cid, acked };
      },
      retry() {},
      discard(cid) {
        const index = all.findIndex((item) => item.type === 'message' && item.cid === cid);
        if (index >= 0) all.splice(index, 1);
        end = all.length;
        show();
        return index >= 0;
      },
      edit: (id, body) => change(id, { body, edited: { seq: all.length, at: Date.now() } }),
      delete: (id) => change(id, { body: '', deleted: { seq: all.length, at: Date.now() } }),
      async loadBefore() {
        timeline.set({ loadingBefore: true });
        await later(Number(new URLSearchParams(location.search).get('wait') ?? 300));
        from = Math.max(0, from - pageSize);
        show({ loadingBefore: false });
      },
      async loadAfter() {
        timeline.set({ loadingAfter: true });
        await later(300);
        end = Math.min(all.length, end + pageSize);
        show({ loadingAfter: false });
      },
      async fillGap() {},
      async jumpTo(seq) {
        from = Math.max(0, seq - 25);
        end = Math.min(all.length, seq + 25);
        show();
      },
      async jumpToLatest() {
        from = Math.max(0, all.length - pageSize);
        end = all.length;
        show();
      },
      markRead() {},
      typing() {},
      async members() {
        const shown = info?.kind === 'direct' ? members.filter((one) => one.id === me.id || one.id === info.peer) : info?.members === 1 ? members.slice(0, 1) : members;
        return { items: shown, more: false, total: shown.length };
      },
      async invite() {}, async remove() {}, async rename() {}, async leave() {},
    };
  }

  const room = (id: string) => made.get(id) ?? made.set(id, makeRoom(id)).get(id)!;
  const client: Client = {
    getSnapshot: snapshot.getSnapshot,
    subscribe: snapshot.subscribe,
    rooms: { getSnapshot: list.getSnapshot, subscribe: list.subscribe, loadMore: async () => {} },
    people: new Value<ReadonlyMap<string, (typeof people)[number]>>(new Map(people.map((person) => [person.id, person]))),
    start() {
      if (scene === 'reconnecting' || scene === 'offline') setTimeout(() => go(stateOf(scene)), 2100);
      else go(stateOf(scene));
    },
    stop() {},
    setAway() {},
    retryNow: () => go(stateOf('live')),
    on(name, listener) {
      const set = listeners.get(name) ?? new Set();
      listeners.set(name, set.add(listener as (value: never) => void));
      return () => set.delete(listener as (value: never) => void);
    },
    room,
    create: async () => 'release',
    join: async () => {},
    async browse({ query = '' } = {}) {
      return { items: publicRooms.filter((one: RoomInfo) => one.title.toLowerCase().includes(query.toLowerCase())), more: false };
    },
    findPeople: async (query) => people.filter((person) => person.name.toLowerCase().startsWith(query.toLowerCase())),
    lookUp: async () => {},
    async search(query, { room: only } = {}) {
      const all = [...made.values()].filter((one) => !only || one.id === only);
      const hits = all.flatMap((one) => one.getSnapshot().items.filter((item) => item.type === 'message' && item.body.toLowerCase().includes(query.trim().toLowerCase())).map((item) => ({ room: one.id, message: item as MessageItem })));
      return { hits, more: false, behind_ms: 0 };
    },
    drained: async () => {},
  };
  return client;
}
