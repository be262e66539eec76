import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { expect, it } from "vitest";

/** What a page downloads that imports these names: at once, and in pieces that are loaded later. */
async function bytes(names: string): Promise<{ core: number; later: number }> {
  const contents = `export { ${names} } from "../src/index.ts"`;
  const { outputFiles, metafile } = await build({
    ...{ stdin: { contents, resolveDir: new URL(".", import.meta.url).pathname }, bundle: true, minify: true, format: "esm", target: "es2022" },
    ...{ write: false, metafile: true, splitting: true, outdir: "out" },
  });
  expect(Object.keys(metafile.inputs).filter((path) => path.includes("node_modules"))).toEqual([]);
  const outputs = metafile.outputs;
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
  return { core: size(true), later: size(false) };
}

it("the client with its outbox in IndexedDB is at most 12 kB, and what is loaded later at most 6 kB", async () => {
  const { core, later } = await bytes("createClient");
  console.log(`@moorline/client: ${core} bytes, minified and compressed; ${later} loaded later`);
  expect(core).toBeLessThanOrEqual(12_000);
  expect(later).toBeLessThanOrEqual(6_000);
});
