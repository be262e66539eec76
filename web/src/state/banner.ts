// What the connection banner says, from the SDK's state and the time. Pure; the clock is an argument.
// Nothing below two seconds, so that a blink of the network stays unseen; 'Connected' for two seconds after a loss that was told.
import type { State } from '@moorline/client';

/** What to draw. `left` is the part of the wait that is still to come, 1 to 0, for the fuse. */
export type Banner =
  | { is: 'none' }
  | { is: 'reconnecting'; seconds?: number; left?: number }
  | { is: 'offline' }
  | { is: 'connected' };

/** Drops shorter than this are not told. */
export const quietMs = 2_000;
/** How long 'Connected' stays. */
export const connectedMs = 2_000;
/** Shorter waits show no seconds: the figure would be gone before it is read. */
export const countFromMs = 1_500;

/** What the banner has to remember from one state to the next. */
export interface LinkHistory {
  /** When the link was lost; absent while it is live. */
  readonly lostAt?: number;
  /** When it came back after a loss that had been told. */
  readonly backAt?: number;
  /** When the present wait began. */
  readonly waitFrom?: number;
}

/** Takes the history one step further when the state changes. */
export function follow(history: LinkHistory, state: State, now: number): LinkHistory {
  if (state.is === 'live') {
    const wasTold = history.lostAt !== undefined && now - history.lostAt >= quietMs;
    return { backAt: wasTold ? now : history.backAt };
  }
  if (state.is === 'closed' || state.is === 'idle') return {};
  return { lostAt: history.lostAt ?? now, waitFrom: state.is === 'waiting' ? now : undefined };
}

/** The banner at this moment. */
export function bannerAt(state: State, history: LinkHistory, now: number): Banner {
  if (state.is === 'live') {
    const isFresh = history.backAt !== undefined && now - history.backAt < connectedMs;
    return isFresh ? { is: 'connected' } : { is: 'none' };
  }
  if (state.is === 'closed' || state.is === 'idle') return { is: 'none' };
  if (history.lostAt === undefined || now - history.lostAt < quietMs) return { is: 'none' };
  if (state.is === 'offline') return { is: 'offline' };
  if (state.is !== 'waiting' || history.waitFrom === undefined) return { is: 'reconnecting' };
  const whole = state.until - history.waitFrom;
  const rest = state.until - now;
  if (whole < countFromMs || rest <= 0) return { is: 'reconnecting' };
  return { is: 'reconnecting', seconds: Math.ceil(rest / 1000), left: Math.min(1, rest / whole) };
}
