/**
 * What a reader's eye would notice in the list of a room, measured frame by frame inside the page:
 * how many rows there are, holes on screen, and text that moves although nobody scrolled.
 *
 * It knows the list by its role, rows by `data-key` and their text by `data-anchor`; it calls
 * nothing of the page.
 */

const LIST = '[role="log"]';

export class Probe {
  constructor(window) {
    this.page = window.page;
  }

  /** Begins to look at every frame. */
  async begin() {
    await this.page.evaluate(watchFrames, LIST);
  }

  /** What was seen since the last time. */
  seen() {
    return this.page.evaluate(() => {
      const { rows, blank, frames } = window.probe;
      Object.assign(window.probe, { rows: 0, blank: 0, frames: 0 });
      return { rows, blank, frames };
    });
  }

  /**
   * Scrolls by so many pixels at once, then watches for `frames` frames how far each text that was
   * on screen is from where it must be.
   */
  step(px, frames = 12) {
    return this.page.evaluate(stepAndWatch, { selector: LIST, px, frames });
  }

  /** Loads the whole history by going to the top again and again. */
  toBeginning(deadlineMs) {
    return this.page.evaluate(goToBeginning, { selector: LIST, deadlineMs });
  }
}

/** Runs in the page. */
function watchFrames(selector) {
  window.probe = { rows: 0, blank: 0, frames: 0 };
  const list = document.querySelector(selector);
  const all = list.firstElementChild;
  // The list has some pixels of its own above its first part and below its last one: a reader at either end sees them.
  const { paddingBlockStart, paddingBlockEnd } = getComputedStyle(all);
  const [above, below] = [paddingBlockStart, paddingBlockEnd].map(parseFloat);
  const isCovered = () => {
    const box = list.getBoundingClientRect();
    const parts = [...list.querySelectorAll("[data-key], .edge, .beginning")].map((one) => one.getBoundingClientRect());
    const on = parts.filter(({ top, bottom }) => bottom > box.top && top < box.bottom).sort((a, b) => a.top - b.top);
    const whole = all.getBoundingClientRect();
    let reached = Math.max(box.top, whole.top + above);
    for (const { top, bottom } of on) {
      if (top > reached + 1) return false;
      reached = Math.max(reached, bottom);
    }
    return reached >= Math.min(box.bottom, whole.bottom - below) - 1;
  };
  const look = () => {
    window.probe.frames += 1;
    window.probe.rows = Math.max(window.probe.rows, list.querySelectorAll("[data-key]").length);
    if (!isCovered()) window.probe.blank += 1;
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}

/** Runs in the page. */
async function stepAndWatch({ selector, px, frames }) {
  const list = document.querySelector(selector);
  const texts = () =>
    new Map(
      [...list.querySelectorAll("[data-anchor]")].map((text) => [
        text.closest("[data-key]").dataset.key,
        text.getBoundingClientRect().top,
      ]),
    );
  const box = list.getBoundingClientRect();
  const before = texts();
  const most = list.scrollHeight - list.clientHeight - list.scrollTop;
  const way = px < 0 ? Math.max(px, -list.scrollTop) : Math.min(px, most);
  list.scrollTop += way;
  let moved = 0;
  let compared = 0;
  for (let frame = 0; frame < frames; frame += 1) {
    await new Promise((drawn) => requestAnimationFrame(drawn));
    for (const [key, top] of texts()) {
      const old = before.get(key);
      if (old === undefined || top < box.top || top > box.bottom) continue;
      compared += 1;
      moved = Math.max(moved, Math.abs(top - (old - way)));
    }
  }
  return { moved, compared, height: list.scrollHeight };
}

/** Runs in the page. */
async function goToBeginning({ selector, deadlineMs }) {
  const list = document.querySelector(selector);
  const end = performance.now() + deadlineMs;
  let rounds = 0;
  while (!list.querySelector(".beginning") || list.scrollTop > 1) {
    if (performance.now() > end) throw new Error(`the beginning did not come within ${deadlineMs / 1000} s`);
    rounds += 1;
    await new Promise((drawn) => requestAnimationFrame(drawn));
    // As a reader's scrolling comes: between two frames, so that the page hears of it before it draws.
    await new Promise((done) => setTimeout(done));
    list.scrollTop = 0;
  }
  return rounds;
}
