// Keeps what a person sees on this device, a moment after it changed, and gives it back while the server is away. One a chat.
// Where storage is forbidden it does nothing, and the page is as it was without it.
import type { Client, MessageItem, Person, Room, RoomListSnapshot, TimelineItem, TimelineSnapshot } from '@moorline/client';
import type { Kept, KeptList, KeptRoom } from './kept.ts';
import { amended, listToKeep, mostListed, recalledList, roomToKeep } from './recall.ts';

/** How often it is written at most. */
export const keepMs = 500;

/** The memory of one person's chat. */
export class Keeping {
  readonly #client: Client;
  readonly #me: string;
  readonly #kept: Kept;
  readonly #off: (() => void)[];
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** All work on the storage, one after the other. */
  #work: Promise<unknown> = Promise.resolve();
  #isStopped = false;
  /** When the link was lost; absent while it is there. */
  #lostAt: number | undefined;
  #room: Room | undefined;
  #offRoom: (() => void) | undefined;
  #written: { list?: string; items?: readonly TimelineItem[] } = {};
  #shownList: { now: RoomListSnapshot; kept: KeptList; shown: RoomListSnapshot } | undefined;
  /** As it was kept, once it is wanted. */
  list = $state.raw<KeptList | undefined>(undefined);
  #rooms = $state.raw<ReadonlyMap<string, KeptRoom>>(new Map());

  constructor(client: Client, me: { id: string; name: string }, kept: Kept) {
    this.#client = client;
    this.#me = me.id;
    this.#kept = kept;
    this.#queue(() => kept.own({ id: me.id, name: me.name }));
    this.#off = [
      client.rooms.subscribe(() => this.#later()),
      client.on('event', (event) => {
        if (event.kind !== 'edit' && event.kind !== 'delete') return;
        const { seq, at, of, room } = event;
        const change = event.kind === 'edit' ? { body: event.body, edited: { seq, at } } : { body: '', deleted: { seq, at } };
        if (room !== this.#room?.id) this.#change(room, (one) => amended(one, of, change));
      }),
      client.on('room', ({ room, change, reason }) => {
        const isStill = change === 'added' || reason === 'too_far' || reason === 'pruned' || reason === 'user';
        if (!isStill) this.#change(room, () => undefined);
      }),
    ];
  }

  /** The room that is on screen from now on; what is known of the one before is kept first. */
  follow(room: Room | undefined): void {
    this.flush();
    this.#offRoom?.();
    this.#room = room;
    this.#written.items = undefined;
    this.#offRoom = room?.subscribe(() => this.#later());
  }

  /** The server is away: what is kept is wanted, of the list and of this room. It is shown until the server answers. */
  async recall(room: string | undefined): Promise<void> {
    await this.#queue(async () => {
      if (!this.#client.rooms.getSnapshot().ready) this.list ??= await this.#kept.list(this.#me);
      if (room === undefined || this.#rooms.has(room) || this.#client.room(room).getSnapshot().status === 'ready') return;
      const kept = await this.#kept.room(this.#me, room);
      if (kept && !this.#isStopped) this.#rooms = new Map([...this.#rooms, [room, kept]]);
    });
  }

  /** The list to show. */
  shownList(now: RoomListSnapshot): RoomListSnapshot {
    const kept = this.list;
    if (now.ready || !kept) return now;
    if (this.#shownList?.now !== now || this.#shownList.kept !== kept) {
      const unsent = (id: string) => this.#client.room(id).getSnapshot().items.filter((item): item is MessageItem => item.type === 'message' && item.seq === undefined);
      this.#shownList = { now, kept, shown: recalledList(now, kept, unsent) };
    }
    return this.#shownList.shown;
  }

  /** What is kept of a room that the server has told nothing of yet. */
  shownRoom(id: string, { status }: TimelineSnapshot): KeptRoom | undefined {
    const kept = this.#rooms.get(id);
    return status === 'ready' || status === 'gone' ? undefined : kept;
  }

  /** A name as it was known. */
  person(id: string): Person | undefined {
    const name = this.list?.names[id] ?? [...this.#rooms.values()].find(({ names }) => names[id])?.names[id];
    return name === undefined ? undefined : { id, name };
  }

  /** Writes at once what has changed: the window may be closed in the next moment. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#keepList();
    this.#keepRoom();
  }

  /** The link came or went. What is kept was true until it went; one's own edits that wait are kept with it. */
  linked(isLive: boolean): void {
    this.#lostAt = isLive ? undefined : (this.#lostAt ?? Date.now());
    this.#written = {};
    if (!isLive) this.flush();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#offRoom?.();
    for (const off of this.#off) off();
  }

  /** Stops, and erases all that is kept. */
  async erase(): Promise<void> {
    this.stop();
    await this.#work;
    await this.#kept.erase().catch(() => undefined);
  }

  #later(): void {
    if (!this.#isStopped) this.#timer ??= setTimeout(() => this.flush(), keepMs);
  }

  #keepList(): void {
    const now = this.#client.rooms.getSnapshot();
    if (!now.ready || this.#isStopped) return;
    const kept = listToKeep(now, this.#client.people.getSnapshot(), this.#lostAt ?? Date.now());
    const written = JSON.stringify({ ...kept, at: 0 });
    if (written === this.#written.list) return;
    this.#written.list = written;
    this.#queue(() => this.#kept.keepList(this.#me, kept, !now.hasMore && now.rooms.length <= mostListed));
  }

  #keepRoom(): void {
    const room = this.#room;
    const now = room?.getSnapshot();
    if (!room || !now || this.#isStopped || now.items === this.#written.items) return;
    const kept = roomToKeep(now, this.#client.people.getSnapshot(), this.#lostAt ?? Date.now());
    if (!kept) return;
    this.#written.items = now.items;
    this.#queue(() => this.#kept.keepRoom(this.#me, room.id, kept));
  }

  #change(room: string, change: (kept: KeptRoom) => KeptRoom | undefined): void {
    this.#queue(() => this.#kept.changeRoom(this.#me, room, change));
  }

  /** Storage that is full, forbidden or broken takes nothing from the chat. */
  #queue(work: () => Promise<unknown>): Promise<unknown> {
    this.#work = this.#work.then(() => (this.#isStopped ? undefined : work())).catch(() => undefined);
    return this.#work;
  }
}
