// Builds the package into dist: every module as ESM and as CommonJS, each with its types. Run by `npm run build` and before
// packing; knows no bundler, so what is imported later stays a file of its own.
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const here = (path) => new URL(path, import.meta.url).pathname;
const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");

rmSync(here("dist"), { recursive: true, force: true });
for (const [project, folder, type] of [["tsconfig.build.json", "esm", "module"], ["tsconfig.cjs.json", "cjs", "commonjs"]]) {
  execFileSync(process.execPath, [tsc, "-p", here(project)], { stdio: "inherit" });
  mkdirSync(here(`dist/${folder}`), { recursive: true });
  // Node reads what a file is from the nearest package.json.
  writeFileSync(here(`dist/${folder}/package.json`), `${JSON.stringify({ type, sideEffects: ["./element/index.js"] })}\n`);
}
