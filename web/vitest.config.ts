// Tests of the page's parts, with the page's own build; on a busy machine one may take its time.
import { defineConfig, mergeConfig } from 'vitest/config';

import page from './vite.config.ts';

export default mergeConfig(page, defineConfig({ test: { testTimeout: 60_000 } }));
