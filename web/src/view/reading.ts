// Tells what was read: what stood on screen for half a second, in the tab that one looks at. Used by the message list.

const readAfterMs = 500;

/** Steps of what is to be seen of the list at which the browser tells. */
const steps = [0, 0.25, 0.5, 0.75, 1];

/**
 * Waits until the reader has rested; looks again when the tab comes back to the front, and when the list comes into view: in
 * another site's page, or in a frame of it, it may be far below what one looks at.
 */
export class ReadWatch {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isInView = false;
  readonly #look = () => this.moved();
  readonly #view = new IntersectionObserver((entries) => {
    const last = entries.at(-1);
    if (!last) return;
    const { intersectionRatio, intersectionRect, rootBounds } = last;
    this.#isInView = intersectionRatio >= 0.5 || (rootBounds !== null && intersectionRect.height > 0 && intersectionRect.height >= rootBounds.height / 2);
    this.moved();
  }, { threshold: steps });

  constructor(box: HTMLElement, private readonly tell: () => void) {
    this.#view.observe(box);
    addEventListener('focus', this.#look);
    document.addEventListener('visibilitychange', this.#look);
  }

  /** Something else is on screen now. */
  moved(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (document.visibilityState === 'visible' && document.hasFocus() && this.#isInView) this.tell();
    }, readAfterMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#view.disconnect();
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
