// Everything of a signed-in person: connection, rooms, people, the open conversation. Binds the SDK to the view; holds no DOM.
import type { Client, ClientSnapshot, Page, Person, RoomInfo, RoomListSnapshot } from '@moorline/client';
import { Announcer } from './announcer.svelte.ts';
import { bannerAt, connectedMs, follow, type Banner, type LinkHistory } from './banner.ts';
import { Clock } from './clock.svelte.ts';
import { Drafts } from './drafts.ts';
import { Kept } from './kept.ts';
import { Keeping } from './keeping.svelte.ts';
import { Search } from './search.svelte.ts';
import { Talk } from './talk.svelte.ts';
import { Watched } from './watched.svelte.ts';
import { t } from '../text/index.ts';

const quickMs = 250;
const slowMs = 15_000;
const drainMs = 2_000;

/** The chat of one person. */
export class Chat {
  readonly announcer = new Announcer();
  readonly clock = new Clock();
  readonly search: Search;
  readonly #began: { id: string; name: string };
  readonly #client: Client;
  readonly #link: Watched<ClientSnapshot>;
  readonly #rooms: Watched<RoomListSnapshot>;
  readonly #people: Watched<ReadonlyMap<string, Person>>;
  readonly #drafts: Drafts;
  readonly #keeping: Keeping;
  readonly #off: (() => void)[];
  #history = $state.raw<LinkHistory>({});
  #calm: ReturnType<typeof setTimeout> | undefined;

  /** Who is signed in, by the name that they have now. */
  readonly me: { id: string; name: string } = $derived.by(() => {
    const { id, name } = this.#began;
    return { id, name: this.person(id)?.name ?? name };
  });
  #loadingRooms: Promise<boolean> | undefined;

  /** The conversation on screen. */
  talk = $state.raw<Talk | undefined>(undefined);
  /** While the pointer or the focus is in the list, its order stays. */
  isListHeld = $state(false);
  #heldOrder: readonly string[] = [];

  readonly banner: Banner = $derived(bannerAt(this.link.state, this.#history, this.clock.now));

  #wasLive = false;
  /** The server was away when the page was opened, or is: what is kept stands in for what it would tell. */
  #isAway: boolean;

  /** `isAway`: the server could not be asked who is here. */
  constructor(client: Client, me: { id: string; name: string }, kept = new Kept(), isAway = false) {
    this.#began = me;
    this.#client = client;
    this.search = new Search(client);
    this.#link = new Watched(client);
    this.#rooms = new Watched(client.rooms);
    this.#people = new Watched(client.people);
    this.#drafts = new Drafts(me.id);
    this.#keeping = new Keeping(client, me, kept);
    this.#isAway = isAway;
    if (isAway) void this.#keeping.recall(undefined);
    this.#off = [client.on('state', () => this.#follow())];
    this.#follow();
    client.start();
  }

  /** The connection and the outbox as a whole. */
  get link(): ClientSnapshot {
    return this.#link.now;
  }

  /** There was no welcome yet since the page was opened, and that has been told. */
  get isCutOff(): boolean {
    return !this.roomList.ready && (this.banner.is === 'reconnecting' || this.banner.is === 'offline');
  }

  /** As the server tells it, or as it was last known. */
  get roomList(): RoomListSnapshot {
    return this.#keeping.shownList(this.#rooms.now);
  }

  /** Since when the list may have changed, ms since 1970; undefined while it is the server's. */
  get listAsOf(): number | undefined {
    return this.#rooms.now.ready ? undefined : this.#keeping.list?.at;
  }

  /** The rooms as listed: by last activity, but unmoved while somebody points at them. */
  get rooms(): readonly RoomInfo[] {
    const rooms = this.roomList.rooms;
    if (!this.isListHeld) {
      this.#heldOrder = rooms.map((room) => room.id);
      return rooms;
    }
    const place = new Map(this.#heldOrder.map((id, index) => [id, index]));
    return [...rooms].sort((a, b) => (place.get(a.id) ?? Infinity) - (place.get(b.id) ?? Infinity) || 0);
  }

  room(id: string): RoomInfo | undefined {
    return this.roomList.rooms.find((room) => room.id === id);
  }

  person(id: string): Person | undefined {
    return this.#people.now.get(id) ?? this.#keeping.person(id);
  }

  /** A person's name, or 'you' for oneself; the id when nobody told the name yet. */
  name = (id: string): string => (id === this.me.id ? t.note.you : this.person(id)?.name ?? id);

  /** Opens a room, or none, and leaves the one before. */
  open(id: string | undefined): void {
    if (this.talk?.id === id) return;
    this.#keeping.follow(id === undefined ? undefined : this.#client.room(id));
    this.talk?.close();
    this.talk = id === undefined ? undefined : new Talk(this.#client, id, { drafts: this.#drafts, keeping: this.#keeping, announcer: this.announcer, name: this.name });
    if (id !== undefined && this.#isAway) void this.#keeping.recall(id);
  }

  draftOf(room: string): string {
    return room === this.talk?.id ? '' : this.#drafts.get(room);
  }

  /** The next room with something unread, after the one that is open. */
  nextUnread(step: 1 | -1): string | undefined {
    const rooms = this.rooms;
    const here = rooms.findIndex((room) => room.id === this.talk?.id);
    for (let i = 1; i <= rooms.length; i += 1) {
      const room = rooms[(here + step * i + rooms.length * 2) % rooms.length];
      if (room && room.unread > 0) return room.id;
    }
    return undefined;
  }

  /** The next page of one's rooms, one at a time. Answers whether there is yet another one to ask for. */
  moreRooms(): Promise<boolean> {
    const load = async () => {
      if (!this.#client.rooms.getSnapshot().hasMore) return false;
      await this.#client.rooms.loadMore();
      return this.#client.rooms.getSnapshot().hasMore;
    };
    this.#loadingRooms ??= load().catch(() => false).finally(() => { this.#loadingRooms = undefined; });
    return this.#loadingRooms;
  }

  /** Whether one is at this screen, for the others to see. */
  setAway(on: boolean): void {
    if (on) this.#keeping.flush();
    this.#client.setAway(on);
  }

  tryNow(): void {
    this.#client.retryNow();
  }

  create(room: { kind: 'direct' | 'group' | 'public'; name?: string; members?: string[] }): Promise<string> {
    return this.#client.create(room);
  }

  join(room: string): Promise<void> {
    return this.#client.join(room);
  }

  browse(query: string, after?: string): Promise<Page<RoomInfo>> {
    return this.#client.browse({ query: query || undefined, after, limit: 30 });
  }

  /** People by the beginning of their name, without oneself. */
  async findPeople(query: string): Promise<readonly Person[]> {
    const found = await this.#client.findPeople(query, 8);
    return found.filter((person) => person.id !== this.me.id);
  }

  /** How many messages signing out would lose. What can be sent is waited for, a moment at most. */
  async unsent(): Promise<number> {
    const { state, queued } = this.#client.getSnapshot();
    if (state.is === 'live' && queued > 0) await Promise.race([this.#client.drained(), new Promise((done) => setTimeout(done, drainMs))]);
    const now = this.#client.getSnapshot();
    return now.queued + now.failed;
  }

  /** One signs out: nothing that was seen or begun stays on the device. */
  erase(): Promise<void> {
    this.#drafts.erase();
    return this.#keeping.erase();
  }

  /** Ends the connection; what is queued stays on the device. */
  stop(): void {
    this.open(undefined);
    this.#keeping.stop();
    this.search.stop();
    for (const off of this.#off) off();
    clearTimeout(this.#calm);
    this.clock.tick(0);
    this.#client.stop();
  }

  /** Quick while something is counted down on screen, slow when only the minutes matter. */
  #pace(isLive: boolean): void {
    clearTimeout(this.#calm);
    this.clock.tick(quickMs);
    if (isLive) this.#calm = setTimeout(() => this.clock.tick(slowMs), connectedMs + quickMs);
  }

  #follow(): void {
    const { state } = this.#client.getSnapshot();
    const now = Date.now();
    const wasTold = bannerAt({ is: 'connecting', attempt: 0 }, this.#history, now).is !== 'none';
    this.#history = follow(this.#history, state, now);
    this.#pace(state.is === 'live');
    if (this.#wasLive !== (state.is === 'live')) this.#keeping.linked(!this.#wasLive);
    this.#wasLive = state.is === 'live';
    if (state.is === 'live') this.#isAway = false;
    if (state.is === 'waiting' || state.is === 'offline') {
      this.#isAway = true;
      void this.#keeping.recall(this.talk?.id);
    }
    if (state.is === 'live' && wasTold) this.announcer.say(t.link.connected);
  }
}
