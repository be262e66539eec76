// Keeps the text under the eye where it is while rows come, go or change their height, and follows the end while the reader is there.
// The browser's own anchoring is off for the list, since it differs between browsers and gives up at the very top.

/** Nearer to the end than this is at the end. */
const endPx = 40;

/** Watches one scrolling box. Call `hold` before the rows change and `restore` after. */
export class Anchor {
  /** The reader is at the end and goes with it. */
  isFollowing = true;
  /** The row under the eye, by its key. */
  key: string | undefined;
  /** How far below the box's top the text of that row begins. */
  offset = 0;
  /** On the way to the newest message, which may still have to be loaded; over when the reader scrolls up. */
  private isHeadingToEnd = false;
  private lastTop = 0;

  constructor(
    private readonly box: HTMLElement,
    private readonly list: HTMLElement,
    private readonly canFollow: () => boolean,
  ) {}

  /** Notes where the reader has gone. */
  remember(): void {
    const rest = this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight;
    if (this.box.scrollTop < this.lastTop - 1 || this.canFollow()) this.isHeadingToEnd = false;
    this.lastTop = this.box.scrollTop;
    this.isFollowing = this.isHeadingToEnd || (rest < endPx && this.canFollow());
    this.pin();
  }

  /**
   * Notes where the reader is before something changes. A browser tells of scrolling a frame later than it happens: whoever
   * scrolled in this frame is where he is now, and not where the last event found him.
   */
  hold(): void {
    if (Math.abs(this.box.scrollTop - this.lastTop) > 1) this.remember();
    else this.pin();
  }

  /** Notes the row under the eye, without asking whether the end is near. */
  pin(): void {
    const { top, bottom } = this.box.getBoundingClientRect();
    this.key = undefined;
    // Its text counts, not the row: a day line or a name above it may come and go.
    for (const text of this.list.querySelectorAll<HTMLElement>('[data-anchor]')) {
      const at = text.getBoundingClientRect();
      if (at.bottom <= top) continue;
      if (at.top >= bottom) return;
      this.key = keyOf(text);
      this.offset = at.top - top;
      return;
    }
  }

  /** Puts the reader back: to the end, or the same text to the same place. */
  restore(): void {
    if (this.isFollowing) {
      this.box.scrollTop = this.box.scrollHeight;
      this.lastTop = this.box.scrollTop;
      return;
    }
    const text = this.key === undefined ? undefined : this.find(this.key);
    if (!text) return this.pin();
    this.put(text, this.offset);
  }

  /** Brings an element to a place in the box, given in pixels below its top. */
  put(element: HTMLElement, offset: number): void {
    const moved = element.getBoundingClientRect().top - this.box.getBoundingClientRect().top - offset;
    if (Math.abs(moved) >= 0.5) this.box.scrollTop += moved;
    this.lastTop = this.box.scrollTop;
  }

  /** Goes to the end and stays there, also while what is missing there is loaded. */
  toEnd(): void {
    this.isFollowing = true;
    this.isHeadingToEnd = !this.canFollow();
    this.restore();
  }

  /** The reader goes elsewhere by a jump. */
  leaveEnd(): void {
    this.isFollowing = false;
    this.isHeadingToEnd = false;
  }

  private find(key: string): HTMLElement | undefined {
    for (const text of this.list.querySelectorAll<HTMLElement>('[data-anchor]')) if (keyOf(text) === key) return text;
    return undefined;
  }
}

function keyOf(text: HTMLElement): string | undefined {
  return text.closest<HTMLElement>('[data-key]')?.dataset.key;
}
