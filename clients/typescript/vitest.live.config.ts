import { defineConfig } from "vitest/config";

// Against a real server: one file after another, since each starts processes of its own.
export default defineConfig({
  test: { include: ["test/live/*.test.ts"], testTimeout: 120_000, hookTimeout: 60_000, fileParallelism: false },
});
