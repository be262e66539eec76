/**
 * The package as somebody gets it: packed, unpacked beside a program, and used from there, by ESM and by CommonJS.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = new URL("..", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "moorline-package-"));
const installed = join(folder, "node_modules/@moorline/client");
const SLOW = 120_000;

interface Manifest {
  exports: Record<string, Record<string, Record<string, string>>>;
}

/** Packs a package's folder and gives the archive. */
function pack(from: string, to: string): string {
  mkdirSync(to, { recursive: true });
  const args = ["pack", "--silent", "--pack-destination", to, ...(from === root ? [] : ["--ignore-scripts"])];
  const name = execFileSync("npm", args, { cwd: from, encoding: "utf8" }).trim().split("\n").at(-1)!;
  return join(to, name);
}

beforeAll(() => {
  const archive = pack(root, folder);
  mkdirSync(installed, { recursive: true });
  execFileSync("tar", ["xzf", archive, "-C", installed, "--strip-components=1"]);
  console.log(`@moorline/client: ${statSync(archive).size} bytes packed`);
}, SLOW);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a tool of ours; its whole output where it failed. */
function faultsOf(tool: "publint" | "@arethetypeswrong/cli", args: readonly string[]): string {
  const require = createRequire(import.meta.url);
  const entry = require.resolve(tool === "publint" ? "publint" : "@arethetypeswrong/cli/package.json");
  const manifest = tool === "publint" ? findManifest(entry) : entry;
  const { bin } = JSON.parse(readFileSync(manifest, "utf8")) as { bin: string | Record<string, string> };
  const script = join(dirname(manifest), typeof bin === "string" ? bin : Object.values(bin)[0]!);
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: "utf8" });
  return status === 0 ? "" : `${stdout}${stderr}`;
}

/** The package.json above a file, where the package does not export it. */
function findManifest(file: string): string {
  for (let at = dirname(file); ; at = dirname(at)) {
    const path = join(at, "package.json");
    try {
      if ((JSON.parse(readFileSync(path, "utf8")) as { name?: string }).name === "publint") return path;
    } catch {
      if (at === dirname(at)) throw new Error("publint has no package.json");
    }
  }
}

/** A copy of the package with another manifest. */
function changed(name: string, change: (manifest: Manifest) => void): string {
  const copy = join(folder, name);
  cpSync(installed, copy, { recursive: true });
  const path = join(copy, "package.json");
  const manifest = JSON.parse(readFileSync(path, "utf8")) as Manifest;
  change(manifest);
  writeFileSync(path, JSON.stringify(manifest));
  return copy;
}

const typesAreRight = (from: string): string => {
  // Who resolves as Node 10 did finds only the main entry; the others have no place there. The element is for pages.
  return faultsOf("@arethetypeswrong/cli", [pack(from, join(from, "packed")), "--profile", "node16", "--exclude-entrypoints", "./element"]);
};

describe("the manifest", () => {
  it("pleases publint and are-the-types-wrong", { timeout: SLOW }, () => {
    expect(faultsOf("publint", [installed, "--strict"])).toBe("");
    expect(typesAreRight(installed)).toBe("");
  });

  it("would not, were types named after the code, or CommonJS given as ESM", { timeout: SLOW }, () => {
    const late = changed("late", (manifest) => {
      const { types, default: code } = manifest.exports["."]!["import"]!;
      manifest.exports["."]!["import"] = { default: code!, types: types! };
    });
    expect(faultsOf("publint", [late, "--strict"])).toMatch(/types/);
    const wrong = changed("wrong", (manifest) => (manifest.exports["."]!["require"] = manifest.exports["."]!["import"]!));
    expect(typesAreRight(wrong)).toMatch(/ESM|CJS/);
  });

  it("has each entry in both forms, types first, and the element, which loads its server's module, in one", () => {
    const { exports } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8")) as Manifest;
    expect(exports).toHaveProperty(["."]);
    for (const [entry, forms] of Object.entries(exports)) {
      expect(Object.keys(forms)).toEqual(entry === "./element" ? ["import"] : ["import", "require"]);
      for (const form of Object.values(forms)) expect(Object.keys(form)).toEqual(["types", "default"]);
    }
  });
});

/** A program that signs in by SSE, since its WebSocket fails: what is loaded later is there, too. */
const PROGRAM = `
const welcome = JSON.stringify({ type: "welcome", connection: "c", user: { id: "ann", name: "Ann" }, time: 0, rooms: [],
  keepalive: { interval_ms: 25000, timeout_ms: 60000 }, totals: { rooms: 0, unread: 0, mentions: 0 } });
const openSocket = () => { throw new Error("no WebSocket here"); };
const fetch = async () => new Response(new ReadableStream({ start: (stream) => stream.enqueue(new TextEncoder().encode("data: " + welcome + "\\n\\n")) }));
const client = createClient({ url: "ws://chat.example/ws", transports: ["sse", "ws"], store: memoryStore(), environment: { openSocket, fetch } });
client.on("state", (state) => {
  if (state.is !== "live") return;
  console.log("live by " + state.transport, new MoorlineError("x", "y") instanceof Error);
  client.stop();
});
client.start();
`;
const NAMES = "{ createClient, memoryStore, MoorlineError }";
const forms = {
  "program.mjs": `import ${NAMES} from "@moorline/client";${PROGRAM}`,
  "program.cjs": `const ${NAMES} = require("@moorline/client");${PROGRAM}`,
  "worker.mjs": `import { Worker } from "node:worker_threads"; new Worker(new URL("./program.mjs", import.meta.url));`,
};

describe("a program in Node.js", () => {
  it.each(Object.entries(forms))("%s connects with the package, also by what is loaded later", (name, text) => {
    for (const [file, contents] of Object.entries({ ...forms, [name]: text })) writeFileSync(join(folder, file), contents);
    expect(execFileSync(process.execPath, [name], { cwd: folder, encoding: "utf8", timeout: 20_000 })).toBe("live by sse true\n");
  });

  it.each(["consumer.mts", "consumer.cts"])("%s is checked against the package's own types, strictly", { timeout: SLOW }, (name) => {
    const text = `import { createClient, type State, type TransportName } from "@moorline/client";
      const client = createClient({ url: "wss://chat.example/ws", transports: ["ws", "poll"] });
      client.on("state", (state: State) => { const by: TransportName | false = state.is === "live" && state.transport; void by; });
      client.on("notice", ({ name, data }) => void [name.length, data]);
      // @ts-expect-error There is no such transport.
      createClient({ transports: ["pigeon"] });`;
    writeFileSync(join(folder, name), text);
    const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
    const options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", "--lib", "es2023,dom,dom.iterable"];
    const { status, stdout } = spawnSync(process.execPath, [tsc, ...options, name], { cwd: folder, encoding: "utf8" });
    expect(stdout).toBe("");
    expect(status).toBe(0);
  });
});
