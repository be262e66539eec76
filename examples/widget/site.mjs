/**
 * A site of one's own with a chat in it: it serves `index.html`, and at `/token` it says who is in front of the page.
 * Node.js and nothing else.
 *
 *   MOORLINE_JWT_SECRET=… MOORLINE_API_KEY=… node examples/widget/site.mjs
 *
 * The server beside it: `moorline serve --jwt-secret-file … --api-key-file …` with the same two. A real site asks its own
 * session who it is; here everybody is a guest with a name of the day, kept in a cookie.
 */

import { createHmac, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const { MOORLINE_URL: server = "http://127.0.0.1:8000", MOORLINE_JWT_SECRET: secret, MOORLINE_API_KEY: key, PORT: port = "3000" } = process.env;
if (!secret || !key) throw new Error("Set MOORLINE_JWT_SECRET and MOORLINE_API_KEY to what the server has.");

const page = readFileSync(new URL("index.html", import.meta.url), "utf8").replaceAll("http://127.0.0.1:8000", server);

/** A token that says who this is, for an hour. */
function token(id, name) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: id, name, aud: "moorline", iat: now, exp: now + 3600 })}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

/** The room, which everybody may join, once; the same again changes nothing. */
async function makeLobby() {
  const answer = await fetch(`${server}/api/v1/rooms`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json", "idempotency-key": "lobby" },
    body: JSON.stringify({ id: "lobby", kind: "public", name: "Lobby", members: [] }),
  });
  if (!answer.ok) throw new Error(`The lobby could not be made: ${answer.status} ${await answer.text()}`);
}

/** Who this browser is. */
function guest(headers) {
  const known = /(?:^|; )guest=([\w-]{36})/.exec(headers.cookie ?? "")?.[1];
  return known ?? randomUUID();
}

await makeLobby();
const site = createServer((request, answer) => {
  const id = guest(request.headers);
  answer.setHeader("set-cookie", `guest=${id}; HttpOnly; SameSite=Lax; Path=/; Max-Age=86400`);
  answer.setHeader("cache-control", "no-store");
  if (request.url === "/token") {
    answer.setHeader("content-type", "application/json");
    answer.end(JSON.stringify({ token: token(`guest-${id}`, `Guest ${id.slice(0, 4)}`) }));
  } else {
    answer.setHeader("content-type", "text/html; charset=utf-8");
    answer.end(page);
  }
});
site.listen(Number(port), "127.0.0.1", () => console.log(`http://localhost:${site.address().port}`));
