/**
 * What a program holds of a room: its timeline, and everything one can do there. Made by the client, one object a room,
 * also for rooms that are not known yet. It loads pages; order and repeats are the log's business.
 */
import type { Member, MessageItem, Page, Room, Sending, TimelineItem, TimelineSnapshot } from "./api.js";
import type { Calls } from "./calls.js";
import type { Connection } from "./connection.js";
import type { Environment } from "./env.js";
import { MoorlineError } from "./error.js";
import { Signal, type Notifier } from "./observable.js";
import type { Outbox, Outgoing } from "./outbox.js";
import { overlay, pendingRow } from "./pending.js";
import type { People } from "./people.js";
import { ReadMarker } from "./read-marker.js";
import type { RoomState } from "./room-state.js";
import type { Rooms } from "./rooms.js";
import type { OutboxEntry } from "./store/store.js";
import { Timeline } from "./timeline.js";
import type { PageReply, Request, WireEvent } from "./wire.js";

/** A screen and a half. */
const PAGE = 50;
/** Shown above the first unread message, so that one sees what it answers. */
const CONTEXT = 25;

/** What a handle needs of the client. */
export interface RoomContext {
  readonly env: Environment;
  readonly notifier: Notifier;
  readonly calls: Calls;
  readonly outbox: Outbox;
  readonly people: People;
  readonly rooms: Rooms;
  readonly me: string | undefined;
  readonly uuid: () => string;
  readonly connection: Pick<Connection, "notify">;
}

/** The piece of the log that a page is asked for. */
interface Part {
  readonly before?: number;
  readonly after?: number;
  readonly limit: number;
}

type Durable = "join" | "leave" | "rename" | "invite" | "remove";
/** A command without what each one of a room has. */
type Bare<T> = T extends unknown ? Omit<T, "room" | "cid"> : never;

/** One room. */
export class RoomHandle extends Signal<TimelineSnapshot> implements Room {
  readonly #timeline: Timeline;
  readonly #marker: ReadMarker;
  /** Where the log began when it was last asked: pruning may have raised it since the room was told. */
  #begin?: number;
  #status: TimelineSnapshot["status"] = "idle";
  #error: MoorlineError | undefined;
  #firstUnreadSeq: number | undefined;
  #opening: Promise<void> | undefined;
  readonly #loading = new Map<string, Promise<void>>();
  /** Raised when what is loaded is thrown away, so that pages on their way are too. */
  #generation = 0;

  constructor(
    readonly id: string,
    private readonly context: RoomContext,
  ) {
    super(context.notifier);
    this.#timeline = new Timeline(context);
    this.#marker = new ReadMarker(context.env, (seq) => context.connection.notify({ type: "read", room: id, seq }));
  }

  get isOpen(): boolean {
    return this.#status === "loading" || this.#status === "ready";
  }

  open(): Promise<void> {
    if (this.#status === "ready") return Promise.resolve();
    return (this.#opening ??= this.#load().finally(() => (this.#opening = undefined)));
  }

  close(): void {
    this.#forget("idle");
    this.#firstUnreadSeq = undefined;
  }

  send(body: string, { replyTo, cid }: { readonly replyTo?: string; readonly cid?: string } = {}): Sending {
    this.#state?.typing.sent();
    return this.#post({ type: "send", body, reply_to: replyTo }, cid);
  }

  edit(message: string, body: string): Sending {
    return this.#post({ type: "edit", message, body });
  }

  delete(message: string): Sending {
    return this.#post({ type: "delete", message });
  }

  retry(cid: string): void {
    this.context.outbox.retry(this.id, cid);
    this.notifier.flush();
  }

  discard(cid: string): boolean {
    const isDiscarded = this.context.outbox.discard(this.id, cid);
    this.notifier.flush();
    return isDiscarded;
  }

  loadBefore(): Promise<void> {
    const from = this.#timeline.bounds?.from;
    if (from === undefined) return this.open();
    if (from <= this.#first) return Promise.resolve();
    return this.#once("before", () => this.#fetch({ before: from, limit: PAGE }));
  }

  loadAfter(): Promise<void> {
    const to = this.#timeline.bounds?.to;
    if (to === undefined) return this.open();
    if (to >= this.#head) return Promise.resolve();
    return this.#once("after", () => this.#fetch({ after: to, limit: PAGE }));
  }

  fillGap(key: string, side: "newer" | "older" = "newer"): Promise<void> {
    const gap = this.#timeline.rows.find((row) => row.type === "gap" && row.key === key);
    if (gap?.type !== "gap") return Promise.resolve();
    const { before, after } = gap;
    const limit = Math.min(PAGE, before - after - 1);
    return this.#once(key, () => this.#fetch(side === "newer" ? { before, limit } : { after, limit }));
  }

  jumpTo(seq: number): Promise<void> {
    if (this.#timeline.has(seq)) return Promise.resolve();
    return this.#once(`to ${seq}`, () => this.#around(seq));
  }

  jumpToLatest(): Promise<void> {
    const to = this.#timeline.bounds?.to;
    if (to !== undefined && to >= this.#head) return Promise.resolve();
    return this.#once("latest", () => this.#fetch({ limit: PAGE }));
  }

  markRead(seq = this.#head): void {
    const state = this.#state;
    if (!state?.markRead(seq, this.#timeline.countOthersAfter(seq, state.head))) return;
    this.#marker.move(seq);
    this.context.rooms.refresh(this.id);
  }

  typing(): void {
    if (this.#state?.typing.shouldTell()) this.context.connection.notify({ type: "typing", room: this.id });
  }

  async members({ after, limit = 100 }: { readonly after?: string; readonly limit?: number } = {}): Promise<
    Page<Member> & { readonly total: number }
  > {
    const { members: items, more, total } = await this.context.calls.run({ type: "members", room: this.id, after, limit }, "members");
    this.context.people.learn(items);
    const state = this.#state;
    for (const { id, read } of items) {
      if (state && read !== undefined && id !== this.context.me) state.receipts[id] = Math.max(read, state.receipts[id] ?? 0);
    }
    this.touch();
    return { items, more, total, after: items.at(-1)?.id };
  }

  invite(users: readonly string[]): Promise<void> {
    return this.#ask({ type: "invite", users: [...users] });
  }

  remove(users: readonly string[]): Promise<void> {
    return this.#ask({ type: "remove", users: [...users] });
  }

  rename(name: string): Promise<void> {
    return this.#ask({ type: "rename", name });
  }

  join(): Promise<void> {
    return this.#ask({ type: "join" });
  }

  leave(): Promise<void> {
    return this.#ask({ type: "leave" });
  }

  /** The log's next event. */
  applied(event: WireEvent): void {
    if (this.isOpen) this.#timeline.append(event);
    if (event.cid !== undefined && event.from === this.context.me) {
      this.context.outbox.settle(this.id, event.cid, { seq: event.seq, id: event.id, at: event.at });
    }
    this.context.outbox.forgetSent(this.id, event.seq);
    this.touch();
  }

  /** The room came, went, or its log lost history. */
  changed(change: "added" | "gone" | "reset", reason?: string): void {
    if (change === "gone") {
      this.#marker.clear();
      return this.#forget("gone");
    }
    const wasShown = this.isOpen || this.#status === "gone";
    if (change === "reset" && (reason === "too_far" || reason === "pruned")) {
      if (this.isOpen) void this.#once("latest", () => this.#fetch({ limit: PAGE }));
      return;
    }
    this.context.outbox.forgetSent(this.id, Infinity);
    this.#forget("idle");
    if (wasShown) void this.open().catch(() => {});
  }

  /** Live again: what could not be told before. */
  live(): void {
    if (!this.#state) return;
    this.#marker.live();
    if (this.#status === "gone") this.changed("added");
    if (this.#error && this.#status === "loading") void this.open().catch(() => {});
  }

  get #state(): RoomState | undefined {
    return this.context.rooms.get(this.id);
  }

  get #first(): number {
    return this.#begin ?? this.#state?.first ?? 1;
  }

  get #head(): number {
    return this.#state?.head ?? 0;
  }

  #post(command: Bare<OutboxEntry["command"]>, cid = this.context.uuid()): Sending {
    const room = this.id;
    const { acked } = this.context.outbox.add(room, cid, { ...command, room, cid } as OutboxEntry["command"]);
    this.notifier.flush();
    return { cid, acked };
  }

  async #ask(command: Bare<Extract<Request, { type: Durable }>>): Promise<void> {
    await this.context.calls.run({ ...command, room: this.id, cid: this.context.uuid() } as Request, "ack");
  }

  #forget(status: TimelineSnapshot["status"]): void {
    this.#generation++;
    this.#timeline.clear();
    this.#loading.clear();
    this.#opening = undefined;
    this.#status = status;
    this.#error = undefined;
    this.touch();
  }

  async #load(): Promise<void> {
    this.#status = "loading";
    this.#error = undefined;
    this.touch();
    // Only a welcome tells where to open the room.
    if (!this.#state) await this.context.calls.live();
    const { read = 0, unread = 0 } = this.#state?.info() ?? {};
    await this.#once("open", () => (unread > 0 ? this.#around(read + 1) : this.#fetch({ limit: PAGE })));
    if (unread > 0) this.#firstUnreadSeq ??= this.#timeline.firstOtherAfter(read);
    this.touch();
  }

  /** What stands before a position and what follows it. */
  async #around(seq: number): Promise<void> {
    await this.#fetch({ before: seq, limit: CONTEXT }, { after: seq - 1, limit: PAGE });
  }

  /** Pages into the timeline, all in the same moment. */
  async #fetch(...parts: readonly Part[]): Promise<void> {
    const generation = this.#generation;
    const { calls } = this.context;
    const pages = await Promise.all(parts.map((part) => calls.run({ type: "history", room: this.id, ...part }, "page")));
    if (generation !== this.#generation) return;
    pages.forEach((page, index) => {
      this.#begin = page.first;
      const { from, to } = edges(page, parts[index]!);
      this.#timeline.insert(from, to, page.events);
    });
    this.#status = "ready";
  }

  /** One load of each sort at a time; a second call waits for the first. */
  #once(name: string, load: () => Promise<void>): Promise<void> {
    const running = this.#loading.get(name);
    if (running) return running;
    const generation = this.#generation;
    const ended = (error?: MoorlineError): void => {
      if (generation !== this.#generation) return;
      this.#loading.delete(name);
      this.#error = error;
      this.touch();
    };
    const promise = load().then(
      () => ended(),
      (error: MoorlineError) => {
        ended(error);
        throw error;
      },
    );
    promise.catch(() => {});
    this.#loading.set(name, promise);
    this.touch();
    return promise;
  }

  protected build(): TimelineSnapshot {
    const state = this.#state;
    const [first, head, timeline] = [this.#first, this.#head, this.#timeline];
    const { from, to } = timeline.bounds ?? { from: first, to: head };
    const isLoading = (name: string): boolean => this.#loading.has(name);
    return {
      id: this.id,
      status: this.#status,
      info: state?.info(),
      items: this.#rows(),
      hasMoreBefore: this.#status === "ready" && from > first,
      hasMoreAfter: this.#status === "ready" && to < head,
      loadingBefore: isLoading("before"),
      loadingAfter: isLoading("after") || isLoading("latest"),
      error: this.#error,
      firstUnreadSeq: this.#firstUnreadSeq,
      first,
      head,
      read: state?.read ?? 0,
      receipts: { ...state?.receipts },
    };
  }

  #rows(): readonly TimelineItem[] {
    const outgoing = this.context.outbox.of(this.id);
    const { rows } = this.#timeline;
    if (outgoing.length === 0) return rows;
    const me = this.context.me ?? "";
    const waiting = outgoing.filter((item) => !this.#isShown(item)).map((item) => pendingRow(item, me));
    const changes = outgoing.filter(({ entry }) => entry.command.type !== "send");
    const changed = changes.length > 0 ? rows.map((row) => overlay(row, changes)) : rows;
    return [...changed, ...waiting.filter((row): row is MessageItem => row !== undefined)];
  }

  /** Whether the log has this message already: then it has a row. */
  #isShown({ entry, stored }: Outgoing): boolean {
    return this.#timeline.hasCid(entry.cid) || (stored !== undefined && this.#timeline.has(stored.seq));
  }
}

/** What a page covers: its events are dense, and an end that has no more reaches the log's own. */
function edges({ events, more, first, head }: PageReply, { before, after }: Part): { from: number; to: number } {
  const [oldest] = events;
  const newest = events.at(-1);
  if (after !== undefined) return { from: Math.max(after + 1, first), to: more && newest ? newest.seq : Math.max(head, newest?.seq ?? 0) };
  const to = before === undefined ? Math.max(head, newest?.seq ?? 0) : Math.min(before - 1, head);
  return { from: more && oldest ? oldest.seq : first, to };
}
