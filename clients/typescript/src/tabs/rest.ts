/**
 * When a page stops to run without being closed: frozen by the browser, or kept in the back-forward cache. It is told a
 * moment before, and again when it runs on. Used by the shared connection.
 */

/** Calls `rest` before the page is frozen or cached and `wake` when it runs again. Returns what ends that. */
export function onRest(rest: () => void, wake: () => void): () => void {
  const { window, document } = globalThis as Partial<typeof globalThis>;
  if (!window || !document) return () => {};
  const stop = new AbortController();
  const options = { signal: stop.signal };
  let rests = false;
  const change = (to: boolean): void => {
    if (rests === to) return;
    rests = to;
    if (to) rest();
    else wake();
  };
  // A page that is left and not kept goes for good; its locks and its socket go with it.
  window.addEventListener("pagehide", (event) => event.persisted && change(true), options);
  window.addEventListener("pageshow", (event) => event.persisted && change(false), options);
  document.addEventListener("freeze", () => change(true), options);
  document.addEventListener("resume", () => change(false), options);
  return () => stop.abort();
}
