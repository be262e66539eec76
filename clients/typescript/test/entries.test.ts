import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { expect, it } from "vitest";

/** What a page downloads for an entry beside the client itself and its framework. */
async function bytes(entry: string): Promise<number> {
  const contents = `export * from "../src/${entry}/index.ts"`;
  const { outputFiles, metafile } = await build({
    ...{ stdin: { contents, resolveDir: new URL(".", import.meta.url).pathname }, bundle: true, minify: true, format: "esm", target: "es2022" },
    ...{ write: false, metafile: true, external: ["react"] },
  });
  expect(Object.keys(metafile.inputs).filter((path) => path.includes("node_modules"))).toEqual([]);
  // Types alone: the client is the application's, once.
  const core = ["src/client.ts", "src/connection.ts"].filter((path) => path in metafile.inputs);
  expect(core).toEqual([]);
  return gzipSync(outputFiles[0]?.contents ?? "", { level: 9 }).length;
}

it.each([
  ["react", 1_000],
  ["svelte", 800],
  ["testing", 14_000],
  ["consumer", 2_000],
])("the entry %s is at most %i bytes and brings no second client", async (entry, most) => {
  const size = await bytes(entry);
  console.log(`@moorline/client/${entry}: ${size} bytes, minified and compressed`);
  expect(size).toBeLessThanOrEqual(most);
});
