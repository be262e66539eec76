// Turns a timeline of the SDK into the rows on screen, one row an item: day lines, the 'New' line and groups are marks of a row.
// Pure: the same timeline gives the same rows. A row that did not change is the same object as before, and only what
// changed is looked at, so that a page of history costs the same in a room of a hundred thousand messages.
import type { GapItem, MemberItem, MessageItem, RenameItem, TimelineItem } from '@moorline/client';
import { isSameDay } from './times.ts';

/** What every row has. */
interface Common {
  readonly key: string;
  /** The day line that stands above the row. */
  readonly day?: number;
  /** The 'New' line stands above the row. */
  readonly isNew: boolean;
  /** Height on screen, as last measured or guessed by the view; 0 means not yet. */
  px: number;
}

/** One row on screen. `first` and `last` are places in a group of messages of one person. */
export type Row = Common &
  (
    | { readonly is: 'note'; readonly item: MemberItem | RenameItem }
    | { readonly is: 'gap'; readonly item: GapItem }
    | { readonly is: 'message'; readonly item: MessageItem; readonly first: boolean; readonly last: boolean }
  );

/** Messages of one person closer than this are one group. */
export const groupMs = 5 * 60_000;

function belongsTogether(a: TimelineItem | undefined, b: TimelineItem | undefined): boolean {
  if (a?.type !== 'message' || b?.type !== 'message') return false;
  if (a.from !== b.from || a.deleted || b.deleted || isGoing(a) || isGoing(b)) return false;
  return Math.abs(b.at - a.at) < groupMs && isSameDay(a.at, b.at);
}

/** One's own deletion that is on its way: the row is a tombstone already. */
export function isGoing(item: MessageItem): boolean {
  return item.change?.kind === 'delete' && item.change.state !== 'failed';
}

function isFirstNew(item: TimelineItem, newFrom: number): boolean {
  return item.type === 'message' && !item.mine && item.seq !== undefined && item.seq >= newFrom;
}

/** The day of the row before; a gap has none, so the one before it counts. */
function dayBefore(items: readonly TimelineItem[], index: number): number | undefined {
  for (let i = index - 1; i >= 0; i -= 1) {
    const item = items[i];
    if (item && item.type !== 'gap') return item.at;
  }
  return undefined;
}

function rowOf(items: readonly TimelineItem[], index: number, newIndex: number): Row {
  const item = items[index] as TimelineItem;
  if (item.type === 'gap') return { is: 'gap', key: item.key, isNew: false, px: 0, item };
  const before = dayBefore(items, index);
  const day = before === undefined || !isSameDay(before, item.at) ? item.at : undefined;
  const common = { key: item.key, day, isNew: index === newIndex, px: 0 };
  if (item.type !== 'message') return { ...common, is: 'note', item };
  const after = items[index + 1];
  const first = index === newIndex || !belongsTogether(items[index - 1], item);
  const isCut = index + 1 === newIndex || (after?.type === 'message' && after.state === 'failed');
  return { ...common, is: 'message', item, first, last: isCut || !belongsTogether(item, after) };
}

function isSame(a: Row, b: Row): boolean {
  if (a.item !== b.item || a.day !== b.day || a.isNew !== b.isNew) return false;
  return a.is !== 'message' || b.is !== 'message' || (a.first === b.first && a.last === b.last);
}

/** Makes rows again and again out of a timeline that changes a little each time. */
export class RowMaker {
  private items: readonly TimelineItem[] = [];
  private rows: readonly Row[] = [];
  private newKey: string | undefined;

  /** The rows of a timeline; the 'New' line stands before the first foreign message at or after `newFrom`. */
  make(items: readonly TimelineItem[], newFrom?: number): readonly Row[] {
    const newIndex = newFrom === undefined ? -1 : items.findIndex((item) => isFirstNew(item, newFrom));
    const newKey = items[newIndex]?.key;
    const isMoved = newKey !== this.newKey;
    const { head, tail } = isMoved ? { head: 0, tail: 0 } : this.unchanged(items);
    if (head === items.length && items.length === this.items.length) return this.rows;
    // A neighbour of what changed may begin or end a group now.
    const from = Math.max(0, head - 1);
    const to = Math.min(items.length, items.length - tail + 1);
    const oldTo = this.rows.length - (items.length - to);
    const known = new Map(this.rows.slice(from, oldTo).map((row) => [row.key, row]));
    const made: Row[] = [];
    for (let index = from; index < to; index += 1) made.push(this.keep(rowOf(items, index, newIndex), known));
    this.rows = [...this.rows.slice(0, from), ...made, ...this.rows.slice(oldTo)];
    this.items = items;
    this.newKey = newKey;
    return this.rows;
  }

  private keep(row: Row, known: ReadonlyMap<string, Row>): Row {
    const old = known.get(row.key);
    if (!old) return row;
    if (isSame(old, row)) return old;
    row.px = old.px;
    return row;
  }

  /** How many items at both ends are the same objects as before. */
  private unchanged(items: readonly TimelineItem[]): { head: number; tail: number } {
    const most = Math.min(items.length, this.items.length);
    let head = 0;
    while (head < most && items[head] === this.items[head]) head += 1;
    let tail = 0;
    while (tail < most - head && items[items.length - 1 - tail] === this.items[this.items.length - 1 - tail]) tail += 1;
    return { head, tail };
  }
}
