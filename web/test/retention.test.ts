import { expect, test } from 'vitest';
import { Accounts } from '../src/state/account.ts';
import { choices, isShorter, keptSentence, keptWords } from '../src/state/retention.ts';

const DAY = 86_400;

test('the list has each usual time once, and a time that a backend set beside them', () => {
  expect(choices(null)).toEqual(choices(30 * DAY));
  expect(choices(null)).toHaveLength(new Set(choices(null)).size);
  expect(choices(12 * 3_600)).toEqual([...choices(null), 12 * 3_600]);
});

test('every choice has words of its own', () => {
  const words = choices(12 * 3_600).map(keptWords);
  expect(words).toEqual([
    'as long as this server says', 'for ever', '365 days', '90 days', '30 days', '7 days', '1 day', '12 hours',
  ]);
  expect(keptWords(5)).toBe('1 hour');
});

test('the sentence says what holds', () => {
  expect(keptSentence(null)).toMatch(/as this server keeps them/);
  expect(keptSentence(0)).toMatch(/for ever/);
  expect(keptSentence(DAY)).toBe('Messages are kept for 1 day. Then they go, for everybody.');
});

test('a time that may make messages go is told from one that cannot', () => {
  const shorter = ([kept, before]: [number | null, number | null]) => isShorter(kept, before);
  expect(([[DAY, 0], [DAY, null], [null, 0], [null, DAY], [DAY, 7 * DAY]] as [number | null, number | null][]).every(shorter)).toBe(true);
  expect(([[0, DAY], [0, null], [DAY, DAY], [7 * DAY, DAY], [null, null]] as [number | null, number | null][]).some(shorter)).toBe(false);
});

test('a room id of any letters stands in the address whole', async () => {
  const calls: [string, string | undefined, unknown][] = [];
  const accounts = new Accounts(async (url, init) => {
    calls.push([String(url), init?.method, init?.body]);
    return new Response(JSON.stringify({ seconds: DAY }));
  });
  expect(await accounts.retention('a/b')).toBe(DAY);
  await accounts.keep('a/b', null);
  expect(calls).toEqual([
    ['/api/v1/rooms/a%2Fb/retention', 'GET', undefined],
    ['/api/v1/rooms/a%2Fb/retention', 'PUT', '{"seconds":null}'],
  ]);
});
