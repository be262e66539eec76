// Builds the page into another folder: sizes of the first load, nothing from elsewhere, the same bytes each time.
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';

const web = new URL('..', import.meta.url).pathname;
const folders = [0, 1].map(() => mkdtempSync(join(tmpdir(), 'moorline-page-')));
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true })));

function build(folder: string): Map<string, Buffer> {
  const env: NodeJS.ProcessEnv = { ...process.env, OUT_DIR: folder, NODE_ENV: 'production' };
  delete env.VITEST;
  execFileSync(join(web, 'node_modules/.bin/vite'), ['build', '--config', 'vite.config.ts', '--logLevel', 'error'], { cwd: web, env });
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map((entry) => join(entry.parentPath, entry.name)).sort();
  return new Map(paths.map((path) => [path.slice(folder.length + 1), readFileSync(path)]));
}

const [first = new Map<string, Buffer>(), second = new Map<string, Buffer>()] = folders.map(build);
const size = (paths: string[]) => paths.reduce((sum, path) => sum + gzipSync(first.get(path) ?? Buffer.alloc(0), { level: 9 }).length, 0);

/** What the page names and, in turn, what that imports before anything runs. */
function atOnce(): string[] {
  const found = new Set([...(first.get('index.html')?.toString() ?? '').matchAll(/(?:src|href)="\/([^"]+\.(?:js|css))"/g)].map(([, path = '']) => path));
  for (const path of found) {
    const text = first.get(path)?.toString() ?? '';
    for (const [, name] of text.matchAll(/(?:\bfrom|\bimport)\s*["']\.\/([\w.-]+\.js)["']/g)) found.add(`assets/${name}`);
  }
  return [...found];
}

/** The chunk of each catalogue, by a word that stands in it alone. */
const catalogues = ['Skip to the messages', 'Zu den Nachrichten'].map((word) => [...first].filter(([path, bytes]) => path.endsWith('.js') && bytes.includes(word)).map(([path]) => path));

test('the first load is at most 80 kB of script and 12 kB of style', () => {
  const scripts = atOnce().filter((path) => path.endsWith('.js'));
  // One catalogue comes with it: the larger one counts.
  const words = Math.max(...catalogues.map(size));
  const sizes = { script: size(scripts) + words, style: size(atOnce().filter((path) => path.endsWith('.css'))) };
  expect(scripts.length).toBeGreaterThan(1);
  console.log(`first load after gzip: script ${sizes.script} B of 80000, style ${sizes.style} B of 12000`);
  expect(sizes.script).toBeLessThanOrEqual(80_000);
  expect(sizes.style).toBeLessThanOrEqual(12_000);
});

test('each language is a file of its own and no part of what everybody loads', () => {
  for (const found of catalogues) {
    expect(found).toHaveLength(1);
    expect(atOnce()).not.toContain(found[0]);
  }
});

test('two builds in two folders are the same, byte for byte', () => {
  expect([...second.keys()]).toEqual([...first.keys()]);
  for (const [path, bytes] of first) expect(second.get(path)?.equals(bytes), path).toBe(true);
});

test('the built page asks nobody else for anything', () => {
  const page = first.get('index.html')?.toString() ?? '';
  expect([...page.matchAll(/(?:src|href)="([^"]*)"/g)].every(([, url = '']) => url.startsWith('/'))).toBe(true);
  expect(page).not.toMatch(/<style|<script(?![^>]*src=)/);
  for (const [path, bytes] of first) {
    if (path.endsWith('.css')) expect(bytes.toString(), path).not.toMatch(/@import|@font-face|url\(/);
  }
});

test('no made-up data is in it', () => {
  for (const [path, bytes] of first) expect(bytes.includes('Harvest party'), path).toBe(false);
});
