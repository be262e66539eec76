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
  'web/embed.html', 'web/vite.embed.config.ts', 'web/tools/boxed.ts',
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

const sha256 = (bytes: string | Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const publicDir = join(web, 'src/public');
/** Files that are loaded under their plain name get the hash of their bytes as a query, so that each build has its own. */
const themeUrl = `/theme.js?${sha256(readFileSync(join(publicDir, 'theme.js'))).slice(0, 8)}`;

/** Writes the list of the build's files into the service worker; without it `index.html` names the theme by its bytes. */
const shellList = {
  name: 'moorline-shell',
  apply: 'build' as const,
  enforce: 'post' as const,
  transformIndexHtml: { order: 'post' as const, handler: (html: string) => html.replace('"/theme.js"', `"${themeUrl}"`) },
  generateBundle: {
    order: 'post' as const,
    handler(_: unknown, bundle: Record<string, { type: 'chunk'; code: string } | { type: 'asset'; source: string | Uint8Array }>) {
      const bytesOf = (path: string) => {
        const file = bundle[path];
        if (!file) throw new Error(`The build has no ${path}.`);
        return file.type === 'chunk' ? file.code : file.source;
      };
      const built = Object.keys(bundle).filter((path) => path.startsWith('assets/')).map((path) => `/${path}`);
      const icons = readdirSync(publicDir).filter((name) => name.endsWith('.svg')).map((name) => `/${name}`);
      const files = [...built, ...icons, themeUrl].sort();
      const index = sha256(bytesOf('index.html'));
      const contents = icons.map((path) => sha256(readFileSync(join(publicDir, path))));
      const shell = { hash: sha256([index, ...files, ...contents].join('\n')).slice(0, 16), index, files };
      const worker = bundle['sw.js'];
      if (worker?.type !== 'chunk' || !/(["'`])@@shell@@\1/.test(worker.code)) throw new Error('sw.js has no place for the list of files.');
      worker.code = worker.code.replace(/(["'`])@@shell@@\1/, () => JSON.stringify(JSON.stringify(shell)));
    },
  },
};

export default defineConfig({
  root: web,
  publicDir,
  plugins: [svelte(), buildNote, shellList],
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
    rolldownOptions: {
      input: { index: join(web, 'index.html'), sw: join(web, 'src/worker/sw.ts') },
      // The worker's name is its address, and only from the root may it keep the whole page.
      output: { entryFileNames: ({ name }: { name: string }) => (name === 'sw' ? 'sw.js' : 'assets/[name]-[hash].js') },
    },
  },
});
