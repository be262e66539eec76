// The contrast of every pair of colours in use, computed from tokens.css in both themes (WCAG 2.2).
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const css = readFileSync(new URL('../src/style/tokens.css', import.meta.url), 'utf8');
const tokens = new Map<string, [string, string]>();
for (const [, token = '', light = '', dark = ''] of css.matchAll(/--([\w-]+):\s*light-dark\((#\w{6}),\s*(#\w{6})\)/g)) {
  if (!tokens.has(token)) tokens.set(token, [light, dark]);
}

const text = 4.5;
const part = 3;
const surfaces = ['bg', 'bg-side', 'bg-raised', 'bg-sunken', 'bg-hover', 'bg-selected', 'bg-own', 'bg-signal', 'bg-danger'];

/** Foreground, least contrast, grounds. */
const pairs: [string, number, string[]][] = [
  ['text', text, surfaces], ['text-2', text, surfaces], ['text-3', text, surfaces],
  ['accent', text, surfaces.filter((ground) => ground !== 'bg-danger')],
  ['signal', text, ['bg', 'bg-side', 'bg-raised', 'bg-own', 'bg-signal']],
  ['danger', text, ['bg', 'bg-side', 'bg-raised', 'bg-hover', 'bg-selected', 'bg-own', 'bg-danger']],
  ['ok', text, ['bg', 'bg-side', 'bg-raised']],
  ['on-ink', text, ['ink', 'ink-hover']], ['on-signal', text, ['signal-fill']],
  ['on-danger', text, ['danger-fill']], ['on-tip', text, ['bg-tip']],
  ...[1, 2, 3, 4, 5, 6, 7, 8].map((n): [string, number, string[]] => [`p${n}`, text, [`p${n}-bg`]]),
  ['line-strong', part, ['bg', 'bg-side', 'bg-raised', 'bg-sunken']], ['focus', part, surfaces],
  ...[1, 2, 3, 4].map((n): [string, number, string[]] => [`chart-${n}`, part, ['bg-raised']]),
  ['ok', part, ['bg', 'bg-side', 'bg-raised', 'bg-hover', 'bg-selected']],
  ['ink', part, ['bg', 'bg-side', 'bg-raised', 'bg-selected']], ['text-3', part, ['bg', 'bg-side', 'bg-hover', 'bg-selected']],
];

function luminance(colour: string): number {
  const parts = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16) / 255);
  const [r = 0, g = 0, b = 0] = parts.map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function ratio(a: string, b: string): number {
  const [high = 0, low = 0] = [luminance(a), luminance(b)].sort((p, q) => q - p);
  return (high + 0.05) / (low + 0.05);
}

test('all 93 pairs of the design are looked at, and every colour of a pair is a token', () => {
  expect(pairs.reduce((sum, [, , grounds]) => sum + grounds.length, 0)).toBe(93);
  for (const [front, , grounds] of pairs) for (const token of [front, ...grounds]) expect(tokens.has(token), token).toBe(true);
});

test.each([['light', 0], ['dark', 1]] as const)('every pair in use has its contrast in the %s theme', (_, theme) => {
  const low: string[] = [];
  for (const [front, least, grounds] of pairs) {
    for (const ground of grounds) {
      const found = ratio(tokens.get(front)?.[theme] ?? '#000000', tokens.get(ground)?.[theme] ?? '#000000');
      if (found < least) low.push(`${front} on ${ground}: ${found.toFixed(2)} of ${least}`);
    }
  }
  expect(low).toEqual([]);
});

test('colours stand in tokens.css and nowhere else', () => {
  const swatches = /\.swatch/;
  for (const file of ['base', 'frame', 'conversation', 'panels', 'pages', 'adapt']) {
    const lines = readFileSync(new URL(`../src/style/${file}.css`, import.meta.url), 'utf8').split('\n');
    const raw = lines.filter((line) => /#[0-9a-f]{3,8}\b|rgba?\(|hsl/i.test(line) && !swatches.test(line) && !/linear-gradient/.test(line));
    expect(raw, file).toEqual([]);
  }
});
