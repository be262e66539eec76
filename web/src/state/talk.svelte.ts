// One open room: its rows, what is written there, what can be done with it. The SDK keeps the messages; this only arranges them.
import type { Client, Member, MessageItem, Room, TimelineItem, TimelineSnapshot } from '@moorline/client';
import type { Announcer } from './announcer.svelte.ts';
import type { Drafts } from './drafts.ts';
import type { Keeping } from './keeping.svelte.ts';
import type { KeptRoom } from './kept.ts';
import { marksOf, readersOf } from './readers.ts';
import { recalledRoom } from './recall.ts';
import type { MessagePlace } from './route.ts';
import { RowMaker, type Row } from './rows.ts';
import { Watched } from './watched.svelte.ts';
import { Writing } from './writing.svelte.ts';
import { t } from '../text/index.ts';

/** How long a message that was jumped to is marked. */
export const flashMs = 2_000;
/** Pages that are loaded at most while an answered message is looked for. */
const searchPages = 40;
/** How far above an answer its message is looked for, to show what it said. */
const quoteReach = 500;
/** Stored messages that are passed over while refused ones are looked for from the end. */
const justStored = 50;

/** What a conversation shares with the rest of the chat. */
export interface Shared {
  readonly drafts: Drafts;
  readonly keeping: Keeping;
  readonly announcer: Announcer;
  readonly name: (id: string) => string;
}

/** A conversation on screen. Made on entry, `close()`d on leaving. */
export class Talk {
  readonly id: string;
  readonly writing: Writing;
  readonly #client: Client;
  readonly #room: Room;
  readonly #timeline: Watched<TimelineSnapshot>;
  readonly #rowMaker = new RowMaker();
  readonly #off: (() => void)[];
  readonly #keeping: Keeping;
  #recalled: { now: TimelineSnapshot; kept: KeptRoom; shown: TimelineSnapshot } | undefined;
  #shownOf: { items: readonly TimelineItem[]; shown: readonly TimelineItem[] } | undefined;
  #flashTimer: ReturnType<typeof setTimeout> | undefined;

  /** Members as far as fetched. */
  members = $state.raw<readonly Member[]>([]);
  membersMore = $state.raw<string | undefined>(undefined);
  membersProblem = $state('');
  /** Where the list shall go as soon as the rows are there; the list takes it by `arrived()`. */
  target = $state.raw<number | undefined>(undefined);
  /** The key of the row that was jumped to a moment ago. */
  flash = $state('');
  /** Why a jump came to nothing. */
  jumpProblem = $state('');
  readonly rows: readonly Row[] = $derived.by(() => {
    const { info, items, firstUnreadSeq } = this.snapshot;
    return this.#rowMaker.make(info?.kind === 'direct' ? this.#withoutMembers(items) : items, firstUnreadSeq);
  });
  readonly #marks: ReadonlyMap<string, number> = $derived(marksOf(this.snapshot.receipts, this.snapshot.items));
  /** One's own messages that were refused for good, oldest first. */
  readonly failed: readonly MessageItem[] = $derived(this.#refused());

  constructor(client: Client, id: string, { drafts, keeping, announcer, name }: Shared) {
    this.id = id;
    this.#client = client;
    this.#keeping = keeping;
    this.#room = client.room(id);
    this.#timeline = new Watched(this.#room);
    this.writing = new Writing(this.#room, drafts, () => client.getSnapshot().messageBytes);
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

  /** The SDK's timeline of this room; while the server has told nothing of it, as it was last seen. */
  get snapshot(): TimelineSnapshot {
    const { now } = this.#timeline;
    const kept = this.#keeping.shownRoom(this.id, now);
    if (!kept) return now;
    if (this.#recalled?.now !== now || this.#recalled.kept !== kept) this.#recalled = { now, kept, shown: recalledRoom(now, kept) };
    return this.#recalled.shown;
  }

  /** Since when the messages on screen may have changed, ms since 1970; undefined while they are the server's. */
  get asOf(): number | undefined {
    return this.#keeping.shownRoom(this.id, this.#timeline.now)?.at;
  }

  /** Whether one may edit this message now. What is shown as it was cannot be changed, only what still waits to be sent. */
  canEdit(item: MessageItem): boolean {
    return canEdit(item) && this.#isHere(item);
  }

  /** Whether one may delete this message now. */
  canDelete(item: MessageItem): boolean {
    return item.mine && item.state !== 'sending' && this.#isHere(item);
  }

  /** Loads the first page; also the way to try again. A refusal stands in the snapshot's error. */
  open(): void {
    this.#room.open().catch(() => undefined);
  }

  /** Leaves the room: the list forgets its pages and the 'New' line. */
  close(): void {
    for (const off of this.#off) off();
    clearTimeout(this.#flashTimer);
    this.#room.close();
  }

  retry(message: MessageItem): void {
    const cid = message.change?.cid ?? message.cid;
    if (cid) this.#room.retry(cid);
  }

  retryAll(): void {
    for (const message of this.failed) this.retry(message);
  }

  /** Drops what was not sent: a message, or the edit or deletion of one. */
  discard(message: MessageItem): void {
    const cid = message.change?.cid ?? message.cid;
    if (cid) this.#room.discard(cid);
  }

  /** Deletes a message for everybody; one that never reached the server is only dropped. */
  delete(message: MessageItem): void {
    if (message.id === undefined) return this.discard(message);
    if (message.change?.state === 'failed') this.discard(message);
    this.#room.delete(message.id).acked.catch(() => undefined);
  }

  /** One's own latest message that can be edited. */
  lastOwn(): MessageItem | undefined {
    return this.snapshot.items.findLast((item): item is MessageItem => item.type === 'message' && this.canEdit(item));
  }

  /** A loaded message by its id, looked for from the end. */
  find(id: string): MessageItem | undefined {
    return this.snapshot.items.findLast((item): item is MessageItem => item.type === 'message' && item.id === id);
  }

  /** The message that this one answers, if it is loaded and not too far above it. */
  quoted({ replyTo, seq }: MessageItem): MessageItem | undefined {
    if (replyTo === undefined) return undefined;
    const { items } = this.snapshot;
    const from = seq === undefined ? items.length : indexOfSeq(items, seq);
    for (let i = from - 1; i >= 0 && i >= from - quoteReach; i -= 1) {
      const item = items[i];
      if (item?.type === 'message' && item.id === replyTo) return item;
    }
    return undefined;
  }

  loadBefore(): void {
    if (!this.snapshot.loadingBefore) this.#room.loadBefore().catch(() => undefined);
  }

  loadAfter(): void {
    if (!this.snapshot.loadingAfter) this.#room.loadAfter().catch(() => undefined);
  }

  /** Loads a page of a gap, from the end that the reader comes from. */
  fillGap(key: string, side: 'newer' | 'older'): void {
    this.#room.fillGap(key, side).catch(() => undefined);
  }

  toLatest(): void {
    this.#room.jumpToLatest().catch(() => undefined);
  }

  /** Shows a message that an address or a search names. */
  show({ seq, id }: MessagePlace): void {
    void this.jumpTo(seq, id);
  }

  /** Shows the message at a position, which is loaded with what stands around it; marked for two seconds. */
  async jumpTo(seq: number, id?: string): Promise<void> {
    this.jumpProblem = '';
    try {
      await this.#room.open();
      await this.#room.jumpTo(seq);
      // Positions of a log that was lost mean other messages now.
      const found = this.#room.getSnapshot().items.find((item) => item.type === 'message' && item.seq === seq);
      if (found?.type !== 'message' || (id !== undefined && found.id !== id)) throw new Error(id);
      this.target = seq;
    } catch {
      this.jumpProblem = t.talk.jumpFailed;
    }
  }

  /** Shows a message by its id, for answers; older pages are loaded until it is found. */
  async jumpToMessage(id: string): Promise<void> {
    for (let page = 0; page < searchPages; page += 1) {
      const seq = this.find(id)?.seq;
      if (seq !== undefined) return this.jumpTo(seq);
      if (!this.snapshot.hasMoreBefore) break;
      try {
        await this.#room.loadBefore();
      } catch {
        break;
      }
    }
    this.jumpProblem = t.talk.jumpFailed;
  }

  /** The list has gone to the target. */
  arrived(key: string): void {
    this.target = undefined;
    this.flash = key;
    clearTimeout(this.#flashTimer);
    this.#flashTimer = setTimeout(() => (this.flash = ''), flashMs);
  }

  /** The reader has seen everything up to this position. */
  seen(seq: number): void {
    if (seq > this.snapshot.read) this.#room.markRead(seq);
  }

  /** Who has read this message, by id, as far as told. */
  readers(seq: number): string[] {
    return readersOf(this.#marks, seq);
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

  #isHere(item: MessageItem): boolean {
    return item.seq === undefined || this.asOf === undefined;
  }

  /** That two people are in a chat of two needs no line. */
  #withoutMembers(items: readonly TimelineItem[]): readonly TimelineItem[] {
    if (this.#shownOf?.items !== items) this.#shownOf = { items, shown: items.filter((item) => item.type !== 'member') };
    return this.#shownOf.shown;
  }

  /** Refused messages have no position, so they stand at the end, among those that were stored a moment ago. */
  #refused(): MessageItem[] {
    const { items } = this.snapshot;
    const found: MessageItem[] = [];
    for (let i = items.length - 1, stored = 0; i >= 0 && stored < justStored; i -= 1) {
      const item = items[i];
      if (item?.type === 'message' && item.state === 'failed') found.unshift(item);
      if (item?.type === 'message' && item.seq !== undefined) stored += 1;
    }
    return found;
  }
}

/** One's own, not deleted, and stored or refused: what is on its way cannot be changed yet. */
export function canEdit(item: MessageItem): boolean {
  if (!item.mine || item.deleted || item.change?.kind === 'delete') return false;
  return item.state === 'failed' || item.id !== undefined;
}

/** Where a position stands among items, which are in the order of their positions; those without one count with the one before. */
function indexOfSeq(items: readonly TimelineItem[], seq: number): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (seqAt(items, middle) < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

function seqAt(items: readonly TimelineItem[], index: number): number {
  const item = items[index];
  if (item?.type === 'gap') return item.after;
  return item?.seq ?? Infinity;
}
