/**
 * How long a change of leader takes, by what the product itself can know of it. A test that takes the time from its own
 * command to stop a tab measures the debugger along with it, on a busy machine for seconds.
 *
 * - Where the leader is closed or crashes, from the command: the browser frees its locks soon after.
 * - Where it is told that it will be frozen, from when it was told.
 * - Where it stands still, from its last sign of life, by the clock of the tab that takes over.
 */

/** Between two questions of a tab that follows; one that comes later than this tells of a busy machine. */
const BEAT_MS = 300;
const LATE_MS = 400;
/** With late questions a tab is twice as patient. */
const PATIENT = 2;

/** Measures a change of leader that `began` with the test's command, once `next` leads. */
export function measured(name, { leader, next, began }) {
  if (name === "stands still") return standstill(lastLeads(next));
  const frozen = name === "frozen" && leader.timeOf(leader.told.findLast(({ is, code }) => is === "state" && code === 1001));
  return { ownMs: Math.round((next.timeOf(lastLeads(next)) - (frozen || began)) / 1_000), mayTakeMs: 0 };
}

const lastLeads = ({ told }) => told.findLast(({ is }) => is === "leads");

/** By the new leader's word: how long it heard nothing, and what of that its own late timers excuse. */
function standstill({ silentMs, askedAt, page }) {
  const gaps = [...askedAt, page].map((at, index, all) => at - (all[index - 1] ?? at));
  const lateMs = gaps.reduce((sum, gap) => sum + Math.max(0, gap - BEAT_MS), 0);
  const isBusy = gaps.some((gap) => gap > LATE_MS);
  return { ownMs: Math.round(silentMs), mayTakeMs: isBusy ? Math.round(lateMs) : 0, patience: isBusy ? PATIENT : 1 };
}

/** Whether it was in time: a limit for a tab whose timers are on time, and more for one whose timers are not. */
export function isInTime({ ownMs, mayTakeMs, patience = 1 }, limitMs) {
  return ownMs < limitMs * patience + mayTakeMs;
}
