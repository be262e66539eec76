// How high the rows of a list are and where each one stands: measured where a row was on screen, guessed where not.
// Used by the message list to know which rows to draw. Pure; it reads no element itself.
import type { Row } from '../state/rows.ts';

/** Rows in the page at most, unless more than these fit on the screen. */
export const mostRows = 38;
/** Rows drawn beyond each edge of the screen at least. */
const leastSpare = 3;

/** Some rows of the list: `start <= index < end`. */
export interface Stretch {
  readonly start: number;
  readonly end: number;
}

/** The heights of all rows of a list. */
export class Sizes {
  private rows: readonly Row[] = [];
  /** Where each row begins; one more than rows, the last is the height of all. */
  private tops = new Float64Array(1);
  private isStale = false;

  /** These are the rows now. Heights stand in the rows, so they survive whatever comes and goes around them. */
  set(rows: readonly Row[]): void {
    if (rows === this.rows) return;
    this.rows = rows;
    this.isStale = true;
  }

  /** The width changed: what was measured counts no more. */
  forget(): void {
    for (const row of this.rows) row.px = 0;
    this.isStale = true;
  }

  measured(row: Row, px: number): void {
    if (row.px === px) return;
    row.px = px;
    this.isStale = true;
  }

  /** How far below the first row's top a row begins; of the row after the last: the height of all. */
  top(index: number): number {
    return this.fresh()[Math.max(0, Math.min(index, this.rows.length))] ?? 0;
  }

  /** The row that covers this distance from the first row's top, or the nearest. */
  at(px: number): number {
    const tops = this.fresh();
    let low = 0;
    let high = this.rows.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((tops[middle] ?? 0) <= px) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The rows to draw so that `height` pixels from `top` on are covered, with some to spare on both sides. */
  around(top: number, height: number): Stretch {
    const first = this.at(top);
    const last = this.at(top + height);
    const spare = Math.max(leastSpare, Math.floor((mostRows - (last - first + 1)) / 2));
    return { start: Math.max(0, first - spare), end: Math.min(this.rows.length, last + 1 + spare) };
  }

  private fresh(): Float64Array {
    if (!this.isStale) return this.tops;
    this.isStale = false;
    const count = this.rows.length;
    if (this.tops.length < count + 1) this.tops = new Float64Array(Math.ceil(count * 1.5) + 64);
    let top = 0;
    for (let i = 0; i < count; i += 1) {
      const row = this.rows[i] as Row;
      this.tops[i] = top;
      if (row.px === 0) row.px = guess(row);
      top += row.px;
    }
    this.tops[count] = top;
    return this.tops;
  }
}

/** About how high a row will be. It only has to be near: what is wrong is put right before it is seen. */
function guess(row: Row): number {
  const above = (row.day === undefined ? 0 : 48) + (row.isNew ? 32 : 0);
  if (row.is === 'gap') return 136;
  if (row.is === 'note') return above + 26;
  const lines = Math.max(1, Math.ceil(row.item.body.length / 85));
  return above + 6 + 23 * lines + (row.first ? (row.item.mine ? 17 : 32) : 0);
}
