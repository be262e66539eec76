// Keeps the text under the eye where it is while rows come, go or change their height, and follows the end while the reader is there.
// The browser's own anchoring is off for the list, since it differs between browsers and gives up at the very top.

/** Nearer to the end than this is at the end. */
const endPx = 40;

/** Watches one scrolling box. Call `remember` before the rows change and `restore` after. */
export class Anchor {
  /** The reader is at the end and goes with it. */
  isFollowing = true;
  private row: HTMLElement | undefined;
  private offset = 0;
  /** On the way to the newest message, which may still have to be loaded; over when the reader scrolls up. */
  private isHeadingToEnd = false;
  private lastTop = 0;

  constructor(
    private readonly box: HTMLElement,
    private readonly list: HTMLElement,
    private readonly canFollow: () => boolean,
  ) {}

  /** Notes where the reader is now. */
  remember(): void {
    const rest = this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight;
    if (this.box.scrollTop < this.lastTop - 1 || this.canFollow()) this.isHeadingToEnd = false;
    this.lastTop = this.box.scrollTop;
    this.isFollowing = this.isHeadingToEnd || (rest < endPx && this.canFollow());
    this.pin();
  }

  /** Notes the row under the eye, without asking whether the end is near. */
  pin(): void {
    const top = this.box.getBoundingClientRect().top;
    this.row = this.firstVisible(top);
    this.offset = this.row ? this.row.getBoundingClientRect().top - top : 0;
  }

  /** Puts the reader back: to the end, or the same row to the same place. */
  restore(): void {
    if (this.isFollowing) {
      this.box.scrollTop = this.box.scrollHeight;
      this.lastTop = this.box.scrollTop;
      return;
    }
    if (!this.row?.isConnected) return;
    const moved = this.row.getBoundingClientRect().top - this.box.getBoundingClientRect().top - this.offset;
    if (Math.abs(moved) >= 0.5) this.box.scrollTop += moved;
    this.lastTop = this.box.scrollTop;
  }

  /** Goes to the end and stays there, also while what is missing there is loaded. */
  toEnd(): void {
    this.isFollowing = true;
    this.isHeadingToEnd = !this.canFollow();
    this.restore();
  }

  /** The first message that is not above the box. Day lines and skeletons come and go, so they are no anchor. */
  private firstVisible(top: number): HTMLElement | undefined {
    const rows = this.list.querySelectorAll<HTMLElement>('[data-anchor]');
    let low = 0;
    let high = rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((rows[middle]?.getBoundingClientRect().bottom ?? 0) <= top) low = middle + 1;
      else high = middle;
    }
    return rows[low];
  }
}
