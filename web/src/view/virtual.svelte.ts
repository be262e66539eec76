// The rows of a long list that are in the page: those on screen, some beyond its edges, and the one that has the focus.
// Two or three spacers stand for all others. Used by the message list, which draws `entries` and calls back after each drawing.
// Invariant: between `before` and the end of `after` the reader sees no other place than before, whatever changed.
import type { Row } from '../state/rows.ts';
import { Anchor } from './anchor.ts';
import { Sizes, type Stretch } from './sizes.ts';

/** What stands in the list: a row, or the room of rows that are not drawn. */
export type Entry = { readonly key: string; readonly row: Row; readonly px?: undefined } | { readonly key: string; readonly row?: undefined; readonly px: number };

/** A place to go to as soon as its row is drawn: `at` is a share of the box's height. */
interface Goal {
  readonly key: string;
  readonly at: number;
  readonly then?: (element: HTMLElement) => void;
}

/** Drawing, measuring and drawing again ends after so many rounds, whatever a strange font does. */
const mostRounds = 6;

/** Decides what is drawn and where the box stands. */
export class Virtual {
  entries = $state.raw<readonly Entry[]>([]);
  readonly anchor: Anchor;
  /** False until the first place was found. */
  isPlaced = false;
  /** The row that has the focus: it stays in the page, wherever the reader goes. */
  focused: string | undefined;
  readonly #sizes = new Sizes();
  #rows: readonly Row[] = [];
  #drawn: Stretch = { start: 0, end: 0 };
  #goal: Goal | undefined;
  #rounds = 0;
  /** How many rows came with the last change; mostly they came above. */
  #shift = 0;

  constructor(
    private readonly box: HTMLElement,
    private readonly list: HTMLElement,
    canFollow: () => boolean,
  ) {
    this.anchor = new Anchor(box, list, canFollow);
  }

  get rows(): readonly Row[] {
    return this.#rows;
  }

  /** Before other rows are drawn: where the reader is now, and which rows that place needs. */
  before(rows: readonly Row[]): void {
    if (this.isPlaced && !this.#goal) this.anchor.hold();
    this.#shift = rows.length - this.#rows.length;
    this.#rows = rows;
    this.#sizes.set(rows);
    this.#rounds = 0;
    this.#draw(this.#wanted());
  }

  /** After a drawing: heights are measured, the reader is put back, and what is still missing on screen is drawn. */
  after(): void {
    this.#space();
    this.#measure();
    this.#settle();
    this.#rounds += 1;
    const { start, end } = this.#needed();
    const isCovered = start >= this.#drawn.start && end <= this.#drawn.end;
    if (!isCovered && this.#rounds < mostRounds && this.#draw(this.#goal ? this.#wanted() : this.#seen())) return;
    if (this.#goal && this.#row(this.#goal.key)) this.#arrive(this.#goal);
    this.#keepFocus();
  }

  /** The reader scrolled: the rows of where he is now. */
  scrolled(): void {
    this.anchor.remember();
    this.#rounds = 0;
    this.#draw(this.#seen());
  }

  /** The width changed: every height is another. */
  forget(): void {
    this.#sizes.forget();
  }

  /** Goes to a row, drawing it first if it must. */
  go(goal: Goal): void {
    this.#goal = goal;
    this.isPlaced = true;
    this.anchor.leaveEnd();
    this.#rounds = 0;
    this.#draw(this.#wanted());
    this.after();
  }

  toEnd(): void {
    this.#goal = undefined;
    this.isPlaced = true;
    this.anchor.toEnd();
    this.#rounds = 0;
    this.#draw(this.#wanted());
    this.after();
  }

  /** The place of a row by its key, looked for where it was last and then everywhere. */
  indexOf(key: string | undefined): number {
    if (key === undefined) return -1;
    for (let i = this.#drawn.start; i < this.#drawn.end; i += 1) {
      if (this.#rows[i]?.key === key) return i;
      if (this.#rows[i + this.#shift]?.key === key) return i + this.#shift;
    }
    return this.#rows.findIndex((row) => row.key === key);
  }

  /** The element of a row, if it is drawn. */
  element(key: string): HTMLElement | undefined {
    return this.#row(key);
  }

  /** The rows within some distance beyond the edges of the screen. */
  near(px: number): readonly Row[] {
    const top = this.#top();
    return this.#rows.slice(this.#sizes.at(top - px), this.#sizes.at(top + this.box.clientHeight + px) + 1);
  }

  /** How far the screen's top is below the first row's. */
  #top(): number {
    return this.box.getBoundingClientRect().top - (this.list.querySelector('.space')?.getBoundingClientRect().top ?? 0);
  }

  #seen(): Stretch {
    return this.#sizes.around(this.#top(), this.box.clientHeight);
  }

  /** What must be drawn for a screen without a hole. */
  #needed(): Stretch {
    if (this.#goal) return this.#wanted();
    const top = this.#top();
    const end = this.#sizes.at(top + this.box.clientHeight - 1) + 1;
    return { start: this.#sizes.at(top), end: Math.min(end, this.#rows.length) };
  }

  /** The rows for where the reader shall be: the goal, the end, or the row under the eye. */
  #wanted(): Stretch {
    const height = this.box.clientHeight;
    if (this.#goal && this.indexOf(this.#goal.key) < 0) this.#goal = undefined;
    if (this.#goal) return this.#sizes.around(this.#sizes.top(this.indexOf(this.#goal.key)) - this.#goal.at * height, height);
    const end = this.#sizes.top(this.#rows.length);
    if (this.anchor.isFollowing) return this.#sizes.around(end - height, height);
    const index = this.indexOf(this.anchor.key);
    return index < 0 ? this.#seen() : this.#sizes.around(this.#sizes.top(index) - this.anchor.offset, height);
  }

  /** Draws these rows; false when they are in the page already. */
  #draw(stretch: Stretch): boolean {
    const kept = this.indexOf(this.focused);
    const { start, end } = stretch;
    this.#drawn = stretch;
    const entries: Entry[] = [];
    let next = 0;
    const put = (from: number, to: number, name: string) => {
      entries.push({ key: name, px: this.#sizes.top(from) - this.#sizes.top(next) });
      for (let i = from; i < to; i += 1) entries.push({ key: this.#rows[i]?.key ?? '', row: this.#rows[i] as Row });
      next = to;
    };
    if (kept >= 0 && kept < start) put(kept, kept + 1, 'space before the focus');
    put(start, end, 'space');
    if (kept >= end) put(kept, kept + 1, 'space before the focus');
    entries.push({ key: 'space below', px: this.#sizes.top(this.#rows.length) - this.#sizes.top(next) });
    if (isSameList(entries, this.entries)) return false;
    this.entries = entries;
    return true;
  }

  /** The spacers get their heights here, in the same moment as the rows: the framework might set them a moment later. */
  #space(): void {
    const heights = new Map(this.entries.map((entry) => [entry.key, entry.px]));
    for (const element of this.list.querySelectorAll<HTMLElement>(':scope > .space')) {
      const px = heights.get(element.dataset.space ?? '');
      if (px !== undefined) element.style.blockSize = `${px}px`;
    }
  }

  #measure(): void {
    const known = new Map(this.entries.map((entry) => [entry.key, entry.row]));
    for (const element of this.list.querySelectorAll<HTMLElement>(':scope > [data-key]')) {
      const row = known.get(element.dataset.key ?? '');
      if (row) this.#sizes.measured(row, element.getBoundingClientRect().height);
    }
  }

  #settle(): void {
    const goal = this.#goal && this.#row(this.#goal.key);
    if (this.#goal && goal) this.anchor.put(goal, this.#goal.at * this.box.clientHeight);
    else if (!this.#goal) this.anchor.restore();
  }

  #arrive(goal: Goal): void {
    const element = this.#row(goal.key);
    this.#goal = undefined;
    this.anchor.remember();
    if (element) goal.then?.(element);
  }

  /** A browser takes the focus away from what moves in the page, though it is the same row. */
  #keepFocus(): void {
    if (this.focused === undefined || document.activeElement !== document.body) return;
    const row = this.#row(this.focused);
    row?.querySelector<HTMLElement>('.msg')?.focus({ preventScroll: true });
  }

  #row(key: string): HTMLElement | undefined {
    for (const element of this.list.children) {
      if (element instanceof HTMLElement && element.dataset.key === key) return element;
    }
    return undefined;
  }
}

function isSameList(a: readonly Entry[], b: readonly Entry[]): boolean {
  return a.length === b.length && a.every((entry, i) => entry.key === b[i]?.key && entry.row === b[i]?.row && entry.px === b[i]?.px);
}
