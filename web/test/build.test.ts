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
const gzipped = (ending: string) =>
  [...first].filter(([path]) => path.endsWith(ending)).reduce((sum, [, bytes]) => sum + gzipSync(bytes, { level: 9 }).length, 0);

test('the first load is at most 80 kB of script and 12 kB of style', () => {
  const sizes = { script: gzipped('.js'), style: gzipped('.css') };
  console.log(`first load after gzip: script ${sizes.script} B of 80000, style ${sizes.style} B of 12000`);
  expect(sizes.script).toBeLessThanOrEqual(80_000);
  expect(sizes.style).toBeLessThanOrEqual(12_000);
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
