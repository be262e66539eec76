/**
 * The numbers of a run: `short` inside `cargo xtask test`, `full` for `cargo xtask prove`.
 *
 * Every proof reads its numbers from here and nowhere else, so that both forms run the same code.
 */

const full = process.env.MOORLINE_PROOF === "full";

/**
 * Whether times are judged by the clock alone. The full form runs where somebody wants the figures and sees to a quiet
 * machine; the short form runs anywhere, and judges a time by what the same machine needs for something else in that run.
 */
export const isFull = full;

/** The proof that was asked for by name; `idle` and `idle-10min` share one file. */
const name = process.env.MOORLINE_PROOF_NAME ?? "";

/** Milliseconds in a minute. */
const MINUTE = 60_000;

/** How long anything that should happen at once may take on a busy machine. */
export const SOON_MS = 30_000;

/** How long a fault may keep a window away before the run counts as failed. */
export const BACK_MS = 60_000;

export const latency = { messages: full ? 1_000 : 200, p99Ms: 250 };

/** Whether to wait for the grace after which somebody counts as gone, half a minute. */
export const waitsForGrace = full;

/**
 * Twelve tabs that chat, how long nothing happens to them between two faults, and how soon another tab leads: the short form
 * runs where others keep the machine busy, so it asks only that one comes.
 */
export const manyTabs = { lastsMs: full ? 10 * MINUTE : 20_000, calmMs: full ? 5_000 : 500, handoverMs: full ? 2_000 : 15_000 };

/** How long a machine sleeps. */
export const sleepMs = full ? 3 * MINUTE : 6_000;

/** A room whose history nobody scrolls through by hand. */
export const long = { messages: full ? 100_000 : 10_000, rows: 40, jumpPx: 1, heapBytes: 100e6, keyMs: 16 };

/** Proxies that cut by the clock, and how long a bare connection is watched. */
export const fallback = { messages: full ? 100 : 12, cutMs: full ? 10_000 : 3_000, noticedMs: 5_000 };

/** An idle connection, the proxy that cuts it, and the pings that keep it. */
export const idle = idleNumbers();

function idleNumbers() {
  if (!full) return { lastsMs: 15_000, cutMs: 4_000, pingSeconds: 1, timeoutSeconds: 3, twinMs: 15_000 };
  const lastsMs = name === "idle" ? 360 * MINUTE : 10 * MINUTE;
  return { lastsMs, cutMs: MINUTE, pingSeconds: 25, timeoutSeconds: 60, twinMs: 3 * MINUTE };
}

/** The time limit of a test that lasts `ms` when all is well. */
export function limit(ms) {
  return { timeout: ms + 4 * MINUTE };
}
