import { expect, test } from 'vitest';
import { plainLine } from '../src/state/plain.ts';

test.each([
  ['Me, from **nine** on. See `plan.txt`', 'Me, from nine on. See plan.txt'],
  ['[the plan](https://example.org/plan) and https://example.org/', 'the plan and https://example.org/'],
  ['> said before\n\nanswer\nin two lines', 'said before answer in two lines'],
  ['- one\n- two', 'one two'],
  ['```\ncode  *as it is*\n```', 'code *as it is*'],
  ['2 * 3 * 4 and snake_case_name', '2 * 3 * 4 and snake_case_name'],
  ['**', '**'],
  ['', ''],
])('%j is hinted at as %j', (body, line) => {
  expect(plainLine(body)).toBe(line);
});

test('of a long message only the beginning is read', () => {
  expect(plainLine(`**${'a'.repeat(100_000)}`)).toBe(`**${'a'.repeat(198)}`);
});
