// What somebody may write to hurt those who read it. The same strings go through a real browser in tests/e2e.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { initials, hue } from '../src/state/people.ts';
import type { Inline } from '../src/state/inline.ts';
import { linkTo } from '../src/state/links.ts';
import { readMarkup, type Block } from '../src/state/markup.ts';
import { formatRoute, parseRoute } from '../src/state/route.ts';

const strings = JSON.parse(readFileSync(new URL('../../tests/hostile/strings.json', import.meta.url), 'utf8')) as string[];

interface Seen {
  links: string[];
  text: string;
  depth: number;
}

function lookAt(pieces: readonly (Inline | Block)[], seen: Seen, depth = 0): Seen {
  seen.depth = Math.max(seen.depth, depth);
  for (const piece of pieces) {
    if (piece.is === 'link') seen.links.push(piece.href);
    if ('text' in piece) seen.text += piece.text;
    if ('of' in piece) lookAt(piece.of, seen, depth + 1);
    if (piece.is === 'list') for (const item of piece.items) lookAt(item, seen, depth + 1);
  }
  return seen;
}

const look = (body: string) => lookAt(readMarkup(body), { links: [], text: '', depth: 0 });

test('there are at least a hundred, each once', () => {
  expect(strings.length).toBeGreaterThanOrEqual(100);
  expect(new Set(strings).size).toBe(strings.length);
});

test.each(strings)('as a message %j leads nowhere but to the web or to mail, and is not deep', (body) => {
  const { links, depth } = look(body);
  for (const href of links) expect(new URL(href).protocol).toMatch(/^(https?|mailto):$/);
  expect(depth).toBeLessThan(20);
});

test.each(strings)('as a message %j loses no letter', (body) => {
  const letters = (text: string) => text.replace(/[^\p{L}\p{N}<>=;"']/gu, '');
  const { text, links } = look(body);
  // What a link's brackets hold stands in its address.
  if (links.length === 0 && !/^(\d|[-*+>~`])/.test(body.trim())) expect(letters(text)).toBe(letters(body));
});

test.each(strings)('as an address %j is no link to a script', (address) => {
  const link = linkTo(address, 'words');
  if (link) expect(new URL(link.href).protocol).toMatch(/^(https?|mailto):$/);
});

test.each(strings)('as the words of a link %j never hide where it leads', (words) => {
  const link = linkTo('https://evil.example/', words);
  if (/bank\.example|[\u202a-\u202e\u2066-\u2069\u200b\u115f]/.test(words)) expect(link?.host).toBe('evil.example');
});

test.each(strings)('as a name %j makes an avatar and an address', (name) => {
  expect(initials(name).length).toBeGreaterThan(0);
  expect(hue(name)).toBeGreaterThanOrEqual(1);
  const route = parseRoute(formatRoute({ at: 'room', id: name, panel: false }));
  expect(route).toMatchObject({ at: 'room', id: name });
});
