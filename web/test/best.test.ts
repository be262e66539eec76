// Who types a name in full gets that room first, however many others hold the same letters.
import { expect, test } from 'vitest';
import { best } from '../src/state/best.ts';

const titles = (wanted: string, ...all: string[]) => best(all.map((title) => ({ title })), wanted).map(({ title }) => title);

test('the name in full comes first, then beginnings, words, and parts', () => {
  expect(titles('room 1', 'Bathroom 1', 'The room 1', 'Room 17', 'Other', 'Room 1')).toEqual(['Room 1', 'Room 17', 'The room 1', 'Bathroom 1']);
});

test('among equals the order stays, and nothing typed means all', () => {
  expect(titles('', 'b', 'a', 'c')).toEqual(['b', 'a', 'c']);
  expect(titles('a', 'ab', 'aa', 'zz')).toEqual(['ab', 'aa']);
});
