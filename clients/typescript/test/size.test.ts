import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { expect, it } from "vitest";

const resolveDir = new URL(".", import.meta.url).pathname;
const common = { bundle: true, minify: true, format: "esm", target: "es2022", write: false, metafile: true, outdir: "out" } as const;

interface Bundle {
  /** Bytes, compressed, that a page downloads at once, and in pieces that are loaded when they are needed. */
  readonly core: number;
  readonly later: number;
  /** The modules of the first. */
  readonly inputs: readonly string[];
}

/** What a page downloads that makes a client. */
async function bundle(): Promise<Bundle> {
  const contents = `export { createClient } from "../src/index.ts"`;
  const { outputFiles, metafile } = await build({ ...common, stdin: { contents, resolveDir }, splitting: true });
  expect(Object.keys(metafile.inputs).filter((path) => path.includes("node_modules"))).toEqual([]);
  const { outputs } = metafile;
  const atOnce = new Set<string>();
  const follow = (path: string): void => {
    if (atOnce.has(path)) return;
    atOnce.add(path);
    for (const { path: next, kind } of outputs[path]!.imports) if (kind === "import-statement") follow(next);
  };
  follow(Object.keys(outputs).find((path) => outputs[path]!.entryPoint === "<stdin>")!);
  const size = (isAtOnce: boolean): number => {
    const chosen = outputFiles.filter(({ path }) => [...atOnce].some((name) => path.endsWith(name)) === isAtOnce);
    return gzipSync(new Uint8Array(Buffer.concat(chosen.map(({ contents }) => contents))), { level: 9 }).length;
  };
  const inputs = [...atOnce].flatMap((path) => Object.keys(outputs[path]!.inputs));
  return { core: size(true), later: size(false), inputs };
}

it("the client with its outbox in IndexedDB is at most 12 kB, and what is loaded later at most 10 kB", async () => {
  const { core, later } = await bundle();
  console.log(`@moorline/client: ${core} bytes, minified and compressed; ${later} loaded later`);
  expect(core).toBeLessThanOrEqual(12_000);
  expect(later).toBeLessThanOrEqual(10_000);
});

it("the core has nothing in it of the other transports and of shared tabs", async () => {
  const { inputs } = await bundle();
  expect(inputs.filter((path) => /choosing|http|sse|poll|page|tabs\/(hub|share|election)/.test(path))).toEqual([]);
  expect(inputs.some((path) => path.endsWith("connection.ts"))).toBe(true);
});

it("what is loaded for SSE, long-poll and the choosing is at most 4 kB, also where it shares nothing with the core", async () => {
  const contents = `export * from "../src/choosing.ts"`;
  const { outputFiles } = await build({ ...common, stdin: { contents, resolveDir } });
  const later = gzipSync(outputFiles[0]!.contents, { level: 9 }).length;
  console.log(`  its other transports, loaded later: ${later} bytes`);
  expect(later).toBeLessThanOrEqual(4_000);
});
