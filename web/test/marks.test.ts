// What is marked in a hit is what the server found.
import { expect, test } from 'vitest';
import { marked } from '../src/state/marks.ts';

const hits = (body: string, query: string) => marked(body, query).filter((part) => part.isHit).map((part) => part.text);

test('capital letters and accents make no difference', () => {
  expect(hits('The DRAIN of Düne and dune', 'drain dune ')).toEqual(['DRAIN', 'Düne', 'dune']);
});

test('the last word may be unfinished, the others may not', () => {
  expect(hits('drained drains harbour', 'drain')).toEqual(['drained', 'drains']);
  expect(hits('drained drain harbour', 'drain har')).toEqual(['drain', 'harbour']);
  expect(hits('drained', 'drain ')).toEqual([]);
  expect(hits('an ant', 'an')).toEqual(['an']);
});

test('nothing is marked for a query without words, and no text is lost', () => {
  expect(marked('a.b', '...')).toEqual([{ text: 'a.b', isHit: false }]);
  expect(marked('the old crane, the new crane', 'crane').map((part) => part.text).join('')).toBe('the old crane, the new crane');
});

test('a long message begins shortly before its first hit', () => {
  const body = `${'word '.repeat(80)}anchor end`;
  const [head, hit] = marked(body, 'anchor');
  expect(head?.text.length).toBeLessThan(100);
  expect(head?.text).toMatch(/^…word /);
  expect(hit).toEqual({ text: 'anchor', isHit: true });
});

test('operators are no words, phrases and beginnings are', () => {
  expect(hits('ann said in the harbour: ship the ships', 'from:ann in:"the harbour" ship* the')).toEqual(['the', 'ship', 'the', 'ships']);
  expect(hits('a brown fox', '"brown fox"')).toEqual(['brown', 'fox']);
  expect(hits('brown foxes', '"brown fo')).toEqual(['brown']);
  expect(hits('brown foxes', '"brown fox')).toEqual(['brown', 'foxes']);
  expect(hits('foxes', 'fox before:2026-01-01')).toEqual([]);
});

test('what stands in a script without spaces is marked where it stands', () => {
  expect(hits('iPhone日本語版です', '本語')).toEqual(['本語']);
  expect(hits('iPhone日本語版です', 'iphone 日本 です')).toEqual(['iPhone', '日本', 'です']);
});
