/**
 * Three ways in which a tab stops to run without being gone: the browser freezes it and tells it before; its thread stops
 * in mid-sentence and nobody tells it anything; and the whole machine sleeps.
 */
import { readFileSync, readdirSync } from "node:fs";

import { within } from "./wait.mjs";

/** How long a busy machine may take to stop a page, or to let it run on. */
const STOP_MS = 60_000;
/** A word to let it run that is not answered by then is followed by the next one. */
const RUN_MS = 10_000;

/**
 * Freezes a page as a browser does with tabs in the background: it is told, and then it stops. Chromium itself freezes
 * nothing that a test looks at, so the events are ours; that nothing runs between them is real. Returns what thaws it.
 */
export async function freeze(tab) {
  await tab.run(() => document.dispatchEvent(new Event("freeze")));
  const goOn = await stop(tab);
  return async () => {
    await goOn();
    await tab.run(() => document.dispatchEvent(new Event("resume")));
  };
}

/** Stops a page's thread where it is, as a debugger does: no timer, no message, no event. Returns what lets it run on. */
export async function stop(tab) {
  const browser = await tab.page.context().newCDPSession(tab.page);
  await browser.send("Debugger.enable");
  const paused = new Promise((resolve) => browser.once("Debugger.paused", resolve));
  await browser.send("Debugger.pause");
  // It stops at the next statement; a page that nobody wakes has none.
  browser.send("Runtime.evaluate", { expression: "0" }).catch(() => {});
  await within("the page stands still", paused, STOP_MS);
  // The first of these is enough; on a busy machine an answer may stay away, and each of the others lets it run on as well.
  const words = [() => browser.send("Debugger.resume"), () => browser.send("Debugger.disable"), () => browser.detach()];
  return async () => {
    for (const word of words) await within("the page runs on", word(), RUN_MS).catch(() => {});
  };
}

/** A browser's processes, the first one and all that it started. */
function family(pid) {
  const parents = new Map();
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      const parent = Number(readFileSync(`/proc/${name}/stat`, "utf8").replace(/^.*\) \S /s, "").split(" ")[0]);
      parents.set(parent, [...(parents.get(parent) ?? []), Number(name)]);
    } catch {
      // It ended while we looked.
    }
  }
  const all = [pid];
  for (const one of all) all.push(...(parents.get(one) ?? []));
  return all;
}

/** Puts a browser to sleep, as a lid that closes does; returns what wakes it. */
export function sleep(pid) {
  const processes = family(pid);
  for (const each of processes) process.kill(each, "SIGSTOP");
  return () => {
    for (const each of processes) process.kill(each, "SIGCONT");
  };
}
