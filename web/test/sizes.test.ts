import type { MessageItem } from '@moorline/client';
import { expect, test } from 'vitest';
import type { Row } from '../src/state/rows.ts';
import { mostRows, Sizes } from '../src/view/sizes.ts';

function row(n: number, px = 0): Row {
  const item: MessageItem = { type: 'message', key: `k${n}`, from: 'ann', mine: false, at: 0, body: 'word', state: 'sent' };
  return { is: 'message', key: `k${n}`, item, first: false, last: false, isNew: false, px };
}

const rows = (count: number, px = 0) => Array.from({ length: count }, (_, n) => row(n, px));

function sizesOf(list: readonly Row[]): Sizes {
  const sizes = new Sizes();
  sizes.set(list);
  return sizes;
}

test('a row begins where the ones above it end', () => {
  const sizes = sizesOf([row(0, 10), row(1, 20), row(2, 30)]);
  expect([0, 1, 2, 3, 99].map((index) => sizes.top(index))).toEqual([0, 10, 30, 60, 60]);
});

test('a place on screen finds its row, also above the first and below the last', () => {
  const sizes = sizesOf([row(0, 10), row(1, 20), row(2, 30)]);
  expect([-5, 0, 9, 10, 29, 30, 59, 500].map((px) => sizes.at(px))).toEqual([0, 0, 0, 1, 1, 2, 2, 2]);
});

test('an empty list has no height and no row', () => {
  const sizes = sizesOf([]);
  expect([sizes.top(0), sizes.at(100)]).toEqual([0, 0]);
  expect(sizes.around(0, 600)).toEqual({ start: 0, end: 0 });
});

test('what is measured moves what stands below', () => {
  const list = [row(0, 10), row(1, 20)];
  const sizes = sizesOf(list);
  expect(sizes.top(2)).toBe(30);
  sizes.measured(list[0] as Row, 50.5);
  expect([sizes.top(1), sizes.top(2)]).toEqual([50.5, 70.5]);
});

test('heights stay with their rows when older ones come', () => {
  const list = rows(3, 40);
  const sizes = sizesOf(list);
  sizes.set([row(100, 7), ...list]);
  expect(sizes.top(4)).toBe(7 + 3 * 40);
});

test('after a change of width everything is guessed anew', () => {
  const list = rows(3, 400);
  const sizes = sizesOf(list);
  sizes.forget();
  expect(sizes.top(3)).toBeGreaterThan(0);
  expect(sizes.top(3)).toBeLessThan(400);
});

test('the rows around a place cover the screen and are few, wherever it is', () => {
  const sizes = sizesOf(rows(100_000, 29));
  for (const top of [-1000, 0, 500, 1_450_000, 2_899_000, 9_999_999]) {
    const { start, end } = sizes.around(top, 900);
    expect(end - start).toBeLessThanOrEqual(mostRows + 2);
    const seen = Math.max(0, Math.min(top, 100_000 * 29 - 900));
    if (top === seen) expect([start * 29 <= seen, end * 29 >= seen + 900]).toEqual([true, true]);
  }
});
