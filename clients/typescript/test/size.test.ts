import { gzipSync } from "node:zlib";
import { build, type BuildOptions } from "esbuild";
import { expect, it } from "vitest";

const resolveDir = new URL(".", import.meta.url).pathname;
const common = { bundle: true, minify: true, format: "esm", target: "es2022", write: false, metafile: true } as const;

/** What a page downloads for a module, without what is loaded when it is needed. */
async function bytes(contents: string, more: BuildOptions = {}): Promise<number> {
  const { outputFiles, metafile } = await build({ ...common, stdin: { contents, resolveDir }, ...more });
  expect(Object.keys(metafile!.inputs).filter((path) => path.includes("node_modules"))).toEqual([]);
  return gzipSync(outputFiles![0]!.contents, { level: 9 }).length;
}

/** Modules that the core imports only when it needs them; a bundler makes a file of each. */
const LATER = ["./choosing.js"];

it("the client with its outbox in IndexedDB is at most 12 kB", async () => {
  const core = await bytes(`export { createClient } from "../src/index.ts"`, { external: LATER });
  console.log(`@moorline/client: ${core} bytes, minified and compressed`);
  expect(core).toBeLessThanOrEqual(12_000);
});

it("what is loaded for SSE, long-poll and the choosing is at most 4 kB, also where it shares nothing with the core", async () => {
  const later = await bytes(`export * from "../src/choosing.ts"`);
  console.log(`  its other transports, loaded later: ${later} bytes`);
  expect(later).toBeLessThanOrEqual(4_000);
});

it("the core has nothing in it of the other transports", async () => {
  const { metafile } = await build({ ...common, stdin: { contents: `export * from "../src/index.ts"`, resolveDir }, external: LATER });
  const inputs = Object.keys(metafile.inputs);
  expect(inputs.filter((path) => /choosing|http|sse|poll|page/.test(path))).toEqual([]);
  expect(inputs.some((path) => path.endsWith("connection.ts"))).toBe(true);
});
