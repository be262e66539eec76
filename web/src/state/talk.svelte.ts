// One open room: its rows, its composer's draft, what can be done with it. The SDK keeps the messages; this only arranges them.
import type { Client, Member, MessageItem, Room, TimelineSnapshot } from '@moorline/client';
import type { Announcer } from './announcer.svelte.ts';
import type { Drafts } from './drafts.ts';
import type { MessagePlace } from './route.ts';
import { RowMaker, type Row } from './rows.ts';
import { Watched } from './watched.svelte.ts';
import { t } from '../text/index.ts';

const bytes = new TextEncoder();

/** A conversation on screen. Made on entry, `close()`d on leaving. */
export class Talk {
  readonly id: string;
  readonly #client: Client;
  readonly #room: Room;
  readonly #timeline: Watched<TimelineSnapshot>;
  readonly #drafts: Drafts;
  readonly #rowMaker = new RowMaker();
  readonly #off: (() => void)[];

  /** What stands in the composer. */
  draft = $state('');
  /** Why the draft cannot be sent as it is. */
  draftProblem = $state('');
  /** Members as far as fetched. */
  members = $state.raw<readonly Member[]>([]);
  membersMore = $state.raw<string | undefined>(undefined);
  membersProblem = $state('');
  readonly rows: Row[] = $derived.by(() => {
    const { info, items, firstUnreadSeq } = this.snapshot;
    // That two people are in a chat of two needs no line.
    const shown = info?.kind === 'direct' ? items.filter((item) => item.type !== 'member') : items;
    return this.#rowMaker.make(shown, firstUnreadSeq);
  });
  /** How far each other person has read: told by receipts, or seen from what they wrote themselves. */
  readonly #marks: ReadonlyMap<string, number> = $derived.by(() => {
    const marks = new Map(Object.entries(this.snapshot.receipts));
    for (const item of this.snapshot.items) {
      if (item.type !== 'message' || item.mine || item.seq === undefined) continue;
      marks.set(item.from, Math.max(item.seq, marks.get(item.from) ?? 0));
    }
    return marks;
  });

  constructor(client: Client, id: string, drafts: Drafts, announcer: Announcer, name: (id: string) => string) {
    this.id = id;
    this.#client = client;
    this.#room = client.room(id);
    this.#timeline = new Watched(this.#room);
    this.#drafts = drafts;
    this.draft = drafts.get(id);
    this.#off = [
      client.on('message', ({ room, message, live }) => {
        if (room === id && live && !message.mine) announcer.message(name(message.from), message.body);
      }),
      client.on('failed', ({ room }) => {
        if (room === id) announcer.failure(t.talk.failedSpoken);
      }),
      client.on('event', (event) => {
        if (event.room === id && event.kind === 'member' && this.members.length > 0) void this.loadMembers();
      }),
    ];
    this.open();
  }

  /** The SDK's timeline of this room. */
  get snapshot(): TimelineSnapshot {
    return this.#timeline.now;
  }

  /** Loads the first page; also the way to try again. A refusal stands in the snapshot's error. */
  open(): void {
    this.#room.open().catch(() => undefined);
  }

  /** Leaves the room: the list forgets its pages and the 'New' line. */
  close(): void {
    for (const off of this.#off) off();
    this.#room.close();
  }

  setDraft(text: string): void {
    this.draft = text;
    this.draftProblem = '';
    this.#drafts.set(this.id, text);
    if (text.trim()) this.#room.typing();
  }

  /** Sends what stands in the composer; true when a row was made. */
  send(): boolean {
    const body = this.draft.trim();
    if (!body) return false;
    if (bytes.encode(body).length > this.#client.getSnapshot().messageBytes) {
      this.draftProblem = t.talk.tooLong;
      return false;
    }
    this.#room.send(body).acked.catch(() => undefined);
    this.draft = '';
    this.#drafts.set(this.id, '');
    if (this.snapshot.hasMoreAfter) this.toLatest();
    return true;
  }

  retry(message: MessageItem): void {
    if (message.cid) this.#room.retry(message.cid);
  }

  discard(message: MessageItem): void {
    if (message.cid) this.#room.discard(message.cid);
  }

  loadBefore(): void {
    if (!this.snapshot.loadingBefore) this.#room.loadBefore().catch(() => undefined);
  }

  loadAfter(): void {
    if (!this.snapshot.loadingAfter) this.#room.loadAfter().catch(() => undefined);
  }

  fillGap(key: string): void {
    this.#room.fillGap(key).catch(() => undefined);
  }

  /** Shows a message that an address or a search names. */
  show({ seq }: MessagePlace): void {
    this.#room.jumpTo(seq).catch(() => undefined);
  }

  toLatest(): void {
    this.#room.jumpToLatest().catch(() => undefined);
  }

  /** The reader has seen everything up to this position. */
  seen(seq: number): void {
    if (seq > this.snapshot.read) this.#room.markRead(seq);
  }

  /** How many others have read this message, as far as told. */
  readers(seq: number): number {
    let count = 0;
    for (const read of this.#marks.values()) if (read >= seq) count += 1;
    return count;
  }

  /** Fetches the members anew, or the next page of them. */
  async loadMembers(after?: string): Promise<void> {
    this.membersProblem = '';
    try {
      const page = await this.#room.members({ after, limit: 100 });
      this.members = after ? [...this.members, ...page.items] : page.items;
      this.membersMore = page.more ? page.after : undefined;
    } catch {
      this.membersProblem = t.panel.failed;
    }
  }

  async invite(users: readonly string[]): Promise<void> {
    await this.#room.invite(users);
    await this.loadMembers();
  }

  async remove(user: string): Promise<void> {
    await this.#room.remove([user]);
    await this.loadMembers();
  }

  rename(name: string): Promise<void> {
    return this.#room.rename(name);
  }

  leave(): Promise<void> {
    return this.#room.leave();
  }

  join(): Promise<void> {
    return this.#client.join(this.id);
  }
}
