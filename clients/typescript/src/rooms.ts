/**
 * All rooms of the person: made from welcome, pages and `room` frames, kept current by the logs' events, told as
 * one list. It routes events to logs and knows what to resume; what a timeline shows is the handles' business.
 */
import type { RoomInfo, RoomList, RoomListSnapshot } from "./api.js";
import type { Connection } from "./connection.js";
import type { Environment } from "./env.js";
import { Signal, type Notifier } from "./observable.js";
import { RoomLog } from "./room.js";
import { RoomState, type RowContext } from "./room-state.js";
import { Typing } from "./typing.js";
import type { PageReply, Position, ReceiptFrame, ResetFrame, RoomsReply, Welcome, WireEvent, WireRoom } from "./wire.js";

/** What the list needs of the client. */
export interface RoomsHost extends RowContext {
  readonly env: Environment;
  readonly options: { readonly everyEvent?: boolean };
  /** The next event of a room's log; `live` when it is newer than the connection. */
  applied(event: WireEvent, live: boolean): void;
  roomChanged(room: string, change: "added" | "gone" | "reset", reason?: string): void;
  /** A row changed, so whoever shows the room looks again. */
  refreshed(room: string): void;
  pageAfter(room: string, seq: number): Promise<PageReply>;
  readonly connection: Pick<Connection, "notify">;
  nextPage(after: string): Promise<RoomsReply>;
  /** Rooms whose timeline is open: resumed first. */
  isOpen(room: string): boolean;
}

/** The list. */
export class Rooms extends Signal<RoomListSnapshot> implements RoomList {
  readonly #states = new Map<string, RoomState>();
  #welcomed = false;
  #cursor: string | undefined;
  /** What the last hello asked for, and rooms known at its welcome that it did not name. */
  #asked = new Set<string>();
  #later: readonly string[] = [];
  /** Counts of the rooms that no page has named yet. */
  #elsewhere = { unread: 0, mentions: 0 };

  constructor(
    notifier: Notifier,
    private readonly host: RoomsHost,
  ) {
    super(notifier);
  }

  get(room: string): RoomState | undefined {
    return this.#states.get(room);
  }

  async loadMore(): Promise<void> {
    if (this.#cursor === undefined) return;
    const { rooms, more, after } = await this.host.nextPage(this.#cursor);
    for (const room of rooms) this.learn(room);
    this.#cursor = more ? after : undefined;
    this.touch();
  }

  /** The positions for `hello`: open rooms first, then by activity. The others are for `resumeLater`. */
  positions(count: number): Record<string, Position> {
    const isOpen = (room: string): boolean => this.host.isOpen(room);
    const order = [...this.#states.keys()].sort((left, right) => {
      return +isOpen(right) - +isOpen(left) || this.#at(right) - this.#at(left);
    });
    this.#asked = new Set(order.slice(0, count));
    return this.#positionsOf(this.#asked);
  }

  /** Resumes what found no place in `hello`. */
  resumeLater(count: number): void {
    for (let from = 0; from < this.#later.length; from += count) this.#resume(this.#later.slice(from, from + count));
  }

  welcome({ rooms, totals, after }: Welcome): void {
    this.#later = [...this.#states.keys()].filter((room) => !this.#asked.has(room));
    for (const room of rooms) this.learn(room);
    this.#welcomed = true;
    // What the totals count beyond the rooms known here; for those named, the server's count, which our marker may be ahead of.
    const known = sum([...rooms, ...this.#infos().filter(({ id }) => !rooms.some((room) => room.id === id))]);
    this.#elsewhere = less(totals, known);
    this.#cursor = this.#states.size < totals.rooms ? after : undefined;
    this.touch();
  }

  /** A room object of whatever frame. */
  learn(wire: WireRoom): void {
    const known = this.#states.get(wire.id);
    if (known) {
      known.learn(wire);
      return this.refresh(wire.id);
    }
    this.#elsewhere = less(this.#elsewhere, wire);
    this.#states.set(wire.id, this.#create(wire));
    if (this.#welcomed) this.host.roomChanged(wire.id, "added");
    this.refresh(wire.id);
  }

  receive(event: WireEvent): void {
    this.#states.get(event.room)?.log.receive(event);
  }

  reset(frame: ResetFrame): void {
    const state = this.#states.get(frame.room);
    if (!state) return;
    if (frame.reason === "gone") return this.gone(frame.room, "gone");
    const { epoch = state.log.position.epoch, first = 1, head = 0 } = frame;
    state.reset(epoch, first, head);
    state.log.reset(frame);
    this.host.roomChanged(frame.room, "reset", frame.reason);
    this.refresh(frame.room);
  }

  gone(room: string, reason?: string): void {
    const state = this.#states.get(room);
    if (!state) return;
    state.typing.close();
    this.#states.delete(room);
    this.host.roomChanged(room, "gone", reason);
    this.refresh(room);
  }

  receipt({ room, user, seq }: ReceiptFrame): void {
    const state = this.#states.get(room);
    if (!state) return;
    if (user === this.host.me) state.markRead(seq, undefined);
    else state.receipts[user] = Math.max(seq, state.receipts[user] ?? 0);
    this.refresh(room);
  }

  typing(room: string, users: readonly string[], more = 0): void {
    this.#states.get(room)?.typing.set(users, more);
  }

  /** Something that the row shows has changed. */
  refresh(room: string): void {
    this.#states.get(room)?.refresh();
    this.touch();
    this.host.refreshed(room);
  }

  /** A name has changed, and with it the titles of direct rooms. */
  renamed(person: string): void {
    for (const [room, { peer }] of this.#states) if (peer === person) this.refresh(room);
  }

  clear(): void {
    for (const room of [...this.#states.keys()]) this.gone(room, "user");
    this.#welcomed = false;
    this.#cursor = undefined;
    this.#elsewhere = { unread: 0, mentions: 0 };
    this.touch();
  }

  #at(room: string): number {
    return this.#states.get(room)?.info().at ?? 0;
  }

  #resume(rooms: readonly string[]): void {
    this.host.connection.notify({ type: "resume", positions: this.#positionsOf(rooms) });
  }

  #positionsOf(rooms: Iterable<string>): Record<string, Position> {
    const known = [...rooms].filter((id) => this.#states.has(id));
    return Object.fromEntries(known.map((id) => [id, this.#states.get(id)!.log.position]));
  }

  #create(wire: WireRoom): RoomState {
    const { id } = wire;
    const { host } = this;
    const log = new RoomLog(wire.epoch, wire.head, host.options.everyEvent, {
      apply: (event) => this.#apply(event),
      pageAfter: (seq) => host.pageAfter(id, seq),
      resume: () => this.#resume([id]),
    });
    const typing = new Typing(host.env, () => this.refresh(id));
    // A room that came while we were away: what is unread in it was never delivered.
    const missed = Math.max(wire.first - 1, wire.read);
    if (host.options.everyEvent && this.#welcomed && missed < wire.head) log.catchUp(missed, wire.head);
    return new RoomState(wire, log, typing, host);
  }

  #apply(event: WireEvent): void {
    const state = this.#states.get(event.room);
    if (!state) return;
    const live = event.seq > state.liveFrom;
    state.apply(event, this.host.me);
    this.host.applied(event, live);
    this.refresh(event.room);
  }

  #infos(): RoomInfo[] {
    return [...this.#states.values()].map((state) => state.info());
  }

  protected build(): RoomListSnapshot {
    const rooms = this.#infos().sort((left, right) => right.at - left.at);
    return { rooms, ...sum([...rooms, this.#elsewhere]), hasMore: this.#cursor !== undefined, ready: this.#welcomed };
  }
}

interface Counts {
  unread: number;
  mentions: number;
}

function less(from: Readonly<Counts>, part: Readonly<Counts>): Counts {
  return { unread: Math.max(0, from.unread - part.unread), mentions: Math.max(0, from.mentions - part.mentions) };
}

function sum(counts: readonly Readonly<Counts>[]): Counts {
  const add = (name: keyof Counts): number => counts.reduce((total, count) => total + count[name], 0);
  return { unread: add("unread"), mentions: add("mentions") };
}
