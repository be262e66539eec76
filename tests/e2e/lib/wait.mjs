/**
 * Waiting for something to become true, with a deadline and a word on what was awaited.
 *
 * What can be awaited as an event is; this is for what can only be asked.
 */

const STEP_MS = 25;

/**
 * Asks until the answer is truthy, and returns it.
 *
 * @template T
 * @param {string} what said when the deadline passes
 * @param {() => T | Promise<T>} ask
 * @param {number} deadlineMs
 * @returns {Promise<NonNullable<T>>}
 */
export async function until(what, ask, deadlineMs) {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (performance.now() > end) throw new Error(`not within ${deadlineMs / 1000} s: ${what}`);
    await pause(STEP_MS);
  }
}

/** A promise that a browser on a busy machine may never settle: after the deadline it fails, and says of what. */
export async function within(what, promise, deadlineMs) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${deadlineMs / 1000} s: ${what}`)), deadlineMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Lets time pass: for idle runs and for the spacing of a load, never to wait for an effect. */
export function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
