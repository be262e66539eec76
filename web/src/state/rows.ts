// Turns a timeline of the SDK into the rows on screen: day lines, the 'New' line, groups, notes, gaps.
// Pure: the same timeline gives the same rows, and a row that did not change is the same object as before.
import type { GapItem, MemberItem, MessageItem, RenameItem, TimelineItem } from '@moorline/client';
import { isSameDay } from './times.ts';

/** One row on screen. `first` and `last` are places in a group of messages of one person. */
export type Row =
  | { is: 'day'; key: string; at: number }
  | { is: 'new'; key: string }
  | { is: 'note'; key: string; item: MemberItem | RenameItem }
  | { is: 'gap'; key: string; item: GapItem }
  | { is: 'message'; key: string; item: MessageItem; first: boolean; last: boolean };

/** Messages of one person closer than this are one group. */
export const groupMs = 5 * 60_000;

function belongsTogether(a: MessageItem, b: MessageItem): boolean {
  return a.from === b.from && !a.deleted && !b.deleted && isSameDay(a.at, b.at) && Math.abs(b.at - a.at) < groupMs;
}

function isFirstNew(item: TimelineItem, newFrom: number | undefined): boolean {
  if (newFrom === undefined || item.type !== 'message' || item.mine) return false;
  return item.seq !== undefined && item.seq >= newFrom;
}

function listRows(items: readonly TimelineItem[], newFrom: number | undefined): Row[] {
  const rows: Row[] = [];
  const newIndex = items.findIndex((item) => isFirstNew(item, newFrom));
  let day: number | undefined;
  items.forEach((item, index) => {
    if (item.type === 'gap') {
      rows.push({ is: 'gap', key: item.key, item });
      return;
    }
    if (day === undefined || !isSameDay(day, item.at)) {
      rows.push({ is: 'day', key: `day ${new Date(item.at).toDateString()} ${rows.length === 0 ? 'top' : ''}`, at: item.at });
    }
    day = item.at;
    if (index === newIndex) rows.push({ is: 'new', key: 'new' });
    if (item.type !== 'message') {
      rows.push({ is: 'note', key: item.key, item });
      return;
    }
    const before = index === newIndex ? undefined : items[index - 1];
    const after = index + 1 === newIndex ? undefined : items[index + 1];
    const first = !(before?.type === 'message' && belongsTogether(before, item));
    const last = !(after?.type === 'message' && belongsTogether(item, after));
    rows.push({ is: 'message', key: item.key, item, first, last });
  });
  return rows;
}

function isSame(a: Row, b: Row): boolean {
  if (a.is === 'message' && b.is === 'message') return a.item === b.item && a.first === b.first && a.last === b.last;
  if (a.is === 'day' && b.is === 'day') return a.at === b.at;
  if ((a.is === 'note' || a.is === 'gap') && a.is === b.is) return a.item === b.item;
  return a.is === 'new' && b.is === 'new';
}

/** Makes rows again and again, keeping every row object that is still right, so that the view redraws what changed only. */
export class RowMaker {
  private kept = new Map<string, Row>();

  /** The rows of a timeline; the 'New' line stands before the first foreign message at or after `newFrom`. */
  make(items: readonly TimelineItem[], newFrom?: number): Row[] {
    const next = new Map<string, Row>();
    const rows = listRows(items, newFrom).map((row) => {
      const old = this.kept.get(row.key);
      const same = old && isSame(old, row) ? old : row;
      next.set(row.key, same);
      return same;
    });
    this.kept = next;
    return rows;
  }
}
