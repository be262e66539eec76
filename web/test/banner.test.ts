import type { State } from '@moorline/client';
import { expect, test } from 'vitest';
import { bannerAt, follow, type LinkHistory } from '../src/state/banner.ts';

const live: State = { is: 'live', transport: 'ws', connection: 'c', since: 0 };
const connecting: State = { is: 'connecting', attempt: 1 };
const waiting = (until: number): State => ({ is: 'waiting', attempt: 3, until, code: 1006, reason: '' });
const offline: State = { is: 'offline', attempt: 1, until: 0 };

/** Walks through states, each at its time, and gives the history that remains. */
const walk = (...steps: [number, State][]) => steps.reduce<LinkHistory>((history, [now, state]) => follow(history, state, now), {});

test('a drop below two seconds is not told', () => {
  const history = walk([0, live], [1000, connecting]);
  expect(bannerAt(connecting, history, 2999)).toEqual({ is: 'none' });
  expect(bannerAt(connecting, history, 3000)).toEqual({ is: 'reconnecting' });
});

test('a drop that was not told needs no word when it is over', () => {
  const history = walk([0, live], [1000, connecting], [1500, live]);
  expect(bannerAt(live, history, 1500)).toEqual({ is: 'none' });
});

test('a wait shows its seconds and how much of it is left', () => {
  const state = waiting(14_000);
  const history = walk([0, live], [1000, connecting], [4000, state]);
  expect(bannerAt(state, history, 9000)).toEqual({ is: 'reconnecting', seconds: 5, left: 0.5 });
});

test('a short wait shows no seconds', () => {
  const state = waiting(5000);
  const history = walk([0, live], [1000, connecting], [4000, state]);
  expect(bannerAt(state, history, 4200)).toEqual({ is: 'reconnecting' });
});

test('the two seconds count from the first loss, not from the last attempt', () => {
  const history = walk([0, live], [1000, connecting], [1500, waiting(2500)], [2500, connecting]);
  expect(bannerAt(connecting, history, 3000)).toEqual({ is: 'reconnecting' });
});

test('the browser says that there is no network', () => {
  const history = walk([0, live], [1000, offline]);
  expect(bannerAt(offline, history, 3001)).toEqual({ is: 'offline' });
});

test("'Connected' stays for two seconds after a loss that was told", () => {
  const history = walk([0, live], [1000, connecting], [9000, live]);
  expect(bannerAt(live, history, 9001)).toEqual({ is: 'connected' });
  expect(bannerAt(live, history, 11_000)).toEqual({ is: 'none' });
});

test('a first connection that takes long is told as well', () => {
  const history = walk([0, connecting]);
  expect(bannerAt(connecting, history, 2500)).toEqual({ is: 'reconnecting' });
});
