// A backend as small as it can be: node serve.mjs FOLDER [PORT]
// It serves the files of FOLDER and the SDK, makes the room "ops", and gives a token to whoever asks for one.
// A real one gives it to whoever has signed in, and under no other name. Needs MOORLINE_JWT_SECRET and MOORLINE_API_KEY.
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { dirname, extname, join, resolve, sep } from "node:path";

const { MOORLINE_URL = "http://127.0.0.1:8000", MOORLINE_JWT_SECRET, MOORLINE_API_KEY } = process.env;
if (!MOORLINE_JWT_SECRET || !MOORLINE_API_KEY) throw new Error("Set MOORLINE_JWT_SECRET and MOORLINE_API_KEY, as for the server.");
const folder = resolve(process.argv[2] ?? ".");
const port = Number(process.argv[3] ?? 3000);
/** Where the package has the modules that a browser loads as they are. */
const sdk = join(folder, "node_modules/@moorline/client");
const { import: modules = {}, default: entry = modules.default } = JSON.parse(readFileSync(join(sdk, "package.json"))).exports["."];
const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css" };

/** The server's API: what is there already stays as it is. */
async function api(method, path, body) {
  const headers = { authorization: `Bearer ${MOORLINE_API_KEY}`, "content-type": "application/json" };
  const answer = await fetch(`${MOORLINE_URL}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
}

/** A token for this person, good for five minutes: the SDK fetches another one when it is over. */
function token(sub) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub, name: sub, exp: Math.floor(Date.now() / 1000) + 300 })}`;
  return `${text}.${createHmac("sha256", MOORLINE_JWT_SECRET).update(text).digest("base64url")}`;
}

async function signIn(user) {
  await api("PUT", `/users/${encodeURIComponent(user)}`, { name: user });
  await api("PUT", `/rooms/ops/members/${encodeURIComponent(user)}`);
  return token(user);
}

/** A file of the folder, or of the SDK under /moorline/; nothing above them. */
async function file(path) {
  const [root, name] = path.startsWith("/moorline/") ? [join(sdk, dirname(entry)), path.slice(10)] : [folder, path];
  const full = resolve(root, `.${sep}${name === "/" ? "index.html" : name}`);
  if (!full.startsWith(root + sep)) throw new Error("not here");
  const bytes = await readFile(full);
  // The page names the server's usual address; where it has another one, it is put in.
  return extname(full) === ".html" ? bytes.toString().replaceAll("http://127.0.0.1:8000", MOORLINE_URL) : bytes;
}

await api("POST", "/rooms", { id: "ops", kind: "group", name: "Ops" });
createServer(async (request, response) => {
  try {
    const { pathname, searchParams } = new URL(request.url, "http://localhost");
    if (pathname === "/token") return response.end(await signIn(searchParams.get("user") ?? "guest"));
    const content = await file(decodeURIComponent(pathname));
    response.writeHead(200, { "content-type": types[extname(pathname)] ?? types[".html"] }).end(content);
  } catch (error) {
    response.writeHead(error.code === "ENOENT" ? 404 : 500).end(String(error.message));
  }
}).listen(port, "127.0.0.1", () => console.log(`http://127.0.0.1:${port}/?user=ann`));
