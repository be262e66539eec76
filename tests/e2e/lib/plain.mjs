/**
 * A measure of the machine: a page without a framework that does the least a page with so many rooms must do. It loads a
 * style and a script of some weight, asks once, and lists what it is told.
 *
 * How long such a page takes depends on the machine and on who else keeps it busy, as with the page under test, but on
 * nothing of Moorline's.
 */

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";

/** A script that does something: half a megabyte, most of which runs once. */
const WEIGHT = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")));

const HTML = `<!doctype html><meta charset="utf-8"><title>Plain</title><link rel="stylesheet" href="/style.css">
<script src="/weight.js" defer></script><script src="/list.js" type="module"></script><main></main>`;

const STYLE = "main { display: grid; gap: 4px; font: 15px sans-serif } a { display: flex; gap: 8px; padding: 8px } b { flex: 1 }";

const LIST = `for (const { id, name, last } of await (await fetch("/rooms.json")).json()) {
  const row = document.createElement("a");
  const [title, line] = [document.createElement("b"), document.createElement("span")];
  row.dataset.testid = "room-row";
  row.href = "#" + id;
  title.textContent = name;
  line.textContent = last;
  row.append(title, line);
  document.querySelector("main").append(row);
}`;

/** Serves the page with so many rooms on a free port until `close` is called. */
export async function servePlain(rooms) {
  const list = Array.from({ length: rooms }, (_, n) => ({ id: `room-${n}`, name: `Room ${n}`, last: `The latest of room ${n}` }));
  const files = {
    "/": ["text/html", HTML],
    "/style.css": ["text/css", STYLE],
    "/weight.js": ["text/javascript", WEIGHT],
    "/list.js": ["text/javascript", LIST],
    "/rooms.json": ["application/json", JSON.stringify(list)],
  };
  const server = createServer(({ url }, answer) => {
    const [type, body] = files[url] ?? [];
    answer.writeHead(type ? 200 : 404, { "content-type": type ?? "text/plain", "cache-control": "no-cache" }).end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
