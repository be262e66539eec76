// Builds what stands in other sites' pages: its sizes, its names, that it asks nobody else, and that its styles take nothing from around.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import { boxed, open } from '../tools/boxed.ts';

const web = new URL('..', import.meta.url).pathname;
const folders = [0, 1].map(() => mkdtempSync(join(tmpdir(), 'moorline-widget-')));
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true })));

function build(folder: string): Map<string, string> {
  const env: NodeJS.ProcessEnv = { ...process.env, OUT_DIR: folder, NODE_ENV: 'production' };
  delete env.VITEST;
  execFileSync(join(web, 'node_modules/.bin/vite'), ['build', '--config', 'vite.embed.config.ts', '--logLevel', 'error'], { cwd: web, env });
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map((entry) => join(entry.parentPath, entry.name)).sort();
  return new Map(paths.map((path) => [path.slice(folder.length + 1), readFileSync(path, 'utf8')]));
}

const [first = new Map<string, string>(), second = new Map<string, string>()] = folders.map(build);
const size = (text: string) => gzipSync(text, { level: 9 }).length;
const named = (pattern: RegExp) => [...first].filter(([path]) => pattern.test(path));

/** A file and all that it imports before anything runs. */
function atOnce(path: string, seen = new Set<string>()): Set<string> {
  if (seen.has(path)) return seen;
  seen.add(path);
  for (const [, name = ''] of (first.get(path) ?? '').matchAll(/(?:\bfrom|\bimport)\s*["'`]\.\/([\w./-]+\.js)["'`]/g)) atOnce(path.startsWith('assets/') ? `assets/${name}` : name, seen);
  return seen;
}

test('the loader is at most 3,000 bytes, the chat behind it with its words at most 80,000', () => {
  const loader = [...atOnce('embed.js')].reduce((sum, path) => sum + size(first.get(path) ?? ''), 0);
  const chat = named(/widget-mount/).reduce((sum, [, text]) => sum + size(text), 0) + Math.max(...named(/widget-(en|de)-/).map(([, text]) => size(text)));
  console.log(`widget after gzip: loader ${loader} B of 3000, chat ${chat} B of 80000`);
  expect(loader).toBeGreaterThan(1_000);
  expect(loader).toBeLessThanOrEqual(3_000);
  expect(chat).toBeGreaterThan(30_000);
  expect(chat).toBeLessThanOrEqual(80_000);
});

test('only what pages name has a plain name, and each build gives the same bytes', () => {
  expect(named(/^[^/]+$/).map(([path]) => path)).toEqual(['embed.html', 'embed.js', 'widget.js']);
  expect(named(/^assets\//).every(([path]) => /-[\w-]{8}\.js$/.test(path))).toBe(true);
  expect(second).toEqual(first);
});

test('the page of the frame has its script and nothing else', () => {
  const page = first.get('embed.html') ?? '';
  const [, script] = /<script type="module" src="\/(assets\/frame-[\w-]+\.js)">/.exec(page) ?? [];
  expect(first.has(script ?? '')).toBe(true);
  expect(page).not.toMatch(/<style|<link|https?:/);
});

test('nothing in it makes a style element, or loads from a place of its own', () => {
  for (const [path, text] of first) {
    expect(text, path).not.toMatch(/createElement\(["'`]style|@import|@font-face|url\((?!#)/);
    expect(text, path).not.toMatch(/modulepreload/);
  }
});

test('no selector of its styles speaks of a document, no length of the page around it', () => {
  const [, css = ''] = named(/widget-mount/).map(([, text]) => /\.moorline\{all:initial[^`]*/.exec(text)?.[0] ?? '').sort((a, b) => a.length - b.length);
  expect(css.length).toBeGreaterThan(10_000);
  expect(css).not.toMatch(/:root|(?<![\w.#-])(?:html|body)(?=[\s,{[])/);
  expect(css).not.toMatch(/\d+rem\b/);
  expect(css).toMatch(/@container \(/);
  expect(css).not.toMatch(/@media \((?:max|min)-width/);
});

test('the page’s styles become those of a box, word for word where nothing depends on the page', () => {
  const css = ':root { --bg: white; --t: .75rem; }\n:root[data-theme="dark"] { --bg: black; }\nhtml, body { margin: 0 }\n.msg-body { gap: 1.5rem; margin: -.5rem 0 }\n@media (max-width: 39.99rem) { .a { top: 2rem } }\n@media (hover: hover) { .b { top: 0 } }';
  expect(boxed(css).split('\n').slice(1)).toEqual([
    '.moorline { --bg: var(--moorline-bg, white); --t: calc(.75 * var(--rem)); }',
    '.moorline[data-theme="dark"] { --bg: black; }',
    '.moorline, .moorline { margin: 0 }',
    '.msg-body { gap: calc(1.5 * var(--rem)); margin: calc(-.5 * var(--rem)) 0 }',
    '@container (max-width: 639.84px) { .a { top: calc(2 * var(--rem)) } }',
    '@media (hover: hover) { .b { top: 0 } }',
  ]);
});

test('a rule whose query is half of the box and half of the window is refused, not lost', () => {
  expect(() => boxed(':root { --bg: white; }\n@media (max-width: 40rem) and (hover: none) { .a { top: 0 } }')).toThrow('(max-width');
  expect(() => boxed(':root { --bg: white; }\n@media (width < 40rem) { .a { top: 0 } }')).toThrow('(width');
});

test('each token that may be set from outside is one that the page has', () => {
  const tokens = readFileSync(join(web, 'src/style/tokens.css'), 'utf8');
  for (const name of Object.keys(open)) expect(tokens).toContain(`${name}:`);
});

test('every attribute, event, part and property is described, and none that is not there', () => {
  const text = readFileSync(join(web, '../docs/widget.md'), 'utf8');
  const element = readFileSync(join(web, '../clients/typescript/src/element/element.ts'), 'utf8');
  const attributes = [...(/MAKING = \[(.*?)\]/.exec(element)?.[1] ?? '').matchAll(/"([\w-]+)"/g)].map(([, name]) => name);
  expect(attributes).toContain('token-endpoint');
  for (const name of attributes) expect(text).toContain(`| \`${name}`);
  const contract = readFileSync(join(web, '../clients/typescript/src/element/contract.ts'), 'utf8');
  const events = [...(/interface WidgetEvents \{(.*?)\n\}/s.exec(contract)?.[1] ?? '').matchAll(/^ {2}(\w+):/gm)].map(([, name]) => name);
  expect(events).toContain('unread');
  const [, table = ''] = /\| event \|(.*?)\n\n/s.exec(text) ?? [];
  expect([...table.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name)).toEqual(events);
  const style = readFileSync(join(web, '../clients/typescript/src/element/style.ts'), 'utf8');
  const known = new Set([...Object.values(open), '--moorline-size', ...[...style.matchAll(/var\((--moorline-[\w-]+)/g)].map(([, name = '']) => name)]);
  expect(new Set([...text.matchAll(/`(--moorline-[\w-]+)`/g)].map(([, name = '']) => name))).toEqual(known);
});
