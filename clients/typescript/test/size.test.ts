import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { expect, it } from "vitest";

it("the SDK is at most 12 kB for a page that uses all of it", async () => {
  const entry = new URL("../src/index.ts", import.meta.url).pathname;
  const { outputFiles, metafile } = await build({
    ...{ entryPoints: [entry], bundle: true, minify: true, format: "esm", target: "es2022" },
    ...{ write: false, metafile: true },
  });
  const bytes = gzipSync(outputFiles[0]?.contents ?? "", { level: 9 }).length;
  console.log(`@moorline/client: ${bytes} bytes, minified and compressed`);
  expect(Object.keys(metafile.inputs).filter((path) => path.includes("node_modules"))).toEqual([]);
  expect(bytes).toBeLessThanOrEqual(12_000);
});
