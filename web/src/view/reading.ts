// Tells what was read: what stood on screen for half a second, in the tab that one looks at. Used by the message list.

const readAfterMs = 500;

/** Waits until the reader has rested; looks again when the tab comes back to the front. */
export class ReadWatch {
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #look = () => this.moved();

  constructor(private readonly tell: () => void) {
    addEventListener('focus', this.#look);
    document.addEventListener('visibilitychange', this.#look);
  }

  /** Something else is on screen now. */
  moved(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (document.visibilityState === 'visible' && document.hasFocus()) this.tell();
    }, readAfterMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
    removeEventListener('focus', this.#look);
    document.removeEventListener('visibilitychange', this.#look);
  }
}

/** The position of the last row that is wholly above the box's lower edge. */
export function lastSeenSeq(box: HTMLElement, list: HTMLElement): number | undefined {
  const bottom = box.getBoundingClientRect().bottom + 1;
  const rows = list.querySelectorAll<HTMLElement>('[data-seq]');
  for (let i = rows.length - 1; i >= 0; i -= 1) {
    const row = rows[i];
    if (row && row.getBoundingClientRect().bottom <= bottom) return Number(row.dataset.seq);
  }
  return undefined;
}
