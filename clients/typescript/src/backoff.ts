/**
 * When to come back after a close: pure functions of the close code, the attempt and a random number.
 * Used by the connection; knows no timers.
 */

/** Bounds of the wait between attempts. */
export interface Backoff {
  readonly baseMs: number;
  readonly maxMs: number;
}

/** Half a second at first, so that a restart is hardly noticed; 20 s at most, so that nobody waits for long. */
export const standardBackoff: Backoff = { baseMs: 500, maxMs: 20_000 };

/** Full jitter: clients that were cut together come back spread over the whole interval. */
export function backoffMs(attempt: number, { baseMs, maxMs }: Backoff, random: () => number): number {
  return Math.floor(random() * Math.min(maxMs, baseMs * 2 ** attempt));
}

/** What a close code asks of us. */
export type AfterClose = "stop" | "new token" | "at once" | "backoff";

/** The code alone decides: ranges are part of the protocol, so that later codes are obeyed too. */
export function afterClose(code: number): AfterClose {
  if (code === 4401) return "new token";
  if (code === 1008 || (code >= 4400 && code < 4420)) return "stop";
  if (code >= 4440 && code < 4460) return "at once";
  return "backoff";
}
