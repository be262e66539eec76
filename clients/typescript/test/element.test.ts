import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { afterEach, expect, it, vi } from "vitest";
import * as entry from "../src/element/index.js";
import { fromEndpoint } from "../src/element/token.js";

afterEach(() => vi.unstubAllGlobals());

/** What the site answers; what was asked for. */
function site(answer: () => Response): RequestInit[] {
  const asked: RequestInit[] = [];
  vi.stubGlobal("fetch", async (_: string, init: RequestInit) => {
    asked.push(init);
    return answer();
  });
  return asked;
}

it("is imported where there is no document, and does nothing there", () => {
  expect(entry.MoorlineChat.observedAttributes).toContain("room");
});

it("fetches a token with the site's own cookies, never from a cache", async () => {
  const asked = site(() => Response.json({ token: "t1" }));
  expect(await fromEndpoint("/token")("first")).toBe("t1");
  expect(asked[0]).toMatchObject({ credentials: "same-origin", cache: "no-store", redirect: "manual" });
});

it("takes a refusal and a way to a sign-in form as the word that nobody is signed in", async () => {
  for (const answer of [() => new Response("", { status: 401 }), () => new Response("", { status: 403 }), () => ({ type: "opaqueredirect", status: 0 }) as Response]) {
    site(answer);
    await expect(fromEndpoint("/token")("first")).rejects.toMatchObject({ retryable: false });
  }
});

it("takes a site that fails, or answers something else, as one to ask again", async () => {
  for (const answer of [() => new Response("", { status: 502 }), () => Response.json({ jwt: "t" }), () => new Response("<html>")]) {
    site(answer);
    const error = await fromEndpoint("/token")("first").catch((error: unknown) => error);
    expect(error).toBeInstanceOf(Error);
    expect((error as { retryable?: boolean }).retryable).toBeUndefined();
  }
});

it("is at most 3 kB in a page that bundles it", async () => {
  const { outputFiles } = await build({
    ...{ entryPoints: [new URL("../src/element/index.ts", import.meta.url).pathname], bundle: true, minify: true, format: "esm", target: "es2022" },
    ...{ splitting: true, outdir: "/", write: false },
  });
  const size = gzipSync(outputFiles.find(({ path }) => path.endsWith("index.js"))?.contents ?? "", { level: 9 }).length;
  console.log(`@moorline/client/element: ${size} bytes, minified and compressed`);
  expect(size).toBeGreaterThan(1_000);
  expect(size).toBeLessThanOrEqual(3_000);
});
