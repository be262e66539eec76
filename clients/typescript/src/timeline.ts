/**
 * What is loaded of one room's log: some stretches of it, each without holes, and the rows they make. Pages come from
 * the room's handle, live events from the log (in order). It asks for nothing itself and knows no connection.
 */
import type { MemberItem, MessageItem, RenameItem, TimelineItem } from "./api.js";
import type { MessageEvent, WireEvent } from "./wire.js";

/** Live events remembered, so that a page read a moment earlier can be brought up to date. */
const RECENT = 200;

/** Rows that stand at a position. */
export type LogItem = MessageItem | MemberItem | RenameItem;

/** Everything with `from <= seq <= to` is loaded. */
interface Stretch {
  from: number;
  to: number;
}

/** One room's loaded events. */
export class Timeline {
  #stretches: Stretch[] = [];
  readonly #items = new Map<number, LogItem>();
  readonly #ownCids = new Set<string>();
  #recent: WireEvent[] = [];
  #built: readonly TimelineItem[] | undefined;

  constructor(private readonly who: { readonly me: string | undefined }) {}

  /** The lowest and highest loaded position; undefined where nothing is. */
  get bounds(): Stretch | undefined {
    const [lowest] = this.#stretches;
    const highest = this.#stretches.at(-1);
    return lowest && highest && { from: lowest.from, to: highest.to };
  }

  /** Rows, oldest first, with a gap row between two stretches. */
  get rows(): readonly TimelineItem[] {
    return (this.#built ??= this.#build());
  }

  has(seq: number): boolean {
    return this.#stretches.some(({ from, to }) => from <= seq && seq <= to);
  }

  hasCid(cid: string): boolean {
    return this.#ownCids.has(cid);
  }

  /** How many messages of others stand above a position; undefined where they are not all loaded. */
  countOthersAfter(seq: number, head: number): number | undefined {
    const last = this.#stretches.at(-1);
    if (!last || last.to < head || last.from > seq + 1) return undefined;
    return this.#others(seq, head).length;
  }

  /** The first loaded message of others above a position. */
  firstOtherAfter(seq: number): number | undefined {
    if (!this.has(seq + 1)) return undefined;
    return this.#others(seq, this.bounds?.to ?? 0)[0]?.seq;
  }

  /** A live event, the next of the log. It is shown where it continues what is loaded. */
  append(event: WireEvent): void {
    this.#recent.push(event);
    if (this.#recent.length > RECENT) this.#recent.shift();
    this.#extend(event);
  }

  /** A page: `events` are all there is from `from` to `to`. */
  insert(from: number, to: number, events: readonly WireEvent[]): void {
    // An empty stretch stands for an empty room, where the first event comes after nothing.
    if (to < from - 1) return;
    for (const event of events) this.#put(event);
    this.#stretches = joined([...this.#stretches, { from, to }]);
    // The page was read before some live events that came ahead of it.
    for (const event of this.#recent) this.#extend(event);
    this.#built = undefined;
  }

  clear(): void {
    this.#stretches = [];
    this.#recent = [];
    this.#items.clear();
    this.#ownCids.clear();
    this.#built = undefined;
  }

  #others(above: number, upTo: number): MessageItem[] {
    const found: MessageItem[] = [];
    for (let seq = above + 1; seq <= upTo; seq++) {
      const item = this.#items.get(seq);
      if (item?.type === "message" && !item.mine) found.push(item);
    }
    return found;
  }

  #extend(event: WireEvent): void {
    if (event.kind === "edit" || event.kind === "delete") this.#amend(event);
    const last = this.#stretches.at(-1);
    if (last && event.seq === last.to + 1) last.to = event.seq;
    else if (!this.has(event.seq)) return;
    this.#put(event);
  }

  #put(event: WireEvent): void {
    const item = itemOf(event, this.who.me);
    const known = this.#items.get(event.seq);
    if (!item || (known && revision(known) >= revision(item))) return;
    this.#items.set(event.seq, item);
    if (item.type === "message" && item.mine && item.cid) this.#ownCids.add(item.cid);
    this.#built = undefined;
  }

  /** An edit or a deletion of a loaded message. Applying it again changes nothing. */
  #amend(event: WireEvent & { kind: "edit" | "delete" }): void {
    const item = this.#items.get(event.of);
    if (item?.type !== "message" || revision(item) >= event.seq || item.deleted) return;
    this.#items.set(event.of, { ...item, ...changeOf(event) });
    this.#built = undefined;
  }

  #build(): TimelineItem[] {
    const rows: TimelineItem[] = [];
    let end: number | undefined;
    for (const { from, to } of this.#stretches) {
      // Keyed by its upper edge in time: the gap shrinks from below the newer stretch, and stays the same row.
      if (end !== undefined) rows.push({ type: "gap", key: `gap-${end}`, after: end, before: from });
      for (let seq = from; seq <= to; seq++) {
        const item = this.#items.get(seq);
        if (item) rows.push(item);
      }
      end = to;
    }
    return rows;
  }
}

/** The row of an event; undefined for events that only change other rows. */
export function itemOf(event: WireEvent, me: string | undefined): LogItem | undefined {
  const { seq, id, from, at, kind } = event;
  const common = { key: id, seq, id, from, at };
  if (kind === "message") return messageItem(event, me);
  if (kind === "member") return { type: kind, ...common, changes: event.changes };
  if (kind === "rename") return { type: kind, ...common, name: event.name };
  return undefined;
}

/** The row of a message. One's own is keyed by its cid, as it was before it had an id. */
export function messageItem(event: MessageEvent, me: string | undefined): MessageItem {
  const { seq, id, cid, from, at, body, edited, deleted, reply_to: replyTo } = event;
  const mine = from === me;
  const key = (mine && cid) || id;
  return { type: "message", key, seq, id, cid, from, mine, at, body, state: "sent", edited, deleted, replyTo };
}

/** What an edit or a deletion changes in its message. */
export function changeOf(event: WireEvent & { kind: "edit" | "delete" }) {
  const { seq, at } = event;
  return event.kind === "edit" ? { body: event.body, edited: { seq, at } } : { body: "", deleted: { seq, at } };
}

/** Up to which position a row tells the truth. */
function revision(item: LogItem): number {
  if (item.type !== "message") return item.seq;
  return Math.max(item.seq ?? 0, item.edited?.seq ?? 0, item.deleted?.seq ?? 0);
}

/** Stretches in order; those that touch are one. */
function joined(stretches: readonly Stretch[]): Stretch[] {
  const result: Stretch[] = [];
  for (const { from, to } of [...stretches].sort((left, right) => left.from - right.from)) {
    const last = result.at(-1);
    if (last && from <= last.to + 1) last.to = Math.max(last.to, to);
    else result.push({ from, to });
  }
  return result;
}
