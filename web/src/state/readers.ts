// Who has read how far: told by receipts, or seen from what people wrote themselves. Pure; used by the talk.
import type { TimelineItem } from '@moorline/client';

/** Only the end of a timeline is looked at for what people wrote: who wrote earlier has a receipt by now, or is far behind. */
const lookBack = 300;
/** In larger rooms the server tells no receipts of others; what is known there is a part of the truth. */
export const toldUpTo = 64;

/** How far each other person has read. */
export function marksOf(receipts: Readonly<Record<string, number>>, items: readonly TimelineItem[]): ReadonlyMap<string, number> {
  const marks = new Map(Object.entries(receipts));
  for (let i = items.length - 1; i >= 0 && i >= items.length - lookBack; i -= 1) {
    const item = items[i];
    if (item?.type !== 'message' || item.mine || item.seq === undefined) continue;
    marks.set(item.from, Math.max(item.seq, marks.get(item.from) ?? 0));
  }
  return marks;
}

/** Who has read up to a position, by id. */
export function readersOf(marks: ReadonlyMap<string, number>, seq: number): string[] {
  const readers: string[] = [];
  for (const [person, read] of marks) if (read >= seq) readers.push(person);
  return readers;
}
