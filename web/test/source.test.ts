// What must never stand in the page's sources: HTML strings, style attributes, words outside the catalogue, files that grew too long.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const src = new URL('../src/', import.meta.url).pathname;
const files = readdirSync(src, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && /\.(svelte|ts|js|css)$/.test(entry.name))
  .map((entry) => join(entry.parentPath, entry.name));
const lines = files.flatMap((file) => readFileSync(file, 'utf8').split('\n').map((line, i) => ({ at: `${file.slice(src.length)}:${i + 1}`, line })));
const where = (pattern: RegExp) => lines.filter(({ line }) => pattern.test(line)).map(({ at }) => at);

test('no HTML is ever made of strings', () => {
  expect(where(/\{@html|innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|srcdoc/)).toEqual([]);
});

test('no code is ever made of strings', () => {
  expect(where(/\beval\(|new Function\(|setTimeout\(['"`]/)).toEqual([]);
});

test('no style attribute stands in markup, which the policy would drop', () => {
  expect(where(/\sstyle="/)).toEqual([]);
});

test('the state below knows no document', () => {
  expect(where(/\bdocument\.|\bwindow\.|HTMLElement/).filter((at) => at.startsWith('state/'))).toEqual([]);
});

test('no file is longer than 400 lines, and each begins by saying what it is', () => {
  for (const file of files) {
    const text = readFileSync(file, 'utf8');
    expect(text.split('\n').length, file).toBeLessThanOrEqual(400);
    expect(text, file).toMatch(/^(\/\/|\/\*|<!--)/);
  }
});
