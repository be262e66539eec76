/**
 * Compiles the component of the test with the real Svelte, and puts a page under it. The test's own SDK is part of the
 * bundle, since a component imports it from the same place.
 */
import { readFile } from "node:fs/promises";
import { build, type Plugin } from "esbuild";
import { Window } from "happy-dom";
import { compile } from "svelte/compiler";

const svelte: Plugin = {
  name: "svelte",
  setup: ({ onLoad }) =>
    onLoad({ filter: /\.svelte$/ }, async ({ path }) => {
      const { js } = compile(await readFile(path, "utf8"), { generate: "client", filename: path });
      return { contents: js.code, loader: "js" };
    }),
};

/** What the bundle gives: the component, Svelte's own functions, the SDK and its server in memory. */
export interface Built {
  readonly Chat: unknown;
  readonly mount: (component: unknown, options: object) => unknown;
  readonly unmount: (component: unknown) => Promise<void>;
  readonly flushSync: () => void;
  readonly createClient: typeof import("../../src/index.js").createClient;
  readonly createTestServer: typeof import("../../src/testing/index.js").createTestServer;
}

const ENTRY = `
  export { default as Chat } from "./Chat.svelte";
  export { flushSync, mount, unmount } from "svelte";
  export { createClient } from "../../src/index.ts";
  export { createTestServer } from "../../src/testing/index.ts";
`;

/** Builds the bundle and runs it in a page. */
export async function built(): Promise<Built> {
  const { outputFiles } = await build({
    ...{ stdin: { contents: ENTRY, resolveDir: new URL(".", import.meta.url).pathname, loader: "ts" }, plugins: [svelte] },
    ...{ bundle: true, write: false, format: "iife", globalName: "built", conditions: ["browser"], target: "es2022" },
  });
  const page = new Window() as unknown as typeof globalThis;
  const elements = ["Node", "Element", "Text", "Comment", "HTMLElement", "HTMLMediaElement"];
  const names = ["window", "document", "navigator", "Event", "MutationObserver", ...elements];
  for (const name of names) {
    const value = name === "window" ? page : page[name as never];
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  return new Function(`${outputFiles[0]!.text}; return built;`)() as Built;
}
