/**
 * Another site, with pages of the test's own making and a token endpoint: what embeds the chat. It is `localhost` where the
 * server is `127.0.0.1`, so to a browser they have nothing to do with each other.
 */

import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";

export const SECRET = "the-secret-of-the-embedding-site-0123456789";

/** Arguments of `moorline serve` that take this site's tokens. */
export const WITH_TOKENS = ["--jwt-secret", SECRET];

export class Site {
  /** Pages by their path: html, and headers to be sent with it. */
  #pages = new Map();
  /** How often a token was asked for. */
  tokens = 0;
  /** The next answers of the token endpoint, instead of a token. */
  refusals = [];
  #server = createServer((request, answer) => this.#answer(request, answer));

  /** @param {import("node:test").TestContext} t */
  static async open(t) {
    const site = new Site();
    site.#server.listen(0, "127.0.0.1");
    await once(site.#server, "listening");
    t.after(() => {
      site.#server.closeAllConnections();
      site.#server.close();
    });
    return site;
  }

  get url() {
    return `http://localhost:${this.#server.address().port}`;
  }

  /** Puts a page at a path; it says who is in front of it by `?as=`. */
  page(path, body, headers = {}, head = "") {
    const html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>A site</title>${head}</head><body>${body}</body></html>`;
    this.#pages.set(path, { html, headers });
    return `${this.url}${path}`;
  }

  /** Puts a script at a path. */
  script(path, text) {
    this.#pages.set(path, { html: text, headers: { "content-type": "text/javascript" } });
  }

  #answer({ url }, answer) {
    const { pathname, searchParams } = new URL(url, this.url);
    const page = this.#pages.get(pathname);
    if (pathname === "/token") return this.#token(searchParams.get("as"), answer);
    if (pathname === "/favicon.ico") return void answer.writeHead(204).end();
    answer.writeHead(page ? 200 : 404, { "content-type": "text/html; charset=utf-8", ...page?.headers });
    answer.end(page?.html);
  }

  #token(who, answer) {
    this.tokens += 1;
    const refusal = this.refusals.shift();
    answer.writeHead(refusal ?? 200, { "content-type": "application/json", "cache-control": "no-store" });
    answer.end(refusal ? "{}" : JSON.stringify({ token: mint(who) }));
  }
}

/** A token for somebody, which lets them join the room. */
export function mint(who, rooms = ["quay"]) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const name = who[0].toUpperCase() + who.slice(1);
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: who, name, rooms, aud: "moorline", iat: now, exp: now + 3600 })}`;
  return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
}
