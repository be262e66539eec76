/**
 * A host page's own server: the page of the tabs, the SDK as a bundler makes it, and tokens for whoever is named.
 */
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const SDK = fileURLToPath(new URL("../../../clients/typescript/", import.meta.url));
const { build } = createRequire(`${SDK}package.json`)("esbuild");

/** What the server must be started with to take these tokens. */
const SECRET = "the-secret-of-the-tests-0123456789abcdef";

/**
 * The SDK in files by name: the entry and what it loads later.
 *
 * @param {Record<string, [string, string]>} bug a twin's planted bug: a source file's end of path, what stands there, and
 *   what shall stand there instead
 */
async function bundled(bug) {
  const planted = [];
  const plant = {
    name: "plant",
    setup: (context) =>
      context.onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => {
        const found = Object.entries(bug).find(([end]) => path.endsWith(end));
        if (!found) return undefined;
        const [, [from, to]] = found;
        const contents = readFileSync(path, "utf8");
        if (!contents.includes(from)) throw new Error(`${path} has no place for the planted bug`);
        planted.push(path);
        return { contents: contents.replace(from, to), loader: "ts" };
      }),
  };
  const { outputFiles } = await build({
    ...{ entryPoints: { sdk: `${SDK}src/index.ts` }, bundle: true, format: "esm", target: "es2022", splitting: true },
    ...{ outdir: "/", write: false, plugins: [plant], logLevel: "error" },
  });
  if (planted.length !== Object.keys(bug).length) throw new Error("the bug was not planted");
  return new Map(outputFiles.map(({ path, text }) => [path, text]));
}

/** A token for a person of this name. */
function token(sub, secret = SECRET) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1_000);
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub, name: sub, iat: now, exp: now + 3_600 })}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

const HTML = '<!doctype html><meta charset="utf-8"><title>Tab</title><script type="module" src="/tab-page.js"></script>';
const PAGE = readFileSync(new URL("tab-page.js", import.meta.url), "utf8");

/** The host page's server. */
export class TabServer {
  /** How often each person asked for a token. */
  tokens = {};
  /** From now on the tokens are of another's making. */
  isForging = false;
  #server;

  static async start(bug = {}) {
    const host = new TabServer();
    const files = new Map([["/", HTML], ["/away", "<title>Away</title>"], ["/tab-page.js", PAGE], ...(await bundled(bug))]);
    host.#server = createServer((request, answer) => host.#answer(request, answer, files));
    host.#server.listen(0, "127.0.0.1");
    await once(host.#server, "listening");
    return host;
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** Arguments of `moorline serve` for pages from here. */
  get serverArgs() {
    return ["--jwt-secret", SECRET, "--origin", this.url];
  }

  close() {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #answer({ url }, answer, files) {
    const { pathname, searchParams } = new URL(url, "http://host");
    if (pathname === "/token") {
      const user = searchParams.get("user");
      this.tokens[user] = (this.tokens[user] ?? 0) + 1;
      return answer.end(token(user, this.isForging ? "somebody-else-0123456789abcdef012345" : SECRET));
    }
    const file = files.get(pathname);
    const type = pathname.endsWith(".js") ? "text/javascript" : "text/html";
    answer.writeHead(file === undefined ? 404 : 200, { "content-type": type }).end(file ?? "");
  }
}
