// Builds what stands in other sites' pages: /embed.js, /widget.js and the page /embed, with their chunks, beside the chat page in dist.
// A build of its own, so that nothing of it changes what the page loads.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { defineConfig } from 'vite';
import { boxed } from './tools/boxed.ts';

const web = import.meta.dirname;
const client = resolve(web, '../clients/typescript/src');
const fixed = ['embed', 'widget'];

/** After the imports are in, before the text is made small. */
const boxedStyle = {
  name: 'moorline-boxed-style',
  transform: {
    filter: { id: /widget\.css\?inline$/ },
    handler: (css: string) => ({ code: boxed(css), map: null }),
  },
};

/** The page of the frame, with the name that its script has in this build. */
const framePage = {
  name: 'moorline-frame-page',
  generateBundle(this: { emitFile(file: { type: 'asset'; fileName: string; source: string }): string }, _: unknown, bundle: Record<string, { name?: string; isEntry?: boolean; fileName: string }>) {
    const script = Object.values(bundle).find(({ name, isEntry }) => isEntry && name === 'frame');
    const page = readFileSync(join(web, 'embed.html'), 'utf8');
    if (!script || !page.includes('src="/src/embed/frame.ts"')) throw new Error('embed.html has no place for its script.');
    this.emitFile({ type: 'asset', fileName: 'embed.html', source: page.replace('/src/embed/frame.ts', `/${script.fileName}`) });
  },
};

export default defineConfig({
  root: web,
  base: './',
  publicDir: false,
  plugins: [svelte(), boxedStyle, framePage],
  resolve: {
    alias: [
      { find: /^@moorline\/client\/element\/(.+)$/, replacement: join(client, 'element/$1.ts') },
      { find: '@moorline/client', replacement: join(client, 'index.ts') },
    ],
  },
  build: {
    outDir: resolve(process.env.OUT_DIR ?? join(web, 'dist')),
    emptyOutDir: false,
    target: 'es2022',
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    sourcemap: false,
    // As a library, so that no chunk asks the page around it to preload anything.
    lib: {
      entry: { embed: join(web, 'src/embed/loader.ts'), widget: join(web, 'src/embed/served.ts'), frame: join(web, 'src/embed/frame.ts') },
      formats: ['es'],
    },
    rolldownOptions: {
      output: {
        minify: true,
        entryFileNames: ({ name }: { name: string }) => (fixed.includes(name) ? `${name}.js` : 'assets/[name]-[hash].js'),
        chunkFileNames: 'assets/widget-[name]-[hash].js',
      },
    },
  },
});
