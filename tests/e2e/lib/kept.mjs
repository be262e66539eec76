/** What the page keeps on the device: its service worker, its storage, and a second build of the page to change to. */

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { SOON_MS } from "./form.mjs";
import { until } from "./wait.mjs";

/** Where the page keeps what was seen. */
const SEEN = "moorline-seen";

/** Waits until the service worker has the page's files. */
export function hasWorker(window) {
  const isActive = async () => (await navigator.serviceWorker.getRegistration())?.active?.state === "activated";
  return until("the service worker is active", () => window.page.evaluate(isActive), SOON_MS);
}

/** Waits until some words are in what the page keeps of what was seen. */
export function hasKept(window, words) {
  return until(`"${words}" is kept`, async () => JSON.stringify((await storage(window)).databases[SEEN] ?? []).includes(words), SOON_MS);
}

/** Everything that is stored for the page: each cache's addresses and texts, each database's rows, localStorage. */
export function storage(window) {
  return window.page.evaluate(async () => {
    const settled = (request) => new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    const databases = {};
    for (const { name } of await indexedDB.databases()) {
      const database = await settled(indexedDB.open(name));
      databases[name] = [];
      for (const table of database.objectStoreNames) {
        databases[name].push(...(await settled(database.transaction(table).objectStore(table).getAll())));
      }
      database.close();
    }
    const cached = {};
    for (const name of await caches.keys()) {
      const cache = await caches.open(name);
      const entries = (await cache.keys()).map(async ({ url }) => [url, await (await cache.match(url)).text()]);
      cached[name] = Object.fromEntries(await Promise.all(entries));
    }
    return { databases, caches: cached, local: { ...localStorage } };
  });
}

/** Empties the browser's own cache of answers, so that what still comes is what the page keeps. */
export async function emptyBrowserCache(window) {
  const session = await window.page.context().newCDPSession(window.page);
  await session.send("Network.clearBrowserCache");
  await session.detach();
}

/** Makes the device forget what was seen, as one on which nobody has been. */
export function forget(window) {
  return window.page.evaluate((name) => new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(name);
    request.onsuccess = () => resolve();
    request.onerror = () => reject(request.error);
  }), SEEN);
}

/** Writes a build that does the same under other names, as the next version of the program would bring it, and tells its entry's name. */
export function anotherBuild(from, to) {
  const files = readdirSync(from, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name).slice(from.length + 1));
  const hashes = paths.map((path) => /^assets\/.*-([\w-]{8})\.\w+$/.exec(path)?.[1]).filter(Boolean);
  const renamed = (text) => hashes.reduce((all, hash) => all.replaceAll(hash, `${hash.slice(0, 7)}${hash[7] === "0" ? "1" : "0"}`), text);
  const sha256 = (text) => createHash("sha256").update(text).digest("hex");
  const before = readFileSync(join(from, "index.html"), "utf8");
  const index = renamed(before);
  for (const path of paths) {
    const target = join(to, renamed(path));
    mkdirSync(dirname(target), { recursive: true });
    const text = renamed(readFileSync(join(from, path), "utf8"));
    const isWorker = path === "sw.js";
    writeFileSync(target, isWorker ? text.replace(sha256(before), sha256(index)).replace(/(hash\\":\\")\w{4}/, "$1beef") : text);
  }
  return entryOf(index);
}

/** The script that an index.html begins with. */
export function entryOf(index) {
  return /src="(\/assets\/index-[\w-]+\.js)"/.exec(index)[1];
}
