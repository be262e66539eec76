import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { expect, it } from "vitest";

/** What a page downloads that imports these names. */
async function bytes(names: string): Promise<number> {
  const contents = `export { ${names} } from "../src/index.ts"`;
  const { outputFiles, metafile } = await build({
    ...{ stdin: { contents, resolveDir: new URL(".", import.meta.url).pathname }, bundle: true, minify: true, format: "esm", target: "es2022" },
    ...{ write: false, metafile: true },
  });
  expect(Object.keys(metafile.inputs).filter((path) => path.includes("node_modules"))).toEqual([]);
  return gzipSync(outputFiles[0]?.contents ?? "", { level: 9 }).length;
}

it("the client with its outbox in IndexedDB is at most 12 kB", async () => {
  const core = await bytes("createClient");
  console.log(`@moorline/client: ${core} bytes, minified and compressed`);
  expect(core).toBeLessThanOrEqual(12_000);
});
