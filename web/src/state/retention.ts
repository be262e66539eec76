// How long a room's messages are kept: the times that its owner may choose from, and a time in words. Knows no server.
import { t } from '../text/index.ts';

const HOUR = 3_600;
const DAY = 24 * HOUR;

/** A room's own time in seconds: 0 is for ever, null as the server says for all rooms. */
export type Kept = number | null;

/** From the longest to the shortest, as one would read them. */
const USUAL: readonly Kept[] = [null, 0, 365 * DAY, 90 * DAY, 30 * DAY, 7 * DAY, DAY];

/** What may be chosen; a time that a backend set, whatever it is, stays among them. */
export function choices(now: Kept): readonly Kept[] {
  return USUAL.includes(now) ? USUAL : [...USUAL, now];
}

/** What stands in the list. */
export function keptWords(kept: Kept): string {
  if (kept === null) return t.retention.server;
  if (kept === 0) return t.retention.forever;
  if (kept % DAY === 0) return t.retention.days(kept / DAY);
  return t.retention.hours(Math.max(1, Math.round(kept / HOUR)));
}

/** The sentence in a room's details. */
export function keptSentence(kept: Kept): string {
  if (kept === null) return t.retention.sentenceServer;
  if (kept === 0) return t.retention.sentenceForever;
  return t.retention.sentence(keptWords(kept));
}

/** Whether what is older than the new time goes where it stayed until now; what the server's own time is nobody here knows. */
export function isShorter(kept: Kept, before: Kept): boolean {
  if (kept === 0 || kept === before) return false;
  return kept === null || before === null || before === 0 || kept < before;
}
