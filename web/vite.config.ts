// Builds the page into dist (or $OUT_DIR), the same bytes on every machine, and writes BUILD.json beside it.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { defineConfig } from 'vite';

const web = import.meta.dirname;
const root = resolve(web, '..');
const outDir = resolve(process.env.OUT_DIR ?? join(web, 'dist'));

/** What the page is built from; a test without Node computes the same hash over the same files. */
const folders = ['web/src', 'clients/typescript/src'];
const files = [
  'web/package.json', 'web/package-lock.json', 'web/vite.config.ts',
  'web/tsconfig.json', 'web/index.html', 'web/svelte.config.js',
];

function sourcePaths(): string[] {
  const found = files.filter((path) => existsSync(join(root, path)));
  for (const folder of folders) {
    if (!existsSync(join(root, folder))) continue;
    for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) found.push(relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'));
    }
  }
  return found.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

/** SHA-256 over path, NUL, length in decimal, NUL, contents of each source file, in the order of their paths. */
export function sourcesSha256(): string {
  const hash = createHash('sha256');
  for (const path of sourcePaths()) {
    const contents = readFileSync(join(root, path));
    hash.update(`${path}\0${contents.length}\0`).update(contents);
  }
  return hash.digest('hex');
}

const buildNote = {
  name: 'moorline-build-note',
  apply: 'build' as const,
  writeBundle() {
    mkdirSync(outDir, { recursive: true });
    writeFileSync(join(outDir, 'BUILD.json'), `{"sources_sha256": "${sourcesSha256()}"}\n`);
  },
};

export default defineConfig({
  root: web,
  publicDir: join(web, 'src/public'),
  plugins: [svelte(), buildNote],
  resolve: {
    alias: { '@moorline/client': join(root, 'clients/typescript/src/index.ts') },
    // Tests run the state as the browser does, with Svelte's reactive runtime and not its server one.
    conditions: process.env.VITEST ? ['browser'] : undefined,
  },
  server: {
    host: '127.0.0.1',
    fs: { allow: [root] },
    proxy: {
      '/api': 'http://127.0.0.1:8000',
      '/ws': { target: 'ws://127.0.0.1:8000', ws: true },
    },
  },
  build: {
    outDir,
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    sourcemap: false,
  },
});
